import pytest

from piswarm.cluster.observe import parse_choice
from piswarm.errors import UsageError


@pytest.mark.parametrize(
    ("answer", "indices"),
    [("1", [0]), ("1,3", [0, 2]), ("2-4", [1, 2, 3]), ("1, 3-4", [0, 2, 3]), ("1 1,1-2", [0, 1]), ("", [])],
)
def test_which_nodes_an_answer_names(answer, indices):
    assert parse_choice(answer, 4) == indices


@pytest.mark.parametrize("answer", ["0", "5", "1-5", "3-2", "all", "-1", "1.5"])
def test_an_answer_that_names_no_node_is_refused(answer):
    with pytest.raises(UsageError, match="not among the numbers 1 to 4"):
        parse_choice(answer, 4)
