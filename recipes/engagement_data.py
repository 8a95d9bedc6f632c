"""The two collections of posts with counts to accounts of `PostFacts`; used by recipes/engagement.py."""

from __future__ import annotations

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from postlens.pipelines.evaluation.instagram_posts import POSTS, read_collection
from postlens.tasks.engagement import PostFacts
from postlens.tasks.engagement.history import known_count
from postlens.tasks.engagement.records import FINAL_H
from postlens.types import as_utc

LARGE_ACCOUNTS = Path("engagement") / "gvsi_instagram_posts_2017.csv.gz"
FIRST_YEAR = 2010  # of the platform; two rows of the table are dated 1969
LARGE_ACCOUNTS_READ_AT = datetime(2017, 5, 2, tzinfo=UTC)  # the day after its newest post
# Posts of these large accounts are done after three days: then, as after a week, they have 5 to 10 % less than the
# account's posts of two weeks and more; at two days it is 24 % (docs/log/engagement.md).
LARGE_ACCOUNTS_DONE = timedelta(days=3)
Accounts = Mapping[str, Sequence[PostFacts]]


@dataclass(frozen=True, slots=True)
class Posts:
    """Both collections as one: the first `n_small` accounts are those with pictures."""

    small: Accounts
    large: Accounts
    niches: Mapping[str, str]  # post_id to the niche of its account, as the collection with pictures labels it
    sources: tuple[Path, ...]

    @property
    def accounts(self) -> Accounts:
        """By a name that tells the collection."""
        return {
            **{f"i{name}": posts for name, posts in self.small.items()},
            **{f"g{k}": v for k, v in self.large.items()},
        }

    @property
    def shown(self) -> list[PostFacts]:
        """The posts with pictures whose likes are known: the first rows of every table, in its order."""
        return [post for posts in self.small.values() for post in posts if known_count(post, "likes") is not None]

    @property
    def n_small(self) -> int:
        """Accounts with pictures."""
        return len(self.small)


def read_posts(data: Path) -> Posts:
    """The folder that holds instagram_posts/ and engagement/."""
    pictures, table = data / "instagram_posts" / POSTS, data / LARGE_ACCOUNTS
    return Posts(
        small=read_collection(pictures.parent).accounts,
        large=read_large_accounts(table),
        niches=_niches(pictures),
        sources=(pictures, table),
    )


def _niches(path: Path) -> dict[str, str]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return {str(i): json.loads(line)["niche"] for i, line in enumerate(lines)}


def read_large_accounts(path: Path) -> dict[str, tuple[PostFacts, ...]]:
    """The 2017 table: no pictures; rows without likes or followers, or from before the platform, are left out."""
    found: dict[str, list[PostFacts]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        for i, row in enumerate(csv.DictReader(file)):
            if row["likes"] and row["followers"] and int(row["date"][:4]) >= FIRST_YEAR:
                found[row["account"]].append(_large_post(row, post_id=str(i)))
    return {name: tuple(posts) for name, posts in found.items()}


def _large_post(row: Mapping[str, str], *, post_id: str) -> PostFacts:
    """Times are days; `post_index` counts from the newest post, so that posts of one day come in their order."""
    published_at = datetime.fromisoformat(row["date"]) - timedelta(seconds=int(row["post_index"]))
    return PostFacts(
        post_id=post_id,
        published_at=published_at,
        counts={"likes": float(row["likes"])},
        followers=float(row["followers"]),
        caption=row["caption"],
        media=None,
        measures=None,
        observed_at=_counted_at(published_at),
        followees=float(row["following"]) if row["following"] else None,
        n_posts_of_account=float(row["number_posts"]) if row["number_posts"] else None,
        has_location=bool(row["location"]),
        is_carousel=row["multiple_image"] == "True",
    )


def _counted_at(published_at: datetime) -> datetime:
    """When the table was read; a week after a post that was done by then, so that its count is taken for final."""
    at, read_at = as_utc(published_at), LARGE_ACCOUNTS_READ_AT
    return max(read_at, at + timedelta(hours=FINAL_H)) if at + LARGE_ACCOUNTS_DONE <= read_at else read_at
