"""A store to its campaign: people of copies, and faces that wait."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postlens.pipelines.answers import Answerer
from postlens.pipelines.campaign import Campaign
from postlens.pipelines.compile import compile_campaign
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.people import Person, PersonTrack, write_person_tracks, write_persons
from postlens.store.posts import DuplicateLink, write_duplicates, write_posts

from ..store.facts import NOW, features, located, sha
from .fakes import settings


@pytest.fixture(scope="module")
def answerer() -> Answerer:
    return Answerer(settings())


def fill(store: Store, tracks: list[str], *, copies: dict[int, int]) -> None:
    """Posts 1, 2 and 3 with two tracks each, some of which show Ann."""
    with store.write() as conn:
        write_posts(conn, [located(n) for n in (1, 2, 3)], now=NOW)
        plain = (replace(features(n), faces=None, embeddings=None, pts_s=None) for n in (1, 2, 3))
        write_features(conn, *plain)
        write_persons(conn, [Person("ann", NOW)])
        write_person_tracks(conn, [PersonTrack(track, "ann", 0.9) for track in tracks])
        links = [DuplicateLink(f"instagram:{a}", f"instagram:{b}", "frames", 1.0) for a, b in copies.items()]
        write_duplicates(conn, links)


def compiled(store: Store, answerer: Answerer) -> Campaign:
    with store.read() as conn:
        return compile_campaign(conn, answerer, now=NOW)


def test_a_person_seen_only_in_a_copy_counts_for_its_first_post(store, answerer):
    fill(store, [f"{sha(2)}:0"], copies={2: 1})
    (person,) = compiled(store, answerer).people
    assert (person.person_id, person.n_posts) == ("ann", 1)
    assert [row.n_posts for row in person.performance if row.metric == "likes"] == [1]


def test_a_person_seen_in_a_post_and_its_copy_counts_once(store, answerer):
    fill(store, [f"{sha(n)}:0" for n in (1, 2, 3)], copies={2: 1})
    (person,) = compiled(store, answerer).people
    assert person.n_posts == 2
    assert {one.post_id for one in person.appearances} == {"instagram:1", "instagram:3"}


def test_everyone_whom_a_post_names_is_among_the_people(store, answerer):
    fill(store, [f"{sha(2)}:0", f"{sha(3)}:1"], copies={2: 1, 3: 1})
    found = compiled(store, answerer)
    named = {one.person_id for post in found.posts for one in post.appearances}
    assert named == {person.person_id for person in found.people}


def test_tracks_of_nobody_are_counted_as_waiting(store, answerer):
    fill(store, [f"{sha(1)}:0"], copies={})
    assert compiled(store, answerer).n_waiting_faces == 5
