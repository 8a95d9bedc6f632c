"""Labelled images to training, validation and test parts, no group in two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ShapeError, SplitError
from postlens.media.probe import display_name
from postlens.sources.rows import read_table
from postlens.types import IntArray

if TYPE_CHECKING:
    from postlens.train.labels import LabelledImages

# What people and data sets call the parts.
_PART_NAMES: Final = {"train": 0, "training": 0, "val": 1, "valid": 1, "validation": 1, "dev": 1, "test": 2}
# Divisions drawn, the best of which is kept: more come nearer to the asked shares where groups are large, and take
# longer. 5,000 groups placed take 0.1 s on one core; many small groups need but one draw.
_MOST_DRAWS: Final = 200
_MOST_PLACED: Final = 5_000
_NEAREST: Final = 3  # a part's first group of a class is one of the nearest 3, so that draws differ

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of the three parts; no row is in two."""

    train: IntArray
    val: IntArray
    test: IntArray

    def __post_init__(self) -> None:
        rows = np.concatenate([self.train, self.val, self.test])
        if rows.ndim != 1 or len(np.unique(rows)) != len(rows):
            raise ShapeError("the parts of a split must be row numbers (N,) without repeats, got some twice")

    @property
    def parts(self) -> dict[str, IntArray]:
        """The rows by the part's name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def split_by_group(
    images: LabelledImages,
    *,
    val: float = 0.15,
    test: float = 0.15,
    copies: Sequence[str] | None = None,
    rng: np.random.Generator,
) -> Split:
    """Divide by whole groups, each class in each part as near to the asked share as the groups allow.

    Greedy, as scikit-learn's StratifiedGroupKFold: each part first gets one group of each class, the scarcest class
    first; then groups, roughly the largest first, go where they bring the classes' shares nearest (squared
    differences over the asked share). Of several draws the nearest is kept.

    Args:
        val: share of each class for validation, in [0, 1); 0 for none.
        test: share of each class for the test, in [0, 1); 0 for none.
        copies: (N,) sha256 of each file, where known. Groups that share a file are divided as one, so that no picture
            is in two parts under two names.

    Raises:
        SplitError: the shares leave nothing to train on, or a class is in too few groups to be in every part; it is
            named. A part without a class could not be scored, and training without it could not learn it.
    """
    shares = np.array([1 - val - test, val, test])
    if shares.min() < 0 or shares[0] <= 0:
        raise SplitError(f"expected shares val and test of 0 or more, together below 1, got {val} and {test}")
    groups, member = np.unique(np.asarray(images.groups, dtype=object), return_inverse=True)
    if copies is not None:
        groups, member = np.unique(_joined(member, copies), return_inverse=True)
    counts = np.zeros((len(groups), len(images.classes)))
    np.add.at(counts, (member, images.labels), 1)
    _check_groups(images.classes, (counts > 0).sum(axis=0), n_parts=int((shares > 0).sum()))
    n_draws = int(np.clip(_MOST_PLACED // len(groups), 1, _MOST_DRAWS))
    drawn = [_draw(counts / counts.sum(axis=0), shares, rng) for _ in range(n_draws)]
    found = [one for one in drawn if one is not None]
    if not found:
        raise SplitError(
            f"expected each class in each part, but in {n_draws} draws whole groups did not allow it; many classes "
            "share few groups: add groups, set test to 0, or give a table of splits"
        )
    part_of = min(found, key=lambda one: _distance(counts, one, shares))[member]
    return Split(*(np.flatnonzero(part_of == part) for part in range(3)))


def _joined(member: IntArray, copies: Sequence[str]) -> IntArray:
    """(N,) numbers that groups have in common where they share a file: components of the graph of groups and files."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, file = np.unique(np.asarray(copies), return_inverse=True)
    n_groups = int(member.max()) + 1
    n = n_groups + int(file.max()) + 1
    edges = coo_array((np.ones(len(member)), (member, n_groups + file)), shape=(n, n))
    component = connected_components(edges, directed=False)[1]
    return np.asarray(component[member], np.int64)


def _check_groups(classes: tuple[str, ...], n_groups: IntArray, *, n_parts: int) -> None:
    """Raise `SplitError` naming the classes that are in fewer groups than there are parts."""
    scarce = [f"{name} ({n})" for name, n in zip(classes, n_groups, strict=True) if n < n_parts]
    if scarce:
        raise SplitError(
            f"expected each class in at least {n_parts} groups (creators or sources), one for each part, got fewer "
            f"for {', '.join(scarce)}; add images of other creators, leave the class out, or set test to 0"
        )


def _draw(shares_of: Floats, wanted: Floats, rng: np.random.Generator) -> IntArray | None:
    """One division: the part of each group (G,), or None where a part got no group of some class.

    Args:
        shares_of: (G, K) share of each class's images that a group holds.
        wanted: (3,) share of each class for each part.
    """
    part_of = np.full(len(shares_of), -1)
    have = np.zeros((3, shares_of.shape[1]))
    order = rng.permutation(len(shares_of))
    for part, k in _missing(shares_of, wanted):
        free = order[(part_of[order] < 0) & (shares_of[order, k] > 0)]
        if have[part, k] > 0:
            continue
        if not len(free):
            return None
        nearest = free[np.argsort(_costs(shares_of[free], have[part], wanted[part]), kind="stable")[:_NEAREST]]
        _assign(int(rng.choice(nearest)), part, part_of=part_of, have=have, shares_of=shares_of)
    rest = order[part_of[order] < 0]
    used = np.flatnonzero(wanted > 0)
    sizes = shares_of[rest].max(axis=1) * rng.uniform(0.5, 1.5, len(rest))  # so that draws differ
    for group in rest[np.argsort(-sizes)]:
        nearest = _costs(shares_of[group], have[used], wanted[used, None]).argmin()
        _assign(int(group), int(used[nearest]), part_of=part_of, have=have, shares_of=shares_of)
    return part_of


def _missing(shares_of: Floats, wanted: Floats) -> Iterator[tuple[int, int]]:
    """(part, class) pairs that need a group: the class in the fewest groups first, the smallest part first."""
    for k in np.argsort((shares_of > 0).sum(axis=0), kind="stable"):
        for part in np.argsort(wanted, kind="stable"):
            if wanted[part] > 0:
                yield int(part), int(k)


def _costs(added: Floats, have: Floats, wanted: Floats | float) -> Floats:
    """Change of `_distance` by adding groups (..., K) to a part."""
    return np.asarray((added * (2 * (have - wanted) + added) / wanted).sum(axis=-1))


def _assign(group: int, part: int, *, part_of: IntArray, have: Floats, shares_of: Floats) -> None:
    part_of[group] = part
    have[part] += shares_of[group]


def _distance(counts: Floats, part_of: IntArray, wanted: Floats) -> float:
    """Sum over parts and classes of (share in the part - wanted share) ** 2 / wanted share: small parts count alike."""
    have = np.stack([counts[part_of == part].sum(axis=0) for part in range(3)]) / counts.sum(axis=0)
    used = wanted > 0
    return float(((have[used] - wanted[used, None]) ** 2 / wanted[used, None]).sum())


# --- given splits ---------------------------------------------------------------------------------------------------


def read_splits(path: Path, images: LabelledImages) -> Split:
    """The parts that a table gives: CSV with the columns `group` and `split` (train, val or test).

    Groups of which there is no image are passed over. A creator named with its platform, as in features
    (`instagram:ann`), is also found without it (`ann`), as labelled images name it: one table serves both trainings.

    Raises:
        SplitError: a group is in two splits, a split has another name, a group of the images is not in the table, or
            a class is missing in training or in a part that is not empty.
        SourceNotFoundError, TableError: the table cannot be read.
    """
    name = display_name(path)
    part_of = _parts_by_group(path, name)
    found = {group: part_of.get(group, part_of.get(group.partition(":")[2], -1)) for group in set(images.groups)}
    absent = sorted(group for group, part in found.items() if part < 0)
    if absent:
        raise SplitError(
            f"{name}: expected every group of the images, {len(absent)} are missing, such as {absent[0]}; "
            "add a row for each, or give another table (--splits)"
        )
    parts = np.array([found[group] for group in images.groups], dtype=np.int64)
    split = Split(*(np.flatnonzero(parts == part) for part in range(3)))
    for part, rows in split.parts.items():
        _check_classes(images, rows, f"{name}: {part}", needed=part == "train")
    return split


def _parts_by_group(path: Path, name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in read_table(path, "group", "split"):
        group, word = row["group"].strip(), row["split"].strip()
        part = _PART_NAMES.get(word.casefold())
        if part is None:
            raise SplitError(f"{name}: expected a split of train, val or test for {group}, got {word!r}")
        if found.setdefault(group, part) != part:
            raise SplitError(
                f"{name}: {group} is in two splits; keep each creator in one, or its pictures are learnt by heart"
            )
    return found


def _check_classes(images: LabelledImages, rows: IntArray, where: str, *, needed: bool) -> None:
    """Raise `SplitError` for classes without an image in a part; an empty part is right unless it is needed."""
    n_images = np.bincount(images.labels[rows], minlength=len(images.classes))
    absent = [label for label, n in zip(images.classes, n_images, strict=True) if n == 0]
    if absent and (needed or len(rows)):
        raise SplitError(f"{where} has no image of {', '.join(absent)}; move a group with such images into it")
