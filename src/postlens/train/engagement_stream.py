"""A large table of posts to the posts of some whole accounts, read piece by piece: 10 million rows in bounded memory.

Polars scans the file and keeps the rows of accounts whose hash falls below a share, so that only a sample ever becomes
Python objects. Pictures are not looked at: a table's media belong in a store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from postlens.errors import EmptySourceError, TableError
from postlens.media.probe import display_name
from postlens.sources.cell_numbers import parse_count
from postlens.sources.cell_times import parse_time
from postlens.sources.cells import is_absent, parse_caption, parse_text
from postlens.sources.columns import check_mapping, find_columns
from postlens.sources.protocol import clean_handle
from postlens.tasks.engagement import PostFacts
from postlens.train.engagement_accounts import MOST_POSTS

if TYPE_CHECKING:
    import polars as pl

SUFFIXES: Final = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"})
COUNTS: Final = ("likes", "comments", "views", "shares", "saves")
NEEDED: Final = ("creator", "likes")
READ: Final = (*NEEDED, *COUNTS[1:], "published_at", "observed_at", "followers", "followees", "n_posts")
WORDS: Final = ("caption", "alt_text", "n_tagged", "has_location", "post_id")
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

    @property
    def note(self) -> str:
        """For the report."""
        n_posts = sum(map(len, self.accounts.values()))
        kept = "all accounts" if self.share >= 1 else f"a sample of {self.share:.1%} of the accounts, by hash"
        bad = f"; {self.n_bad_cells} cells could not be read, their posts are kept without them"
        return (
            f"table of {self.n_rows} rows: {kept}, {n_posts} posts; pictures were not looked at (--store does)"
            + bad * (self.n_bad_cells > 0)
        )


def is_streamable(data: Path) -> bool:
    """Whether the file is a table that can be read piece by piece."""
    return data.is_file() and data.suffix.lower() in SUFFIXES


def stream_posts(
    data: Path, *, mapping: Mapping[str, str] | None = None, most: int = MOST_POSTS, creator: str | None = None
) -> StreamedPosts:
    """About `most` posts of whole accounts, or all where there are fewer.

    Accounts are kept by a hash of their names, the same in every run of one version of polars. Columns are found by
    the spellings that `analyze` knows. Cells are parsed as `analyze` does: a count that is negative or no number is
    not known. Rows of one creator and post id that come twice count once, the first.

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
    return StreamedPosts(accounts, n_rows, reader.n_bad, share)


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
    """Rows of a frame to posts; counts the cells that could not be read."""

    def __init__(self, creator: str | None) -> None:
        self._creator, self.n_bad = creator, 0

    def accounts(self, frame: pl.DataFrame) -> dict[str, tuple[PostFacts, ...]]:
        """By handle. Rows without a creator are left out."""
        found: dict[str, dict[str, PostFacts]] = {}
        for number, row in enumerate(frame.iter_rows(named=True)):
            handle = clean_handle(str(row.get("creator") or "")) or self._creator
            if handle:
                post = self._post(row, number)
                found.setdefault(handle, {}).setdefault(post.post_id, post)
        return {handle: tuple(posts.values()) for handle, posts in found.items()}

    def _post(self, row: Mapping[str, Any], number: int) -> PostFacts:
        counts = {name: self._read(row, name, _count) for name in COUNTS}
        place, tagged = row.get("has_location"), self._read(row, "n_tagged", _count)
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
            n_tagged=None if tagged is None else int(tagged),
            has_location=place if isinstance(place, bool) else None,
            alt_text=self._read(row, "alt_text", parse_text),
        )

    def _read(self, row: Mapping[str, Any], name: str, parse: Callable[[Any], _T | None]) -> _T | None:
        cell = row.get(name)
        if cell is None or is_absent(cell) or (isinstance(cell, float) and math.isnan(cell)):
            return None
        try:
            return parse(cell)
        except ValueError:
            self.n_bad += 1
            return None
