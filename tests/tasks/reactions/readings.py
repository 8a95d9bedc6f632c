"""Readings of drawn scenes and faces, shared by the tests of fusion and forecast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from postlens.tasks.reactions.features import SceneReading
from postlens.types import EMOTIONS, Faces, FloatArray

K = len(EMOTIONS)
PROBS = arrays(np.float32, K, elements=st.floats(0, 1, width=32))
EVEN = np.full(K, 1 / K, np.float32)


def probs(**known: float) -> FloatArray:
    """(8,) with the rest shared evenly."""
    rest = (1 - sum(known.values())) / (K - len(known))
    return np.array([known.get(name, rest) for name in EMOTIONS], np.float32)


def scene(
    given: FloatArray | None = None, *, valence: float = 4.0, arousal: float = 3.0, **known: float
) -> SceneReading:
    """A scene of these probabilities."""
    return SceneReading(probs(**known) if given is None else given, valence, arousal)


def faces(
    expressions: list[FloatArray],
    *,
    sides: list[float] | None = None,
    quality: list[float] | None = None,
    tracks: list[int] | None = None,
    read: bool = True,
) -> Faces:
    """One face an expression, 100 px and of full quality by default; `read`: with their expressions."""
    n = len(expressions)
    sides = sides or [100.0] * n
    return replace(
        Faces.none()[[0] * 0],
        xyxy_px=np.array([[0, 0, s, s] for s in sides], np.float32).reshape(n, 4),
        score=np.ones(n, np.float32),
        landmarks_px=np.zeros((n, 6, 2), np.float32),
        quality=np.array(quality or [1.0] * n, np.float32),
        frame=np.arange(n),
        pts_s=np.arange(n, dtype=np.float32),
        expression=np.array(expressions, np.float32).reshape(n, K) if read else None,
        track_id=None if tracks is None else np.array(tracks, np.int64),
    )
