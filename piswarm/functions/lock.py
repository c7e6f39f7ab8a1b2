"""One at a time, whoever starts it and from wherever: a deploy of a function, a build on a node.

The lock is flock(1) on the manager. It is held by a process whose standard input comes from whoever holds it,
so it ends with them: nothing is left behind by a computer that goes away.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from piswarm.cluster.inventory import STATE_DIR
from piswarm.errors import DeployError
from piswarm.functions.spec import check_name

if TYPE_CHECKING:
    from piswarm.cluster.shell import Held, Shell

_PATIENCE_S = 30.0
_HELD, _TAKEN = "held by ", "taken"
_SCRIPT = """
set -eu
mkdir -p "$1"; exec 9>>"$1/$2"
flock --nonblock 9 || { echo "held by $(cat "$1/$2")"; flock --wait "$4" 9; }
printf %s "$3" >"$1/$2"; echo taken
cat >/dev/null
"""


BUILDS = "builds"
"""The lock of whoever builds on a node."""


def deploys_of(function: str) -> str:
    """Return the name of the lock of whoever deploys `function`."""
    check_name(function)
    return f"function.{function}"


def pushes_of(function: str) -> str:
    """Return the name of the lock of whoever follows a push to the repository of `function`."""
    check_name(function)
    return f"push.{function}"


@contextmanager
def exclusive(
    shell: Shell, lock: str, who: str, *, timeout_s: float, on_wait: Callable[[str], None]
) -> Iterator[bool]:
    """Hold a lock during the `with` block.

    Args:
        shell: the node that keeps the lock.
        lock: its name.
        who: is shown to those who wait.
        timeout_s: seconds to wait for others.
        on_wait: is called with the name of the one who holds it at the moment.

    Yields:
        Whether somebody else held it first.

    Raises:
        DeployError: the others did not end in time.
        ConnectError: the node was lost.
    """
    words = ("sh", "-c", _SCRIPT, "lock", f"{STATE_DIR}/lock", lock, who, f"{timeout_s:.0f}")
    with shell.held(shlex.join(words), timeout_s=timeout_s + _PATIENCE_S) as process:
        yield _wait(process, shell.node, timeout_s, on_wait)


def _wait(process: Held, node: str, timeout_s: float, on_wait: Callable[[str], None]) -> bool:
    line, holder = process.read_line(), ""
    if line.startswith(_HELD):
        holder = line.removeprefix(_HELD) or "somebody"
        on_wait(holder)
        line = process.read_line()
    if line == _TAKEN:
        return bool(holder)
    if holder:
        raise DeployError(
            f"{node} is busy for {holder}, who did not end within {timeout_s:.0f} s.", "Try again later."
        )
    reason = " ".join(process.read_errors().split()) or "no answer"
    raise DeployError(f"{node}: the lock could not be taken: {reason}.")
