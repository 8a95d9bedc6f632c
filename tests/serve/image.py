"""The Dockerfile as records, and what a build of it would see."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import reduce
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BASE_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"  # what PATH is in the base


class Instruction(NamedTuple):
    """One line of the Dockerfile, joined."""

    word: str
    rest: str


@dataclass
class Stage:
    """What one FROM begins."""

    base: str
    instructions: list[Instruction] = field(default_factory=list)

    def of(self, word: str) -> list[str]:
        return [one.rest for one in self.instructions if one.word == word]

    @property
    def env(self) -> dict[str, str]:
        pairs = (pair.partition("=") for rest in self.of("ENV") for pair in shlex.split(rest))
        return {name: value.replace("$PATH", BASE_PATH) for name, _, value in pairs}

    @property
    def copied(self) -> list[str]:
        """Sources that come from the build's folder."""
        return [source for rest in self.of("COPY") if not rest.startswith("--from") for source in rest.split()[:-1]]

    @property
    def health_command(self) -> list[str]:
        (rest,) = self.of("HEALTHCHECK")
        return list(json.loads(rest.partition("CMD ")[2]))

    @property
    def start_command(self) -> list[str]:
        return [word for name in ("ENTRYPOINT", "CMD") for word in json.loads(self.of(name)[-1])]


def stages() -> list[Stage]:
    """Of the Dockerfile, with the values of its ARGs filled in."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    found: list[Stage] = []
    values: dict[str, str] = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        filled = reduce(lambda so_far, one: so_far.replace(f"${{{one[0]}}}", one[1]), values.items(), line)
        word, rest = filled.split(maxsplit=1)
        if word == "ARG" and not found:
            values |= dict([rest.split("=", 1)])
        elif word == "FROM":
            found.append(Stage(rest.split()[0]))
        else:
            found[-1].instructions.append(Instruction(word, rest.strip()))
    return found


def is_sent(path: str) -> bool:
    """Whether a build gets the file: the last line of .dockerignore that fits it or a folder of it counts."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    sent = True
    for line in (line.strip() for line in lines if line.strip() and not line.startswith("#")):
        pattern = line.removeprefix("!").rstrip("/")
        if any(_fits(part, pattern) for part in _with_parents(path)):
            sent = line.startswith("!")
    return sent


def _with_parents(path: str) -> list[str]:
    return [path, *(str(parent) for parent in Path(path).parents if str(parent) != ".")]


def _fits(path: str, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatchcase(Path(path).name, pattern.removeprefix("**/"))
    return path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)
