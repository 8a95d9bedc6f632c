"""Labelled images to a run folder: table, page of the data, heads, scores, report, exported model."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from postlens.config import Settings
from postlens.errors import UsageError
from postlens.media.probe import display_name
from postlens.tasks.products.items import Label, label_name, trained_label
from postlens.tasks.products.model import CARD, Reads
from postlens.train.products_eda import write_eda
from postlens.train.products_export import export_heads
from postlens.train.products_fit import fit_heads, root
from postlens.train.products_folds import N_FOLDS, check_enough, fold_of, join_groups
from postlens.train.products_outside import Outside, measure_outside
from postlens.train.products_report import Kind, metrics_of, write_answers, write_report
from postlens.train.products_scores import Answered, LabelScores, score_heads
from postlens.train.products_table import ProductImages, read_product_images, some, write_table
from postlens.train.products_vectors import Progress, Reader, ReadsAsked, Vectors
from postlens.train.run_folder import RunFolder
from postlens.types import IntArray

HEADS = "heads"  # name of this recipe
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ProductRecipe:
    """How heads are trained. Labels and items are spelled as `items.label_name` spells them, however they are given."""

    labels: tuple[str, ...] = ()  # (): all that the data has
    reads: ReadsAsked = "auto"
    n_folds: int = N_FOLDS
    items: Mapping[str, str] = field(default_factory=dict)  # label to the item it shows; default: itself
    priors: Mapping[str, float] = field(default_factory=dict)  # share of images with a label in the wild
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_folds < 2:
            raise UsageError(f"expected 2 folds or more, got {self.n_folds}")
        if wrong := {name: share for name, share in self.priors.items() if not 0 < share < 1}:
            raise UsageError(f"expected a prior between 0 and 1, got {wrong}")
        named = {
            "labels": tuple(label_name(label) for label in self.labels),
            "items": {label_name(label): label_name(item) for label, item in self.items.items()},
            "priors": {label_name(label): share for label, share in self.priors.items()},
        }
        for name, value in named.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True, slots=True)
class ProductData:
    """Images that could be read, with their vectors, groups and folds: what a recipe trains on."""

    images: ProductImages
    found: Vectors
    groups: IntArray  # (N,)
    folds: IntArray  # (N,) -1: held out
    reads: Reads
    recipe: ProductRecipe
    root: Path  # folder that the files' names are told from

    @property
    def n_folds(self) -> int:
        """How many folds there are."""
        return int(self.folds.max()) + 1


@dataclass(frozen=True, slots=True)
class ProductResult:
    """What a training brought."""

    out: Path
    reads: Reads
    scores: tuple[LabelScores, ...]  # out of fold
    test: tuple[LabelScores, ...]  # on images held out, where there are any
    labels: tuple[Label, ...]
    images: ProductImages
    kind: Kind  # of what was trained
    outside: Outside | None = None  # None: not measured


class Export(Protocol):
    """Writes the model with its cards into the run folder."""

    def __call__(
        self,
        *,
        reads: Reads,
        labels: Sequence[Label],
        metrics: Mapping[str, Any],
        trained_on: Sequence[str],
        limits: str,
    ) -> object:
        """metrics: by label, out of fold."""


def train_products(
    data: Path,
    *,
    out: Path,
    recipe: ProductRecipe | None = None,
    settings: Settings | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> ProductResult:
    """Train one head per label on labelled images, and write the run folder `out`.

    data: as `read_product_images` takes it.

    Raises:
        UsageError: the folder holds another run, a label is not there, or groups cannot be divided (SplitError).
        SourceError: the data cannot be read.
        NotEnoughDataError: a label with too few images.
    """
    recipe = recipe or ProductRecipe()
    with begun(data, recipe, out=out, command=command) as images:
        prepared = prepare(images, recipe, out=out, root=data, settings=settings, progress=progress)
        vectors, truth = prepared.found.vectors, prepared.images.truth
        heads = fit_heads(vectors, truth, prepared.folds, labels=prepared.images.labels, priors=recipe.priors)
        thresholds = [scale.threshold for scale in heads.scales]
        export = partial(export_heads, heads, out, vectors=vectors)
        outside = measure_outside(
            lambda found: heads.predict(root(found)),
            prepared.reads,
            labels=prepared.images.labels,
            thresholds=thresholds,
        )
        return finish(
            heads, prepared, thresholds=thresholds, name=HEADS, kind="heads", out=out, export=export, outside=outside
        )


@contextmanager
def begun(data: Path, recipe: ProductRecipe, *, out: Path, command: str) -> Iterator[ProductImages]:
    """The labelled images, with a run folder made, into which all that is logged within goes.

    Raises as `read_product_images`, and `UsageError` for items and priors of labels that are not there, when a finished
    run is in the folder, or it cannot be written.
    """
    images = read_product_images(data, labels=recipe.labels)
    check_names(recipe, images.labels)
    if (out / CARD).exists():
        raise UsageError(f"{display_name(out)}: expected a new folder, got one of an earlier run; name another")
    RunFolder(out).make(command=command)
    with RunFolder(out).logging():
        yield images


def check_names(recipe: ProductRecipe, labels: Sequence[str]) -> None:
    """Raise `UsageError` for items and priors of labels that are not there."""
    if unknown := sorted({*recipe.items, *recipe.priors} - set(labels)):
        raise UsageError(f"expected items and priors of the labels {some(labels)}, got {some(unknown)}")


def prepare(
    images: ProductImages,
    recipe: ProductRecipe,
    *,
    out: Path,
    root: Path,
    squares: NDArray[np.uint8] | None = None,
    settings: Settings | None = None,
    progress: Progress | None = None,
) -> ProductData:
    """Read the images, divide them, and write labels.csv and eda.html, which are there even if training is refused.

    squares: filled with what nets over pixels take, in place of the vectors (`Reader.read`).

    Raises as `fold_of`, and `NotEnoughDataError` when no image can be read.
    """
    reader = Reader(settings)
    reads = reader.choose(images) if recipe.reads == "auto" else recipe.reads
    images, found = reader.read(images, reads, squares=squares, progress=progress)
    for one in images.failures:
        log.warning("left out: %s: %s", one.subject, one.message)
    groups = join_groups(images.groups, found.bits, found.hash_quality)
    base = root if root.is_dir() else root.parent
    write_table(images, out / "labels.csv", root=base, groups=[f"g{number}" for number in groups.tolist()])
    write_eda(out / "eda.html", images, found, groups, reads=reads, rng=np.random.default_rng(recipe.seed))
    check_enough(images, groups)
    folds = fold_of(images, groups, n_folds=recipe.n_folds, rng=np.random.default_rng(recipe.seed))
    return ProductData(images, found, groups, folds, reads, recipe, base)


def finish(
    answered: Answered,
    data: ProductData,
    *,
    thresholds: Sequence[float],
    name: str,
    kind: Kind,
    out: Path,
    export: Export,
    outside: Outside | None = None,
) -> ProductResult:
    """Score what was trained, and write metrics, report, answers and model into the run folder.

    answered: probabilities out of fold; thresholds (K,): of the finished model; name: of the recipe; outside: what it
    calls on photos unlike those trained on, where that was measured.
    """
    images, recipe = data.images, data.recipe
    scores, test = score(answered, data, seed=recipe.seed)
    labels = tuple(
        meaning(label, data.reads, recipe, threshold=own) for label, own in zip(images.labels, thresholds, strict=True)
    )
    told = {"outside": {"n": outside.n, "called": dict(outside.called)}} if outside else {}
    metrics = metrics_of(scores, test, images, facts(data, recipe=name) | told)
    write_report(out, metrics, scores, test, images=images, pictures=data.found.tiles, labels=labels, kind=kind)
    write_answers(out / "answers.csv", scores, images, data.folds, root=data.root)
    export(
        reads=data.reads,
        labels=labels,
        metrics=metrics["labels"],
        trained_on=trained_on(images),
        limits=" ".join(filter(None, (limits(scores, data.reads, kind), _warned(outside)))),
    )
    return ProductResult(out, data.reads, scores, test, labels, images, kind, outside)


def _warned(outside: Outside | None) -> str:
    return f"It {outside.warning}." if outside and outside.warning else ""


def score(heads: Answered, data: ProductData, *, seed: int) -> tuple[tuple[LabelScores, ...], tuple[LabelScores, ...]]:
    """Scores out of fold, and on images held out; () without any."""
    rows, rest = np.flatnonzero(data.folds >= 0), np.flatnonzero(data.folds < 0)
    truth, labels, rng = data.images.truth, data.images.labels, np.random.default_rng(seed)
    scores = score_heads(heads, truth, data.groups, rows, labels=labels, rng=rng)
    return scores, score_heads(heads, truth, data.groups, rest, labels=labels, rng=rng) if len(rest) else ()


def meaning(name: str, reads: Reads, recipe: ProductRecipe, *, threshold: float) -> Label:
    """What a label of a new run means until its products.toml is changed."""
    return trained_label(name, reads, threshold=round(threshold, 4), item=recipe.items.get(name))


def facts(data: ProductData, *, recipe: str) -> dict[str, Any]:
    """What `metrics_of` tells of the training beside the scores."""
    return {
        "recipe": recipe,
        "reads": data.reads,
        "n_groups": len(np.unique(data.groups)),
        "n_folds": data.n_folds,
        "n_test": int(data.images.held_out.sum()),
        "shares": _shares(data),
    }


def _shares(data: ProductData) -> dict[str, dict[str, float]]:
    """Label to its share of the images trained on (`data`), and to that which the thresholds are made for (`wild`)."""
    shares = np.nanmean(data.images.truth[data.folds >= 0].astype(np.float64), axis=0).round(4).tolist()
    named = zip(data.images.labels, shares, strict=True)
    return {name: {"data": share, "wild": data.recipe.priors.get(name, share)} for name, share in named}


def trained_on(images: ProductImages) -> tuple[str, ...]:
    """What the card says of the images: counts, no names."""
    counts = ", ".join(f"{label} {n}" for label, n in images.n_positive.items())
    return (f"{len(images)} images of the user's own ({counts})",)


def limits(scores: Sequence[LabelScores], reads: Reads, kind: Kind) -> str:
    """What to expect of the model, in sentences."""
    weakest = min(scores, key=lambda one: one.table["auc"] or 0.0)
    made = "Probabilities and thresholds are" if kind == "heads" else "Probabilities are not calibrated; thresholds are"
    return (
        f"Reads {'faces' if reads == 'face' else 'whole images'}. Scores are of groups held out of training; images of "
        f"other origin may score lower. Weakest label: {weakest.label}, AUC {weakest.table['auc']:.2f} on "
        f"{weakest.table['n']} images. {made} made for the share of images with each label here, or for the "
        "one that was given."
    )
