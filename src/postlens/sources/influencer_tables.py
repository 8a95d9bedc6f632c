"""The two tables of the influencer layout to records: who the accounts are, and which files each post has.

The layout is that of the Instagram Influencer Dataset (Kim, Jiang, Nakada, Han and Wang: Multimodal Post Attentive
Profiling for Influencer Marketing, WWW 2020). The published tables vary, so headers, separator lines, byte order marks,
spaces, case and the quoting of image lists are read as they come.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from postlens.errors import PostlensError, RowError, SourceNotFoundError, TableError
from postlens.media.probe import StrPath, display_name
from postlens.sources.cell_numbers import parse_count
from postlens.sources.columns import normalise
from postlens.sources.protocol import clean_handle, failure
from postlens.types import NICHES, Failure

INFLUENCERS_HEADER: Final = ("Username", "Category", "#Followers", "#Followees", "#Posts")
MAPPING_HEADER: Final = ("influencer_name", "JSON_PostMetadata_file_name", "Image_file_name")
_HEADER_LINES: Final = 3  # a header stands among the first lines; further down "username" would be an account
_HEADS: Final = frozenset({"username", "influencername", "influencer"})
_ODD: Final = re.compile(r"[/\\\0]|^\.\.$")  # what only few names have
_UPWARDS: Final = re.compile(r"(^|[/\\])\.\.([/\\]|$)")
_RULE: Final = re.compile(r"[=\-+|\s]+")  # a line that only separates
_SHOWN_CHARS: Final = 60  # of what could not be read
# One entry of a list of names: quoted in either way, or bare.
_ONE_NAME: Final = re.compile(r"\['([^'\\]+)'\]")  # most rows, and quick
_NAME: Final = re.compile(
    r"""\s*u?(?:'(?P<one>(?:[^'\\]|\\.)*)'|"(?P<two>(?:[^"\\]|\\.)*)"|(?P<bare>[^,;'"\[\]]+?))\s*(?:[,;]|$)"""
)


@dataclass(frozen=True, slots=True)
class Tables:
    """Where the two tables of a dataset are."""

    influencers: Path
    mapping: Path

    @property
    def folder(self) -> Path:
        """The dataset's folder, in which image/ lies too."""
        return self.influencers.parent


FULL: Final = ("influencers.txt", "JSON-Image_files_mapping.txt")
SMALL: Final = ("smallInfluencers.txt", "smallMappings.txt")  # of a subset


@dataclass(frozen=True, slots=True)
class Influencer:
    """A row of influencers.txt. Numbers are None where the cell is empty or cannot be read."""

    username: str
    category: str | None  # one of NICHES; None where the table names another one
    followers: int | None = None
    followees: int | None = None
    posts: int | None = None
    written: str = field(default="", compare=False)  # the category as the table has it


@dataclass(frozen=True, slots=True)
class MappedPost:
    """A row of the mapping: the files of one post, by the names that the table gives them."""

    username: str
    metadata: str | None  # file name; None where the cell is empty
    images: tuple[str, ...]  # file names in the order of the post, at least one
    row: int  # number of the line, from 1


class MappingRow(NamedTuple):
    """A row of the mapping with its image list unread, which is most of the work."""

    username: str
    metadata: str
    images: str
    row: int


def find_tables(folder: StrPath, *, full: bool = False) -> Tables:
    """The tables of a dataset: `smallInfluencers.txt` and `smallMappings.txt`, else the full pair.

    Args:
        folder: the dataset's folder, or one of its two influencers tables to say which pair is meant.
        full: whether the full pair is taken where both are there.

    Raises:
        SourceNotFoundError: there is no such folder or file.
        TableError: neither pair is whole.
    """
    path = Path(folder)
    if not path.exists():
        raise SourceNotFoundError(f"{display_name(folder)}: there is no such folder; check the path")
    pairs: tuple[tuple[str, str], ...] = (FULL, SMALL) if full else (SMALL, FULL)
    if path.is_file():
        pairs = tuple(pair for pair in pairs if path.name.casefold() == pair[0].casefold())
        path = path.parent
    for pair in pairs:
        influencers, mapping = (_existing(path, name) for name in pair)
        if influencers and mapping:
            return Tables(influencers, mapping)
    raise TableError(
        f"{display_name(folder)}: expected {' and '.join(FULL)}, or {' and '.join(SMALL)}, in the folder; "
        "name the folder that holds both"
    )


def _existing(folder: Path, name: str) -> Path | None:
    """The table of this name, as published or in lower case."""
    return next((place for place in (folder / name, folder / name.lower()) if place.is_file()), None)


def read_influencers(folder: StrPath) -> Iterator[Influencer | Failure]:
    """The accounts of a dataset, in the order of the table, one by one.

    A row is kept wherever it can be: an unknown category or a number that cannot be read becomes None and a failure
    beside the record. A row without username and category, and a second row of the same account, is a failure only.
    Usernames come without spaces and @, and are told apart without case.

    Args:
        folder: as for `find_tables`.

    Raises:
        TableError: no such tables in the folder.
        SourceNotFoundError: the table cannot be opened.
    """
    yield from influencers_of(find_tables(folder))


def read_mapping(folder: StrPath) -> Iterator[MappedPost | Failure]:
    """The posts of a dataset, in the order of the table, one by one: memory does not grow with the table.

    A row that cannot be read, names no image, or names a file outside the dataset's folder, is a failure. Whether files
    are there, and whether the account is known, is not looked at: `located_posts` in `sources.instagram` does.

    Args:
        folder: as for `find_tables`.

    Raises:
        TableError: no such tables in the folder.
        SourceNotFoundError: the table cannot be opened.
    """
    tables = find_tables(folder)
    for row in mapping_rows(tables):
        if isinstance(row, Failure):
            yield row
            continue
        try:
            yield parse_post(row)
        except ValueError as error:
            yield row_failure(tables.mapping, row.row, str(error))


def influencers_of(tables: Tables) -> Iterator[Influencer | Failure]:
    """As `read_influencers`, of tables that were found before."""
    seen: set[str] = set()
    for number, line in _lines(tables.influencers):
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        username = clean_handle(cells[0])
        if len(cells) < 2 or not _is_plain(username) or not cells[1]:
            yield row_failure(
                tables.influencers, number, f"expected {', '.join(INFLUENCERS_HEADER)}, got {_shown(line)}"
            )
        elif username.casefold() in seen:
            yield row_failure(tables.influencers, number, f"{username!r} stands there twice; the first row is taken")
        else:
            seen.add(username.casefold())
            problems: list[str] = []
            yield _influencer(username, cells, problems)
            yield from (row_failure(tables.influencers, number, f"{username}: {text}") for text in problems)


def _influencer(username: str, cells: list[str], problems: list[str]) -> Influencer:
    """The record; what could not be read of it goes to `problems`."""
    counts = [_count(cell, name, problems) for cell, name in zip(cells[2:5], INFLUENCERS_HEADER[2:], strict=False)]
    followers, followees, posts = [*counts, None, None, None][:3]
    return Influencer(username, _category(cells[1], problems), followers, followees, posts, cells[1])


def _category(cell: str, problems: list[str]) -> str | None:
    category = cell.casefold()
    if category in NICHES:
        return category
    near = difflib.get_close_matches(category, NICHES, n=1)
    hint = f" (perhaps {near[0]!r})" if near else ""
    problems.append(
        f"expected a category out of {', '.join(NICHES)}, got {_shown(cell)}{hint}; "
        "correct it (the account is kept without a label)"
    )
    return None


def _count(cell: str, name: str, problems: list[str]) -> int | None:
    try:
        number = parse_count(cell, whole=True)
    except ValueError as error:
        problems.append(f"{name}: {error}, got {_shown(cell)}; correct it (the account is kept without it)")
        return None
    return None if number is None else int(number)


def mapping_rows(
    tables: Tables, *, progress: Callable[[int, int], None] | None = None
) -> Iterator[MappingRow | Failure]:
    """The rows of the mapping, image lists unread.

    Args:
        progress: called with (bytes read, bytes of the table) every 10,000 lines and at the end.

    Raises:
        SourceNotFoundError: the table cannot be opened.
    """
    for number, line in _lines(tables.mapping, progress):
        cells = line.split("\t", 2) if line.count("\t") > 1 else line.split(None, 2)
        username = clean_handle(cells[0])
        if len(cells) < 3 or not _is_plain(username):
            yield row_failure(tables.mapping, number, f"expected {', '.join(MAPPING_HEADER)}, got {_shown(line)}")
        else:
            yield MappingRow(username, cells[1].strip(), cells[2], number)


def parse_post(row: MappingRow) -> MappedPost:
    """A row with its image list read.

    Raises:
        ValueError: the list cannot be read or is empty, or a name leads out of the dataset's folder.
    """
    images = tuple(_names(row.images))
    if not images:
        raise ValueError(f"expected a list of image files such as ['a.jpg'], got {_shown(row.images)}")
    for name in (row.metadata, *images):
        if not _is_inside(name):
            raise ValueError(f"expected names of files within the dataset's folder, got {_shown(name)}")
    return MappedPost(row.username, row.metadata or None, images, row.row)


def _names(cell: str) -> Iterator[str]:
    """The names in a Python-style list, a bare list or a single name; empty ones are left out."""
    text = cell.strip()
    if (match := _ONE_NAME.fullmatch(text)) is not None:
        yield match[1]
        return
    if text.startswith('"[') and text.endswith(']"'):  # a CSV writer's quoting around the list
        text = text[1:-1].replace('""', '"')
    if text.startswith("[") != text.endswith("]"):
        raise ValueError(f"expected a whole list of image files such as ['a.jpg'], got {_shown(cell)}")
    inner, position = text.removeprefix("[").removesuffix("]").rstrip(" ,;"), 0
    while position < len(inner):
        match = _NAME.match(inner, position)
        if match is None:
            raise ValueError(f"expected a list of image files such as ['a.jpg'], got {_shown(cell)}")
        position = match.end()
        name = next(text for text in match.groups() if text is not None)
        if name.strip():
            yield name.strip() if match["bare"] else re.sub(r"\\(['\"\\])", r"\1", name)


def _is_inside(name: str) -> bool:
    """Whether a name from the table stays within the folder; it is read and, by a subset, copied."""
    return not _ODD.search(name) or (name[:1] not in ("/", "\\") and "\0" not in name and not _UPWARDS.search(name))


def _is_plain(username: str) -> bool:
    """Whether a username can be part of a file's name."""
    return username.strip(".") != "" and not _ODD.search(username)


def _lines(path: Path, progress: Callable[[int, int], None] | None = None) -> Iterator[tuple[int, str]]:
    """Numbered lines of a table without header, rules and empty lines; bytes that are no UTF-8 as surrogates."""
    n_read = 0
    try:
        n_bytes = path.stat().st_size
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                n_read += len(raw)
                if progress is not None and number % 10_000 == 0:
                    progress(n_read, n_bytes)
                line = raw.decode("utf-8", "surrogateescape").strip("\ufeff\r\n")
                if _RULE.fullmatch(line) or (number <= _HEADER_LINES and _is_header(line)) or not line:
                    continue
                yield number, line
    except OSError as error:
        name = display_name(path)
        raise SourceNotFoundError(f"{name}: cannot be read ({error.strerror}); check its permissions") from error
    if progress is not None:
        progress(n_read, n_bytes)


def _is_header(line: str) -> bool:
    return normalise(re.split(r"[\t ,]+", line.strip())[0]) in _HEADS


def row_failure(path: Path, row: int, text: str, *, error: type[PostlensError] = RowError) -> Failure:
    """A failure about one row of a table."""
    origin = f"{display_name(path)}, row {row}"
    return failure(origin, error(f"{origin}: {display_name(text)}"))


def stranger(tables: Tables, username: str, row: int) -> Failure:
    """The failure of an account that only the mapping names."""
    text = (
        f"expected an account out of {tables.influencers.name}, got {username!r}; "
        "add it there (all its posts are left out)"
    )
    return row_failure(tables.mapping, row, text)


def _shown(text: Any) -> str:
    return repr(str(text).strip()[:_SHOWN_CHARS])
