"""The languages that functions are written in: a Dockerfile and a skeleton for each, in `stacks/templates`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from piswarm.errors import SpecError
from piswarm.functions.spec import did_you_mean
from piswarm.settings import STACKS


@dataclass(frozen=True)
class Template:
    """A language.

    Attributes:
        name: its name.
        aliases: other names, of the old world.
        image: the cluster's image that functions in it start from.
        starts_from: the image that `image` is made from where the language brings its own; empty otherwise.
        handler: the file that must be in the function's folder.
        directory: the folder of the template.
    """

    name: str
    aliases: tuple[str, ...]
    image: str
    starts_from: str
    handler: str
    directory: Path

    @property
    def dockerfile(self) -> str:
        """Return the Dockerfile that builds a function from its folder; empty where the folder has its own."""
        file = self.directory / "Dockerfile"
        return file.read_text() if file.is_file() else ""

    def image_files(self) -> Mapping[str, bytes]:
        """Return the files that the language's own image is made from, by name."""
        folder = self.directory / "image"
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}

    def skeleton(self) -> Mapping[str, str]:
        """Return the files that a new function starts with, by name."""
        folder = self.directory / "skeleton"
        return {path.name: path.read_text() for path in sorted(folder.iterdir()) if path.is_file()}


def load_templates(directory: Path = STACKS / "templates") -> dict[str, Template]:
    """Return the languages by each of their names."""
    templates: dict[str, Template] = {}
    for file in sorted(directory.glob("*/template.yml")):
        document = yaml.safe_load(file.read_text())
        template = Template(
            name=file.parent.name,
            aliases=tuple(document["aliases"]),
            image=document["image"],
            starts_from=document.get("starts_from", ""),
            handler=document["handler"],
            directory=file.parent,
        )
        for name in (template.name, *template.aliases):
            templates[name] = template
    return templates


def choose_template(templates: Mapping[str, Template], lang: str) -> Template:
    """Return the language called `lang`.

    Raises:
        SpecError: there is none.
    """
    if lang not in templates:
        names = sorted({template.name for template in templates.values()})
        raise SpecError(
            f"There is no language '{lang}'{did_you_mean(lang, templates)}.",
            f"There are: {', '.join(names)}.",
        )
    return templates[lang]
