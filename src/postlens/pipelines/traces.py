"""What is left of a person: rows in every table and hits in every output file, counted without the code that deletes.

Tombstones are left out: they hold a hash of the id, and places of faces by the sha256 of their media. So are names
where they also stand in captions, handles or file names: there they are the posts', and stay.
"""

from __future__ import annotations

import base64
import html
import io
import json
import re
import zipfile
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from postlens.pipelines.folder import LOG, STATE
from postlens.pipelines.outputs import OUTPUTS
from postlens.store import Store
from postlens.store.decisions import texts_in
from postlens.store.forget import Counts
from postlens.store.person_traces import PersonTraces
from postlens.store.schema import creators, decisions, files, metadata, persons, post_media, posts, readings
from postlens.types import ATTRIBUTES, EMOTIONS, METRICS, NICHES

TOMBSTONES = ("tombstones", "forgotten_faces")
TEMPLATES = Path(__file__).parent / "templates"
TRACK_ID = re.compile(r"[0-9a-f]{64}:\d+")
IN_HTML = re.compile(r"base64,([A-Za-z0-9+/=]+)")
# Bytes of a picture or vector that are looked for in a database's file. Of at most so many vectors, looks and pictures,
# as each is a pass over the file.
PIECE_BYTES, MOST_PIECES = 40, 32
JPEG, START_OF_SCAN = b"\xff\xd8", b"\xff\xda"
PART_BYTES = 64 << 20  # of a database's file, held at once
ROWS = 1_000  # of a table, held at once
LEAST_NAME_BYTES = 6  # of a name that is looked for in it: a shorter one may be there by chance


@dataclass(frozen=True, slots=True)
class _Marks:
    """What is looked for."""

    ids: frozenset[str]
    names: frozenset[str]  # those that stand nowhere else
    track_ids: frozenset[str]
    face_ids: frozenset[str]
    given: frozenset[str]
    blobs: frozenset[bytes]
    pictures: frozenset[str]  # base64
    pieces: frozenset[bytes]  # of some of the blobs


def find_traces(store: Store, folders: Iterable[Path], person: PersonTraces) -> Counts:
    """Rows that refer to a person by table, and hits by file: in the outputs, and in the database's own files.

    `person` is what `read_person_traces` gave while it was known. All values are 0 when nothing is left.
    """
    with store.read() as conn:
        marks = _marks(conn, person)
        found = {f"table {table.name}": _count_rows(conn, table, marks) for table in metadata.sorted_tables}
    found = {name: n for name, n in found.items() if name.removeprefix("table ") not in TOMBSTONES}
    for folder in folders:
        for path in (folder / name for name in (*OUTPUTS, STATE, LOG)):
            if path.is_file():
                found[str(path)] = _count_file(path, marks)
    for path in _database_files(store):
        found[str(path)] = _count_bytes(path, marks)
    return found


def _marks(conn: Connection, person: PersonTraces) -> _Marks:
    names = set(person.names)
    for text in chain(_own_words(), _other_words(conn, person)):
        names -= {name for name in names if name in text}
    return _Marks(
        ids=person.ids,
        names=frozenset(names),
        track_ids=person.track_ids,
        face_ids=person.face_ids,
        given=person.given - _in_posts(conn),
        blobs=person.pictures | person.vectors | person.looks,
        pictures=frozenset(base64.b64encode(picture).decode() for picture in person.pictures),
        pieces=frozenset(
            telling_piece(blob)
            for blobs in (person.vectors, person.looks, person.pictures)
            for blob in sorted(blobs)[:MOST_PIECES]
        ),
    )


def telling_piece(blob: bytes) -> bytes:
    """The stretch of a vector, or of a JPEG's scan, with the most different bytes, the first of equals.

    All JPEGs have the same tables before the scan and repeat a few bytes over flat parts, and half of a look's numbers
    are 0: others hold such stretches too.
    """
    scan = max(0, blob.find(START_OF_SCAN)) if blob.startswith(JPEG) else 0
    starts = range(scan, max(scan + 1, len(blob) - PIECE_BYTES + 1), PIECE_BYTES // 2)
    return max((blob[start : start + PIECE_BYTES] for start in starts), key=lambda piece: len(set(piece)))


def _own_words() -> Iterator[str]:
    """Texts that the outputs hold of themselves: a person may be called May, or Views."""
    yield from (path.read_text(encoding="utf-8") for path in sorted(TEMPLATES.iterdir()) if path.is_file())
    yield from (*NICHES, *EMOTIONS, *ATTRIBUTES, *METRICS, "people", "posts", "name", "media")


def _in_posts(conn: Connection) -> set[str]:
    return {sha256 for sha256 in conn.execute(select(post_media.c.sha256)).scalars() if sha256}


def _other_words(conn: Connection, person: PersonTraces) -> Iterator[str]:
    """Texts of posts and creators, and names of other persons."""
    columns = (
        (creators, ("creator_id", "display_name")),
        (posts, ("post_id", "caption", "alt_text", "label", "origin")),
        (post_media, ("path", "url")),
    )
    for table, names in columns:
        for row in _rows(conn, select(*(table.c[name] for name in names))):
            yield from (text for text in row if text)
    yield from (row.path for row in _rows(conn, select(files)) if row.sha256 not in person.given)
    others = select(persons.c.name).where(persons.c.person_id != person.person_id, persons.c.name.is_not(None))
    yield from conn.execute(others).scalars()


# --- tables ----------------------------------------------------------------------------------------------------------


def _count_rows(conn: Connection, table: Any, marks: _Marks) -> int:
    rows = (row._mapping for row in _rows(conn, select(table)))
    if table is readings:
        return sum(1 for row in rows if _is_read_from(row["sha256"], row["number"], marks))
    return sum(1 for row in rows if any(_tells(table.name, name, value, marks) for name, value in row.items()))


def _is_read_from(sha256: str, number: int, marks: _Marks) -> bool:
    """Whether a reading is of a face of the person, or of a photo that was given for the person."""
    return f"{sha256}:{number}" in marks.face_ids or sha256 in marks.given


def _rows(conn: Connection, statement: Select[Any]) -> Iterable[Row[Any]]:
    """All rows, some at a time: a server would send them all at once."""
    return conn.execute(statement, execution_options={"yield_per": ROWS})


def _tells(table: str, column: str, value: Any, marks: _Marks) -> bool:
    """Whether a cell is about the person."""
    if isinstance(value, bytes | memoryview):
        return bytes(value) in marks.blobs
    if column == "face_id":
        return value in marks.face_ids
    texts = texts_in(value)
    if not texts.isdisjoint(marks.ids) or not texts.isdisjoint(marks.track_ids):
        return True
    if table in (persons.name, decisions.name):
        return not texts.isdisjoint(marks.names)
    return not texts.isdisjoint(marks.given)


# --- files -----------------------------------------------------------------------------------------------------------


def _count_file(path: Path, marks: _Marks) -> int:
    data = path.read_bytes()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            return sum(_count_part(book.read(name), marks) for name in book.namelist())
    if path.suffix == ".parquet":
        return _count_parquet(data, marks)
    return _count_part(data, marks)


def _count_part(data: bytes, marks: _Marks) -> int:
    """Hits in a picture or a text."""
    return 1 if data in marks.blobs else _count_text(data.decode("utf-8", "replace"), marks)


def _count_text(text: str, marks: _Marks) -> int:
    n_hits = sum(text.count(one) for one in marks.ids)
    n_hits += sum(1 for found in TRACK_ID.finditer(text) if found.group() in marks.track_ids)
    n_hits += sum(1 for found in IN_HTML.finditer(text) if found.group(1) in marks.pictures)
    spellings = {spelling for name in marks.names for spelling in (name, html.escape(name), json.dumps(name)[1:-1])}
    words = IN_HTML.sub("", text)  # a picture in base64 may hold any short name
    n_hits += sum(len(re.findall(rf"(?<!\w){re.escape(one)}(?!\w)", words)) for one in spellings)
    return n_hits


def _count_parquet(data: bytes, marks: _Marks) -> int:
    import polars as pl

    n_hits = 0
    for row in pl.read_parquet(io.BytesIO(data)).iter_rows():
        for value in row:
            if isinstance(value, bytes):
                n_hits += value in marks.blobs
            else:
                n_hits += sum(_count_text(text, marks) for text in texts_in(value))
    return n_hits


def _database_files(store: Store) -> list[Path]:
    """Files of a store in SQLite; those of a server are its administrator's."""
    if "://" in store.name:
        return []
    return [path for path in (Path(f"{store.name}{end}") for end in ("", "-wal", "-journal")) if path.is_file()]


def _count_bytes(path: Path, marks: _Marks) -> int:
    """Hits in a database's file. Ids of tracks are not looked for: faces of others have ids of the same form."""
    words = {word.encode("utf-8", "surrogatepass") for word in (*marks.ids, *marks.names)}
    words = {word for word in words if len(word) >= LEAST_NAME_BYTES}
    return sum(_count_in_parts(path, {*marks.pieces, *words}))


def _count_in_parts(path: Path, pieces: Collection[bytes]) -> Iterator[int]:
    """How often the pieces stand in each part of a file; one that two parts share counts in the second."""
    overlap, before = max(map(len, pieces), default=1) - 1, b""
    with path.open("rb") as file:
        while part := file.read(PART_BYTES):
            data = before + part
            yield sum(data.count(piece, max(0, len(before) + 1 - len(piece))) for piece in pieces)
            before = data[max(0, len(data) - overlap) :]
