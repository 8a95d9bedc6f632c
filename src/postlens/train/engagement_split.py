"""Posts of accounts to training, validation and test parts: whole accounts, or with few of them the latest posts.

A fifth of the posts is the test, as in the published 80/20 split, and a tenth of the other four fifths validates:
72, 8 and 20 of 100. Of posts the shares hold to one post; whole accounts come as near as their sizes allow.
"""

from __future__ import annotations

import numpy as np

from postlens.errors import NotEnoughDataError
from postlens.train.splits import Split
from postlens.types import IntArray

TEST_SHARE = 0.2  # of the published 80/20 split
VAL_SHARE = 0.1  # of the other 80: it chooses, so that the test chooses nothing. More: a surer choice
# Fewer accounts cannot be held out: of 10 the test would have 2. Then the latest posts of each are.
MIN_ACCOUNTS = 10
MOST_OFF = 0.1  # of the test's share with whole accounts: where one account has so many posts, the latest are held out
MIN_POSTS = 10  # fewer leave no validation post beside two of the test
ACCOUNTS, LATEST = "whole accounts held out", "the latest posts of each account held out"


def split_posts(account: IntArray, *, rng: np.random.Generator) -> tuple[Split, str]:
    """The parts, and in words what was held out.

    Args:
        account: (N,) number of the account of each post; the posts of one account stand in the order of time.

    Raises `NotEnoughDataError` for fewer than `MIN_POSTS` posts.
    """
    if len(account) < MIN_POSTS:
        raise NotEnoughDataError(f"expected {MIN_POSTS} posts with likes or more, got {len(account)}; add posts")
    if len(np.unique(account)) >= MIN_ACCOUNTS:
        split = _parts(_lots(account, rng=rng))
        if abs(len(split.test) / len(account) - TEST_SHARE) <= MOST_OFF:
            return split, ACCOUNTS
    return _parts(_ages(account)), LATEST


def split_others(account: IntArray, test: IntArray, *, rng: np.random.Generator) -> Split:
    """The parts where the rows of the test are given: a tenth of the others, in whole accounts, validates."""
    others = np.setdiff1d(np.arange(len(account)), test)
    place = _lots(account[others], rng=rng)
    train, val = others[place >= VAL_SHARE], others[place < VAL_SHARE]
    return Split(*_with_val(train, val), test)


def _lots(account: IntArray, *, rng: np.random.Generator) -> np.ndarray:
    """(N,) in (0, 1), one value for each account: the share of the posts before its middle one, in a drawn order."""
    names, which = np.unique(account, return_inverse=True)
    order, sizes = rng.permutation(len(names)), np.bincount(which)
    place = np.empty(len(names))
    place[order] = (np.cumsum(sizes[order]) - sizes[order] / 2) / max(len(account), 1)
    return np.asarray(place[which])


def _ages(account: IntArray) -> np.ndarray:
    """(N,) in [0, 1): the latest posts first, of an account that has twice as many twice as many."""
    age = np.zeros(len(account))
    for name in np.unique(account):
        rows = np.flatnonzero(account == name)
        age[rows] = (np.arange(len(rows))[::-1] + 0.5) / len(rows)
    place = np.empty(len(account))
    place[np.argsort(age, kind="stable")] = np.arange(len(account)) / len(account)
    return place


def _parts(place: np.ndarray) -> Split:
    """Below TEST_SHARE the test, then validation, then training."""
    val_end = TEST_SHARE + VAL_SHARE * (1 - TEST_SHARE)
    rows = (place >= val_end, (place >= TEST_SHARE) & (place < val_end), place < TEST_SHARE)
    train, val, test = (np.flatnonzero(one) for one in rows)
    return Split(*_with_val(train, val), test)


def _with_val(train: IntArray, val: IntArray) -> tuple[IntArray, IntArray]:
    """At least one validates."""
    return (train, val) if len(val) else (train[:-1], train[-1:])
