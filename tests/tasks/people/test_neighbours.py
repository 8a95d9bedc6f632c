"""Lists of neighbours that are kept up are those of a search among all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.people.hashes import hamming, mirrored
from postlens.tasks.people.neighbours import (
    GONE,
    LENGTH,
    MIN_COSINE,
    NONE,
    QUERIES,
    HashSearch,
    LookSearch,
    Neighbours,
    shortened,
)

NEAREST = 8


def look_search(media: list[np.ndarray]) -> LookSearch:
    return LookSearch.of(media, NEAREST)


def shorts(rng: np.random.Generator, n: int, *, frames: int = 1) -> list[np.ndarray]:
    """Media about two directions, so that lists are full and scores lie close; some have no embedding."""
    middles = rng.normal(size=(2, 32))
    found = [middles[rng.integers(2)] + 0.5 * rng.normal(size=(rng.integers(0, frames + 1), 32)) for _ in range(n)]
    return [shortened(one.astype(np.float32)) for one in found]


def words(rng: np.random.Generator, n: int) -> list[np.ndarray]:
    """Hashes a few bits from one of two, or mirrored."""
    found = []
    for _ in range(n):
        bits = np.random.default_rng(int(rng.integers(2))).integers(2, size=(1, 256), dtype=np.uint8)
        bits[0, rng.choice(256, rng.integers(20), replace=False)] ^= 1
        one = np.packbits(bits, axis=1).view(np.uint64)
        found.append(mirrored(one) if rng.random() < 0.3 else one)
    return found


def chosen(media: list[np.ndarray], there: np.ndarray) -> list[np.ndarray]:
    return [media[row] for row in np.flatnonzero(there)]


def whole(search, n: int) -> Neighbours:
    return Neighbours.nothing(n, NEAREST).updated(np.ones(n, bool), search)


def names(found: Neighbours, row: int) -> list[int]:
    return [other for other in found.row[row].tolist() if other != NONE]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 9999), frames=st.sampled_from([1, 3]))
def test_lists_kept_up_are_those_of_one_search(seed: int, frames: int):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    before, now = rng.random(n) < 0.6, rng.random(n) < 0.8
    stay = before & now
    place = np.append(np.where(now, np.cumsum(now) - 1, GONE), NONE)  # the last for NONE = -1
    for media, make in ((shorts(rng, n, frames=frames), look_search), (words(rng, n), HashSearch.of)):
        first, known = (
            whole(make(chosen(media, before)), int(before.sum())),
            Neighbours.nothing(int(now.sum()), NEAREST),
        )
        rows = np.append(np.flatnonzero(before), -1)[first.row[stay[before]]]
        known.row[stay[now]], known.score[stay[now]] = place[rows], first.score[stay[before]]
        search = make(chosen(media, now))
        updated, expected = known.updated(~stay[now], search), whole(search, int(now.sum()))
        np.testing.assert_array_equal(updated.row, expected.row)
        np.testing.assert_array_equal(updated.score, expected.score)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 9999))
def test_lists_by_look_hold_the_nearest(seed: int):
    media = [one for one in shorts(np.random.default_rng(seed), 40, frames=3) if len(one)]
    found = whole(look_search(media), len(media))
    for row, one in enumerate(media):
        near = []
        for other, two in enumerate(media):
            product = one.astype(int) @ two.astype(int).T
            asked = [[int(len(x) * part) for part in QUERIES] for x in (one, two)]
            score = max(product[asked[0]].max(), product[:, asked[1]].max())
            near += [(-score, other)] if other != row and score >= MIN_COSINE * LENGTH**2 else []
        assert names(found, row) == [other for _, other in sorted(near)][:NEAREST]


def test_lists_by_hashes_hold_mirrored_ones():
    media = words(np.random.default_rng(0), 30)
    found = whole(HashSearch.of(media), 30)
    for row, one in enumerate(media):
        bits = [min(hamming(one, two).min(), hamming(mirrored(one), two).min()) for two in media]
        expected = sorted((n, other) for other, n in enumerate(bits) if other != row and n <= 31)
        assert names(found, row) == [other for _, other in expected][:NEAREST]


def test_shortened_vectors_keep_their_cosines():
    vectors = np.random.default_rng(1).normal(size=(200, 768)).astype(np.float32) + 1
    short = shortened(vectors).astype(np.float64)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert (short @ short.T / LENGTH**2 - units @ units.T).std() < 0.05


@pytest.mark.parametrize("n", [0, 1])
def test_few_media_have_no_neighbours(n: int):
    rng = np.random.default_rng(0)
    assert not len(whole(look_search(shorts(rng, n)), n).pairs())
    assert not len(whole(HashSearch.of(words(rng, n)), n).pairs())
