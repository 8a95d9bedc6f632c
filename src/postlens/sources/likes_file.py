"""Lines `1: 27` of a likes list to counts by number of the photo, and what is wrong with each line in words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from postlens.errors import TableError
from postlens.media.probe import display_name
from postlens.sources.cell_numbers import parse_count
from postlens.sources.cells import is_absent
from postlens.sources.sheets import text_encoding

# Lines of some 10 bytes for three million photos. Higher: a file that is none would fill the memory; lower: a list of
# millions is refused.
MAX_BYTES: Final = 32 << 20
_LINE: Final = re.compile(r"([0-9]{1,9})(?:\.[A-Za-z0-9]{2,5})?\s*:(.*)", re.DOTALL)
_SHOWN_CHARS: Final = 40  # of a line that could not be read


@dataclass(frozen=True, slots=True)
class LikesLine:
    """One line that names a photo."""

    line: int  # from 1, as an editor counts
    number: int  # of the photo
    likes: float | None  # None: hidden, or not to be read


@dataclass(frozen=True, slots=True)
class LineProblem:
    """What is wrong with one line, and what becomes of it."""

    line: int
    message: str


def read_likes_file(path: Path) -> list[LikesLine | LineProblem]:
    """The lines of a likes list in UTF-8 (with or without a mark), UTF-16 with a mark, or Windows-1252.

    Raises:
        TableError: the file cannot be read, or is larger than `MAX_BYTES`.
    """
    name = display_name(path)
    if not path.is_file():  # opening a pipe would wait for ever
        raise TableError(f"{name}: expected a file, got none; check the path")
    try:
        if (size := path.stat().st_size) > MAX_BYTES:
            raise TableError(
                f"{name}: expected a likes list of at most {MAX_BYTES >> 20} MiB, got {size >> 20} MiB; "
                "name a folder of photos whose list has a line for each"
            )
        with path.open(encoding=text_encoding(str(path))) as file:
            return list(parse_likes(file))
    except (OSError, UnicodeError) as error:
        raise TableError(f"{name}: the likes list cannot be read ({error}); save it again as UTF-8") from error


def parse_likes(lines: Iterable[str]) -> Iterator[LikesLine | LineProblem]:
    """Numbers with their likes, then what is wrong, each in the order of the lines; never raises.

    A line is `number: count`, where the number may carry the file's ending (`1.jpg: 27`) and the count is written as in
    tables (`1,234` or `1.2K`). What follows `#` is a comment; empty lines are left out. A count that is hidden (`-`,
    empty), negative, no number or a fraction gives the number without likes, and a problem. Of several lines of one
    number the last with likes counts, as of the rows of a table, and each is told.
    """
    known: dict[int, LikesLine] = {}
    problems: list[LineProblem] = []
    for at, text in enumerate(lines, 1):
        plain = text.lstrip("\ufeff").partition("#")[0].strip()
        match = _LINE.fullmatch(plain)
        if match is not None:
            problems += _add(known, at, int(match[1]), match[2].strip())
        elif plain:
            problems.append(
                LineProblem(at, f"expected `number: likes` such as `1: 27`, got {_shown(plain)}; the line is left out")
            )
    yield from sorted(known.values(), key=lambda line: line.line)
    yield from problems


def _add(known: dict[int, LikesLine], at: int, number: int, text: str) -> Iterator[LineProblem]:
    """Put the line among the known ones, and tell what is wrong with it."""
    likes, problem = _likes(text)
    before = known.get(number)
    if before is None or likes is not None:
        known[number] = LikesLine(at, number, likes)
    if before is not None:
        which = "the last" if likes is not None else "the first"
        yield LineProblem(at, f"photo {number} has a line already (line {before.line}); {which} counts")
    if problem is not None:
        kept = "stay unknown" if before is None or before.likes is None else f"stay those of line {before.line}"
        yield LineProblem(at, f"{problem}; the likes of photo {number} {kept}")


def _likes(text: str) -> tuple[float | None, str | None]:
    """The count, or None and why."""
    if is_absent(text):
        return None, f"expected a number of likes, got {_shown(text)}, which stands for hidden"
    try:
        likes = parse_count(text, whole=True)
    except ValueError as error:
        return None, f"{error}, got {_shown(text)}"
    if likes is None:
        return None, f"expected a number of likes of 0 or more, got {_shown(text)}"
    return likes, None


def _shown(text: str) -> str:
    return repr(text[:_SHOWN_CHARS]) if text else "nothing"
