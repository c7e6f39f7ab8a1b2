"""The tutorial's commands, run as they stand there; what they say must be what stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.laboratory import DEPLOY_WITHIN_S, ROOT, Workplace

pytestmark = pytest.mark.lab

TUTORIAL = ROOT / "docs" / "tutorial.md"
DIFFERS_EACH_TIME = (
    (r"\(\d+\.\d s\)", "(TIME)"),
    (r"\b[0-9a-f]{12}\b", "COMMIT"),
    (r"\d{4}-\d\d-\d\dT[0-9:+]+", "MOMENT"),
    (r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS"),
    (r"\b[\w.-]+@[\w.-]+", "SOMEBODY"),
    (r" +", " "),
)


@dataclass(frozen=True)
class Example:
    """A command of the tutorial and what it is to say."""

    line: int
    command: str
    expected: tuple[str, ...]


def examples(text: str) -> list[Example]:
    found, is_inside = [], False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            is_inside = line == "```console"
        elif is_inside and line.startswith("$ "):
            found.append(Example(number, line[2:], ()))
        elif is_inside and line.startswith(">"):
            last = found[-1]
            found[-1] = Example(last.line, f"{last.command}\n{line.removeprefix('>').removeprefix(' ')}", ())
        elif is_inside:
            last = found[-1]
            found[-1] = Example(last.line, last.command, (*last.expected, line))
    return found


def agrees(said: list[str], expected: list[str]) -> bool:
    """Return whether lines agree; `...` stands for any number of them."""
    if not expected:
        return not said
    if expected[0] == "...":
        return any(agrees(said[skipped:], expected[1:]) for skipped in range(len(said) + 1))
    return bool(said) and comparable(said[0]) == comparable(expected[0]) and agrees(said[1:], expected[1:])


def comparable(line: str) -> str:
    for pattern, name in DIFFERS_EACH_TIME:
        line = re.sub(pattern, name, line)
    return line.rstrip()


def test_the_tutorial_tells_the_truth(cluster: Workplace, tmp_path: Path):
    programs, folder = tmp_path / "bin", tmp_path / "functions"
    programs.mkdir()
    folder.mkdir()
    (programs / "piswarm").write_text(f'#!/bin/sh\nexec {sys.executable} -m piswarm "$@"\n')
    (programs / "piswarm").chmod(0o755)
    identity = {f"GIT_{who}_{what}": "Ada" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = cluster.environment | identity | {"PATH": f"{programs}:{os.environ['PATH']}"}
    commands = examples(TUTORIAL.read_text())
    assert len(commands) > 20
    for example in commands:
        ran = subprocess.run(
            ["bash", "-c", f"exec 2>&1\n{example.command}"],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEPLOY_WITHIN_S,
            check=False,
        )
        said = ran.stdout.splitlines()
        where = f"{TUTORIAL.name} line {example.line}: {example.command}"
        assert agrees(said, list(example.expected)), f"{where}\nsays:\n{ran.stdout}"
