"""What was drawn for a subset, and what was short, to the records and the report of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from postlens.pipelines.subset_files import PlacedFiles
from postlens.sources.influencer_tables import Influencer, MappedPost
from postlens.types import NICHES, Failure

MAX_TOLD: Final = 1_000  # failures in the report; more are only counted, since ten million rows may all be damaged


@dataclass(frozen=True, slots=True)
class Asked:
    """How large the subset shall be."""

    influencers: int  # of each category, at most
    posts: int  # of each account, at most
    seed: int


@dataclass(frozen=True, slots=True)
class CategoryCount:
    """What was found and drawn of one category."""

    category: str
    n_found: int  # accounts in influencers.txt
    n_drawn: int
    n_posts: int
    n_images: int  # that are there
    n_missing_images: int


@dataclass(frozen=True, slots=True)
class ShortAccount:
    """A drawn account with fewer posts than asked for, or without an image."""

    username: str
    category: str
    n_posts: int
    n_images: int  # that are there


@dataclass(frozen=True, slots=True)
class SubsetReport:
    """What was drawn, and what was short."""

    asked: Asked
    categories: tuple[CategoryCount, ...]  # all of NICHES
    short_accounts: tuple[ShortAccount, ...]
    unknown_categories: Mapping[str, int]  # as written in influencers.txt -> accounts, none of which is drawn
    n_images: int  # that are there
    n_missing_images: int
    n_missing_metadata: int
    n_failures: int
    failures: tuple[Failure, ...]  # the first 1,000

    @property
    def n_posts(self) -> int:
        """Posts drawn."""
        return sum(count.n_posts for count in self.categories)

    @property
    def short_categories(self) -> tuple[str, ...]:
        """Categories with fewer accounts than asked for."""
        return tuple(count.category for count in self.categories if count.n_drawn < self.asked.influencers)

    @property
    def blank_categories(self) -> tuple[str, ...]:
        """Categories without a single image; training on all of NICHES would refuse them."""
        return tuple(count.category for count in self.categories if count.n_images == 0)


# --- of a draw -------------------------------------------------------------------------------------------------------


class Told:
    """Failures, counted all and held up to a limit."""

    def __init__(self) -> None:
        self.n, self.first = 0, list[Failure]()

    def add(self, failure: Failure) -> None:
        self.n += 1
        if self.n <= MAX_TOLD:
            self.first.append(failure)


@dataclass(frozen=True, slots=True)
class Accounts:
    """All accounts of the dataset, and those drawn."""

    usernames: frozenset[str]  # case-folded, of all
    n_found: Mapping[str, int]  # by category
    unknown: Mapping[str, int]
    drawn: tuple[Influencer, ...]  # by category and username


@dataclass(frozen=True, slots=True)
class DrawnAccount:
    """A drawn account with its drawn posts."""

    influencer: Influencer
    posts: tuple[MappedPost, ...]  # by the name of their files


# --- the report ------------------------------------------------------------------------------------------------------


def make_report(
    accounts: Accounts, drawn: Sequence[DrawnAccount], placed: PlacedFiles, told: Told, *, asked: Asked
) -> SubsetReport:
    """The report of a draw whose files are placed."""
    short = [one for one in drawn if len(one.posts) < asked.posts or not _n_images(one, placed)]
    for failure in placed.failures:
        told.add(failure)
    return SubsetReport(
        asked=asked,
        categories=tuple(_count(niche, accounts, drawn, placed) for niche in NICHES),
        short_accounts=tuple(_short(one, placed) for one in short),
        unknown_categories=accounts.unknown,
        n_images=sum(placed.n_images.values()),
        n_missing_images=sum(placed.n_missing.values()),
        n_missing_metadata=placed.n_missing_metadata,
        n_failures=told.n,
        failures=tuple(told.first),
    )


def _count(category: str, accounts: Accounts, drawn: Sequence[DrawnAccount], placed: PlacedFiles) -> CategoryCount:
    mine = [account for account in drawn if account.influencer.category == category]
    return CategoryCount(
        category=category,
        n_found=accounts.n_found[category],
        n_drawn=len(mine),
        n_posts=sum(len(account.posts) for account in mine),
        n_images=sum(_n_images(account, placed) for account in mine),
        n_missing_images=sum(placed.n_missing[account.influencer.username.casefold()] for account in mine),
    )


def _n_images(account: DrawnAccount, placed: PlacedFiles) -> int:
    return placed.n_images[account.influencer.username.casefold()]


def _short(account: DrawnAccount, placed: PlacedFiles) -> ShortAccount:
    influencer = account.influencer
    return ShortAccount(influencer.username, influencer.category or "", len(account.posts), _n_images(account, placed))
