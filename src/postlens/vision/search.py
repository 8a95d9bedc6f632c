"""Sampled frames of a video to its faces: searched coarsely where nothing changes, closely where faces change.

Every second frame is searched first, then those between two that do not agree or between which something new is seen;
then frames that were not sampled, by bisection down to the smallest step, where a face appears, vanishes or moves far
within a shot. A frame that was not searched itself takes the faces of its neighbours: unchanged where the picture is
unchanged, half way between where both show the same faces in nearly the same place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.types import Faces, FloatArray, FrameBatch, Image
from postlens.vision.boxes import box_iou
from postlens.vision.cuts import Picture, colours, is_cut
from postlens.vision.tracks import pair_faces

# From so many sampled frames on, half of them can be spared. Lower saves time with short videos, whose tracks then rest
# on few templates.
MIN_COARSE = 16
GRID = 16  # a picture's change is the largest one among GRID x GRID parts: a face of 1/16 of the sides fills one
# Mean difference of a part, in grey levels of 255. Noise of codecs stays below; higher takes the faces of moving
# pictures for those of still ones.
STILL = 1.0
# The same for parts away from the faces that are known: more may be a new face. A face large enough to identify anybody
# (eyes 10 px apart at 640 px) fills half of a part, and skin differs by about 40 from what it hides. Higher searches
# fewer frames and misses faces that are seen for less than 2 s; lower searches nearly all frames of moving pictures.
NOTHING_NEW = 20.0
KNOWN_ZOOM = 2.0  # what moves within this many times a face's box is put down to the face
STEADY_OVERLAP = 0.5  # IoU of a face in two frames between which its place can be guessed; lower guesses worse
# Most frames searched beside the sampled ones: this share of those, and at least this many. Higher finds more exact
# begins and ends where faces come and go all the time, at the cost of one search each.
MAX_MORE_SHARE = 0.5
MIN_MORE = 8

Look = Callable[[Image], Faces]  # the faces of one picture
Span = tuple[float, float]


Inside = Callable[[Sequence[Span]], list[list[Picture]]]  # frames inside each span of time, ascending


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found."""

    faces: Faces  # in order of time; `frame` counts on from the sampled frames for the others
    more: tuple[Picture, ...]  # the frames searched beside the sampled ones, in the order of their numbers
    n_searches: int


@dataclass(slots=True)
class _Seen:
    """A frame, shrunk, and what is known of it."""

    picture: Picture
    size_px: tuple[float, float]  # width and height of the original
    faces: Faces | None = None
    parts: FloatArray = field(init=False)
    colours: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        self.parts, self.colours = _parts(self.picture.image), colours(self.picture.image)


def search_faces(
    frames: FrameBatch, small: Sequence[Image], *, look: Look, inside: Inside | None = None, coarse: bool = True
) -> Searched:
    """The faces of a video's frames.

    Args:
        frames: the sampled frames.
        small: the same, shrunk: change is read from them.
        look: finds the faces of a picture in pixels of the original.
        inside: gives further frames; without it only the sampled ones are searched.
        coarse: whether sampled frames may be left out; an image has but one.
    """
    search = _Search(frames, small, look=look)
    search.sampled(coarse=coarse and len(frames) >= MIN_COARSE)
    if inside is not None:
        search.between(inside)
    return search.result()


class _Search:
    def __init__(self, frames: FrameBatch, small: Sequence[Image], *, look: Look) -> None:
        height, width = frames.images[0].shape[:2] if frames.images else (1, 1)
        self._size_px = width / frames.scale, height / frames.scale
        self._images = frames.images
        self._seen = [
            _Seen(Picture(image, pts_s), self._size_px)
            for image, pts_s in zip(small, frames.pts_s.tolist(), strict=True)
        ]
        self._look = look
        self._more: list[_Seen] = []
        self._n_searches = 0

    # --- sampled frames ---------------------------------------------------------------------------------------------

    def sampled(self, *, coarse: bool) -> None:
        """Give every sampled frame its faces."""
        last: _Seen | None = None
        for k in range(0, len(self._seen), 2 if coarse else 1):
            last = self._search(k, like=last)
        if coarse:
            for k in range(1, len(self._seen), 2):
                self._fill(k)

    def _search(self, k: int, *, like: _Seen | None) -> _Seen:
        """Search a sampled frame, unless it shows the same picture as another."""
        seen = self._seen[k]
        if like is not None and _change(like, seen).max() < STILL:
            seen.faces = like.faces
        else:
            seen.faces = self._faces(self._images[k])
        return seen

    def _fill(self, k: int) -> None:
        """A frame between two searched ones: guess its faces where nothing can be new, else search it."""
        before, seen = self._seen[k - 1], self._seen[k]
        after = self._seen[k + 1] if k + 1 < len(self._seen) else None
        guess = _guess(before, seen, after) if after is not None else None
        if guess is None:
            self._search(k, like=before)
        else:
            seen.faces = guess

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

    def _bisect(self, low: _Seen, high: _Seen, pictures: Sequence[Picture], *, left: int) -> int:
        """Search the middle one and go on on the sides that disagree; returns how many were searched."""
        if left <= 0 or not pictures or not _disagreement(low, high):
            return 0
        middle = len(pictures) // 2
        seen = _Seen(pictures[middle], self._size_px, self._faces(pictures[middle].image))
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


def _parts(image: Image) -> FloatArray:
    """Mean colours (GRID, GRID, 3) of the parts of an image."""
    from PIL import Image as Pil

    small = Pil.fromarray(image).resize((GRID, GRID), Pil.Resampling.BOX)
    return np.asarray(small, np.float32)


def _change(a: _Seen, b: _Seen) -> FloatArray:
    """Change of each part (GRID, GRID): the largest among the channels."""
    return np.asarray(np.abs(a.parts - b.parts).max(axis=2))


def _disagreement(a: _Seen, b: _Seen) -> float:
    """Area in px of the faces of two frames that are not in both; 0 where they agree.

    A cut counts as agreement: what lies between is of one shot or the other, and no face goes through.
    """
    if a.faces is None or b.faces is None or not len(a.faces) + len(b.faces):
        return 0.0
    if is_cut(a.colours, b.colours):
        return 0.0
    pairs = pair_faces(a.faces, b.faces)
    alone = np.concatenate(
        [
            np.delete(_areas(a.faces), [i for i, _ in pairs]),
            np.delete(_areas(b.faces), [j for _, j in pairs]),
        ]
    )
    return float(alone.sum())


def _areas(faces: Faces) -> FloatArray:
    return np.asarray(np.prod(np.maximum(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], 1), axis=1))


def _guess(before: _Seen, seen: _Seen, after: _Seen) -> Faces | None:
    """The faces half way between two frames; None where they disagree, or where the middle shows something new."""
    if before.faces is None or after.faces is None:
        return None
    if is_cut(before.colours, seen.colours) or is_cut(seen.colours, after.colours):
        return None
    pairs = pair_faces(before.faces, after.faces)
    if not len(pairs) == len(before.faces) == len(after.faces):
        return None
    first, second = before.faces[[i for i, _ in pairs]], after.faces[[j for _, j in pairs]]
    steady = len(pairs) == 0 or (np.diag(box_iou(first.xyxy_px, second.xyxy_px)) >= STEADY_OVERLAP).all()
    if not steady or _anything_new(before, seen, after):
        return None
    return _half_way(first, second) if pairs else first


def _anything_new(before: _Seen, seen: _Seen, after: _Seen) -> bool:
    """Whether a part away from the known faces differs from both neighbours."""
    new = np.minimum(_change(before, seen), _change(seen, after))
    return bool((new[~_known(before, after)] >= NOTHING_NEW).any())


def _known(*frames: _Seen) -> NDArray[np.bool_]:
    """The parts (GRID, GRID) that a face of one of the frames, and what moves with it, may cover."""
    known = np.zeros((GRID, GRID), bool)
    for seen in frames:
        for box in seen.faces.xyxy_px if seen.faces is not None else ():
            centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * KNOWN_ZOOM
            left, top = np.floor((centre - half) / seen.size_px * GRID).astype(int).clip(0, GRID)
            right, bottom = np.ceil((centre + half) / seen.size_px * GRID).astype(int).clip(0, GRID)
            known[top:bottom, left:right] = True
    return known


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
