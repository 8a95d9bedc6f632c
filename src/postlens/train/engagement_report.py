"""Scores of a training of engagement to scores.json, plots and report.html in its folder."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from postlens.tasks.engagement.evaluate import Outcomes
from postlens.train import engagement_plots as plots
from postlens.train.engagement_scores import percent_errors
from postlens.train.products_page import page, section, table, text

SCORES, REPORT = "scores.json", "report.html"
NAMES = {"mae_log": "MAE of log(1 + likes)", "spearman": "Spearman", "coverage_90": "coverage of 90 % intervals"}
NAMES |= {"pair_accuracy": "pairs of an account ordered right"}
ONLY = {"gain_over_median": "error of the account's median less its own (interval: 90 %)"}
ONLY |= {"interval_half_width_log": "half width of the 90 % interval of log(1 + likes)"}
COUNTS = {"n": "posts", "n_pairs": "pairs held out", "n_train_pairs": "pairs trained on"}
# Plots are drawn dark on white; on a dark page their brightness is turned round, and their hues stay.
STYLE = """<style>.plot { max-width: 100%; border-radius: 6px; }
@media (prefers-color-scheme: dark) { .plot { filter: invert(0.9) hue-rotate(180deg); } }</style>"""


@dataclass(frozen=True, slots=True)
class Told:
    """What a report says beside its scores."""

    title: str
    lead: str  # what was held out
    notes: Sequence[str] = ()  # what of the data was not used, and why
    settings: Mapping[str, Any] = field(default_factory=dict)
    loss_of: str = "likes"  # what the losses are squared errors of


def write_report(
    out: Path,
    scores: Mapping[str, Any],
    told: Told,
    *,
    outcomes: Outcomes | None = None,
    history: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write scores.json, the plots that the outcomes and the history allow, and the page that shows them."""
    values = dict(scores)
    if outcomes is not None and len(outcomes):
        values["median_percent_error"] = _percent(outcomes)
    _write(out / SCORES, json.dumps({**values, "notes": list(told.notes)}, indent=2, ensure_ascii=False) + "\n")
    pictures = _draw(out, values, told, outcomes, history)
    shown = "".join(_figure(out / name, words) for name, words in pictures)
    body = (
        section("Notes", "".join(f"<p>{text(note)}</p>" for note in told.notes)),
        section("Scores", _score_table(values)),
        section("Beside it", _baseline_table(values), note="Each on the posts that it has an answer for."),
        section("By account size", _size_table(values)),
        section("Plots", STYLE + shown) if shown else "",
        section("Settings", table(("setting", "value"), [(text(k), text(v)) for k, v in told.settings.items()])),
    )
    _write(out / REPORT, page(told.title, told.lead, *body))


def _percent(outcomes: Outcomes) -> float | None:
    errors = np.abs(percent_errors(outcomes))
    return round(float(np.median(errors)), 1) if len(errors) else None


def _draw(
    out: Path, scores: Mapping[str, Any], told: Told, outcomes: Outcomes | None, history: Sequence[Mapping[str, Any]]
) -> list[tuple[str, str]]:
    found = []
    if history:
        plots.plot_losses(history, out / plots.LOSSES, of=told.loss_of)
        found.append((plots.LOSSES, "Loss per epoch of the reference network."))
    if outcomes is None or not len(outcomes):
        return found
    plots.plot_forecasts(outcomes, out / plots.FORECASTS, rng=np.random.default_rng(0))
    plots.plot_calibration(outcomes, out / plots.CALIBRATION)
    plots.plot_percent_errors(outcomes, out / plots.PERCENT)
    found += [(plots.FORECASTS, "Forecast and interval against what the post got.")]
    found += [(plots.CALIBRATION, "Calibration: 5, 50 and 95 % of the posts are to lie below the three values.")]
    found += [(plots.PERCENT, "Percent error of single forecasts.")]
    if any(row["mae_log_ci"] for row in scores["by_account_size"].values()):
        plots.plot_by_size(scores, out / plots.BY_SIZE)
        found.append((plots.BY_SIZE, "Error by account size."))
    return found


def _figure(path: Path, words: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<h3>{text(words)}</h3><img alt="{text(words)}" class="plot" src="data:image/png;base64,{data}">'


def _score_table(scores: Mapping[str, Any]) -> str:
    rows = [(words, f"{scores[name]:,}", "") for name, words in COUNTS.items() if name in scores]
    rows += [
        (text(words), _shown(scores[name]), _interval(scores, name))
        for name, words in (NAMES | ONLY).items()
        if name in scores
    ]
    if scores.get("median_percent_error") is not None:
        rows.append(("half of the single forecasts are off by at most", f"{scores['median_percent_error']:.0f} %", ""))
    return table(("score", "value", "95 % interval"), rows) if rows else ""


def _baseline_table(scores: Mapping[str, Any]) -> str:
    header = ("baseline", "posts", "its MAE", "95 % interval", "MAE of the model there", "its Spearman")
    rows = [
        (
            *(text(name), text(row["n"]), _shown(row["mae_log"]), _interval(row, "mae_log")),
            *(_shown(row["mae_log_of_model"]), _shown(row["spearman"])),
        )
        for name, row in scores.get("baselines", {}).items()
    ]
    return table(header, rows) if rows else ""


def _size_table(scores: Mapping[str, Any]) -> str:
    header = ("followers", "posts", *NAMES.values())
    rows = [
        (text(name), text(row["n"]), *(_shown(row.get(key)) for key in NAMES))
        for name, row in scores.get("by_account_size", {}).items()
    ]
    return table(header, rows) if rows else ""


def _shown(value: Any) -> str:
    return "-" if value is None else text(f"{value:.3f}")


def _interval(row: Mapping[str, Any], name: str) -> str:
    ends = row.get(f"{name}_ci")
    return "" if not ends else text(f"{ends[0]:.3f} to {ends[1]:.3f}")


def _write(path: Path, content: str) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(content, encoding="utf-8")
    partial.replace(path)
