"""Labelled photos to how a face is best compared with a person: the mean of the person's tracks, or the nearest track.

    python recipes/identify.py --data ../shared/data      # about 4 minutes on one core

Data: faces_identity (1,004 photos of public figures, research terms). Half of the people are known, the others are
strangers, and the reverse. Each photo of a known person is asked against the other photos of everybody known, each
photo of a stranger against all of them. Writes benchmarks/results/identify.csv: the shares of known people who are
answered rightly, who are taken for others, and of strangers who are taken for anybody, by threshold. Nothing is chosen
by it but the form of comparison.
"""

import argparse
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from people import RESULTS, read_photos, write
from postlens.vision.templates import unit_rows

GRID = np.arange(0.2, 0.4801, 0.02).round(2)
FORMS = ("mean", "nearest")
Vectors = NDArray[np.float32]


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds faces_identity/")
    photos, people = read_photos(parser.parse_args().data / "faces_identity")
    who, vectors = np.array(people), unit_rows(photos.template)
    halves = np.array([int(hashlib.sha256(name.encode()).hexdigest(), 16) % 2 for name in people])
    found = {
        form: [probes(vectors, who, photos.quality, halves == half, form=form) for half in (0, 1)] for form in FORMS
    }
    write(RESULTS / "identify.csv", [row(form, found[form], limit) for form in FORMS for limit in GRID.tolist()])


def probes(
    vectors: Vectors, who: NDArray[Any], quality: Vectors, known: NDArray[np.bool_], *, form: str
) -> dict[str, Vectors]:
    """Distances of every photo to the nearest known person, and whether that is the right one."""
    names = np.unique(who[known])
    rows = [np.flatnonzero(known & (who == name)) for name in names]
    distance, right = np.empty(len(who), np.float32), np.zeros(len(who), bool)
    for i, vector in enumerate(vectors):
        to_each = np.array([compare(vector, vectors, quality, own[own != i], form=form) for own in rows])
        distance[i], right[i] = to_each.min(), names[to_each.argmin()] == who[i]
    has_others = np.array([np.count_nonzero(known & (who == name)) > 1 for name in who])
    return {"distance": distance, "right": right, "known": known & has_others, "stranger": ~known}


def compare(vector: Vectors, vectors: Vectors, quality: Vectors, own: NDArray[np.int64], *, form: str) -> float:
    """Distance of a vector to a person of these rows."""
    if not len(own):
        return float("inf")
    if form == "nearest":
        return float(np.linalg.norm(vectors[own] - vector, axis=1).min())
    mean = unit_rows((vectors[own] * np.maximum(quality[own], 1e-3)[:, None]).sum(axis=0, keepdims=True))
    return float(np.linalg.norm(mean[0] - vector))


def row(form: str, halves: Sequence[dict[str, Vectors]], limit: float) -> dict[str, Any]:
    """Shares over both halves at a threshold."""
    joined = {name: np.concatenate([half[name] for half in halves]) for name in halves[0]}
    near = joined["distance"] <= limit
    known, stranger = joined["known"].astype(bool), joined["stranger"].astype(bool)
    return {
        "form": form,
        "threshold": limit,
        "n_known": int(known.sum()),
        "n_strangers": int(stranger.sum()),
        "right": round(float((near & joined["right"])[known].mean()), 4),
        "taken_for_another": round(float((near & ~joined["right"])[known].mean()), 4),
        "stranger_taken_for_anybody": round(float(near[stranger].mean()), 4),
    }


if __name__ == "__main__":
    main()
