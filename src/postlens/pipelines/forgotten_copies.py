"""Forgotten faces to the same faces in copies of their files: they go there, too, and do not come back.

Copies are media that were compared and found to be copies, in both directions, whatever posts they are in. What is
deleted is remembered as what was forgotten is, so that a further look at the copy drops it on the way in.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from postlens.store.copies import read_copy_pairs
from postlens.store.faces import read_face_ids, read_faces, read_tracks, track_number
from postlens.store.forget import Counts, forget_faces
from postlens.store.media import read_media
from postlens.store.posts import read_duplicates, read_posts
from postlens.store.tombstones import ForgottenFaces, read_forgotten_faces
from postlens.store.vectors import read_hashes
from postlens.tasks.people.same_places import Clip, Moments, keeps_frame, moments_of
from postlens.types import Faces, FaceTracks, FloatArray, FrameHashes, MediaFile
from postlens.vision.boxes import box_iou

# Overlap of a face with a forgotten one of the same frame, both in shares of the frame. Lower than within one file
# (.5), as slight crops that pass for whole frames shift small faces. Higher: such faces stay. Lower: neighbours go.
COPIED_IOU = 0.3

Mask = NDArray[np.bool_]


def forget_in_copies(conn: Connection) -> Counts:
    """Forget in all copies what is forgotten in a file; returns the rows removed by table.

    In a copy that keeps the whole frame the faces at the same place and time go, with their tracks. In one that moves
    the frame (mirrored, cropped, with borders) all tracks at these times go, since the place is not known, unless as
    many faces were forgotten there by themselves. Such guesses are not followed further, so a person who is lost in one
    copy stays in the others. Called again it removes nothing.
    """
    removed: Counter[str] = Counter()
    while found := _forget_once(conn):
        removed.update(found)
    return dict(removed)


def _forget_once(conn: Connection) -> Counts:
    """One step from each file to its copies: what goes for sure may be followed from there."""
    places = read_forgotten_faces(conn, None, guessed=False)
    pairs = [(one, other) for one, other in sorted(_copies(conn)) if one in places] if places else []
    if not pairs:
        return {}
    files = _Files.read(conn, {sha256 for pair in pairs for sha256 in pair})
    sure: set[str] = set()
    guessed: set[str] = set()
    for original, copy in pairs:
        if copy in files.faces:
            whole = keeps_frame(files.clip(original), files.clip(copy))
            (sure if whole else guessed).update(_same_faces(files, places, original, copy, whole=whole))
    removed = Counter(forget_faces(conn, sure, guessed=False))
    removed.update(forget_faces(conn, guessed - sure, guessed=True))
    return {name: n for name, n in removed.items() if n}


def _copies(conn: Connection) -> set[tuple[str, str]]:
    """Pairs of media of which one copies the other, both ways round: as compared, and of linked posts with one file."""
    links = read_duplicates(conn)
    ids = {post_id for link in links for post_id in (link.post_id, link.first_post_id)}
    media = {post.post_id: post.media[0] for post in read_posts(conn, post_ids=ids) if len(post.media) == 1}
    linked = [(media.get(link.post_id), media.get(link.first_post_id)) for link in links]
    pairs = {(a, b) for a, b in linked if a is not None and b is not None and a != b}
    pairs |= {(one.sha256_a, one.sha256_b) for one in read_copy_pairs(conn) if one.score is not None}
    return {*pairs, *((b, a) for a, b in pairs)}


class _Files:
    """What is known of some media files."""

    def __init__(
        self,
        media: Mapping[str, MediaFile],
        hashes: Mapping[str, FrameHashes],
        faces: Mapping[str, Faces],
        face_ids: Mapping[str, Sequence[str]],
        tracks: FaceTracks,
    ) -> None:
        self.faces = faces
        self.face_ids = face_ids
        self._media = media
        self._hashes = hashes
        self._spans: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
        for track_id, start_s, end_s in zip(tracks.track_id, tracks.start_s, tracks.end_s, strict=True):
            self._spans[track_id.rpartition(":")[0]][track_number(track_id)] = float(start_s), float(end_s)

    @classmethod
    def read(cls, conn: Connection, sha256s: set[str]) -> _Files:
        names = sorted(sha256s)
        return cls(
            read_media(conn, names),
            read_hashes(conn, names),
            read_faces(conn, names),
            read_face_ids(conn, names),
            read_tracks(conn, names),
        )

    def clip(self, sha256: str) -> Clip:
        """The frames of a file."""
        one = self._media[sha256]
        return Clip(one.duration_s or 0.0, one.width_px / one.height_px, self._hashes.get(sha256))

    def size_px(self, sha256: str) -> FloatArray:
        """Width, height, width, height: boxes divided by it are shares of the frame."""
        one = self._media[sha256]
        return np.array([one.width_px, one.height_px] * 2, np.float32)

    def spans(self, sha256: str) -> tuple[FloatArray, FloatArray]:
        """From when to when each face's track is seen, the face's own time where it has none: (M,) each."""
        found = self.faces[sha256]
        numbers = [-1] * len(found) if found.track_id is None else found.track_id.tolist()
        own = [(float(at_s), float(at_s)) for at_s in found.pts_s]
        spans = [self._spans[sha256].get(number, at) for number, at in zip(numbers, own, strict=True)]
        start_s, end_s = np.array(spans, np.float32).reshape(-1, 2).T
        return start_s, end_s


def _same_faces(
    files: _Files, places: Mapping[str, ForgottenFaces], original: str, copy: str, *, whole: bool
) -> Iterator[str]:
    """Ids of faces of the copy that are, or may be, forgotten ones of the original."""
    gone = places[original]
    moments = moments_of(gone.pts_s, files.clip(original), files.clip(copy))
    if whole:
        hit = _at_the_place(files, gone, original, copy, moments)
    else:
        hit = moments.near(*files.spans(copy)) & _is_open(gone, places.get(copy), moments)
    yield from (files.face_ids[copy][row] for row in np.flatnonzero(hit.any(axis=1)).tolist())


def _at_the_place(files: _Files, gone: ForgottenFaces, original: str, copy: str, moments: Moments) -> Mask:
    """(M, K) faces of the copy that are where a forgotten one was."""
    found = files.faces[copy]
    overlap = box_iou(found.xyxy_px / files.size_px(copy), gone.xyxy_px / files.size_px(original))
    hit: Mask = moments.near(found.pts_s, found.pts_s) & (overlap[:, moments.row] > COPIED_IOU)
    return hit


def _is_open(gone: ForgottenFaces, own: ForgottenFaces | None, moments: Moments) -> Mask:
    """(K,) moments at which fewer faces were forgotten in the copy than in the original."""
    needed = np.array([(gone.pts_s == at_s).sum() for at_s in gone.pts_s])[moments.row]
    if own is None:
        return np.ones(len(needed), bool)
    times, counts = np.unique(own.pts_s, return_counts=True)
    there = (moments.near(times, times) * counts[:, None]).max(axis=0)
    fewer: Mask = there < needed
    return fewer
