"""Head crops with their labels: the file between the steps of recipes/attributes.py, and what a net learns of them.

Needs numpy alone, so that it can be read on a machine without postlens.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]
BEARD, MOUSTACHE, STUBBLE = 1, 2, 3  # columns of the labels
# What a net learns: the six attributes, then these two.
ANY_HAIR, MALE = 6, 7


@dataclass(frozen=True)
class Heads:
    """Crops (as JPEG) and their labels, in columns of equal length."""

    jpeg: NDArray[np.object_]
    labels: FloatArray  # (N, 6) in the order of ATTRIBUTES, NaN where unknown
    source: NDArray[np.str_]  # celeba, lfw or web
    collection: NDArray[np.str_]
    person: NDArray[np.str_]
    sex: NDArray[np.str_]  # men, women, children or unknown
    note: NDArray[np.str_]  # "doubt", "nonface" or ""
    set_name: NDArray[np.str_]  # the folder it comes from

    def __getitem__(self, rows: NDArray[np.int64]) -> Heads:
        return Heads(*(getattr(self, one.name)[rows] for one in fields(self)))

    def __len__(self) -> int:
        return len(self.labels)


def save_heads(heads: Heads, path: Path) -> None:
    """Write one .npz without pickles."""
    sizes = np.array([len(data) for data in heads.jpeg])
    rest = {one.name: getattr(heads, one.name) for one in fields(heads) if one.name != "jpeg"}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, sizes=sizes, jpeg=np.frombuffer(b"".join(heads.jpeg), np.uint8), **rest)


def load_heads(paths: Iterable[Path]) -> Heads:
    """Of one file, or of parts in order."""
    parts = [_load(path) for path in paths]
    return Heads(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(Heads)))


def _load(path: Path) -> Heads:
    with np.load(path, allow_pickle=False) as file:
        data, ends = file["jpeg"].tobytes(), np.cumsum(file["sizes"])
        starts = np.concatenate([[0], ends[:-1]])
        jpeg = np.empty(len(ends), object)
        jpeg[:] = [data[start:end] for start, end in zip(starts, ends, strict=True)]
        return Heads(jpeg, **{one.name: file[one.name] for one in fields(Heads) if one.name != "jpeg"})


def targets(heads: Heads) -> FloatArray:
    """What is known of each face in the words that all sources share: (N, 8) of 0, 1 or NaN.

    CelebA's beard means any facial hair, and its moustache also stands over a beard; elsewhere a moustache is one
    without a beard. So CelebA's beard says what `ANY_HAIR` is, and a beard where neither of the others is named; and a
    moustache under other sources' beards is unknown.
    """
    known = heads.labels.astype(np.float32)
    celeba = heads.source == "celeba"
    beard, moustache, stubble = (known[:, k].copy() for k in (BEARD, MOUSTACHE, STUBBLE))
    hair = np.stack([beard, moustache, stubble])
    found = np.where((hair == 1).any(0), 1.0, np.where(np.isnan(hair).any(0), np.nan, 0.0))
    plain = np.where(beard == 0, 0.0, np.where((moustache == 0) & (stubble == 0), 1.0, np.nan))
    male = np.select([heads.sex == "men", heads.sex == "women"], [1.0, 0.0], np.nan)
    out = np.column_stack([known, np.where(celeba, beard, found), male]).astype(np.float32)
    out[:, BEARD] = np.where(celeba, np.where(np.isnan(beard), np.nan, plain), beard)
    out[:, MOUSTACHE] = np.where(~celeba & (beard == 1), np.nan, moustache)
    return out


def draw_weights(heads: Heads) -> NDArray[np.float64]:
    """How often each face is drawn: a source of four times the faces is drawn twice as often."""
    _, index, counts = np.unique(heads.source, return_inverse=True, return_counts=True)
    return np.asarray(1 / np.sqrt(counts)[index], np.float64)
