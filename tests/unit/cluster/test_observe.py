import pytest

from piswarm.cluster.observe import MEMBER, parse_choice, usual_nodes
from piswarm.cluster.sighting import Sighting
from piswarm.errors import UsageError


@pytest.mark.parametrize(
    ("answer", "indices"),
    [("1", [0]), ("1,3", [0, 2]), ("2-4", [1, 2, 3]), ("1, 3-4", [0, 2, 3]), ("1 1,1-2", [0, 1]), ("", [])],
)
def test_which_nodes_an_answer_names(answer, indices):
    assert parse_choice(answer, 4) == indices


@pytest.mark.parametrize("answer", ["0", "5", "1-5", "3-2", "all", "-1", "1-", "²", "1.5"])
def test_an_answer_that_names_no_node_is_refused(answer):
    with pytest.raises(UsageError, match="not among the numbers 1 to 4"):
        parse_choice(answer, 4)


@pytest.mark.parametrize(
    ("sighting", "takes_part"),
    [
        (Sighting("pi1", ("10.0.0.1",), mac="2c:cf:67:00:00:01"), True),
        (Sighting("pi1", ("10.0.0.1",), mac="2c:cf:67:00:00:01", cluster="home"), True),
        (Sighting("pi1", ("10.0.0.1",), mac="2c:cf:67:00:00:01", cluster="attic"), False),
        (Sighting("nuc", ("10.0.0.1",), seen_by=("_workstation._tcp",)), False),
        (Sighting("nuc", ("10.0.0.1",), cluster="home"), True),
        (Sighting("nuc", ("10.0.0.1",), seen_by=(MEMBER,), cluster="home"), True),
    ],
)
def test_who_takes_part_if_nobody_says_otherwise(sighting, takes_part):
    assert (sighting in usual_nodes([sighting], "home")) == takes_part
