"""Persons, their tracks, the user's words, and the posts they appear in."""

from __future__ import annotations

import pytest

from postlens.errors import ForgottenError
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.forget import forget_person
from postlens.store.people import (
    Constraint,
    Person,
    PersonTrack,
    appearances,
    delete_constraints,
    delete_person_tracks,
    delete_persons,
    read_constraints,
    read_person_thumbnails,
    read_person_tracks,
    read_persons,
    write_constraints,
    write_person_tracks,
    write_persons,
)
from postlens.store.posts import DuplicateLink, write_duplicates, write_post, write_posts
from postlens.types import Appearance, MediaRef

from .facts import LATER, NOW, features, located, post, sha

ANNA, BEN = Person("anna", NOW, "Anna"), Person("ben", NOW, hidden=True)


@pytest.fixture
def peopled(store: Store) -> Store:
    """Posts 1, 2 and 3 with two faces each: Anna left in all of them, Ben right in post 1."""
    shown = [PersonTrack(f"{sha(n)}:0", "anna", 0.75) for n in (1, 2, 3)]
    with store.write() as conn:
        write_posts(conn, [located(n) for n in (1, 2, 3)], now=NOW)
        write_features(conn, *(features(n) for n in (1, 2, 3)))
        write_persons(conn, [ANNA, BEN])
        write_person_tracks(conn, [*shown, PersonTrack(f"{sha(1)}:1", "ben", None, "user")])
    return store


def test_person_keeps_the_first_time(peopled: Store) -> None:
    with peopled.write() as conn:
        write_persons(conn, [Person("anna", LATER, "Anna B.")])
        assert read_persons(conn) == [Person("anna", NOW, "Anna B."), BEN]


def test_appearances_say_who_is_in_which_post(peopled: Store) -> None:
    with peopled.read() as conn:
        found = appearances(conn)
    assert [(one.person_id, one.post_id) for one in found] == [
        *(("anna", f"instagram:{n}") for n in (1, 2, 3)),
        ("ben", "instagram:1"),
    ]
    assert found[0] == Appearance("anna", "instagram:1", sha(1), f"{sha(1)}:0", 0.0, 2.0, 0.75)
    assert found[-1].similarity == 1.0


def test_hidden_persons_can_be_left_out(peopled: Store) -> None:
    with peopled.read() as conn:
        assert {one.person_id for one in appearances(conn)} == {"anna", "ben"}
        assert {one.person_id for one in appearances(conn, hidden=False)} == {"anna"}


def test_duplicate_posts_do_not_count_twice(peopled: Store) -> None:
    with peopled.write() as conn:
        write_duplicates(conn, [DuplicateLink("instagram:3", "instagram:1", "same frames", 0.9)])
        assert len(appearances(conn)) == 3
        assert len(appearances(conn, duplicates=True)) == 4


def test_media_twice_in_a_post_counts_once(peopled: Store) -> None:
    twice = post(4, media=(MediaRef(path="x.jpg"), MediaRef(path="y.jpg")))
    with peopled.write() as conn:
        write_post(conn, twice, [sha(1), sha(1)], now=NOW)
        found = [one.person_id for one in appearances(conn) if one.post_id == "instagram:4"]
    assert found == ["anna", "ben"]


def test_thumbnail_is_of_the_best_face(peopled: Store) -> None:
    with peopled.write() as conn:
        assert read_person_thumbnails(conn) == {"anna": b"face at 0", "ben": b"face at 100"}
        write_person_tracks(conn, [PersonTrack(f"{sha(2)}:1", "anna", 0.8)])
        assert read_person_thumbnails(conn)["anna"] == b"face at 100"


def test_assignments_can_be_taken_away(peopled: Store) -> None:
    gone = f"{sha(1)}:0"
    with peopled.write() as conn:
        others = [one for one in read_person_tracks(conn) if one.track_id != gone]
        assert delete_person_tracks(conn, [gone, "unknown:1"]) == 1
        assert read_person_tracks(conn) == others != []


def test_deleted_person_leaves_its_tracks_waiting(peopled: Store) -> None:
    with peopled.write() as conn:
        assert delete_persons(conn, ["anna"]) == 1
        assert [one.person_id for one in read_person_tracks(conn)] == ["ben"]


def test_words_are_kept_once_whatever_the_order_of_tracks(peopled: Store) -> None:
    first, second = sorted([f"{sha(1)}:0", f"{sha(2)}:0"])
    word = Constraint("must_link", second, first, NOW)
    with peopled.write() as conn:
        write_constraints(conn, [word, Constraint("must_link", first, second, LATER)])
        assert read_constraints(conn) == [Constraint("must_link", first, second, NOW)]
        assert delete_constraints(conn, [word]) == 1


def test_forgotten_person_is_not_written_again(peopled: Store) -> None:
    with peopled.write() as conn:
        forget_person(conn, "anna", now=NOW)
    with pytest.raises(ForgottenError, match="anna"), peopled.write() as conn:
        write_persons(conn, [ANNA])
