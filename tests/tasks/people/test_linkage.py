"""Average linkage against the definition, computed slowly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.people.linkage import Clusters, components, link, near_pairs, smallest_row


def by_definition(vectors, *, person, conflicts, threshold):
    """Merge the closest admissible pair, one at a time, from all distances: the person of each row."""
    squared = ((vectors[:, None].astype(float) - vectors[None]) ** 2).sum(axis=2)
    clusters = [[i] for i in range(len(vectors))]
    person = list(smallest_row(np.asarray(person)))
    apart = {(a, b) for a, b in conflicts if person[a] != person[b]}

    def may_join(a, b):
        one, two = person[a[0]], person[b[0]]
        return not any({person[i], person[j]} == {one, two} and one != two for i, j in apart)

    while True:
        options = [
            (squared[np.ix_(a, b)].mean(), a, b) for k, a in enumerate(clusters) for b in clusters[:k] if may_join(a, b)
        ]
        if not options or min(options)[0] > threshold**2:
            return smallest_row(np.array(person))
        _, a, b = min(options)
        one, two = person[a[0]], person[b[0]]
        person = [min(one, two) if p in (one, two) else p for p in person]
        clusters = [c for c in clusters if c not in (a, b)] + [sorted(a + b)]


def linked(vectors, *, person, conflicts, threshold):
    clusters = Clusters.singles(
        vectors, person=np.asarray(person), conflicts=np.array(conflicts, np.int64).reshape(-1, 2)
    )
    return link(clusters, near_pairs(vectors, radius=threshold), threshold=threshold).person


@settings(deadline=None, max_examples=80)
@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 16), joins=st.integers(0, 3), apart=st.integers(0, 6))
def test_rounds_give_the_same_persons_as_one_merge_at_a_time(seed, n, joins, apart):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, 3)).astype(np.float32)
    person = components(n, rng.integers(n, size=(joins, 2)))
    conflicts = [pair for pair in rng.integers(n, size=(apart, 2)).tolist() if pair[0] != pair[1]]
    settings_ = {"person": person, "conflicts": conflicts, "threshold": 1.5}
    assert linked(vectors, **settings_).tolist() == by_definition(vectors, **settings_).tolist()


def test_clusters_within_the_threshold_merge_and_others_do_not():
    vectors = np.array([[0.0], [0.2], [1.0], [1.2]], np.float32)
    assert linked(vectors, person=range(4), conflicts=[], threshold=0.5).tolist() == [0, 0, 2, 2]


def test_one_near_pair_does_not_chain_distant_members():
    vectors = np.array([[0.0], [0.4], [0.8], [1.2]], np.float32)
    assert linked(vectors, person=range(4), conflicts=[], threshold=0.5).tolist() == [0, 0, 2, 2]


def test_a_conflict_reaches_every_later_member_of_the_cluster():
    vectors = np.array([[0.0], [0.1], [0.25]], np.float32)
    assert linked(vectors, person=range(3), conflicts=[(0, 2)], threshold=1).tolist() == [0, 0, 2]


@pytest.mark.parametrize("block", [1, 7, 10**6])
def test_near_pairs_do_not_depend_on_the_block_size(block, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    expected = near_pairs(vectors, radius=3.5)
    monkeypatch.setattr("postlens.tasks.people.linkage.BLOCK_CELLS", block)
    monkeypatch.setattr("postlens.tasks.people.linkage.BLOCK_PAIRS", block)
    assert 0 < len(expected) < 780
    assert near_pairs(vectors, radius=3.5).tolist() == expected.tolist()


def test_near_pairs_of_some_rows_are_those_with_an_end_in_them():
    vectors = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32)
    every = near_pairs(vectors, radius=3.5)
    some = near_pairs(vectors, radius=3.5, rows=np.array([3, 17]))
    assert some.tolist() == every[np.isin(every, [3, 17]).any(axis=1)].tolist()


def test_no_vectors_have_no_pairs():
    assert near_pairs(np.zeros((0, 4), np.float32), radius=1).shape == (0, 2)
