"""Conclusions across posts: copies, and persons that keep their ids and names."""

from __future__ import annotations

from datetime import timedelta

import pytest

from postlens.pipelines.conclude import conclude
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.features import write_features
from postlens.store.ledger import mark_done
from postlens.store.media import FileStat, read_media, write_files
from postlens.store.meta import read_revision
from postlens.store.people import (
    Constraint,
    Person,
    count_waiting_tracks,
    read_person_tracks,
    read_persons,
    write_constraints,
    write_persons,
)
from postlens.store.posts import read_duplicates, write_posts
from postlens.store.tombstones import write_tombstone

from ..store.facts import NOW, boxes, features, located, provenance, sha
from .fakes import settings


def fill(store: Store, *numbers: int) -> None:
    """Photos that each show the same two faces."""
    with store.write() as conn:
        for number in numbers:
            write_posts(conn, [located(number, published_at=NOW + timedelta(days=number))], now=NOW)
            write_features(conn, features(number))


def draw(store: Store) -> dict[str, str]:
    """Track to person after the conclusions."""
    conclude(store, settings=settings(), now=NOW)
    with store.read() as conn:
        return {one.track_id: one.person_id for one in read_person_tracks(conn)}


def persons(store: Store) -> dict[str, Person]:
    with store.read() as conn:
        return {person.person_id: person for person in read_persons(conn)}


def test_two_faces_in_two_photos_are_two_persons(store):
    fill(store, 1, 2)
    found = draw(store)
    assert found[f"{sha(1)}:0"] == found[f"{sha(2)}:0"] != found[f"{sha(1)}:1"] == found[f"{sha(2)}:1"]
    assert set(persons(store)) == set(found.values())


def test_faces_seen_once_wait(store):
    fill(store, 1)
    assert draw(store) == {}
    assert persons(store) == {}


def test_concluding_again_changes_nothing(store):
    fill(store, 1, 2, 3)
    draw(store)
    with store.read() as conn:
        before, revision = dump(conn), read_revision(conn)
    draw(store)
    with store.read() as conn:
        assert (dump(conn), read_revision(conn)) == (before, revision)


def test_a_new_photo_joins_the_person_it_shows(store):
    fill(store, 1, 2)
    before = draw(store)
    fill(store, 3)
    after = draw(store)
    assert before.items() <= after.items()
    assert after[f"{sha(3)}:0"] == before[f"{sha(1)}:0"]


def test_photos_in_any_order_give_the_same_groups(store, tmp_path):
    fill(store, 3, 1, 2)
    with Store.open(tmp_path / "other.db") as other:
        fill(other, 1, 2, 3)
        assert draw(store) == draw(other)


def test_a_person_whom_no_track_shows_any_more_goes_unless_the_user_named_them(store):
    fill(store, 1, 2)
    found = draw(store)
    named, unnamed = found[f"{sha(1)}:0"], found[f"{sha(1)}:1"]
    with store.write() as conn:
        write_persons(conn, [Person(named, NOW, name="Ann")])
        write_features(conn, features(1, boxes()), features(2, boxes()))
    assert draw(store) == {}
    assert set(persons(store)) == {named}
    assert unnamed not in persons(store)


def test_the_users_word_keeps_two_apart(store):
    fill(store, 1, 2, 3, 4)
    with store.write() as conn:
        write_constraints(conn, [Constraint("cannot_link", f"{sha(1)}:0", f"{sha(2)}:0", NOW)])
    found = draw(store)
    assert found.get(f"{sha(1)}:0") != found.get(f"{sha(2)}:0")


@pytest.mark.parametrize("times", [1, 3])
def test_a_forgotten_id_is_never_used_again(store, times):
    fill(store, 1, 2)
    gone = set()
    for _ in range(times):
        gone |= set(draw(store).values())
        with store.write() as conn:
            for person_id in gone:
                write_tombstone(conn, "person", person_id, now=NOW)
    found = draw(store)
    assert len(set(found.values())) == 2
    assert not gone.intersection(found.values())


def test_the_first_publication_is_the_one_that_counts(store):
    with store.write() as conn:
        copy = located(7, published_at=NOW)
        write_posts(conn, [copy, located(8, published_at=NOW + timedelta(days=1))], now=NOW)
        write_posts(conn, [type(copy)(located(9, published_at=NOW - timedelta(days=1)).post, copy.media)], now=NOW)
        write_features(conn, features(7), features(8))
    draw(store)
    with store.read() as conn:
        links = read_duplicates(conn)
    assert [(one.post_id, one.first_post_id) for one in links] == [("instagram:7", "instagram:9")]


def test_media_whose_file_has_other_content_now_goes_with_all_that_was_found_in_it(store):
    fill(store, 1, 2)
    with store.write() as conn:
        mark_done(conn, [provenance(1, "detect"), provenance(2, "detect")])
        write_files(conn, {"/photos/1.jpg": FileStat(1, 1, sha(3)), "/old/1.jpg": FileStat(1, 1, sha(1))})
        write_constraints(conn, [Constraint("must_link", f"{sha(1)}:0", f"{sha(2)}:0", NOW)])
    draw(store)
    with store.write() as conn:
        write_posts(conn, [type(located(1))(located(1).post, (sha(3),))], now=NOW)
        write_features(conn, features(3, boxes()))
    assert draw(store) == {}
    with store.read() as conn:
        assert sha(1) not in repr(dump(conn))
        assert set(read_media(conn)) == {sha(2), sha(3)}
        assert count_waiting_tracks(conn) == 2


def test_media_that_another_post_still_uses_stays(store):
    fill(store, 1, 2)
    with store.write() as conn:
        write_posts(conn, [type(located(3))(located(3).post, (sha(1),))], now=NOW)
        write_posts(conn, [type(located(1))(located(1).post, (sha(2),))], now=NOW)
    assert len(draw(store)) == 4
