"""Faces of sampled frames to tracks: the same face followed from frame to frame, and one template per track.

Frames come at about 1 to 5 a second, so a face may move by half its width between two of them: overlap says where it
can be, the template says who it is, and both must agree. No track goes on beyond a cut (`cuts.py`); joining the tracks
of one person again is the task of `tasks/people`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError
from postlens.types import Faces, FaceTracks, FloatArray, IntArray
from postlens.vision.boxes import box_iou
from postlens.vision.templates import TEMPLATE, TRACK, identity_vectors, unit_rows
from postlens.vision.zoo import load_spec

# IoU, chosen by eye: two boxes of one size have it when they are 3/4 of their width apart, and the template must agree
# as well. Higher breaks tracks of moving faces; lower links neighbours in a crowd.
MIN_OVERLAP = 0.15
MIN_OVERLAP_ALONE = 0.3  # IoU where there are no templates: overlap is the only evidence (SORT, Bewley et al. 2016)
# Chosen by reasoning: at one frame a second a face may be missed in one, which leaves 2 s, and half a second for uneven
# frame times. Higher links across longer absences and so more of different people; lower splits more tracks.
MAX_GAP_S = 2.5
MAX_GAP_STEPS = 1.5  # where frames are further apart than that, in steps: a face is followed to the next frame only
NO_LINK = 1e6  # cost of a pair that must not be linked


@dataclass(slots=True)
class _Open:
    """A track that may still grow: its shot, last box and time, and the weighted sum of its identity vectors."""

    number: int
    shot: int
    xyxy_px: FloatArray
    pts_s: float
    total: FloatArray

    def add(self, faces: Faces, row: int) -> None:
        self.xyxy_px, self.pts_s = faces.xyxy_px[row], float(faces.pts_s[row])
        if faces.template is not None:
            self.total = self.total + _weights(faces.quality[row : row + 1])[0] * faces.template[row]


def link_tracks(
    faces: Faces, *, cuts: Sequence[float] | NDArray[np.floating] = (), step_s: float | None = None
) -> Faces:
    """The same faces with `track_id`: numbers from 0 in the order of first appearance.

    `cuts` are times of frames that begin a new shot, ascending; `step_s` is the usual time between two frames.

    Each frame's faces are matched to the open tracks at the least total cost (Hungarian method, Kuhn 1955): distance of
    the identity vectors / the card's `track` threshold + 1 - IoU, or 1 - IoU alone without templates. Two faces of one
    frame never share a track; in an image every face is its own.
    """
    compared, max_distance = _with_identity(faces), _max_distance()
    max_gap_s = max(MAX_GAP_S, MAX_GAP_STEPS * (step_s or 0.0))
    shots = np.searchsorted(np.asarray(cuts, np.float32), faces.pts_s, side="right")
    track_id = np.full(len(faces), -1, np.int64)
    tracks: list[_Open] = []
    n_tracks = 0
    for rows in _rows_by_frame(faces):
        now, shot = float(faces.pts_s[rows[0]]), int(shots[rows[0]])
        tracks = [track for track in tracks if track.shot == shot and now - track.pts_s <= max_gap_s]
        matched = _match(tracks, compared, rows, max_distance=max_distance)
        for row in rows.tolist():
            if row not in matched:
                matched[row] = _opened(n_tracks, compared, shot=shot)
                tracks.append(matched[row])
                n_tracks += 1
            matched[row].add(compared, row)
            track_id[row] = matched[row].number
    return replace(faces, track_id=track_id)


def pair_faces(before: Faces, after: Faces) -> list[tuple[int, int]]:
    """Rows of two frames' faces that one track would hold, at the least total cost."""
    if not len(before) or not len(after):
        return []
    first, second = _with_identity(before), _with_identity(after)
    tracks = [_opened(row, first, shot=0) for row in range(len(first))]
    for row, track in enumerate(tracks):
        track.add(first, row)
    found = _match(tracks, second, np.arange(len(second)), max_distance=_max_distance())
    return sorted((track.number, row) for row, track in found.items())


@lru_cache(maxsize=1)
def _max_distance() -> float:
    return float(load_spec(TEMPLATE).thresholds[TRACK])


def _rows_by_frame(faces: Faces) -> list[IntArray]:
    """The rows of each frame, the frames in order of time."""
    frames, first = np.unique(faces.frame, return_index=True)
    order = np.argsort(faces.pts_s[first], kind="stable")
    return [np.flatnonzero(faces.frame == frame) for frame in frames[order]]


def _with_identity(faces: Faces) -> Faces:
    """The faces with identity vectors in the place of templates."""
    return faces if faces.template is None else replace(faces, template=identity_vectors(faces.template))


def _opened(number: int, faces: Faces, *, shot: int) -> _Open:
    dim = 0 if faces.template is None else faces.template.shape[1]
    return _Open(number, shot, np.zeros(4, np.float32), 0.0, np.zeros(dim, np.float32))


def _match(tracks: list[_Open], faces: Faces, rows: IntArray, *, max_distance: float) -> dict[int, _Open]:
    """Which open track each face row continues; rows without one are left out."""
    from scipy.optimize import linear_sum_assignment

    if not tracks:
        return {}
    cost = _costs(tracks, faces, rows, max_distance=max_distance)
    chosen = zip(*linear_sum_assignment(cost), strict=True)
    return {int(rows[j]): tracks[i] for i, j in chosen if cost[i, j] < NO_LINK}


def _costs(tracks: list[_Open], faces: Faces, rows: IntArray, *, max_distance: float) -> FloatArray:
    """Cost of continuing each track with each face, (tracks, faces); `NO_LINK` where they disagree."""
    overlap = box_iou(np.stack([track.xyxy_px for track in tracks]), faces.xyxy_px[rows])
    if faces.template is None:
        return np.where(overlap >= MIN_OVERLAP_ALONE, 1 - overlap, NO_LINK).astype(np.float32)
    means = unit_rows(np.stack([track.total for track in tracks]))
    distance = np.linalg.norm(means[:, None] - faces.template[rows][None], axis=2)
    agree = (overlap >= MIN_OVERLAP) & (distance <= max_distance)
    return np.where(agree, distance / max_distance + 1 - overlap, NO_LINK).astype(np.float32)


def _weights(quality: FloatArray) -> FloatArray:
    """Weights of faces in a mean template: their quality, with a floor so that a track of poor faces has a mean."""
    return np.maximum(quality, 1e-3)


def extend_tracks(tracks: FaceTracks, *, shots_s: Sequence[tuple[float, float]], searched_s: FloatArray) -> FaceTracks:
    """Tracks that reach to the ends of their shots where a face is in the first or last frame searched of one.

    `shots_s` are the first and last times known to be of each shot, ascending; `searched_s` are the times of all
    frames that were searched.
    """
    start, end = tracks.start_s.copy(), tracks.end_s.copy()
    for first_s, last_s in shots_s:
        own = searched_s[(searched_s >= np.float32(first_s)) & (searched_s <= np.float32(last_s))]
        if len(own):
            start[tracks.start_s == own.min()] = first_s
            end[tracks.end_s == own.max()] = last_s
    return replace(tracks, start_s=start, end_s=end)


def summarise_tracks(faces: Faces, media_sha256: str) -> FaceTracks:
    """One row per track with its identity vector; ids are `<media sha256>:<number>`.

    The vector (`FaceTracks.template`, unit length) is the direction of the quality-weighted mean of the identity
    vectors of its faces. Raises `ShapeError` when the faces have no templates or no track numbers.
    """
    if not len(faces):
        return _no_tracks(0 if faces.template is None else faces.template.shape[1])
    if faces.template is None or faces.track_id is None:
        raise ShapeError("faces must have templates and track numbers, got none; call link_tracks on templated faces")
    numbers, row_track = np.unique(faces.track_id, return_inverse=True)
    n = len(numbers)
    start, end, quality = np.full(n, np.inf), np.full(n, -np.inf), np.zeros(n)
    np.minimum.at(start, row_track, faces.pts_s)
    np.maximum.at(end, row_track, faces.pts_s)
    np.maximum.at(quality, row_track, faces.quality)
    return FaceTracks(
        track_id=tuple(f"{media_sha256}:{number}" for number in numbers),
        start_s=start.astype(np.float32),
        end_s=end.astype(np.float32),
        n_frames=np.bincount(row_track, minlength=n),
        quality=quality.astype(np.float32),
        template=_mean_vectors(identity_vectors(faces.template), _weights(faces.quality), row_track, n),
    )


def _no_tracks(dim: int) -> FaceTracks:
    none = np.zeros(0, np.float32)
    return FaceTracks((), none, none, np.zeros(0, np.int64), none, np.zeros((0, dim), np.float32))


def _mean_vectors(vectors: FloatArray, weight: FloatArray, row_track: IntArray, n_tracks: int) -> FloatArray:
    total = np.zeros((n_tracks, vectors.shape[1]), np.float64)
    np.add.at(total, row_track, vectors * weight[:, None])
    return unit_rows(total)
