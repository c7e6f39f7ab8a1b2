"""`piswarm new`: the files that a function starts with."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from piswarm.errors import SpecError
from piswarm.functions.source import commit_new_repository, is_in_repository
from piswarm.functions.spec import check_name, did_you_mean
from piswarm.functions.templates import choose_template, load_templates
from piswarm.settings import STACKS

EXAMPLES: Mapping[str, Path] = {"functest": STACKS / "functest"}
"""The examples that come with piswarm, by the name of their function."""

_STACK_FILE = """\
version: 1.0
provider:
  name: openfaas

functions:
  {name}:
    lang: {lang}
    handler: ./{name}
    image: {name}
"""


@dataclass(frozen=True)
class Created:
    """What was made.

    Attributes:
        files: the new files, relative to the folder.
        is_committed: whether they are committed, in a repository that was made for them.
    """

    files: tuple[str, ...]
    is_committed: bool


def create_function(folder: Path, name: str, lang: str = "python3", *, example: bool = False) -> Created:
    """Write `<name>.yml` and the folder `<name>` with a first handler.

    In an empty folder, a git repository is made and the files are committed, because what is deployed is a
    commit. Anywhere else, committing is left to the user.

    Args:
        folder: where.
        name: the function's name.
        lang: its language.
        example: start from the example of this name instead.

    Raises:
        SpecError: the name, the language or the example cannot be, or the files are there already.
    """
    check_name(name)
    stack_file, source = folder / f"{name}.yml", folder / name
    for path in (stack_file, source):
        if path.exists():
            raise SpecError(f"{path} exists already.", "Choose another name, or change what is there.")
    is_alone = not is_in_repository(folder) and not any(folder.iterdir())
    if example:
        shutil.copytree(
            _example(name), folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )
    else:
        template = choose_template(load_templates(), lang)
        source.mkdir(parents=True)
        for file, content in template.skeleton().items():
            (source / file).write_text(content)
        stack_file.write_text(_STACK_FILE.format(name=name, lang=template.name))
    files = [stack_file, *sorted(path for path in source.rglob("*") if path.is_file())]
    names = tuple(str(path.relative_to(folder)) for path in files)
    if is_alone:
        commit_new_repository(folder, names, f"Start {name}")
    return Created(names, is_alone)


def _example(name: str) -> Path:
    if name not in EXAMPLES:
        raise SpecError(
            f"There is no example '{name}'{did_you_mean(name, EXAMPLES)}.",
            f"There are: {', '.join(EXAMPLES)}.",
        )
    return EXAMPLES[name]
