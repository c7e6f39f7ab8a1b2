"""Running armhf programs on this machine, for as long as something needs it.

The kernel hands them to QEMU when `binfmt_misc` has a rule for them; with the flag F (as Debian's package
qemu-user-static sets it) the rule holds inside containers too.
Source: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from piswarm.errors import LabError

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_RULE = Path("/usr/lib/binfmt.d/qemu-arm.conf")
_ENTRY = "qemu-arm"
_REMOVE = "-1"
_COMMAND_WITHIN_S = 30


def runs_armhf() -> bool:
    """Return whether this machine runs armhf programs, by itself or by emulation."""
    tried = subprocess.run(
        ["arch-test", "armhf"], capture_output=True, timeout=_COMMAND_WITHIN_S, check=False
    )
    return tried.returncode == 0


@contextmanager
def armhf_emulation() -> Iterator[None]:
    """Have armhf programs run inside the block; afterwards the kernel's rules are as they were.

    Raises:
        LabError: QEMU is not installed, or the kernel's rules cannot be changed.
    """
    if runs_armhf():
        yield
        return
    if not _RULE.exists():
        raise LabError(
            "This machine cannot emulate armhf.", "Install QEMU: sudo apt install qemu-user-static"
        )
    with ExitStack() as undo:
        try:
            _register(undo)
        except (OSError, subprocess.SubprocessError) as error:
            raise LabError(
                f"The kernel takes no rule for armhf programs: {error}", "Only root can set one: use sudo."
            ) from error
        if not runs_armhf():
            raise LabError(f"armhf programs do not run although {_BINFMT / _ENTRY} says so.")
        yield


def _register(undo: ExitStack) -> None:
    if not (_BINFMT / "register").exists():
        _run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
        undo.callback(_run, "umount", str(_BINFMT))
    if not (_BINFMT / _ENTRY).exists():
        (_BINFMT / "register").write_text(_RULE.read_text().strip())
        undo.callback((_BINFMT / _ENTRY).write_text, _REMOVE)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMMAND_WITHIN_S)
