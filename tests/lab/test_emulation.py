"""Emulation is for the whole machine: it ends with its last user, whoever began it."""

import threading
from pathlib import Path

import pytest

from piswarm.lab.emulation import armhf_emulation, runs_armhf

pytestmark = pytest.mark.lab

RULE = Path("/proc/sys/fs/binfmt_misc/qemu-arm")
WITHIN_S = 30


def test_it_ends_with_its_last_user():
    before = RULE.exists(), runs_armhf()
    first_may_end, first_ended = threading.Event(), threading.Event()
    begun = threading.Event()

    def first() -> None:
        with armhf_emulation():
            begun.set()
            first_may_end.wait(WITHIN_S)
        first_ended.set()

    threading.Thread(target=first).start()
    assert begun.wait(WITHIN_S)
    with armhf_emulation():
        first_may_end.set()
        assert first_ended.wait(WITHIN_S)
        assert runs_armhf()
    assert (RULE.exists(), runs_armhf()) == before
