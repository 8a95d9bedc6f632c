"""Face templates to identity vectors, whose Euclidean distance says how alike two faces are.

A template is what the net gives (`Faces.template`); an identity vector is what is compared, averaged and stored for a
track. Thresholds on the distance are on the card of `face_template`.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray
from postlens.vision.zoo import load_spec

TEMPLATE = "face_template"  # the card that holds the thresholds
SAME_PERSON, MATCH, STRICT, TRACK = "same_person", "match", "strict", "track"  # their names on it


def identity_vectors(templates: NDArray[np.floating]) -> FloatArray:
    """Templates (N, D) to identity vectors (N, D) of unit length, compared by L2 distance, in [0, 2].

    The length of dlib's template says little about who it is and moves every distance: without it fewer pairs of one
    person are missed at strict thresholds (docs/log/vision.md). A template of zeros stays as it is.
    """
    return unit_rows(templates)


def false_match_rate(distance: float) -> float:
    """How often two photos of two people are at most `distance` apart, in (0, 1].

    Read from the curve on the card, on a log scale between its points. It was measured over all pairs of different
    people in a collection of public figures (`n_pairs`): people who look alike, relatives and groups for which the
    template is weak match more often. Where fewer than three pairs were that near, the value is the upper end 3 /
    n_pairs of the 95 % interval of a rate of which nothing was seen (rule of three, Hanley and Lippman-Hand 1983).
    """
    distances, rates = _curve()
    return float(np.exp(np.interp(distance, distances, np.log(rates))))


@lru_cache(maxsize=1)
def _curve() -> tuple[tuple[float, ...], tuple[float, ...]]:
    curve = load_spec(TEMPLATE).metrics["false_matches"]
    return tuple(curve["distance"]), tuple(curve["rate"])


def unit_rows(vectors: NDArray[np.floating]) -> FloatArray:
    """Rows (N, D) scaled to unit length, as float32; rows of zeros stay zero."""
    exact = np.asarray(vectors, np.float64)
    length = np.linalg.norm(exact, axis=1, keepdims=True)
    scaled: FloatArray = np.divide(exact, length, out=np.zeros_like(exact), where=length > 0).astype(np.float32)
    return scaled
