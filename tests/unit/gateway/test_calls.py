from piswarm.gateway.calls import Calls, Ledger, add_up, read_calls

STATISTICS = """\
# pxname,svname,qcur,scur,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,ttime,
controller,BACKEND,0,1,0,9,0,0,0,3,
function:echo,replica1,0,0,0,5,0,0,0,7,
function:echo,BACKEND,2,5,0,5,1,2,3,7,
function:new,BACKEND,0,0,0,0,0,0,0,,
"""


def calls(**answers):
    return Calls({f"{n}xx": answers.get(f"a{n}xx", 0) for n in range(1, 6)})


def test_haproxys_statistics_are_read():
    read = read_calls(STATISTICS)
    assert read.keys() == {"echo", "new"}
    assert read["echo"] == Calls({"1xx": 0, "2xx": 5, "3xx": 1, "4xx": 2, "5xx": 3}, 3, 2, 7)
    assert read["echo"].answered == 11


def test_a_new_process_adds_to_what_the_old_one_counted():
    ledger = Ledger()
    assert ledger.note("1", {"echo": calls(a2xx=5)})["echo"].answered == 5
    assert ledger.note("1", {"echo": calls(a2xx=7)})["echo"].answered == 7
    assert ledger.note("2", {"echo": calls(a2xx=1, a5xx=1)})["echo"].answers == {
        **calls().answers,
        "2xx": 8,
        "5xx": 1,
    }


def test_a_fresh_ledger_goes_on_where_one_ended():
    ledger = Ledger()
    ledger.note("1", {"echo": calls(a2xx=5)})
    again = Ledger(ledger.closed())
    assert again.note("2", {"echo": calls(a2xx=2)})["echo"].answered == 7


def test_a_function_that_is_gone_is_not_told():
    ledger = Ledger()
    ledger.note("1", {"echo": calls(a2xx=5)})
    assert ledger.note("2", {}) == {}


def test_what_is_told_to_another_gateway_is_read_there():
    one = Calls({"1xx": 0, "2xx": 5, "3xx": 1, "4xx": 2, "5xx": 3}, 3, 2, 7)
    assert Calls.from_json(one.to_json()) == one


def test_shares_are_added_up():
    total = add_up([{"echo": calls(a2xx=1)}, {"echo": calls(a2xx=2, a5xx=1), "other": calls(a3xx=4)}, {}])
    assert total == {"echo": calls(a2xx=3, a5xx=1), "other": calls(a3xx=4)}
