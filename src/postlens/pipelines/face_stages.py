"""The stages about faces: detect, expression, track, attributes.

A stage keeps nothing but thread-local models, so one object serves all worker threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from postlens.media.between import SAME_TIME_S, Between
from postlens.media.image import encode_jpeg
from postlens.media.video import frames_at
from postlens.pipelines.stage import MediaBatch, MediaWork, OwnPart
from postlens.tasks.products.features import LOOK, face_features
from postlens.tasks.products.predict import MODEL as ATTRIBUTE_MODEL
from postlens.tasks.products.predict import predict_attributes
from postlens.tasks.products.recommend import MIN_QUALITY
from postlens.tasks.reactions.features import EXPRESSION_HEAD, EXPRESSION_NET, read_expressions
from postlens.types import ATTRIBUTES, EMOTIONS, Faces, FrameBatch, Image, IntArray
from postlens.vision.cuts import Picture, cut_pairs, place_cut
from postlens.vision.encoder import Encoder
from postlens.vision.faces import FaceDetector
from postlens.vision.search import Quick, Span, search_faces
from postlens.vision.tracks import extend_tracks, link_tracks, summarise_tracks
from postlens.vision.zoo import load_spec, open_model

FACE_PX = 112  # side of a face's thumbnail
FACE_ZOOM = 1.5  # side of the thumbnail's crop / longer side of the box: shows hair and chin
LAST_MOMENT_S = 0.02  # half a frame at 25 frames a second: tracks on both sides of a cut do not touch
FACE_MODELS = ("face_detector", "face_verifier", "face_mesh", "face_template")


def joined_fingerprint(*names: str) -> str:
    """One fingerprint of several models, 16 hex digits."""
    return hashlib.sha256("".join(load_spec(name).fingerprint for name in names).encode()).hexdigest()[:16]


class DetectStage:
    """Frames to faces with landmarks, quality and template; of a video also frames between the sampled ones."""

    name, version, needs = "detect", "4", ()

    def __init__(self) -> None:
        self.fingerprint = joined_fingerprint(*FACE_MODELS)
        self._detector = OwnPart()

    def setup(self) -> None:
        """Load the face models."""
        self._detector.get(FaceDetector)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Faces of all frames, in order of time."""
        return tuple(self._searched(work) for work in batch)

    def _searched(self, work: MediaWork) -> MediaWork:
        detector, frames, between = self._detector.get(FaceDetector), work.frames, work.between
        found = search_faces(
            frames,
            work.small,
            look=lambda image: detector.detect(image, scale=frames.scale),
            quick=Quick(detector.glance, lambda image, faces: detector.follow(image, faces, scale=frames.scale)),
            inside=None if between is None else lambda spans: inside(between, spans),
        )
        return replace(work, more=_more(found.more, frames)).with_features(faces=found.faces)


def inside(between: Between, spans: Sequence[Span]) -> list[list[Picture]]:
    """Frames inside spans of a video's time."""
    samples = between.inside(spans, fetch=lambda times_s: frames_at(between, times_s))
    return [[Picture(sample.image, sample.pts_s) for sample in own] for own in samples]


def _more(pictures: Sequence[Picture], frames: FrameBatch) -> FrameBatch:
    """The frames searched beside the sampled ones, numbered on from these."""
    return FrameBatch(
        images=tuple(picture.image for picture in pictures),
        pts_s=np.array([picture.pts_s for picture in pictures], np.float32),
        index=len(frames) + np.arange(len(pictures)),
        scale=frames.scale,
    )


class ExpressionStage:
    """Every face to the probabilities of eight expressions."""

    name, version, needs = "expression", "2", ("detect",)

    def __init__(self) -> None:
        self.fingerprint = joined_fingerprint(EXPRESSION_NET, EXPRESSION_HEAD)

    def setup(self) -> None:
        """Load the expression net and its head."""
        open_model(EXPRESSION_NET)
        open_model(EXPRESSION_HEAD)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Expressions of all faces, frame by frame."""
        return tuple(self._read(work) for work in batch)

    def _read(self, work: MediaWork) -> MediaWork:
        faces = work.features.faces or Faces.none()
        probs = np.zeros((len(faces), len(EMOTIONS)), np.float32)
        for frame in np.unique(faces.frame):
            rows = np.flatnonzero(faces.frame == frame)
            probs[rows] = read_expressions(
                work.image_of(int(frame)),
                faces[rows],
                net=open_model(EXPRESSION_NET),
                head=open_model(EXPRESSION_HEAD),
                scale=work.frames.scale,
            )
        return work.with_features(faces=replace(faces, expression=probs))


class TrackStage:
    """Faces to tracks through the frames, with a thumbnail of each track's best face."""

    name, version, needs = "track", "3", ("detect",)
    fingerprint = "none"

    def setup(self) -> None:
        """Nothing to load."""

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Tracks of each file."""
        return tuple(self._tracked(work) for work in batch)

    def _tracked(self, work: MediaWork) -> MediaWork:
        found, times_s = work.features.faces or Faces.none(), work.frames.pts_s
        cuts = cuts_of(work, found)
        begins = [cut.first_s for cut in cuts]
        step_s = float(np.median(np.diff(times_s))) if len(times_s) > 1 else None
        faces = link_tracks(found, cuts=begins, step_s=step_s)
        tracks = summarise_tracks(faces, work.sha256)
        if work.features.media.duration_s is not None:
            last = max(work.features.media.duration_s, float(times_s[-1]))
            shots_s = list(zip([0.0, *begins], [*(cut.last_s for cut in cuts), last], strict=True))
            tracks = extend_tracks(tracks, shots_s=shots_s, searched_s=np.concatenate([times_s, faces.pts_s]))
        return work.with_features(faces=replace(faces, thumbnails=_thumbnails(faces, work)), tracks=tracks)


class Cut(NamedTuple):
    """What is known about where a cut lies: the last time of the old shot and the first of the new one."""

    last_s: float
    first_s: float


def cuts_of(work: MediaWork, faces: Faces) -> list[Cut]:
    """The cuts of a video, ascending; those between frames without faces are left out.

    A key frame that comes before its time is taken to begin a shot; otherwise a cut is known to about
    `SMALLEST_STEP_S`.
    """
    pictures = [Picture(image, float(pts_s)) for image, pts_s in zip(work.small, work.frames.pts_s, strict=True)]
    with_faces = set(faces.frame.tolist())
    pairs = [k for k in cut_pairs(work.small) if {k, k + 1} & with_faces]
    if work.between is None or not pairs:
        return [Cut(pictures[k].pts_s, pictures[k + 1].pts_s) for k in pairs]
    spans = [(pictures[k].pts_s, pictures[k + 1].pts_s) for k in pairs]
    keys = [work.between.early_keys(span) for span in spans]
    unclear = [i for i, own in enumerate(keys) if len(own) != 1]
    inner = dict(zip(unclear, inside(work.between, [spans[i] for i in unclear]), strict=True))
    return [
        _at_key(keys[i][0]) if i not in inner else _placed(pictures[k], pictures[k + 1], inner[i], keys=keys[i])
        for i, k in enumerate(pairs)
    ]


def _placed(before: Picture, after: Picture, inner: Sequence[Picture], *, keys: Sequence[float]) -> Cut:
    """A cut between two frames, from those inside them and the early key frames there."""
    low_s, high_s = place_cut(before, after, inner)
    near = [key for key in keys if low_s < key < high_s + SAME_TIME_S]
    return _at_key(near[0]) if near else Cut(low_s, high_s)


def _at_key(time_s: float) -> Cut:
    return Cut(time_s - LAST_MOMENT_S, time_s)


class AttributeStage:
    """The best face of every track to its look and attributes, which hold for the track: nobody changes hats in it.

    Attributes are told of all faces of the track, the look of that one. Faces of too low a quality for a recommendation
    are not looked at: NaN.
    """

    name, version, needs = "attributes", "2", ("detect", "track")

    def __init__(self) -> None:
        self.fingerprint = joined_fingerprint(LOOK, ATTRIBUTE_MODEL)
        self._net = OwnPart()

    def setup(self) -> None:
        """Load the net and the head."""
        self._net.get(_open_look)
        open_model(ATTRIBUTE_MODEL)

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        """Looks and attributes of all faces."""
        return tuple(self._read(work) for work in batch)

    def _read(self, work: MediaWork) -> MediaWork:
        faces = work.features.faces or Faces.none()
        best = {track: row for track, row in best_rows(faces).items() if faces.quality[row] >= MIN_QUALITY}
        looks = np.full((len(faces), load_spec(LOOK).dim or 0), np.nan, np.float32)
        for row in best.values():
            image = work.image_of(int(faces.frame[row]))
            looks[row] = face_features(image, faces[[row]], self._net.get(_open_look), scale=work.frames.scale)[0]
        probs = np.full((len(faces), len(ATTRIBUTES)), np.nan, np.float32)
        tracks = _track_numbers(faces)
        rows = np.array([best.get(track, -1) for track in tracks.tolist()], np.int64)
        seen = rows >= 0
        probs[seen] = predict_attributes(looks[rows[seen]], open_model(ATTRIBUTE_MODEL))
        return work.with_features(faces=replace(faces, attributes=probs, looks=looks))


def _open_look() -> Encoder:
    return Encoder(LOOK)


def best_rows(faces: Faces) -> dict[int, int]:
    """Track number to the row of its face of highest quality, the first of equals."""
    tracks = _track_numbers(faces)
    best: dict[int, int] = {}
    for row in np.argsort(-faces.quality, kind="stable").tolist():
        best.setdefault(int(tracks[row]), row)
    return best


def _track_numbers(faces: Faces) -> IntArray:
    """Track of each face; every face its own where tracks are not known."""
    return np.arange(len(faces)) if faces.track_id is None else faces.track_id


def _thumbnails(faces: Faces, work: MediaWork) -> tuple[bytes, ...]:
    """A JPEG for the best face of each track, empty bytes for the others."""
    chosen = set(best_rows(faces).values())
    return tuple(_face_jpeg(faces, row, work) if row in chosen else b"" for row in range(len(faces)))


def _face_jpeg(faces: Faces, row: int, work: MediaWork) -> bytes:
    from PIL import Image as PillowImage

    image: Image = work.image_of(int(faces.frame[row]))
    left, top, right, bottom = (faces.xyxy_px[row] * work.frames.scale).tolist()
    half = max(right - left, bottom - top) * FACE_ZOOM / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    square = PillowImage.fromarray(image).crop((int(x - half), int(y - half), int(x + half), int(y + half)))
    return encode_jpeg(np.asarray(square.resize((FACE_PX, FACE_PX), PillowImage.Resampling.BICUBIC)))
