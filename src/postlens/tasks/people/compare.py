"""Two media files to whether one copies the other: the same frames, or frames that look the same.

Photos and frames are laid on each other (`placement`), clips also have to move alike (`motion`). Many pairs are
compared at once, and each is given up at the first step that no copy would leave so unlike. What is found depends on
the two files alone, not on which of them comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np

from postlens.tasks.people.hashes import MAX_BITS, Words, copied_share, hamming, trusted_words
from postlens.tasks.people.motion import STILL, Moves, Timings
from postlens.tasks.people.placement import (
    AS_IT_IS,
    UNLIKE,
    Bars,
    Likeness,
    PicturePairs,
    as_they_are,
    likely_placements,
)
from postlens.types import FloatArray, FrameHashes, MediaKind

RULES = "1"  # to be raised with any change of what is compared or when it counts: what is known is then judged anew
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
# What is laid on each other gives up below these: of 1,452 edits of photos that are found without them none is lost, of
# other candidates two thirds stop at the first. Higher is faster and loses heavy crops and small insets.
PHOTO_BARS = Bars(coarse=0.5, likely=1.4, first=0.45, moved=(0.68, 0.82))
CLIP_BARS = Bars(moved=(0.5, 0.5))  # frames of other moments may be laid on each other; of 631 edits none is lost
MOTION_PX = 20  # side at which clips are followed: finer is noise of compression, coarser loses small motion
FRAMES_PLACED = (0.25, 0.5, 0.75)  # of the shorter clip, that are laid on the longer one's; more is surer and slower
MAX_UNPLACED = 2  # pairs of frames of which none can be laid on each other, before clips count as different


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


Reason = Literal["bytes", "frames", "look"]
Pair = tuple[Content, Content]


class Verdict(NamedTuple):
    """That one file copies another."""

    reason: Reason
    score: float  # bytes: 1; frames: share of the shorter clip (photos: 1); look: likeness of photos, moves of clips


def compare(a: Content, b: Content) -> Verdict | None:
    """Whether one of two files of a kind copies the other."""
    return compare_all([(a, b)])[0]


def compare_all(pairs: Sequence[Pair]) -> list[Verdict | None]:
    """`compare` of many pairs, for a fraction of the time each."""
    ordered = [(a, b) if a.sha256 <= b.sha256 else (b, a) for a, b in pairs]
    found: dict[int, Verdict | None] = {}
    for kind, judge in (("image", _judge_photos), ("video", _judge_clips)):
        rows = [row for row, (a, _) in enumerate(ordered) if a.kind == kind]
        found |= zip(rows, judge([ordered[row] for row in rows]), strict=True)
    return [found[row] for row in range(len(ordered))]


# --- photos ---------------------------------------------------------------------------------------------------------


def _judge_photos(pairs: Sequence[Pair]) -> list[Verdict | None]:
    shown = [row for row, (a, b) in enumerate(pairs) if len(a.pictures) and len(b.pictures)]
    like = dict(zip(shown, likenesses([pairs[row] for row in shown]), strict=True))
    return [_judge_photo(a, b, like.get(row)) for row, (a, b) in enumerate(pairs)]


def _judge_photo(a: Content, b: Content, like: Likeness | None) -> Verdict | None:
    """By likeness; by hashes alone where one has no sketch."""
    if like is not None and (like.score < MIN_LIKENESS or like.share < MIN_SAME):
        return None
    if _is_near(a, b):
        return Verdict("frames", 1.0)
    return None if like is None else Verdict("look", like.score)


def _is_near(a: Content, b: Content) -> bool:
    bits = hamming(a.words, b.words)
    return bool(bits.size and bits.min() <= MAX_BITS)


def likenesses(pairs: Sequence[Pair]) -> list[Likeness]:
    """How much of two photos is the same where one lies best in the other; as they are, if that will do."""
    columns = _columns([(a, 0, b, 0) for a, b in pairs])
    scores, shares = as_they_are(columns)
    found = [Likeness(score, share, AS_IT_IS) for score, share in zip(scores.tolist(), shares.tolist(), strict=True)]
    rest = np.flatnonzero((scores < MIN_LIKENESS) | (shares < MIN_SAME))
    for row, placements in zip(rest.tolist(), likely_placements(columns[rest], PHOTO_BARS), strict=True):
        found[row] = max(placements, default=UNLIKE, key=lambda one: one.score)
    return found


def _columns(pairs: Sequence[tuple[Content, int, Content, int]]) -> PicturePairs:
    """Frames of files: `a`, which of its frames, `b`, which of its."""
    at: dict[tuple[int, int], int] = {}
    shown: list[tuple[Content, int]] = []
    for a, i, b, j in pairs:
        for one, frame in ((a, i), (b, j)):
            if at.setdefault((id(one), frame), len(shown)) == len(shown):
                shown.append((one, frame))
    return PicturePairs(
        np.array([one.pictures[frame] for one, frame in shown], np.float32),
        np.array([at[id(a), i] for a, i, _, _ in pairs], np.int64),
        np.array([at[id(b), j] for _, _, b, j in pairs], np.int64),
        np.array([a.aspect / b.aspect for a, _, b, _ in pairs], np.float64),
        np.array([_cosine(a, i, b, j) for a, i, b, j in pairs], np.float32),
    )


def _cosine(a: Content, i: int, b: Content, j: int) -> float:
    if a.vectors is None or b.vectors is None or not (i < len(a.vectors) and j < len(b.vectors)):
        return 1.0
    x, y = a.vectors[i], b.vectors[j]
    return float(x @ y / np.sqrt(max(float(x @ x) * float(y @ y), 1e-12)))


# --- clips ----------------------------------------------------------------------------------------------------------


def _judge_clips(pairs: Sequence[Pair]) -> list[Verdict | None]:
    return [judge_clips(shared_frames(a, b), moves) for (a, b), moves in zip(pairs, moves_of(pairs), strict=True)]


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


def moves_of(pairs: Sequence[Pair]) -> list[Moves]:
    """How two clips move alike where their most alike frames lie best on each other, for each pair."""
    asked = [_frame_pairs(*_long_first(a, b)) if _lasts(a) and _lasts(b) else [] for a, b in pairs]
    found, n_placed, timings = [STILL] * len(pairs), [0] * len(pairs), dict[int, Timings]()
    going = [row for row, frames in enumerate(asked) if frames]
    for turn in range(len(FRAMES_PLACED) + 1):
        going = [
            row
            for row in going
            if turn < len(asked[row])
            and found[row].score < MIN_MOVES_ODD
            and not (turn >= MAX_UNPLACED and not n_placed[row])
        ]
        laid = [
            (long, i, short, j)
            for row in going
            for long, short in (_long_first(*pairs[row]),)
            for i, j in (asked[row][turn],)
        ]
        for row, (long, _, short, _), placed in zip(
            going, laid, likely_placements(_columns(laid), CLIP_BARS), strict=True
        ):
            n_placed[row] += len(placed)
            for one in placed:
                if one.score >= MIN_CLIP_LIKENESS:
                    timing = timings.setdefault(row, Timings.of(_times(long), _times(short)))
                    moves = timing.moves(*_pixels(one, long, short))
                    found[row] = max(found[row], moves, key=lambda moves: moves.score)
    return found


def _long_first(a: Content, b: Content) -> Pair:
    return (a, b) if _length_s(a) >= _length_s(b) else (b, a)


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
