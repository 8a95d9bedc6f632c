"""A photo to who is in it, and two photos to whether they show one person. Nothing is stored.

A face is compared with one vector for each person: the quality-weighted mean of the identity vectors of its tracks.
Against the nearest of all tracks that is fewer comparisons, so fewer chances of a false match as a person is seen more
often, and a poor track does not answer alone. The search is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import PostlensError, UsageError
from postlens.media.probe import StrPath, display_name
from postlens.pipelines.photos import SearchedPhoto, largest, search_photo
from postlens.store import Store
from postlens.store.faces import read_tracks
from postlens.store.people import Person, read_owners, read_persons
from postlens.types import Failure, FloatArray
from postlens.vision.faces import CAREFUL, FaceDetector
from postlens.vision.templates import MATCH, SAME_PERSON, STRICT, TEMPLATE, false_match_rate, unit_rows
from postlens.vision.zoo import load_spec

STAGE, NO_FACE = "identify", "NoFace"

_Near = tuple[Person, float]  # with the distance


@dataclass(frozen=True, slots=True)
class Identified:
    """A face and who it is; nobody is a valid answer."""

    xyxy_px: tuple[float, float, float, float]  # left, top, right, bottom in the photo
    quality: float
    person_id: str | None
    name: str | None
    distance: float | None  # to the nearest person that is not hidden; None: there is none to tell of
    similarity: float | None  # 1 - distance / (2 * threshold), in [0, 1]: 1 is identical, .5 at the threshold
    threshold: float
    false_match_rate: float  # of one comparison with a stranger, at the threshold
    gallery_false_match_rate: float  # that a stranger matches anybody of the gallery
    n_persons: int  # that may be the answer: hidden ones are not counted


@dataclass(frozen=True, slots=True)
class IdentifiedPhoto:
    """A photo with its faces, the most certain first, or why there are none."""

    path: str
    faces: tuple[Identified, ...]
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two photos show one person."""

    same: bool
    distance: float
    similarity: float  # 1 - distance / (2 * threshold), in [0, 1]
    threshold: float
    false_match_rate: float  # of two photos of two people, at the threshold
    quality: tuple[float, float]  # of the faces compared: the largest of each photo


@dataclass(frozen=True, slots=True)
class Gallery:
    """One vector for each person."""

    people: tuple[Person, ...]
    vectors: FloatArray  # (P, D) of unit length

    def part(self, *, hidden: bool) -> Gallery:
        """Those whom the user hid, or the others."""
        rows = [row for row, person in enumerate(self.people) if person.hidden == hidden]
        return Gallery(tuple(self.people[row] for row in rows), self.vectors[rows])

    def nearest(self, vectors: FloatArray) -> list[_Near | None]:
        """The nearest person of each of (N, D) vectors with its L2 distance; `None` where there is nobody."""
        if not self.people or not len(vectors):
            return [None] * len(vectors)
        squared = 2 - 2 * np.clip(vectors @ self.vectors.T, -1, 1)
        rows = squared.argmin(axis=1)
        return [(self.people[row], float(np.sqrt(squared[i, row]))) for i, row in enumerate(rows.tolist())]


def read_known(conn: Connection) -> Gallery:
    """Everybody in the store with the mean of their tracks, weighted by quality."""
    tracks = read_tracks(conn)
    owner = read_owners(conn)
    people = {person.person_id: person for person in read_persons(conn)}
    number = {person_id: i for i, person_id in enumerate(sorted(set(owner.values())))}
    rows = np.array([i for i, track in enumerate(tracks.track_id) if track in owner], np.int64)
    person = np.array([number[owner[tracks.track_id[i]]] for i in rows], np.int64)
    total = np.zeros((len(number), tracks.template.shape[1]), np.float64)
    weight = np.maximum(tracks.quality[rows], np.float32(1e-3))  # a person of poor tracks has a mean, too
    np.add.at(total, person, unit_rows(tracks.template[rows]) * weight[:, None])
    return Gallery(tuple(people[one] for one in number), unit_rows(total))


def identify(
    store: Store,
    photos: Sequence[StrPath],
    *,
    strict: bool = False,
    settings: Settings,
    detector: FaceDetector | None = None,
) -> list[IdentifiedPhoto]:
    """Who is in each photo, by all persons of the store; `strict` asks for more likeness.

    A face whose nearest person the user hid is nobody, and nothing tells how near: distance and similarity are those of
    the nearest other person, or `None` where that one would match, too. A photo that cannot be read, or in which no
    face is found, has a failure.
    """
    limit = threshold(settings, strict=strict)
    with store.read() as conn:
        gallery = read_known(conn)
    finder = detector or FaceDetector(views=CAREFUL)
    return [_identified(path, gallery, limit, finder, settings) for path in photos]


def _identified(
    path: StrPath, gallery: Gallery, limit: float, detector: FaceDetector, settings: Settings
) -> IdentifiedPhoto:
    name = display_name(path)
    try:
        photo = search_photo(path, detector, settings=settings)
    except PostlensError as error:
        return IdentifiedPhoto(name, (), Failure.of(name, STAGE, error))
    if not len(photo.faces):
        return IdentifiedPhoto(name, (), Failure(name, STAGE, NO_FACE, f"{name}: no face was found"))
    shown, secret = gallery.part(hidden=False), gallery.part(hidden=True)
    found = [
        _told(*pair, limit) for pair in zip(shown.nearest(photo.vectors), secret.nearest(photo.vectors), strict=True)
    ]
    return IdentifiedPhoto(name, tuple(_answer(photo, i, one, shown, limit) for i, one in enumerate(found)))


def _told(shown: _Near | None, secret: _Near | None, limit: float) -> _Near | None:
    """The nearest person that may be told of; `None` where a hidden one is nearer than one that would match."""
    if shown is not None and secret is not None and secret[1] < shown[1] <= limit:
        return None
    return shown


def _answer(photo: SearchedPhoto, row: int, nearest: _Near | None, gallery: Gallery, limit: float) -> Identified:
    left, top, right, bottom = (round(float(value), 1) for value in photo.faces.xyxy_px[row])
    person, distance = nearest if nearest is not None else (None, None)
    matched = person if distance is not None and distance <= limit else None
    rate = false_match_rate(limit)
    return Identified(
        xyxy_px=(left, top, right, bottom),
        quality=float(photo.faces.quality[row]),
        person_id=matched.person_id if matched else None,
        name=matched.name if matched else None,
        distance=distance,
        similarity=None if distance is None else similarity(distance, limit),
        threshold=limit,
        false_match_rate=rate,
        gallery_false_match_rate=gallery_rate(rate, len(gallery.people)),
        n_persons=len(gallery.people),
    )


def verify(
    first: StrPath,
    second: StrPath,
    *,
    strict: bool = False,
    settings: Settings,
    detector: FaceDetector | None = None,
) -> Verification:
    """Whether the largest faces of two photos are one person.

    Raises:
        MediaError: a photo cannot be read.
        UsageError: no face was found in one.
    """
    finder = detector or FaceDetector(views=CAREFUL)
    photos = [_largest(search_photo(path, finder, settings=settings)) for path in (first, second)]
    limit = load_spec(TEMPLATE).thresholds[STRICT if strict else SAME_PERSON]
    distance = float(np.linalg.norm(photos[0].vectors[0] - photos[1].vectors[0]))
    return Verification(
        same=distance <= limit,
        distance=distance,
        similarity=similarity(distance, limit),
        threshold=limit,
        false_match_rate=false_match_rate(limit),
        quality=(float(photos[0].faces.quality[0]), float(photos[1].faces.quality[0])),
    )


def _largest(photo: SearchedPhoto) -> SearchedPhoto:
    if not len(photo.faces):
        raise UsageError(f"{display_name(photo.path)}: expected a face, found none; give another photo")
    return replace(photo, faces=photo.faces[[largest(photo.faces)]])


def threshold(settings: Settings, *, strict: bool) -> float:
    """The largest distance of a face from a person that it may be; `strict`: the card's stricter one."""
    thresholds = load_spec(TEMPLATE).thresholds
    return thresholds[STRICT] if strict else settings.match_threshold or thresholds[MATCH]


def similarity(distance: float, limit: float) -> float:
    """1 for identical faces, .5 at the threshold, 0 from twice of it on."""
    return float(np.clip(1 - distance / (2 * limit), 0, 1))


def gallery_rate(rate: float, n_persons: int) -> float:
    """Chance that a stranger matches one of n persons, if comparisons were independent: 1 - (1 - rate)^n."""
    return float(-np.expm1(n_persons * np.log1p(-rate))) if rate < 1 else 1.0
