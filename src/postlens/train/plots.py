"""History, confusion and sample predictions of a training to PNG files.

matplotlib's objects are used without pyplot: nothing is kept between calls, and no display is asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from postlens.errors import MissingExtraError, ShapeError
from postlens.types import FloatArray, Image, IntArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 120
# Okabe and Ito 2008: told apart with every kind of colour vision.
TRAIN_COLOUR, VAL_COLOUR, RIGHT_COLOUR, WRONG_COLOUR = "#0072B2", "#D55E00", "#007A5A", "#B03A00"
PANELS = (("loss", "loss"), ("macro_f1", "macro-F1"))  # name in the history, words on the axis
SPLITS = (("train", TRAIN_COLOUR), ("val", VAL_COLOUR))  # prefix in the history
BEST = ("val", "macro_f1")  # whose highest value is marked
CELL_INCH = 0.62  # of the confusion matrix: room for a share and a count
TILE_INCH = 2.1  # of a sample
SAMPLE_COLUMNS = 6
POST_INCH = 1.25  # of a creator's post
CREATOR_POSTS = 4  # shown of a creator: with more, two creators do not fit side by side
CREATOR_COLUMNS = 2
GAP = 0.2  # between creators side by side, in widths of a post
NO_IMAGE_COLOUR = "0.82"
MAX_LABEL = 18  # characters of a label on a picture; longer ones are cut


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture with what was said of it."""

    image: Image
    truth: str
    answer: str
    prob: float  # of the answer, in [0, 1]

    @property
    def is_right(self) -> bool:
        """Whether the answer is the true label."""
        return self.truth == self.answer


@dataclass(frozen=True, slots=True)
class CreatorSample:
    """The posts that weigh most for one creator, with what was said of the creator."""

    images: tuple[Image | None, ...]  # square, heaviest first; None: cannot be read any more
    weights: tuple[float, ...]  # of all the creator's posts these add up to at most 1
    truth: str
    answer: str
    prob: float  # of the answer, in [0, 1]

    @property
    def is_right(self) -> bool:
        """Whether the answer is the true label."""
        return self.truth == self.answer


S = TypeVar("S", Sample, CreatorSample)


def plot_history(history: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Loss and macro-F1 by epoch, training and validation, with the phases marked.

    history: a row per epoch in order; `phase` (name or number) and whichever of `train_loss`, `val_loss`,
    `train_macro_f1` and `val_macro_f1` are known. The best validation macro-F1 is marked.
    """
    figure = new_figure(width=9, height=6.4)
    panels = figure.subplots(len(PANELS), 1, sharex=True)
    for panel, (name, words) in zip(panels, PANELS, strict=True):
        for split, colour in SPLITS:
            _draw_line(panel, _column(history, f"{split}_{name}"), label=split, colour=colour)
        if name == BEST[1]:
            _mark_best(panel, _column(history, "_".join(BEST)))
        panel.set_ylabel(words)
        panel.grid(alpha=0.25)
        if panel.lines:
            panel.legend(loc="best", frameon=False)
    for panel in panels:
        _mark_phases(panel, history, named=panel is panels[0])
    panels[-1].set_xlabel("epoch")
    panels[-1].xaxis.get_major_locator().set_params(integer=True)
    save_figure(figure, path)


def _column(history: Sequence[Mapping[str, Any]], name: str) -> FloatArray:
    """(E,) values, NaN in epochs that lack it."""
    values = [row.get(name) for row in history]
    return np.array([np.nan if value in (None, "") else float(value) for value in values], np.float32)


def _draw_line(panel: Any, values: FloatArray, *, label: str, colour: str) -> None:
    if np.isfinite(values).any():
        panel.plot(np.arange(1, len(values) + 1), values, label=label, color=colour, marker="o", markersize=3)


def _mark_best(panel: Any, values: FloatArray) -> None:
    """A ring around the highest value, which the legend tells."""
    if np.isfinite(values).any():
        best = int(np.nanargmax(values))
        words = f"best: {values[best]:.3f} in epoch {best + 1}"
        ring = {"marker": "o", "markersize": 9, "fillstyle": "none", "linestyle": "none", "color": VAL_COLOUR}
        panel.plot([best + 1], [values[best]], label=words, **ring)


def _mark_phases(panel: Any, history: Sequence[Mapping[str, Any]], *, named: bool) -> None:
    """A line before each phase but the first; the names above the panel."""
    start = 0
    for number, (phase, rows) in enumerate(groupby(str(row.get("phase", "")) for row in history)):
        n = len(list(rows))
        if number:
            panel.axvline(start + 0.5, color="0.45", linestyle="--", linewidth=1)
        if named and phase:
            place = ((start + 0.5 + start + n + 0.5) / 2, 1.02)
            words = {"transform": panel.get_xaxis_transform(), "ha": "center", "parse_math": False}
            panel.text(*place, f"phase {phase}" if phase.isdigit() else phase, **words)
        start += n
    panel.set_xlim(0.5, max(len(history), 1) + 0.5)


def plot_confusion(
    truth: IntArray, answers: IntArray, path: Path, *, labels: Sequence[str], title: str = "", unit: str = "images"
) -> None:
    """Shares of each true label's images by answer (rows add up to 1), with counts below.

    truth, answers (N,): positions in `labels`; unit: what is counted, in the plural.
    """
    k = len(labels)
    counts = np.bincount(truth * k + answers, minlength=k * k).reshape(k, k)
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    figure = new_figure(width=4.4 + CELL_INCH * k, height=2.4 + CELL_INCH * k)
    panel = figure.subplots()
    shown = panel.imshow(share, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(k, k):
        _draw_cell(panel, row, column, share=float(share[row, column]), count=int(counts[row, column]))
    names = [_short(label) for label in labels]
    panel.set_xticks(range(k), names, rotation=45, ha="right", parse_math=False)
    rows = [f"{name} ({n})" for name, n in zip(names, counts.sum(1), strict=True)]
    panel.set_yticks(range(k), rows, parse_math=False)
    panel.set_xlabel("answer")
    panel.set_ylabel(f"true label ({unit})")
    panel.set_title(title, parse_math=False, fontsize=11)
    figure.colorbar(shown, ax=panel, fraction=0.046, pad=0.03, label=f"share of the true label's {unit}")
    save_figure(figure, path)


def _draw_cell(panel: Any, row: int, column: int, *, share: float, count: int) -> None:
    """Share and count; nothing in cells without images, so that what was confused stands out."""
    if count:
        colour = "white" if share > 0.55 else "black"
        panel.text(column, row, f"{share:.2f}\n{count}", ha="center", va="center", fontsize=8, color=colour)


def plot_samples(samples: Sequence[Sample], path: Path, *, title: str = "") -> None:
    """A sheet of pictures with true label, answer and its probability; wrong ones first.

    Raises `ShapeError` without any sample.
    """
    if not samples:
        raise ShapeError("expected at least one sample to draw, got none")
    rows = _rows(samples, SAMPLE_COLUMNS)
    figure = new_figure(width=TILE_INCH * SAMPLE_COLUMNS, height=(TILE_INCH + 0.55) * len(rows) + 0.4)
    panels = figure.subplots(len(rows), SAMPLE_COLUMNS, squeeze=False)
    for row, tiles in zip(rows, panels, strict=True):
        for i, tile in enumerate(tiles):
            tile.axis("off")
            if i < len(row):
                _draw_sample(tile, row[i])
    figure.suptitle(title, parse_math=False, fontsize=11)
    save_figure(figure, path)


def plot_creators(samples: Sequence[CreatorSample], path: Path, *, title: str = "") -> None:
    """A sheet of creators with true label, answer and its probability; wrong ones first.

    Below each are up to CREATOR_POSTS pictures with their weights in the answer, grey where there is none.

    Raises `ShapeError` without any sample.
    """
    if not samples:
        raise ShapeError("expected at least one creator to draw, got none")
    rows = _rows(samples, CREATOR_COLUMNS)
    widths = [*([1] * CREATOR_POSTS), GAP] * CREATOR_COLUMNS
    figure = new_figure(width=POST_INCH * sum(widths), height=(POST_INCH + 0.75) * len(rows) + 0.4)
    panels = figure.subplots(len(rows), len(widths), squeeze=False, width_ratios=widths)
    for tile in panels.flat:
        tile.axis("off")
    for row, tiles in zip(rows, panels, strict=True):
        for i, sample in enumerate(row):
            _draw_creator(tiles[i * (CREATOR_POSTS + 1) :], sample)
    figure.suptitle(title, parse_math=False, fontsize=11)
    save_figure(figure, path)


def _draw_creator(tiles: Sequence[Any], sample: CreatorSample) -> None:
    _write_answer(tiles[0], sample)
    for tile, image, weight in zip(tiles[:CREATOR_POSTS], sample.images, sample.weights, strict=False):
        if image is None:
            tile.add_patch(_grey(tile))
            tile.text(0.5, 0.5, "no picture", transform=tile.transAxes, ha="center", va="center", fontsize=8)
            tile.set_aspect("equal")
        else:
            tile.imshow(image)
        tile.text(0.5, -0.04, f"{100 * weight:.1f} %", transform=tile.transAxes, ha="center", va="top", fontsize=8)


def _grey(tile: Any) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((0, 0), 1, 1, transform=tile.transAxes, color=NO_IMAGE_COLOUR)


def _rows(samples: Sequence[S], n_columns: int) -> list[Sequence[S]]:
    """Wrong ones, then right ones, which begin a row of their own."""
    parts = [[one for one in samples if one.is_right == right] for right in (False, True)]
    return [part[i : i + n_columns] for part in parts for i in range(0, len(part), n_columns)]


def _draw_sample(tile: Any, sample: Sample) -> None:
    _write_answer(tile, sample)
    tile.imshow(sample.image)


def _write_answer(tile: Any, sample: Sample | CreatorSample) -> None:
    sign, colour = ("✓", RIGHT_COLOUR) if sample.is_right else ("✗", WRONG_COLOUR)
    text = f"{sign} {_short(sample.answer)} {sample.prob:.2f}\ntrue: {_short(sample.truth)}"
    tile.set_title(text, color=colour, fontsize=9, loc="left", parse_math=False)


def _short(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"


def new_figure(*, width: float, height: float) -> Figure:
    """An empty figure, sides in inches. Raises `MissingExtraError` without matplotlib."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtraError("train", needed_for="drawing the pictures of a training") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> None:
    """Write the PNG. Letters that matplotlib's font lacks become boxes, of which it would warn once for each."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"Glyph \d+|Matplotlib currently does not support")
        figure.savefig(path, dpi=DPI, metadata={"Software": "postlens"})
