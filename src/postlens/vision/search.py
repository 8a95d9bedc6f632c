"""Sampled frames of a video to its faces: searched coarsely where nothing changes, closely where faces change.

Every second frame is searched first, then those between two that do not agree or between which something new is seen;
then frames that were not sampled, by bisection down to the smallest step, where a face appears, vanishes or moves far
within a shot. A frame that was not searched itself takes the faces of its neighbours: unchanged where the picture is
unchanged, half way between where both show the same faces in nearly the same place. Where the faces of a neighbour in
the shot are known, they are followed to their new places, or, where there were none, a quick look sees that there are
none; a whole search is at most three sampled steps away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from postlens.types import Faces, FloatArray, FrameBatch, Image
from postlens.vision.boxes import box_iou
from postlens.vision.cuts import Picture
from postlens.vision.seen import Seen, anything_new, is_still, same_shot
from postlens.vision.tracks import pair_faces

# From so many sampled frames on, half of them can be spared. Lower saves time with short videos, whose tracks then rest
# on few templates.
MIN_COARSE = 16
STEADY_OVERLAP = 0.5  # IoU of a face in two frames between which its place can be guessed; lower guesses worse
# Most frames searched beside the sampled ones: this share of those, and at least this many. Higher finds more exact
# begins and ends where faces come and go all the time, at the cost of one search each.
MAX_MORE_SHARE = 0.5
MIN_MORE = 8

Look = Callable[[Image], Faces]  # the faces of one picture
Span = tuple[float, float]


Inside = Callable[[Sequence[Span]], list[list[Picture]]]  # frames inside each span of time, ascending


class Quick(NamedTuple):
    """What spares a whole search where the faces of a frame of the same shot are known."""

    glance: Callable[[Image], bool]  # whether a picture shows a face that is not small
    follow: Callable[[Image, Faces], Faces | None]  # known faces to their places in a picture; None: one is lost


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found."""

    faces: Faces  # in order of time; `frame` counts on from the sampled frames for the others
    more: tuple[Picture, ...]  # the frames searched beside the sampled ones, in the order of their numbers
    n_searches: int


def search_faces(
    frames: FrameBatch,
    small: Sequence[Image],
    *,
    look: Look,
    quick: Quick | None = None,
    inside: Inside | None = None,
    coarse: bool = True,
) -> Searched:
    """The faces of a video's frames.

    Args:
        frames: the sampled frames.
        small: the same, shrunk: change is read from them.
        look: finds the faces of a picture in pixels of the original.
        quick: cheaper ways to the same; without them every frame that cannot be guessed is looked at.
        inside: gives further frames; without it only the sampled ones are searched.
        coarse: whether sampled frames may be left out; an image has but one.
    """
    search = _Search(frames, small, look=look, quick=quick)
    search.sampled(coarse=coarse and len(frames) >= MIN_COARSE)
    if inside is not None:
        search.between(inside)
    return search.result()


class _Search:
    def __init__(self, frames: FrameBatch, small: Sequence[Image], *, look: Look, quick: Quick | None) -> None:
        height, width = frames.images[0].shape[:2] if frames.images else (1, 1)
        self._size_px = width / frames.scale, height / frames.scale
        self._images = frames.images
        self._seen = [
            Seen(Picture(image, pts_s), self._size_px)
            for image, pts_s in zip(small, frames.pts_s.tolist(), strict=True)
        ]
        self._look, self._quick = look, quick
        self._more: list[Seen] = []
        self._n_searches = 0

    # --- sampled frames ---------------------------------------------------------------------------------------------

    def sampled(self, *, coarse: bool) -> None:
        """Give every sampled frame its faces."""
        last: Seen | None = None
        for k in range(0, len(self._seen), 2 if coarse else 1):
            near = [last] if last is not None else []
            last = self._search(k, near=near, quick=[other for other in near if other.looked])
        if coarse:
            for k in range(1, len(self._seen), 2):
                self._fill(k)

    def _search(self, k: int, *, near: Sequence[Seen], quick: Sequence[Seen]) -> Seen:
        """Search a sampled frame, unless it shows the picture of one near or its faces follow from a `quick` one."""
        seen, image = self._seen[k], self._images[k]
        same = next((other for other in near if is_still(other, seen)), None)
        if same is not None:
            seen.faces, seen.looked = same.faces, same.looked
            return seen
        seen.faces = self._quickly(seen, image, quick)
        if seen.faces is None:
            seen.faces, seen.looked = self._faces(image), True
        return seen

    def _quickly(self, seen: Seen, image: Image, near: Sequence[Seen]) -> Faces | None:
        """The faces of a frame from those of one near in the same shot; None where that is not certain."""
        known = next((other for other in near if same_shot(other, seen)), None)
        if self._quick is None or known is None or known.faces is None:
            return None
        if not len(known.faces):
            return None if self._quick.glance(image) else known.faces
        found = None if anything_new(seen, known) else self._quick.follow(image, known.faces)
        return found if found is not None and _agree(known.faces, found) else None

    def _fill(self, k: int) -> None:
        """A frame between two searched ones: guess its faces where nothing can be new, else search it."""
        seen, near = self._seen[k], self._seen[k - 1 : k + 2 : 2]
        seen.faces = _guess(near[0], seen, near[1]) if len(near) == 2 else None
        if seen.faces is None:
            self._search(k, near=near, quick=near)

    # --- frames between them ----------------------------------------------------------------------------------------

    def between(self, inside: Inside) -> None:
        """Search between sampled frames whose faces do not agree, the largest disagreement first."""
        pairs = [(_disagreement(a, b), k) for k, (a, b) in enumerate(zip(self._seen, self._seen[1:], strict=False))]
        order = [k for weight, k in sorted(pairs, key=lambda pair: (-pair[0], pair[1])) if weight > 0]
        left = max(MIN_MORE, int(MAX_MORE_SHARE * len(self._seen)))
        order = order[:left]
        found = inside([(self._seen[k].picture.pts_s, self._seen[k + 1].picture.pts_s) for k in order])
        for k, pictures in zip(order, found, strict=True):
            left -= self._bisect(self._seen[k], self._seen[k + 1], pictures, left=left)

    def _bisect(self, low: Seen, high: Seen, pictures: Sequence[Picture], *, left: int) -> int:
        """Search the middle one and go on on the sides that disagree; returns how many were searched."""
        if left <= 0 or not pictures or not _disagreement(low, high):
            return 0
        middle = len(pictures) // 2
        seen = Seen(pictures[middle], self._size_px, self._faces(pictures[middle].image))
        self._more.append(seen)
        n = 1 + self._bisect(low, seen, pictures[:middle], left=left - 1)
        return n + self._bisect(seen, high, pictures[middle + 1 :], left=left - n)

    def _faces(self, image: Image) -> Faces:
        self._n_searches += 1
        return self._look(image)

    # --- result -----------------------------------------------------------------------------------------------------

    def result(self) -> Searched:
        more = sorted(self._more, key=lambda seen: seen.picture.pts_s)
        numbered = sorted(enumerate((*self._seen, *more)), key=lambda pair: pair[1].picture.pts_s)
        parts = [_placed(seen.faces, frame, seen.picture.pts_s) for frame, seen in numbered if seen.faces is not None]
        return Searched(join_faces(parts), tuple(seen.picture for seen in more), self._n_searches)


def _placed(faces: Faces, frame: int, pts_s: float) -> Faces:
    n = len(faces)
    return replace(faces, frame=np.full(n, frame, np.int64), pts_s=np.full(n, pts_s, np.float32))


def _disagreement(a: Seen, b: Seen) -> float:
    """Area in px of the faces of two frames that are not in both; 0 where they agree.

    A cut counts as agreement: what lies between is of one shot or the other, and no face goes through.
    """
    if a.faces is None or b.faces is None or not len(a.faces) + len(b.faces):
        return 0.0
    if not same_shot(a, b):
        return 0.0
    pairs = pair_faces(a.faces, b.faces)
    alone = np.concatenate(
        [
            np.delete(_areas(a.faces), [i for i, _ in pairs]),
            np.delete(_areas(b.faces), [j for _, j in pairs]),
        ]
    )
    return float(alone.sum())


def _agree(a: Faces, b: Faces) -> bool:
    return len(pair_faces(a, b)) == len(a) == len(b)


def _areas(faces: Faces) -> FloatArray:
    return np.asarray(np.prod(np.maximum(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], 1), axis=1))


def _guess(before: Seen, seen: Seen, after: Seen) -> Faces | None:
    """The faces half way between two frames; None where they disagree, or where the middle shows something new."""
    if before.faces is None or after.faces is None:
        return None
    if not same_shot(before, seen) or not same_shot(seen, after):
        return None
    pairs = pair_faces(before.faces, after.faces)
    if not len(pairs) == len(before.faces) == len(after.faces):
        return None
    first, second = before.faces[[i for i, _ in pairs]], after.faces[[j for _, j in pairs]]
    steady = len(pairs) == 0 or (np.diag(box_iou(first.xyxy_px, second.xyxy_px)) >= STEADY_OVERLAP).all()
    if not steady or anything_new(seen, before, after):
        return None
    return _half_way(first, second) if pairs else first


def _half_way(first: Faces, second: Faces) -> Faces:
    """Rows in the middle of paired rows; templates are those of the better face, quality that of the worse."""
    better = (first.quality >= second.quality)[:, None]
    template = None
    if first.template is not None and second.template is not None:
        template = np.where(better, first.template, second.template)
    return Faces(
        xyxy_px=(first.xyxy_px + second.xyxy_px) / np.float32(2),
        score=np.minimum(first.score, second.score),
        landmarks_px=(first.landmarks_px + second.landmarks_px) / np.float32(2),
        quality=np.minimum(first.quality, second.quality),
        frame=first.frame,
        pts_s=first.pts_s,
        template=template,
    )


def join_faces(parts: Sequence[Faces]) -> Faces:
    """The faces of several frames as one batch, without columns that some lack; frames without faces add nothing."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return Faces.none()
    columns = {name: [getattr(part, name) for part in parts] for name in Faces.__dataclass_fields__}
    full = {name: own for name, own in columns.items() if all(isinstance(column, np.ndarray) for column in own)}
    joined: dict[str, Any] = {name: np.concatenate(own) for name, own in full.items()}
    return Faces(**joined)
