"""Identifying: who is in a photo, or nobody, and how sure that is; nothing is stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from postlens.errors import MediaError, UsageError
from postlens.pipelines.enrol import enroll
from postlens.pipelines.identify import Gallery, gallery_rate, identify, read_known, similarity, verify
from postlens.pipelines.people import hide_person
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.people import Person

from ..store.facts import NOW, features
from .crowds import ANN, fill, people, track
from .fakes import settings
from .test_enrol import crowd, paths, portraits, wall

__all__ = ["portraits"]

HOW = {"settings": settings(), "now": NOW}


@pytest.fixture
def known(store: Store, portraits: Path) -> Store:
    """Ann by one photo."""
    enroll(store, "Ann", paths(portraits, "smile.jpg"), **HOW)
    return store


def test_a_known_person_is_named_and_a_stranger_is_nobody(known, portraits):
    found = identify(known, paths(portraits, "flight-suit.jpg", "navy-cap.jpg"), settings=settings())
    assert [[face.name for face in photo.faces] for photo in found] == [["Ann"], [None]]
    ann, stranger = found[0].faces[0], found[1].faces[0]
    assert ann.distance <= ann.threshold < stranger.distance
    assert ann.similarity >= 0.5 > stranger.similarity
    assert stranger.person_id is None


def test_every_face_of_a_photo_is_answered(known, portraits, tmp_path):
    found = identify(known, [crowd(tmp_path, portraits)], settings=settings())[0]
    assert sorted(face.name or "nobody" for face in found.faces) == ["Ann", "nobody"]


def test_nothing_is_stored(known, portraits):
    with known.read() as conn:
        before = dump(conn)
    identify(known, paths(portraits, "flight-suit.jpg"), settings=settings())
    with known.read() as conn:
        assert dump(conn) == before


def test_photos_without_a_face_or_that_cannot_be_read_have_a_failure(known, portraits, tmp_path):
    found = identify(known, [wall(tmp_path, portraits), tmp_path / "absent.jpg"], settings=settings())
    assert [photo.failure.error for photo in found] == ["NoFace", "MediaNotFoundError"]


def test_an_empty_store_knows_nobody(store, portraits):
    face = identify(store, paths(portraits, "smile.jpg"), settings=settings())[0].faces[0]
    assert (face.person_id, face.distance, face.similarity, face.gallery_false_match_rate) == (None, None, None, 0.0)


def test_a_hidden_person_is_nobody(known, portraits):
    hide_person(known, "Ann", **HOW)
    assert identify(known, paths(portraits, "smile.jpg"), settings=settings())[0].faces[0].person_id is None


def test_nothing_tells_how_near_a_hidden_person_is(known, portraits):
    enroll(known, "Bea", paths(portraits, "navy-cap.jpg"), **HOW)
    both = identify(known, paths(portraits, "smile.jpg"), settings=settings())[0].faces[0]
    hide_person(known, "Ann", **HOW)
    face = identify(known, paths(portraits, "smile.jpg"), settings=settings())[0].faces[0]
    assert both.distance < both.threshold < face.distance
    assert face.similarity < 0.5
    assert (both.n_persons, face.n_persons) == (2, 1)
    assert face.gallery_false_match_rate < both.gallery_false_match_rate
    hide_person(known, "Bea", **HOW)
    nobody = identify(known, paths(portraits, "smile.jpg"), settings=settings())[0].faces[0]
    assert (nobody.person_id, nobody.distance, nobody.similarity, nobody.n_persons) == (None, None, None, 0)


def test_a_face_nearer_to_a_hidden_person_gets_no_other_name(known, portraits):
    enroll(known, "Bea", paths(portraits, "flight-suit.jpg"), **HOW)
    hide_person(known, "Ann", **HOW)
    face = identify(known, paths(portraits, "smile.jpg"), settings=settings(match_threshold=1.5))[0].faces[0]
    assert (face.person_id, face.distance, face.similarity) == (None, None, None)


def test_strict_asks_for_more(known, portraits):
    loose, strict = (
        identify(known, paths(portraits, "flight-suit.jpg"), strict=one, settings=settings())[0].faces[0]
        for one in (False, True)
    )
    assert strict.threshold < loose.threshold
    assert strict.false_match_rate <= loose.false_match_rate


def test_a_person_is_the_mean_of_the_tracks(store):
    fill(store)
    with store.read() as conn:
        found = read_known(conn)
    assert len(found.people) == len(set(people(store).values()))
    assert np.allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    template = features(1).faces.template[0]
    person, distance = found.nearest((template / np.linalg.norm(template))[None])[0]
    assert person.person_id == people(store)[track(1, ANN)]
    assert distance < 1e-3


def test_the_nearest_of_many_is_found_exactly():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(500, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    gallery = Gallery(tuple(Person(str(i), NOW) for i in range(500)), vectors)
    asked = vectors[::7] + rng.normal(size=(72, 16), scale=0.05).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    expected = np.linalg.norm(asked[:, None] - vectors[None], axis=2)
    for row, (person, distance) in enumerate(gallery.nearest(asked)):
        assert int(person.person_id) == expected[row].argmin()
        assert distance == pytest.approx(expected[row].min(), abs=1e-3)


@pytest.mark.parametrize(
    ("rate", "n", "expected"), [(1e-3, 1, 1e-3), (1e-3, 0, 0.0), (1e-6, 1000, 9.995e-4), (0.5, 2, 0.75), (1.0, 3, 1.0)]
)
def test_the_false_match_rate_grows_with_the_gallery(rate, n, expected):
    assert gallery_rate(rate, n) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(("distance", "expected"), [(0.0, 1.0), (0.3, 0.5), (0.6, 0.0), (1.2, 0.0)])
def test_similarity_is_a_half_at_the_threshold(distance, expected):
    assert similarity(distance, 0.3) == pytest.approx(expected)


def test_two_photos_of_one_person_are_told_from_two_of_two(portraits):
    same = verify(*paths(portraits, "smile.jpg", "flight-suit.jpg"), settings=settings())
    other = verify(*paths(portraits, "smile.jpg", "navy-cap.jpg"), settings=settings())
    assert (same.same, other.same) == (True, False)
    assert same.distance < other.distance
    assert verify(*paths(portraits, "smile.jpg", "smile.jpg"), strict=True, settings=settings()).distance == 0


def test_verify_needs_a_face_in_both_and_photos(portraits, tmp_path, sample_campaign):
    with pytest.raises(UsageError, match="found none"):
        verify(portraits / "smile.jpg", wall(tmp_path, portraits), settings=settings())
    with pytest.raises(MediaError, match="video"):
        verify(
            portraits / "smile.jpg",
            sample_campaign / "media" / "sample.portraits" / "glasses.mp4",
            settings=settings(),
        )
