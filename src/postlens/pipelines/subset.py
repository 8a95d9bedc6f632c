"""A dataset in the influencer layout to a random subset in the same layout: N accounts per category, M posts each.

Accounts and posts are drawn by the lowest hashes of seed and name (bottom-k sampling: Cohen and Kaplan 2007). So a seed
gives one subset whatever the order of the rows, a subset of fewer accounts or posts lies within that of more, and one
pass over the mapping holds no more than what is drawn.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from postlens.errors import EmptySourceError, UsageError
from postlens.pipelines.exports import replace_bytes
from postlens.pipelines.subset_files import Placement, place_files
from postlens.pipelines.subset_report import Accounts, Asked, DrawnAccount, SubsetReport, Told, make_report
from postlens.sources.influencer_files import post_key
from postlens.sources.influencer_tables import (
    SMALL,
    Influencer,
    MappedPost,
    Tables,
    find_tables,
    influencers_of,
    mapping_rows,
    parse_post,
    row_failure,
    stranger,
)
from postlens.sources.influencer_writing import influencers_lines, mapping_lines
from postlens.types import NICHES, Failure

REPORT: Final = "sample_report.json"

Progress = Callable[[int, int], None]


def draw_subset(
    folder: Path,
    out: Path,
    *,
    influencers: int = 50,
    posts: int = 300,
    seed: int = 0,
    files: Placement = "where",
    progress: Progress | None = None,
) -> SubsetReport:
    """Draw accounts and posts at random and write `smallInfluencers.txt`, `smallMappings.txt` and the report.

    The same seed gives the same subset, in whatever order the rows stand; rows of one metadata file are one post. An
    account is drawn for its category alone, however many posts and images it has; what is short is reported, and
    nothing is drawn in its place. Memory grows with the accounts and the drawn posts only.

    Args:
        folder: a dataset in the influencer layout; of a whole one and a subset in it, the whole one is drawn from.
        out: created where it is missing; tables and report of an earlier draw are replaced.
        influencers: accounts of each category, at most.
        posts: of each account, at most.
        files: how images and metadata come with the subset. `where`: they stay where they are, and `out` gets links to
            their folders; `link`: hard links to those of the drawn posts; `copy`: copies of them.
        progress: called with (done, total): bytes of the mapping, then posts whose files are placed.

    Raises:
        TableError, SourceNotFoundError: no such dataset, or it cannot be read.
        EmptySourceError: no account with a known category.
        UsageError: counts below 1, or an output folder that cannot be used.
    """
    if min(influencers, posts) < 1:
        raise UsageError(f"expected at least 1 influencer and 1 post, got {influencers} and {posts}")
    tables = find_tables(folder, full=True)
    if tables.influencers.name.casefold() == SMALL[0].casefold() and out.resolve() == tables.folder.resolve():
        raise UsageError(f"{out} holds the subset to draw from, which would be written over; name another folder")
    asked, told = Asked(influencers, posts, seed), Told()
    accounts = _draw_accounts(tables, asked, told)
    drawn = _draw_posts(tables, accounts, asked, told, progress=progress)
    all_posts = [post for account in drawn for post in account.posts]
    placed = place_files(tables, out, all_posts, how=files, progress=progress)
    report = make_report(accounts, drawn, placed, told, asked=asked)
    _write(out, drawn, report)
    return report


# --- drawing --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Lowest:
    """The posts with the lowest ranks so far, at most n."""

    n: int
    posts: dict[int, MappedPost] = field(default_factory=dict)  # rank -> post
    heap: list[int] = field(default_factory=list)  # negative ranks, so that the highest rank leaves first

    def add(self, rank: int, post: MappedPost) -> None:
        """Keep the post if its rank is among the lowest; of two rows of one post, the one with the first images."""
        if rank in self.posts:
            self.posts[rank] = min(self.posts[rank], post, key=lambda one: (one.images, one.metadata or ""))
        elif len(self.heap) < self.n:
            heapq.heappush(self.heap, -rank)
            self.posts[rank] = post
        elif rank < -self.heap[0]:
            del self.posts[-heapq.heapreplace(self.heap, -rank)]
            self.posts[rank] = post


def _rank(seed: int, *names: str) -> int:
    """A number that is as good as random, and the same for the same names."""
    text = "\0".join([str(seed), *names])
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest())


def _draw_accounts(tables: Tables, asked: Asked, told: Told) -> Accounts:
    found: dict[str, list[Influencer]] = {niche: [] for niche in NICHES}
    usernames, unknown = set[str](), Counter[str]()
    for item in influencers_of(tables):
        if isinstance(item, Failure):
            told.add(item)
            continue
        usernames.add(item.username.casefold())
        if item.category is None:
            unknown[item.written] += 1
        else:
            found[item.category].append(item)
    if not any(found.values()):
        raise EmptySourceError(
            f"{tables.influencers}: expected accounts of the categories {', '.join(NICHES)}, got none of them "
            f"({told.n} rows that cannot be used); correct the table"
        )
    drawn = tuple(influencer for accounts in found.values() for influencer in _lowest_accounts(accounts, asked))
    n_found = {niche: len(accounts) for niche, accounts in found.items()}
    return Accounts(frozenset(usernames), n_found, dict(unknown), drawn)


def _lowest_accounts(accounts: Sequence[Influencer], asked: Asked) -> list[Influencer]:
    """Those with the lowest ranks, by username."""
    lowest = heapq.nsmallest(asked.influencers, accounts, key=lambda one: _rank(asked.seed, one.username.casefold()))
    return sorted(lowest, key=lambda one: one.username)


def _draw_posts(
    tables: Tables, accounts: Accounts, asked: Asked, told: Told, *, progress: Progress | None
) -> tuple[DrawnAccount, ...]:
    """One pass over the mapping. Of accounts that were not drawn, image lists are not read."""
    lowest = {influencer.username.casefold(): _Lowest(asked.posts) for influencer in accounts.drawn}
    strangers = set[str]()
    for row in mapping_rows(tables, progress=progress):
        if isinstance(row, Failure):
            told.add(row)
            continue
        key = row.username.casefold()
        if key in lowest:
            try:
                post = parse_post(row)
            except ValueError as error:
                told.add(row_failure(tables.mapping, row.row, str(error)))
            else:
                lowest[key].add(_rank(asked.seed, key, *_name(post)), post)
        elif key not in accounts.usernames and key not in strangers:
            strangers.add(key)
            told.add(stranger(tables, row.username, row.row))
    return tuple(
        DrawnAccount(influencer, tuple(sorted(lowest[influencer.username.casefold()].posts.values(), key=_name)))
        for influencer in accounts.drawn
    )


def _name(post: MappedPost) -> tuple[str, ...]:
    """What tells an account's posts apart."""
    key = post_key(post)
    return post.images if key is None else (key,)


def _write(out: Path, drawn: Sequence[DrawnAccount], report: SubsetReport) -> None:
    """Tables, then the report that says they are whole."""
    posts = (post for account in drawn for post in account.posts)
    try:
        replace_bytes(out / SMALL[0], influencers_lines(account.influencer for account in drawn))
        replace_bytes(out / SMALL[1], mapping_lines(posts))
        replace_bytes(out / REPORT, json.dumps(asdict(report), indent=2).encode())
    except OSError as error:
        raise UsageError(f"expected a folder that can be written at {out}, got: {error.strerror}") from error
