"""Trees of merges against the clusters that linkage makes."""

from __future__ import annotations

import numpy as np
import pytest

from postlens.tasks.people import history as history_module
from postlens.tasks.people.history import History


def tree(*places: float, threshold: float = 0.5) -> History:
    vectors = np.array(places, np.float32)[:, None]
    return History.of(vectors, np.arange(len(places)), threshold=threshold)


def clusters(one: History) -> dict[frozenset[int], float]:
    """Each cluster and the distance at which it merged."""
    return {
        frozenset(one.rows[a:b].tolist()): round(float(np.sqrt(death)), 6)
        for a, b, death in zip(one.start, one.stop, one.death, strict=True)
    }


def test_a_lone_track_lives_up_to_the_threshold():
    assert clusters(tree(3.0)) == {frozenset({0}): 0.5}


def test_clusters_die_where_they_merge():
    found = clusters(tree(0.0, 0.3, 0.1))
    assert found[frozenset({0})] == found[frozenset({2})] == 0.1
    assert found[frozenset({0, 2})] == found[frozenset({1})] == pytest.approx(np.sqrt((0.09 + 0.04) / 2))
    assert found[frozenset({0, 1, 2})] == 0.5


def test_clusters_beyond_the_threshold_are_roots_side_by_side():
    one = tree(0.0, 9.0, 0.1)
    assert {frozenset(one.rows[one.start[k] : one.stop[k]].tolist()) for k in one.roots()} == {
        frozenset({0, 2}),
        frozenset({1}),
    }


def test_parts_are_the_clusters_before_a_distance():
    one = tree(0.0, 0.1, 0.4)
    assert len(set(one.parts(0.05**2))) == 3
    assert len(set(one.parts(0.2**2))) == 2
    assert len(set(one.parts(0.5**2))) == 1


@pytest.mark.parametrize(("place", "expected"), [(0.5, True), (0.75, False), (9.0, False)])
def test_persons_disturb_each_other_when_near(place, expected):
    assert tree(0.0, 0.1).disturbs(tree(place)) is expected


def test_a_track_that_merges_early_is_not_disturbed_by_one_further_away():
    """0.3 is within the threshold of the track at 0, but that has merged at 0.1, and the cluster is too far."""
    assert not tree(0.0, -0.1, -0.6, threshold=0.5).disturbs(tree(0.45))


def test_a_chain_in_little_memory_gives_the_same_tree(monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    small = History.of(vectors, np.arange(40), threshold=1.0)
    monkeypatch.setattr(history_module, "MATRIX_ROWS", 2)
    chained = History.of(vectors, np.arange(40), threshold=1.0)
    assert clusters(chained) == clusters(small)
    assert len(clusters(small)) > 50
