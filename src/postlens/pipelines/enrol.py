"""Photos of a person whom the user names to known faces in the store.

A photo is kept as media with one face: the others in it are nobody's business. Tracks within the threshold join the
person when the conclusions are drawn. Photos are not posts, so they appear in no output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import PurePath

import numpy as np

from postlens.config import Settings
from postlens.errors import ForgottenError, MediaError, NotEnoughDataError, PostlensError, UsageError
from postlens.media.probe import StrPath, display_name
from postlens.pipelines.decide import Edit, deciding
from postlens.pipelines.enrol_rows import STAGE, complete, write_photos
from postlens.pipelines.people import expect_name
from postlens.pipelines.photos import SearchedPhoto, largest, search_photo
from postlens.store import Store
from postlens.store.faces import read_tracks
from postlens.store.gallery import GalleryTrack, read_gallery, write_gallery
from postlens.store.people import Person, read_persons, write_persons
from postlens.store.posts import read_post_media
from postlens.store.tombstones import forgotten_ids, read_forgotten_faces
from postlens.tasks.people.gather import Founding
from postlens.tasks.people.naming import person_id_of
from postlens.types import Failure, FloatArray
from postlens.vision.faces import CAREFUL, FaceDetector
from postlens.vision.templates import SAME_PERSON, TEMPLATE, unit_rows
from postlens.vision.zoo import load_spec

# A known face founds its person alone, so it must be as good as one that may found one.
MIN_QUALITY = Founding().min_quality


@dataclass(frozen=True, slots=True)
class GivenFace:
    """The face of a photo that was given for a person."""

    photo: SearchedPhoto  # of one face
    distance: float | None  # to the mean of the person's other photos; None: it is the only one

    @property
    def quality(self) -> float:
        """In [0, 1]."""
        return float(self.photo.faces.quality[0])


@dataclass(frozen=True, slots=True)
class Enrolled:
    """What became of the photos of a person."""

    number: int  # of the decision
    person_id: str
    faces: tuple[GivenFace, ...]
    failures: tuple[Failure, ...]  # photos that cannot be used
    n_joined: int  # tracks of posts that are the person's now


def enroll(
    store: Store,
    name: str,
    photos: Sequence[StrPath],
    *,
    largest_only: bool = False,
    force: bool = False,
    settings: Settings,
    now: datetime,
    detector: FaceDetector | None = None,
) -> Enrolled:
    """Keep the faces of photos as those of the person with this name, new or known.

    `largest_only`: of several faces in a photo the largest counts. `force`: also photos that do not look like each
    other, or like the photos given before.

    Raises:
        NotEnoughDataError: no photo can be used; the message says why.
        UsageError: no name, photos that do not look like each other, or a face that is somebody else's by your word.
    """
    expect_name(name)
    found, failures = _searched(
        photos, detector or FaceDetector(views=CAREFUL), largest_only=largest_only, settings=settings
    )
    kept, forgotten = _without_forgotten(store, found)
    failures += forgotten
    if not kept:
        reasons = "; ".join(failure.message for failure in failures)
        raise NotEnoughDataError(f"expected photos of one face, got none that can be used: {reasons}")
    faces = _compared(store, name.strip(), kept)
    if not force:
        _expect_alike(faces)
    said = {"name": name.strip(), "photos": [PurePath(one.path).name for one in kept]}
    features = [complete(one) for one in kept]
    with deciding(store, "enroll", said, settings=settings, now=now) as edit:
        tracks = write_photos(edit.conn, kept, features, now=now)
        person_id = _person(edit, name.strip(), tracks)
        write_gallery(edit.conn, [GalleryTrack(one, person_id, "enrolled", now) for one in tracks])
        edit.conclude()
        in_posts = {item.sha256 for item in read_post_media(edit.conn)}
        own = [track for track, owner in edit.people.items() if owner == person_id]
        n_joined = sum(track.rpartition(":")[0] in in_posts for track in own)
    return Enrolled(edit.number, person_id, tuple(faces), tuple(failures), n_joined)


# --- photos ----------------------------------------------------------------------------------------------------------


def _searched(
    photos: Sequence[StrPath], detector: FaceDetector, *, largest_only: bool, settings: Settings
) -> tuple[list[SearchedPhoto], list[Failure]]:
    """Photos with their one face, each content once, and reasons of the others."""
    found: dict[str, SearchedPhoto] = {}
    failures: list[Failure] = []
    for path in photos:
        try:
            photo = _one_face(search_photo(path, detector, settings=settings), largest_only=largest_only)
        except PostlensError as error:
            failures.append(Failure.of(display_name(path), STAGE, error))
        else:
            found.setdefault(photo.media.sha256, photo)
    return list(found.values()), failures


def _one_face(photo: SearchedPhoto, *, largest_only: bool) -> SearchedPhoto:
    name, n_faces = display_name(photo.path), len(photo.faces)
    if not n_faces:
        raise MediaError(f"{name}: expected one face, found none; give a photo that shows it larger and from the front")
    if n_faces > 1 and not largest_only:
        raise MediaError(f"{name}: expected one face, found {n_faces}; cut the photo, or take the largest: --largest")
    face = photo.faces[[largest(photo.faces)]]
    if face.quality[0] < MIN_QUALITY:
        raise MediaError(
            f"{name}: expected a face of quality {MIN_QUALITY} or better, got {face.quality[0]:.2f}: it is small,"
            " blurred or turned away; give another photo"
        )
    return replace(photo, faces=face)


def _without_forgotten(store: Store, photos: Sequence[SearchedPhoto]) -> tuple[list[SearchedPhoto], list[Failure]]:
    """A face that was forgotten on request is not taken in again from the same photo."""
    with store.read() as conn:
        places = read_forgotten_faces(conn, [photo.media.sha256 for photo in photos])
    kept, failures = [], []
    for photo in photos:
        gone = places.get(photo.media.sha256)
        if gone is not None and gone.matches(photo.faces.xyxy_px, photo.faces.pts_s)[0]:
            error = ForgottenError(f"{display_name(photo.path)}: this face was forgotten on request")
            failures.append(Failure.of(display_name(photo.path), STAGE, error))
        else:
            kept.append(photo)
    return kept, failures


def _compared(store: Store, name: str, photos: Sequence[SearchedPhoto]) -> list[GivenFace]:
    """The faces with their distances to the mean of the others, earlier photos of the person included."""
    new = {photo.media.sha256 for photo in photos}
    with store.read() as conn:
        own = {person.person_id for person in read_persons(conn) if name in (person.name, person.person_id)}
        given = [one.track_id for one in read_gallery(conn) if one.person_id in own and one.kind == "enrolled"]
        earlier = read_tracks(conn, track_ids=[one for one in given if one.rpartition(":")[0] not in new])
    vectors = np.concatenate([photo.vectors for photo in photos])
    if len(earlier):
        vectors = np.concatenate([vectors, earlier.template])
    return [GivenFace(photo, _from_others(vectors, row)) for row, photo in enumerate(photos)]


def _from_others(vectors: FloatArray, row: int) -> float | None:
    if len(vectors) < 2:
        return None
    mean = unit_rows(np.delete(vectors, row, axis=0).mean(axis=0, keepdims=True))
    return float(np.linalg.norm(vectors[row] - mean[0]))


def _expect_alike(faces: Sequence[GivenFace]) -> None:
    limit = load_spec(TEMPLATE).thresholds[SAME_PERSON]
    odd = [one for one in faces if one.distance is not None and one.distance > limit]
    if odd:
        shown = ", ".join(f"{display_name(one.photo.path)} ({one.distance:.2f})" for one in odd)
        raise UsageError(
            f"expected photos of one person, at most {limit} from the mean of the others, got {shown}; leave out what"
            " shows somebody else, or take them all with --force"
        )


# --- the person -----------------------------------------------------------------------------------------------------


def _person(edit: Edit, name: str, tracks: Sequence[str]) -> str:
    """The id of the person with the name: known, that of the faces if they have one, or new.

    Raises `UsageError` when a face is one of somebody else by the user's word.
    """
    every = {person.person_id: person for person in read_persons(edit.conn)}
    own = next((one for one in every.values() if name in (one.name, one.person_id)), None)
    vouched = {one.track_id: one.person_id for one in read_gallery(edit.conn)}
    people = edit.people
    owners = {people[one] for one in tracks if one in people} | {vouched[one] for one in tracks if one in vouched}
    strangers = [every[one] for one in owners if (own is None or one != own.person_id) and every[one].name is not None]
    if strangers:
        raise UsageError(
            f"a face in these photos is one of {strangers[0].name} by your word; use `people assign` first"
        )
    if own is not None:
        return own.person_id
    person_id = min(owners) if len(owners) == 1 else _new_id(edit, min(tracks), taken=set(every))
    write_persons(
        edit.conn, [replace(every[person_id], name=name) if person_id in every else Person(person_id, edit.now, name)]
    )
    return person_id


def _new_id(edit: Edit, track_id: str, *, taken: set[str]) -> str:
    """A hash of the track, which says nothing about the name; none that was forgotten."""
    name = person_id_of(f"enrolled {track_id}")
    while name in taken or forgotten_ids(edit.conn, "person", [name]):
        name = person_id_of(name)
    return name
