"""A large table of posts to the posts of some whole accounts, read piece by piece: 10 million rows in bounded memory.

Polars scans the file and keeps the rows of accounts whose hash falls below a share, so that only a sample ever becomes
Python objects. Pictures are not looked at: a table's media belong in a store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from postlens.errors import EmptySourceError, TableError
from postlens.media.probe import display_name
from postlens.sources.cell_numbers import parse_count, parse_tagged
from postlens.sources.cell_times import parse_time
from postlens.sources.cells import parse_caption, parse_presence, parse_text
from postlens.sources.columns import check_mapping, find_columns
from postlens.sources.protocol import clean_handle
from postlens.sources.repeats import differing
from postlens.tasks.engagement import PostFacts
from postlens.train.engagement_accounts import MOST_POSTS
from postlens.types import as_utc

if TYPE_CHECKING:
    import polars as pl

SUFFIXES: Final = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"})
COUNTS: Final = ("likes", "comments", "views", "shares", "saves")
NEEDED: Final = ("creator", "likes")
READ: Final = (*NEEDED, *COUNTS[1:], "published_at", "observed_at", "followers", "followees", "n_posts")
WORDS: Final = ("caption", "alt_text", "n_tagged", "has_location", "post_id")
TOLD: Final = (
    "published_at",
    "observed_at",
    "followers",
    "followees",
    "n_posts",
    *WORDS[:-1],
)  # in the note, if absent
HASH_SEED = 7
HASHES = 2**64
_count = partial(parse_count, whole=True)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class StreamedPosts:
    """The posts of a table that a training uses."""

    accounts: Mapping[str, tuple[PostFacts, ...]]
    n_rows: int  # of the table
    n_bad_cells: int  # that could not be read; the post is kept without them
    share: float  # of the accounts that was kept
    n_repeats: int = 0  # rows of a post that an earlier row names
    n_contradictions: int = 0  # of them, rows with another count of the same time
    absent: tuple[str, ...] = ()  # of TOLD, what the table has no column for

    @property
    def note(self) -> str:
        """For the report."""
        n_posts = sum(map(len, self.accounts.values()))
        kept = "all accounts" if self.share >= 1 else f"a sample of {self.share:.1%} of the accounts, by hash"
        bad = f"{self.n_bad_cells} cells could not be read, their posts are kept without them"
        again = f"{self.n_repeats} rows repeat a post: the latest observation counts, without times the last row"
        other = f"{self.n_contradictions} of them have other counts of the same time"
        told = (
            f"table of {self.n_rows} rows: {kept}, {n_posts} posts",
            "pictures were not looked at (--store does): shape, light, faces, topic, mood and number are not known",
            f"nor, without columns, {', '.join(self.absent)}" * bool(self.absent),
            bad * (self.n_bad_cells > 0),
            again * (self.n_repeats > 0),
            other * (self.n_contradictions > 0),
        )
        return "; ".join(filter(None, told))


def is_streamable(data: Path) -> bool:
    """Whether the file is a table that can be read piece by piece."""
    return data.is_file() and data.suffix.lower() in SUFFIXES


def stream_posts(
    data: Path, *, mapping: Mapping[str, str] | None = None, most: int = MOST_POSTS, creator: str | None = None
) -> StreamedPosts:
    """About `most` posts of whole accounts, or all where there are fewer.

    Accounts are kept by a hash of their names, the same in every run of one version of polars. Columns are found by
    the spellings that `analyze` knows. Cells are parsed as `analyze` does: a count that is negative, a fraction or no
    number is not known. Rows of one creator and post id are one post by the rule of `sources.repeats`; a row without
    an id is a post of its own.

    Raises:
        UnknownNameError: `mapping` names a column that posts do not have.
        TableError: the file cannot be read, or has no column of creators (and no `creator` is given) or of likes.
        EmptySourceError: no row.
    """
    import polars as pl

    check_mapping(mapping or {})
    name = display_name(data)
    try:
        frame = _scan(data)
        columns = _columns(frame, mapping or {}, name=name, creator=creator)
        n_rows = int(frame.select(pl.len()).collect(engine="streaming").item())
        if n_rows == 0:
            raise EmptySourceError(f"{name}: expected rows of posts, got none")
        share = min(1.0, most / n_rows)
        kept = _kept(frame, columns, share=share).collect(engine="streaming")
    except (pl.exceptions.PolarsError, OSError) as error:
        raise TableError(f"{name}: expected a table in UTF-8, got damaged data ({error}); export it again") from error
    reader = _Reader(creator)
    accounts = reader.accounts(kept)
    absent = tuple(name for name in TOLD if name not in columns)
    return StreamedPosts(accounts, n_rows, reader.n_bad, share, reader.n_repeats, reader.n_contradictions, absent)


def _scan(data: Path) -> pl.LazyFrame:
    import polars as pl

    suffix = data.suffix.lower()
    if suffix == ".parquet":
        return pl.scan_parquet(data)
    if suffix in (".jsonl", ".ndjson"):
        return pl.scan_ndjson(data, infer_schema_length=1000)
    separator = "\t" if suffix == ".tsv" else ","
    return pl.scan_csv(data, separator=separator, infer_schema=False, truncate_ragged_lines=True)


def _columns(frame: pl.LazyFrame, mapping: Mapping[str, str], *, name: str, creator: str | None) -> dict[str, str]:
    """Our names to the table's, of the columns that are read."""
    theirs = frame.collect_schema().names()
    found = {ours: theirs[at] for ours, at in find_columns(theirs, mapping).items() if ours in (*READ, *WORDS)}
    missing = [one for one in NEEDED if one not in found and not (one == "creator" and creator)]
    if missing:
        raise TableError(
            f"{name}: expected columns {' and '.join(missing)}, got {', '.join(theirs)}; "
            f"name them with --map {missing[0]}=COLUMN"
        )
    return found


def _kept(frame: pl.LazyFrame, columns: Mapping[str, str], *, share: float) -> pl.LazyFrame:
    """The rows of the accounts that are kept, under our names, by account; in it as the table has them."""
    import polars as pl

    named = frame.select([pl.col(theirs).alias(ours) for ours, theirs in columns.items()])
    if "creator" not in columns:
        return named
    if share < 1:
        named = named.filter(pl.col("creator").cast(pl.String).hash(HASH_SEED) < int(share * HASHES))
    return named.sort("creator", maintain_order=True)


class _Reader:
    """Rows of a frame to posts; counts the cells that could not be read, and the rows that repeat a post."""

    def __init__(self, creator: str | None) -> None:
        self._creator, self.n_bad, self.n_repeats, self.n_contradictions = creator, 0, 0, 0

    def accounts(self, frame: pl.DataFrame) -> dict[str, tuple[PostFacts, ...]]:
        """By handle. Rows without a creator are left out."""
        found: dict[str, dict[str, list[PostFacts]]] = {}
        for number, row in enumerate(frame.iter_rows(named=True)):
            handle = clean_handle(self._read(row, "creator", parse_text) or "") or self._creator
            if handle:
                post = self._post(row, number)
                found.setdefault(handle, {}).setdefault(post.post_id, []).append(post)
        return {handle: tuple(map(self._one, posts.values())) for handle, posts in found.items()}

    def _one(self, rows: Sequence[PostFacts]) -> PostFacts:
        self.n_repeats += len(rows) - 1
        self.n_contradictions += _n_contradictions(rows)
        return rows[0] if len(rows) == 1 else _merged(rows)

    def _post(self, row: Mapping[str, Any], number: int) -> PostFacts:
        counts = {name: self._read(row, name, _count) for name in COUNTS}
        return PostFacts(
            post_id=self._read(row, "post_id", parse_text) or f"row {number}",
            published_at=self._read(row, "published_at", parse_time),
            counts={name: value for name, value in counts.items() if value is not None},
            followers=self._read(row, "followers", _count),
            caption=self._read(row, "caption", parse_caption),
            media=None,
            measures=None,
            observed_at=self._read(row, "observed_at", parse_time),
            followees=self._read(row, "followees", _count),
            n_posts_of_account=self._read(row, "n_posts", _count),
            n_tagged=self._read(row, "n_tagged", parse_tagged),
            has_location=self._read(row, "has_location", parse_presence),
            alt_text=self._read(row, "alt_text", parse_caption),
        )

    def _read(self, row: Mapping[str, Any], name: str, parse: Callable[[Any], _T | None]) -> _T | None:
        try:
            return parse(row.get(name))
        except ValueError:
            self.n_bad += 1
            return None


def _merged(rows: Sequence[PostFacts]) -> PostFacts:
    """Rows of one post to one, by the rule of `sources.repeats`."""
    seen = sorted(rows, key=_observed)
    counts = {name: value for row in seen for name, value in row.counts.items()}
    figures = {name: _last(seen, name) for name in ("followers", "followees", "n_posts_of_account")}
    words = {name: _last(rows, name) for name in ("published_at", "caption", "n_tagged", "has_location", "alt_text")}
    return replace(rows[-1], counts=counts, observed_at=seen[-1].observed_at, **figures, **words)


def _observed(row: PostFacts) -> float:
    return math.inf if row.observed_at is None else as_utc(row.observed_at).timestamp()


def _last(rows: Sequence[PostFacts], name: str) -> Any:
    """Of the last row that knows it."""
    return next((value for row in reversed(rows) if (value := getattr(row, name)) is not None), None)


def _n_contradictions(rows: Sequence[PostFacts]) -> int:
    """Rows with another count than an earlier row of the same time of observation."""
    known: dict[float, dict[str, float]] = {}
    n_rows = 0
    for row in rows:
        before = known.setdefault(_observed(row), {})
        n_rows += bool(differing(before, row.counts))
        before.update(row.counts)
    return n_rows
