"""Frame embeddings to the few other media that each is most like: what may be a copy although no hash is near."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from postlens.types import FloatArray, IntArray

MIN_COSINE = 0.5  # below it, what looks alike is no copy: 99 % of edited photos are above .56. Lower compares more
NEAREST = 8  # media looked at of each query: of edited photos 94 to 100 % have their original there. More is slower
PROJECTED = 256  # dimensions the vectors are shortened to: cosines change by .03 (Johnson, Lindenstrauss 1984)
QUERIES = (0.25, 0.5, 0.75)  # frames that are looked for, as parts of a clip; of two copies one has them all
BLOCK_CELLS = 16_000_000  # cosines at once: 64 MB


def alike(vectors: Mapping[int, FloatArray]) -> Iterator[tuple[int, int]]:
    """Pairs of media (by number) of which one is among the other's nearest, by vectors (N, D) of their frames."""
    if len(vectors) < 2:
        return
    owner = np.repeat(np.arange(len(vectors)), [len(own) for own in vectors.values()])
    frames = _shortened(np.concatenate(list(vectors.values())))
    starts = np.searchsorted(owner, np.arange(len(vectors)))
    asked = _asked(starts, np.bincount(owner))
    names = np.array(list(vectors))
    step = max(1, BLOCK_CELLS // len(frames))
    for at in range(0, len(asked), step):
        rows = asked[at : at + step]
        cosine = np.maximum.reduceat(frames[rows] @ frames.T, starts, axis=1)
        cosine[np.arange(len(rows)), owner[rows]] = -1.0
        for row, found in zip(rows.tolist(), _nearest(cosine), strict=True):
            for other in found.tolist():
                yield int(names[owner[row]]), int(names[other])


def _asked(starts: IntArray, counts: IntArray) -> IntArray:
    """The frames that are looked for: some of each clip, the one of a photo."""
    at = [starts + (counts * part).astype(np.int64) for part in QUERIES]
    return np.unique(np.concatenate(at))


def _shortened(vectors: FloatArray) -> FloatArray:
    """Unit vectors of fewer dimensions with nearly the same cosines; the same for the same vectors everywhere."""
    if vectors.shape[1] > PROJECTED:
        rng = np.random.default_rng(0)
        vectors = vectors @ rng.standard_normal((vectors.shape[1], PROJECTED), np.float32)
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9), np.float32)


def _nearest(cosine: FloatArray) -> Iterator[IntArray]:
    """Columns of the largest cosines of each row, at least `MIN_COSINE`."""
    n = min(NEAREST, cosine.shape[1])
    best = np.argpartition(-cosine, n - 1, axis=1)[:, :n]
    for row, columns in enumerate(best):
        yield columns[cosine[row, columns] >= MIN_COSINE]
