"""Posts of accounts to training, validation and test parts: whole accounts, or with few of them the latest posts."""

from __future__ import annotations

import numpy as np

from postlens.errors import NotEnoughDataError
from postlens.train.splits import Split
from postlens.types import IntArray

TEST_SHARE = 0.2  # of the published 80/20 split
VAL_SHARE = 0.1  # of the other 80: it chooses the epoch, so that the test chooses nothing. More: a surer choice
# Fewer accounts cannot be held out: of 10 the test would have 2. Then the latest posts of each are.
MIN_ACCOUNTS = 10
MIN_POSTS = 10  # fewer leave no validation post beside two of the test


def split_posts(account: IntArray, *, rng: np.random.Generator) -> tuple[Split, str]:
    """The parts, and in words what was held out.

    Args:
        account: (N,) number of the account of each post; the posts of one account stand in the order of time.

    Raises `NotEnoughDataError` for fewer than `MIN_POSTS` posts.
    """
    if len(account) < MIN_POSTS:
        raise NotEnoughDataError(f"expected {MIN_POSTS} posts with likes or more, got {len(account)}; add posts")
    names = np.unique(account)
    if len(names) >= MIN_ACCOUNTS:
        place = rng.permutation(len(names)) / len(names)
        return _parts(place[np.searchsorted(names, account)]), "whole accounts held out"
    return _parts(_ages(account)), "the latest posts of each account held out"


def _ages(account: IntArray) -> np.ndarray:
    """(N,) in [0, 1): 0 for the latest post of an account."""
    age = np.zeros(len(account))
    for name in np.unique(account):
        rows = np.flatnonzero(account == name)
        age[rows] = np.arange(len(rows))[::-1] / len(rows)
    return age


def _parts(place: np.ndarray) -> Split:
    """Below TEST_SHARE the test, then validation, then training."""
    val_end = TEST_SHARE + VAL_SHARE * (1 - TEST_SHARE)
    rows = (place >= val_end, (place >= TEST_SHARE) & (place < val_end), place < TEST_SHARE)
    train, val, test = (np.flatnonzero(one) for one in rows)
    if not len(val):
        train, val = train[:-1], train[-1:]
    return Split(train, val, test)
