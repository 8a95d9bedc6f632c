"""The person that a profile is about, if any."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.pipelines.profile import LEAST_IMAGES, main_person, profile_tracks
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.people import Person, PersonTrack, write_person_tracks, write_persons

from ..store.facts import NOW, features, sha


@pytest.mark.parametrize(
    ("images", "n_with_face", "person"),
    [
        ({"ann": "abc", "bob": "a"}, 4, "ann"),
        ({"ann": "ab", "bob": "a"}, 2, None),  # too few images
        ({"ann": "abc", "bob": "bcd"}, 4, None),  # as many
        ({"ann": "abc"}, 7, None),  # below a half
        ({"ann": "abc"}, 6, "ann"),
        ({}, 0, None),
    ],
)
def test_the_profile_is_of_whoever_is_in_most_images(
    images: dict[str, str], n_with_face: int, person: str | None
) -> None:
    assert main_person({name: set(own) for name, own in images.items()}, n_with_face=n_with_face) == person


@given(st.dictionaries(st.sampled_from("pqrs"), st.sets(st.sampled_from("abcdef")), max_size=4))
def test_nobody_else_is_in_as_many_images(images: dict[str, set[str]]) -> None:
    found = main_person(images, n_with_face=len(set().union(*images.values())))
    if found is not None:
        assert len(images[found]) >= LEAST_IMAGES
        assert all(len(own) < len(images[found]) for name, own in images.items() if name != found)


def fill(store: Store, *, hidden: bool = False) -> list[str]:
    """Three photos of two faces each; the first of each is Ann's."""
    with store.write() as conn:
        write_features(conn, *(features(number) for number in range(3)))
        write_persons(conn, [Person("ann", created_at=NOW, hidden=hidden)])
        write_person_tracks(conn, [PersonTrack(f"{sha(number)}:0", "ann", 1.0) for number in range(3)])
    return [sha(number) for number in range(3)]


def test_tracks_of_the_profiles_person_are_found_in_the_store(store: Store) -> None:
    media = fill(store)
    with store.read() as conn:
        assert profile_tracks(conn, media) == {sha256: frozenset({0}) for sha256 in media}
        assert profile_tracks(conn, media[:2]) == {}


def test_a_hidden_person_is_nobodys_profile(store: Store) -> None:
    media = fill(store, hidden=True)
    with store.read() as conn:
        assert profile_tracks(conn, media) == {}
