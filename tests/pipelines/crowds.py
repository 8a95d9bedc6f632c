"""Stores with persons made from numbers, for tests of corrections: the face at one place is one person everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from postlens.pipelines.conclude import conclude
from postlens.pipelines.decide import deciding
from postlens.store import Store
from postlens.store.features import write_features
from postlens.store.gallery import GalleryTrack, write_gallery
from postlens.store.people import Person, read_person_tracks, read_persons, write_persons
from postlens.store.posts import write_posts

from ..store.facts import NOW, boxes, features, located, sha
from .fakes import settings

ANN, BEN, CAT, DAN, EVE = 0, 100, 200, 300, 500  # left sides of the boxes, which also choose the templates
PHOTOS = {1: (ANN, BEN), 2: (ANN, BEN), 3: (ANN,), 4: (CAT,), 5: (CAT, ANN), 6: (DAN,), 7: (DAN, CAT)}


def fill(store: Store, photos: dict[int, Sequence[int]] | None = None) -> None:
    """Posts with one photo each, and the conclusions."""
    with store.write() as conn:
        for number, lefts in (PHOTOS if photos is None else photos).items():
            write_posts(conn, [located(number)], now=NOW)
            write_features(conn, features(number, boxes(*lefts)))
    conclude(store, settings=settings(), now=NOW)


def track(number: int, left: int) -> str:
    """Id of the track at a place of a photo."""
    return f"{sha(number)}:{PHOTOS[number].index(left)}"


def people(store: Store) -> dict[str, str]:
    """Track to person."""
    with store.read() as conn:
        return {one.track_id: one.person_id for one in read_person_tracks(conn)}


def who(store: Store, number: int, left: int) -> str | None:
    """The person at a place of a photo."""
    return people(store).get(track(number, left))


def person(store: Store, person_id: str) -> Person:
    with store.read() as conn:
        return next(one for one in read_persons(conn) if one.person_id == person_id)


def give_photos(store: Store, name: str, *numbers: int) -> list[str]:
    """A person with photos that are no posts, as `enroll` leaves them; returns the tracks."""
    given = [f"{sha(number)}:0" for number in numbers]
    person_id = f"person-{name.lower()}"
    with deciding(store, "enroll", {"name": name}, settings=settings(), now=NOW) as edit:
        write_persons(edit.conn, [Person(person_id, NOW, name)])
        for number in numbers:
            write_features(edit.conn, features(number, boxes(EVE)))
        write_gallery(edit.conn, [GalleryTrack(track_id, person_id, "enrolled", NOW) for track_id in given])
        edit.conclude()
    return given
