"""Losses, forecasts and intervals of a training of engagement to PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.tasks.engagement.evaluate import Outcomes
from postlens.train.engagement_scores import percent_errors
from postlens.train.plots import RIGHT_COLOUR, SPLITS, TRAIN_COLOUR, VAL_COLOUR, new_figure, save_figure

LOSSES, FORECASTS, CALIBRATION, BY_SIZE, PERCENT = (
    f"{name}.png" for name in ("losses", "forecasts", "calibration", "error_by_size", "percent_errors")
)
LOG_FROM = 10  # times the lowest loss; from there on low losses cannot be told apart on a plain scale
WORDS = {"train": "training", "val": "validation"}
MOST_BARS = 400  # intervals drawn; more hide each other
N_BANDS = 5  # of forecasts, in the picture of calibration
MIN_BAND = 20  # posts of a band that is drawn
NOMINAL = {"lower": 0.05, "median": 0.5, "upper": 0.95}
PERCENT_EDGES = np.arange(-100, 301, 20)  # above 300 %: in the last bar
TICKS = (0, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000)


def plot_losses(history: Sequence[Mapping[str, Any]], path: Path, *, of: str = "likes") -> None:
    """Training and validation loss by epoch; `of`: what the error is of."""
    figure = new_figure(width=8, height=4)
    panel = figure.subplots()
    epochs = [row["epoch"] for row in history]
    for split, colour in SPLITS:
        panel.plot(
            epochs, [row[f"{split}_loss"] for row in history], label=WORDS[split], color=colour, marker="o", ms=3
        )
    losses = [row[f"{split}_loss"] for row in history for split, _ in SPLITS]
    if max(losses) > LOG_FROM * min(losses):
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(_locator("LogLocator", subs=(1, 2, 5)))
        panel.yaxis.set_minor_locator(_locator("NullLocator"))
    panel.yaxis.set_major_formatter(_plain)
    panel.set_xlabel("epoch")
    panel.set_ylabel(f"mean squared error of {of}")
    panel.locator_params(axis="x", integer=True)
    _finish(panel)
    save_figure(figure, path)


def plot_forecasts(outcomes: Outcomes, path: Path, *, rng: np.random.Generator) -> None:
    """What was forecast, with its interval, against what the post got; `MOST_BARS` posts drawn by `rng`."""
    shown = outcomes.take(np.sort(rng.permutation(len(outcomes))[:MOST_BARS]))
    inside = (shown.actual >= shown.lower) & (shown.actual <= shown.upper)
    figure = new_figure(width=7, height=6.4)
    panel = figure.subplots()
    for mask, colour, words in ((inside, TRAIN_COLOUR, "inside the interval"), (~inside, VAL_COLOUR, "outside")):
        rows = shown.take(mask)
        ends = np.abs(np.stack([rows.median - rows.lower, rows.upper - rows.median]))
        label = f"{words}: {100 * mask.mean():.0f} %"
        panel.errorbar(rows.actual, rows.median, ends, fmt="o", ms=3, lw=0.6, color=colour, alpha=0.6, label=label)
    low, high = float(shown.actual.min()), float(shown.actual.max())
    panel.plot([low, high], [low, high], color="0.4", lw=1)
    panel.set_xlabel("likes")
    panel.set_ylabel("forecast, 90 % interval")
    for axis in (panel.xaxis, panel.yaxis):
        axis.set_ticks(np.log1p(TICKS), [f"{tick:,}" for tick in TICKS])
    panel.set_xlim(low - 0.3, high + 0.3)
    panel.set_ylim(max(min(low, float(shown.lower.min())) - 0.3, -0.3), max(high, float(shown.upper.max())) + 0.3)
    _finish(panel)
    save_figure(figure, path)


def plot_calibration(outcomes: Outcomes, path: Path) -> None:
    """Share of posts below each end and the middle of the interval, in bands of the forecast; lines: what is meant."""
    figure = new_figure(width=8, height=4.4)
    panel = figure.subplots()
    order = np.argsort(outcomes.median, kind="stable")
    bands = [rows for rows in np.array_split(order, N_BANDS) if len(rows) >= MIN_BAND] or [order]
    middles = [float(np.expm1(np.median(outcomes.median[rows]))) for rows in bands]
    for (name, nominal), colour in zip(NOMINAL.items(), (TRAIN_COLOUR, RIGHT_COLOUR, VAL_COLOUR), strict=True):
        below = [np.mean(outcomes.actual[rows] < getattr(outcomes, name)[rows]) for rows in bands]
        bars = [1.96 * np.sqrt(max(p * (1 - p), 1e-9) / len(rows)) for p, rows in zip(below, bands, strict=True)]
        panel.errorbar(range(len(bands)), below, bars, color=colour, marker="o", capsize=3, label=f"below {name}")
        panel.axhline(nominal, color=colour, lw=1, ls="--")
    panel.set_xticks(range(len(bands)), [f"{middle:,.0f}" for middle in middles])
    panel.set_xlabel("likes forecast (median of each fifth of the posts)")
    panel.set_ylabel("share of posts")
    panel.set_ylim(-0.03, 1.03)  # ends at 0 and 1 stay whole
    _finish(panel)
    save_figure(figure, path)


def plot_by_size(scores: Mapping[str, Any], path: Path) -> None:
    """Mean absolute error on the log scale by followers, with 95 % intervals; those of one post are left out."""
    found = {name: row for name, row in scores["by_account_size"].items() if row["mae_log_ci"] is not None}
    figure = new_figure(width=8, height=4)
    panel = figure.subplots()
    for place, row in enumerate(found.values()):
        low, high = row["mae_log_ci"]
        ends = [[max(row["mae_log"] - low, 0.0)], [max(high - row["mae_log"], 0.0)]]
        panel.bar(place, row["mae_log"], yerr=ends, color=TRAIN_COLOUR, capsize=4, width=0.6)
    panel.axhline(scores["mae_log"], color=VAL_COLOUR, ls="--", lw=1, label=f"all: {scores['mae_log']:.3f}")
    panel.set_xticks(range(len(found)), [f"{name}\n{row['n']} posts" for name, row in found.items()])
    panel.set_xlabel("followers")
    panel.set_ylabel("mean |error| of log(1 + likes)")
    _finish(panel)
    save_figure(figure, path)


def plot_percent_errors(outcomes: Outcomes, path: Path) -> None:
    """How far single forecasts were off, in percent of what the post got."""
    errors = percent_errors(outcomes)
    figure = new_figure(width=8, height=4)
    panel = figure.subplots()
    panel.hist(np.clip(errors, PERCENT_EDGES[0], PERCENT_EDGES[-1]), bins=PERCENT_EDGES.tolist(), color=TRAIN_COLOUR)
    middle = float(np.median(np.abs(errors))) if len(errors) else float("nan")
    panel.axvline(0, color="0.3", lw=1, label=f"half of the forecasts are off by {middle:.0f} % or less")
    panel.set_xlabel("100 (forecast - likes) / likes; the last bar: 280 and more")
    panel.set_ylabel("posts")
    panel.yaxis.set_major_locator(_locator("MaxNLocator", integer=True))
    _finish(panel)
    save_figure(figure, path)


def _locator(name: str, **options: Any) -> Any:
    from matplotlib import ticker

    return getattr(ticker, name)(**options)


def _plain(value: float, _: object = None) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _finish(panel: Any) -> None:
    panel.grid(alpha=0.25)
    if panel.get_legend_handles_labels()[0]:
        # Above the panel, where it hides nothing.
        panel.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, frameon=False)
