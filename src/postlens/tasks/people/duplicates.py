"""Fingerprints of media files to pairs of copies: the same bytes, the same frames, or frames that look the same.

Copies are found in two steps. Candidates are near by their hashes (`hashes`), mirrored or not, or by their embeddings.
Each is then compared: photos and frames are laid on each other (`placement`), clips also have to move alike (`motion`).
A file is linked to the earliest that it copies, and through that one to the first of all; so two files that each copy a
third, but not each other, stay apart unless the third came first. The order in which files are given does not matter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from postlens.tasks.people.hashes import (
    MAX_BITS,
    HashIndex,
    Words,
    copied_share,
    hamming,
    leaders,
    mirrored,
    trusted_words,
)
from postlens.tasks.people.look import alike
from postlens.tasks.people.motion import STILL, Moves, Timings
from postlens.tasks.people.placement import AS_IT_IS, UNLIKE, Likeness, likely_placements, likeness_at
from postlens.types import FloatArray, FrameHashes, IntArray, MediaKind

MIN_SHARE = 0.5  # of the frames of the shorter clip. Higher misses cuts between sampled frames; lower links stock shots
# Chosen and measured by recipes/people_copies.py, on other files than they are reported on.
MIN_LIKENESS = 0.9  # of two photos. Higher misses copies with borders; lower links portraits of one person
MIN_SAME = 0.85  # share of their windows that are the same; same source and effects
MIN_MOVES = 0.6  # correlation of how two clips move. Higher misses cuts between sampled frames; lower links takes
MIN_MOVES_ODD = 0.8  # ... at speeds far from 1, of which there are many to try
ODD_SPEED = 1.3
MIN_CLIP_LIKENESS = 0.5  # of the frames laid on each other, as frames of other moments may be compared
MAX_UNMOVED = (
    0.3  # clips whose hashes agree but that move otherwise are takes; higher loses copies sampled at odd times
)
MOTION_PX = 20  # side at which clips are followed: finer is noise of compression, coarser loses small motion
FRAMES_PLACED = (0.25, 0.5, 0.75)  # of the shorter clip, that are laid on the longer one's; more is surer and slower
MAX_UNPLACED = 2  # pairs of frames of which none can be laid on each other, before clips count as different

Reason = Literal["bytes", "frames", "look"]


@dataclass(frozen=True)
class Content:
    """What is compared of one media file."""

    content_id: str
    order: int  # position in the campaign: the smallest of a group is the first
    sha256: str
    kind: MediaKind
    hashes: FrameHashes | None = None
    vectors: FloatArray | None = None  # (N, D) frame embeddings in time order
    aspect: float = 1.0  # width / height

    @cached_property
    def words(self) -> Words:
        """Trusted hashes: (N, 4)."""
        return trusted_words(self.hashes)

    @cached_property
    def pictures(self) -> FloatArray:
        """Sketches as grey levels: (N, n, n), N = 0 where there are none."""
        sketch = None if self.hashes is None else self.hashes.sketch
        return np.zeros((0, 1, 1), np.float32) if sketch is None else sketch.astype(np.float32)


class Duplicate(NamedTuple):
    """A copy and the first of its group."""

    later_id: str
    first_id: str
    reason: Reason
    score: float  # bytes: 1; frames: share of the shorter clip (photos: 1); look: likeness of photos, moves of clips


class Verdict(NamedTuple):
    """That one file copies another."""

    reason: Reason
    score: float


def find_duplicates(items: Sequence[Content]) -> tuple[Duplicate, ...]:
    """Every item that copies an earlier one, by order; `(later_id, first_id, reason, score)`.

    The reason and score are those of the earliest item that it copies. Images are compared with images, videos with
    videos.
    """
    items = sorted(items, key=lambda item: (item.order, item.content_id))
    linked: dict[int, tuple[int, Verdict]] = {}
    for kind in ("image", "video"):
        rows = [row for row, item in enumerate(items) if item.kind == kind]
        linked |= _same_bytes(items, rows)
        _link_candidates(items, [row for row in rows if row not in linked], linked)
    first: dict[int, int] = {}
    for row in sorted(linked):
        earlier = linked[row][0]
        first[row] = first.get(earlier, earlier)
    return tuple(
        Duplicate(items[row].content_id, items[first[row]].content_id, *linked[row][1]) for row in sorted(linked)
    )


def _same_bytes(items: Sequence[Content], rows: Sequence[int]) -> dict[int, tuple[int, Verdict]]:
    seen: dict[str, int] = {}
    firsts = {row: seen.setdefault(items[row].sha256, row) for row in rows}
    return {row: (first, Verdict("bytes", 1.0)) for row, first in firsts.items() if first != row}


def _link_candidates(items: Sequence[Content], rows: list[int], linked: dict[int, tuple[int, Verdict]]) -> None:
    """Link each row to the earliest candidate that it copies; what one step links the next leaves out."""
    for candidates_of in (_near_equal, _near, _like):
        earlier: dict[int, set[int]] = defaultdict(set)
        for a, b in candidates_of(items, [row for row in rows if row not in linked]):
            if a != b:
                earlier[max(a, b)].add(min(a, b))
        for later in sorted(earlier):
            for candidate in sorted(earlier[later]):
                if (verdict := compare(items[candidate], items[later])) is not None:
                    linked[later] = candidate, verdict
                    break


# --- candidates -----------------------------------------------------------------------------------------------------


def _pooled(items: Sequence[Content], rows: Sequence[int]) -> tuple[Words, IntArray]:
    """The hashes of several items and whose they are: (N, 4) and (N,)."""
    words = [items[row].words for row in rows]
    owner = np.repeat(np.array(rows, np.int64), [len(own) for own in words])
    return np.concatenate([np.zeros((0, 4), np.uint64), *words]), owner


def _near_equal(items: Sequence[Content], rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Photos and the first that is nearly equal."""
    words, owner = _pooled(items, [row for row in rows if items[row].kind == "image"])
    yield from zip(owner[leaders(words)].tolist(), owner.tolist(), strict=True)


def _near(items: Sequence[Content], rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Items with any two hashes near each other, one of them mirrored or not."""
    words, owner = _pooled(items, rows)
    leader = leaders(words)
    yield from zip(owner[leader].tolist(), owner.tolist(), strict=True)
    heads = np.flatnonzero(leader == np.arange(len(words)))
    index = HashIndex.of(words[heads])
    for queries in (words[heads], mirrored(words[heads])):
        asked, found, _ = index.near(queries)
        pairs = np.unique(np.stack([owner[heads[asked]], owner[heads[found]]]), axis=1)
        yield from zip(*pairs.tolist(), strict=True)


def _like(items: Sequence[Content], rows: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Items whose embeddings are among each other's nearest."""
    known = {row: vectors for row in rows if (vectors := items[row].vectors) is not None and len(vectors)}
    yield from alike(known)


# --- comparison -----------------------------------------------------------------------------------------------------


def compare(a: Content, b: Content) -> Verdict | None:
    """Whether one of two items of a kind copies the other."""
    return _compare_photos(a, b) if a.kind == "image" else _compare_clips(a, b)


def _compare_photos(a: Content, b: Content) -> Verdict | None:
    bits = hamming(a.words, b.words)
    near = bool(bits.size and bits.min() <= MAX_BITS)
    if not (len(a.pictures) and len(b.pictures)):
        return Verdict("frames", 1.0) if near else None
    found = likeness_of(a, b)
    if found.score < MIN_LIKENESS or found.share < MIN_SAME:
        return None
    return Verdict("frames", 1.0) if near else Verdict("look", found.score)


def likeness_of(a: Content, b: Content) -> Likeness:
    """How much of two photos is the same where one lies best in the other; as they are, if that will do."""
    found = likeness_at(a.pictures[0], b.pictures[0], AS_IT_IS)
    if found.score >= MIN_LIKENESS and found.share >= MIN_SAME:
        return found
    placements = likely_placements(a.pictures[0], b.pictures[0], aspect_a=a.aspect, aspect_b=b.aspect)
    return max(placements, default=UNLIKE, key=lambda one: one.score)


def _compare_clips(a: Content, b: Content) -> Verdict | None:
    return judge_clips(shared_frames(a, b), moves_of(a, b))


def judge_clips(share: float, moves: Moves, *, min_moves: float = MIN_MOVES) -> Verdict | None:
    """Whether clips with this share of near frames, that move alike this much, are copies."""
    if share >= MIN_SHARE and not (moves.motion > 0 and moves.score < MAX_UNMOVED):
        return Verdict("frames", share)
    odd = max(moves.speed, 1 / moves.speed) > ODD_SPEED
    if moves.score >= (max(min_moves, MIN_MOVES_ODD) if odd else min_moves):
        return Verdict("look", moves.score)
    return None


def shared_frames(a: Content, b: Content) -> float:
    """`copied_share` of two clips, 0 where one has no trusted hash."""
    return copied_share(a.words, b.words) if len(a.words) and len(b.words) else 0.0


def moves_of(a: Content, b: Content) -> Moves:
    """How two clips move alike where their most alike frames lie best on each other."""
    if not (_lasts(a) and _lasts(b)):
        return STILL
    long, short = (a, b) if _length_s(a) >= _length_s(b) else (b, a)
    timings, best, n_placed = None, STILL, 0
    for n_pairs, (i, j) in enumerate(_frame_pairs(long, short), start=1):
        placed = likely_placements(long.pictures[i], short.pictures[j], aspect_a=long.aspect, aspect_b=short.aspect)
        for one in placed:
            if one.score >= MIN_CLIP_LIKENESS:
                timings = timings or Timings.of(_times(long), _times(short))
                best = max(best, timings.moves(*_pixels(one, long, short)), key=lambda moves: moves.score)
        n_placed += len(placed)
        if best.score >= MIN_MOVES_ODD or (n_pairs == MAX_UNPLACED and not n_placed):
            break
    return best


def _lasts(item: Content) -> bool:
    return item.hashes is not None and len(item.pictures) > 1 and _length_s(item) > 0


def _times(item: Content) -> FloatArray:
    return item.hashes.pts_s if item.hashes is not None else np.zeros(0, np.float32)


def _length_s(item: Content) -> float:
    return float(_times(item)[-1] - _times(item)[0])


def _frame_pairs(long: Content, short: Content) -> list[tuple[int, int]]:
    """The two frames that are most alike, and some of the shorter clip with those most like them."""
    n_long, n_short = len(long.pictures), len(short.pictures)
    asked = sorted({int(n_short * part) for part in FRAMES_PLACED})
    if long.vectors is None or short.vectors is None or (len(long.vectors), len(short.vectors)) != (n_long, n_short):
        return [(j * n_long // n_short, j) for j in asked]
    cosine = unit(long.vectors) @ unit(short.vectors).T
    best = divmod(int(cosine.argmax()), n_short)
    return list(dict.fromkeys([best, *((int(cosine[:, j].argmax()), j) for j in asked)]))


def unit(vectors: FloatArray) -> FloatArray:
    """Rows at length 1."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _pixels(found: Likeness, long: Content, short: Content) -> tuple[FloatArray, FloatArray]:
    """The frames of both clips cut to what they share, as rows of pixels."""
    a, b = found.placement.parts(long.pictures, short.pictures, side_px=MOTION_PX)
    return a.reshape(len(a), -1), b.reshape(len(b), -1)
