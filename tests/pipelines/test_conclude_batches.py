"""Assignments in several steps: the people of one step, by looking at what is new alone."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st

from postlens.pipelines import conclude as conclude_module
from postlens.pipelines.conclude import conclude
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.gallery import GalleryTrack, unsettle, write_gallery
from postlens.store.meta import read_meta, read_revision
from postlens.store.people import Constraint, Person, read_person_tracks, write_constraints, write_persons
from postlens.store.posts import write_posts
from postlens.store.settled import FULL_RUN, read_unsettled

from ..store.facts import NOW, boxes, features, located, sha
from .fakes import settings

PLACES = (0, 100, 200)  # left sides of boxes, which also choose the templates


def fill(store: Store, number: int, *places: int) -> None:
    with store.write() as conn:
        write_posts(conn, [located(number)], now=NOW)
        write_features(conn, features(number, boxes(*(places or (0, 100)))))


def draw(store: Store, **changes: object) -> dict[str, str]:
    """Track to person after the conclusions."""
    conclude(store, settings=settings(**changes), now=NOW)
    with store.read() as conn:
        return {one.track_id: one.person_id for one in read_person_tracks(conn)}


def groups(people: dict[str, str]) -> set[frozenset[str]]:
    return {frozenset(track for track, one in people.items() if one == person) for person in people.values()}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What every assignment was told to have changed."""
    seen: list[object] = []
    whole = conclude_module.assign

    def spy(tracks, *, changed, **more):
        seen.append(changed if changed is None else sorted(changed))
        return whole(tracks, changed=changed, **more)

    monkeypatch.setattr(conclude_module, "assign", spy)
    return seen


def reason(store: Store) -> str | None:
    with store.read() as conn:
        return read_meta(conn, FULL_RUN)


def test_only_new_tracks_are_said_to_have_changed(store, asked):
    fill(store, 1)
    draw(store)
    fill(store, 2)
    draw(store)
    draw(store)
    assert asked == [None, [f"{sha(2)}:0", f"{sha(2)}:1"]]
    assert reason(store) == "nothing was assigned before"


def test_another_threshold_computes_all_and_says_why(store, asked):
    fill(store, 1)
    fill(store, 2)
    draw(store)
    draw(store, match_threshold=0.25)
    assert asked == [None, None]
    assert "the threshold is 0.25" in str(reason(store))


def test_media_looked_at_anew_compute_all(store, asked):
    fill(store, 1)
    fill(store, 2)
    draw(store)
    with store.write() as conn:
        write_features(conn, features(2, boxes(0, 200)))
    found = draw(store)
    assert asked == [None, None]
    assert f"{sha(2)}:1" not in found


def test_links_written_without_a_hint_compute_all(store, asked):
    for number in (1, 2, 3, 4):
        fill(store, number)
    draw(store)
    with store.write() as conn:
        write_constraints(conn, [Constraint("cannot_link", f"{sha(1)}:0", f"{sha(2)}:0", NOW)])
    found = draw(store)
    assert found.get(f"{sha(1)}:0") != found.get(f"{sha(2)}:0")
    assert asked == [None, None]


def test_links_with_unsettled_ends_compute_these(store, asked):
    for number in (1, 2, 3, 4):
        fill(store, number)
    draw(store)
    ends = [f"{sha(1)}:0", f"{sha(2)}:0"]
    with store.write() as conn:
        write_constraints(conn, [Constraint("cannot_link", *ends, NOW)])
        unsettle(conn, ends)
    found = draw(store)
    assert found.get(ends[0]) != found.get(ends[1])
    assert asked == [None, sorted(ends)]


def test_a_gallery_track_makes_its_person(store):
    fill(store, 1)
    with store.write() as conn:
        write_persons(conn, [Person("ann", NOW, name="Ann")])
        write_gallery(conn, [GalleryTrack(f"{sha(1)}:0", "ann", "enrolled", NOW)])
    assert draw(store) == {f"{sha(1)}:0": "ann"}
    fill(store, 2)
    assert draw(store)[f"{sha(2)}:0"] == "ann"


def test_nothing_new_changes_nothing(store):
    fill(store, 1)
    fill(store, 2)
    draw(store)
    with store.read() as conn:
        revision = read_revision(conn)
        assert read_unsettled(conn) == []
    draw(store)
    with store.read() as conn:
        assert read_revision(conn) == revision


@examples(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_several_conclusions_are_as_one(seed, tmp_path_factory):
    """Photos in any order, a conclusion after some of them, links among them."""
    rng = np.random.default_rng(seed)
    photos = {number: rng.choice(PLACES, rng.integers(1, 4), replace=False).tolist() for number in range(1, 8)}
    ends = [f"{sha(number)}:0" for number in rng.choice(list(photos), 2, replace=False)]
    word = Constraint(str(rng.choice(["must_link", "cannot_link"])), *ends, NOW)
    folder = tmp_path_factory.mktemp("stores")
    found = []
    for name, pauses in (("one", 0.0), ("many", 0.5)):
        with Store.open(folder / f"{name}.db") as store:
            for number in rng.permutation(list(photos)).tolist():
                fill(store, number, *photos[number])
                if rng.random() < pauses:
                    draw(store)
            with store.write() as conn:
                write_constraints(conn, [word])
                unsettle(conn, ends)
            found.append(groups(draw(store)))
    assert found[0] == found[1]
