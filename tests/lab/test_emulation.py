"""Emulation is for the whole machine: it ends with its last user, whoever began it."""

import multiprocessing
import threading
from pathlib import Path

import pytest

from piswarm.lab.emulation import armhf_emulation, runs_armhf

pytestmark = pytest.mark.lab

RULE = Path("/proc/sys/fs/binfmt_misc/qemu-arm")
WITHIN_S = 30
USERS = 4


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


def test_many_may_begin_at_the_same_time():
    before = RULE.exists(), runs_armhf()
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(USERS)
    users = [context.Process(target=use, args=(together,)) for _ in range(USERS)]
    for user in users:
        user.start()
    for user in users:
        user.join(WITHIN_S)
    assert [user.exitcode for user in users] == [0] * USERS
    assert (RULE.exists(), runs_armhf()) == before


def use(together):
    together.wait(WITHIN_S)
    with armhf_emulation():
        assert runs_armhf()
