"""Running armhf programs on this machine, for as long as something needs it.

The kernel hands them to QEMU when `binfmt_misc` has a rule for them; with the flag F (as Debian's package
qemu-user-static sets it) the rule holds inside containers too.
Source: https://docs.kernel.org/admin-guide/binfmt-misc.html
"""

from __future__ import annotations

import fcntl
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from piswarm.errors import LabError

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_RULE = Path("/usr/lib/binfmt.d/qemu-arm.conf")
_ENTRY = _BINFMT / "qemu-arm"
_REMOVE = "-1"
_COMMAND_WITHIN_S = 30

# The kernel's rules are for the whole machine: all who use ours share a lock on this file, and whoever is the
# last to end undoes what the file lists.
_IN_USE = Path("/run/piswarm-armhf")
_MOUNTED, _REGISTERED = "mounted", "registered"


def runs_armhf() -> bool:
    """Return whether this machine runs armhf programs, by itself or by emulation."""
    tried = subprocess.run(
        ["arch-test", "armhf"], capture_output=True, timeout=_COMMAND_WITHIN_S, check=False
    )
    return tried.returncode == 0


@contextmanager
def armhf_emulation() -> Iterator[None]:
    """Have armhf programs run inside the block; after its last user the kernel's rules are as they were.

    Raises:
        LabError: QEMU is not installed, or the kernel's rules cannot be changed.
    """
    if runs_armhf() and not _is_ours():
        yield
        return
    if not _RULE.exists():
        raise LabError(
            "This machine cannot emulate armhf.", "Install QEMU: sudo apt install qemu-user-static"
        )
    try:
        in_use = os.fdopen(os.open(_IN_USE, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "a+")
    except OSError as error:
        raise _refused(error) from error
    with in_use:
        try:
            _join(in_use)
            yield
        finally:
            _undo_if_last(in_use)


def _is_ours() -> bool:
    return _IN_USE.exists() and _IN_USE.stat().st_size > 0


def _join(in_use: IO[str]) -> None:
    """Become one of the users; while one of them sets the rules, others wait."""
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        fcntl.flock(in_use, fcntl.LOCK_SH)
    _register(in_use)
    fcntl.flock(in_use, fcntl.LOCK_SH)


def _register(in_use: IO[str]) -> None:
    if runs_armhf():
        return
    try:
        if not (_BINFMT / "register").exists():
            _run("mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT))
            print(_MOUNTED, file=in_use, flush=True)
        if not _ENTRY.exists():
            (_BINFMT / "register").write_text(_RULE.read_text().strip())
            print(_REGISTERED, file=in_use, flush=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise _refused(error) from error
    if not runs_armhf():
        raise LabError(f"armhf programs do not run although {_ENTRY} says so.", "Is qemu-user-static whole?")


def _undo_if_last(in_use: IO[str]) -> None:
    try:
        fcntl.flock(in_use, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    in_use.seek(0)
    done = in_use.read().split()
    if _REGISTERED in done and _ENTRY.exists():
        _ENTRY.write_text(_REMOVE)
    if _MOUNTED in done:
        _run("umount", str(_BINFMT))
    in_use.truncate(0)


def _refused(error: Exception) -> LabError:
    return LabError(
        f"The kernel takes no rule for armhf programs: {error}", "Only root can set one: use sudo."
    )


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=_COMMAND_WITHIN_S)
