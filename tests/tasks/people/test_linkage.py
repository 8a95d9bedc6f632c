"""Average linkage against the definition, computed slowly."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.people.linkage import Clusters, link
from postlens.tasks.people.near import (
    Neighbourhood,
    components,
    near_components,
    near_points,
    smallest_row,
    with_norms,
)


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
    component = near_components(vectors, radius=threshold, joined=clusters.person)
    return link(clusters, component, threshold=threshold).person


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
def test_components_do_not_depend_on_the_block_size(block, monkeypatch):
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    monkeypatch.setattr("postlens.tasks.people.near.BLOCK_CELLS", block)
    near = np.linalg.norm(vectors[:, None] - vectors[None], axis=2) <= 2.5
    expected = components(40, np.argwhere(near))
    assert 1 < len(set(expected.tolist())) < 40
    assert near_components(vectors, radius=2.5).tolist() == expected.tolist()


def test_rows_that_a_user_joined_are_one_component_however_far_apart():
    vectors = np.array([[0.0], [9.0], [9.1], [20.0]], np.float32)
    assert near_components(vectors, radius=0.5, joined=np.array([0, 0, 2, 3])).tolist() == [0, 0, 0, 3]


def test_near_points_are_found_in_every_block(monkeypatch):
    monkeypatch.setattr("postlens.tasks.people.near.BLOCK_QUERIES", 3)
    monkeypatch.setattr("postlens.tasks.people.near.BLOCK_CELLS", 21)
    vectors = np.random.default_rng(1).normal(size=(40, 8)).astype(np.float32)
    squared = np.linspace(1, 12, 10)
    found = list(near_points(with_norms(vectors), vectors[:10], squared=squared))
    distances = ((vectors[:10, None] - vectors) ** 2).sum(axis=2)
    pairs = {(int(q), int(r)) for query, row in found for q, r in zip(query, row, strict=True)}
    assert pairs == set(map(tuple, np.argwhere(distances <= squared[:, None]).tolist()))


def test_a_neighbourhood_along_few_axes_finds_what_is_near(monkeypatch):
    rng = np.random.default_rng(2)
    vectors = (rng.normal(size=(200, 128)) * np.geomspace(1, 0.01, 128)).astype(np.float32)
    squared = np.linspace(5, 30, 20)
    whole = Neighbourhood(vectors).within(vectors[:20], squared)
    monkeypatch.setattr("postlens.tasks.people.near.MIN_ROWS", 100)
    along = Neighbourhood(vectors).within(vectors[:20], squared)
    assert [sorted(rows.tolist()) for rows in along] == [sorted(rows.tolist()) for rows in whole]
    assert 20 < sum(map(len, whole)) < 2000


def test_nothing_is_near_no_points():
    assert Neighbourhood(np.zeros((3, 4), np.float32)).within(np.zeros((0, 4), np.float32), np.zeros(0)) == []


def test_no_vectors_are_no_components():
    assert near_components(np.zeros((0, 4), np.float32), radius=1).shape == (0,)


def test_equal_vectors_are_one_person_but_for_conflicts():
    vectors = np.ones((50, 4), np.float32)
    assert set(linked(vectors, person=range(50), conflicts=[], threshold=0.1).tolist()) == {0}
    assert len(set(linked(vectors, person=range(50), conflicts=[(3, 9)], threshold=0.1).tolist())) == 2


def test_memory_is_linear_in_the_photos_of_one_person():
    """Two million near pairs, which would take 64 MB as lists of rows and distances."""
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=32) + 0.01 * rng.normal(size=(2000, 32))).astype(np.float32)
    tracemalloc.start()
    person = linked(vectors, person=range(2000), conflicts=[], threshold=1.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert set(person.tolist()) == {0}
    assert peak < 32 << 20
