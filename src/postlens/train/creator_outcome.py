"""A finished creator training to the files that tell what came of it: history, scores, pictures, the exported model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from postlens.tasks.scoring import N_RESAMPLES
from postlens.train.attention import AttentionNet
from postlens.train.bags import MadeUpBags
from postlens.train.calibrate import Calibration, fit_temperature
from postlens.train.creator_export import export_creator
from postlens.train.creator_learner import Creators
from postlens.train.creator_recipe import CreatorRecipe
from postlens.train.creator_samples import draw_samples
from postlens.train.export import About
from postlens.train.history import write_history
from postlens.train.labels import LabelledImages
from postlens.train.outcome import CONFUSION_PICTURE, HISTORY, HISTORY_PICTURE, REPORT, Predictions
from postlens.train.plots import plot_confusion, plot_history
from postlens.train.report import CHOSEN_ON, HELD_OUT, Scored, score
from postlens.types import ModelSpec


def write_creator_outcome(
    out: Path,
    *,
    net: AttentionNet,
    recipe: CreatorRecipe,
    history: Sequence[Mapping[str, Any]],
    val: Predictions,
    test: Predictions,
    creators: Creators,
) -> ModelSpec:
    """Write history, report, pictures and the exported model into the folder of a run; returns the model's card.

    The temperature is fitted to `val`; the scores on the card are those of `test`, or of `val` where nothing was kept
    for a test, which the card then says.

    Raises:
        ModelError: the exported file does not compute what the net does. All else is written by then.
        MissingExtraError: matplotlib is not installed.
    """
    rng = np.random.default_rng(recipe.seed)
    calibration = Calibration(fit_temperature(val.logits, val.truth) if len(val) else 1.0, n=len(val))
    scored = [
        score(name, found, calibration, images=table_of(creators), rng=rng)
        for name, found in (("test", test), ("val", val))
        if len(found)
    ]
    if history:
        write_history(history, out / HISTORY)
    plot_history(history, out / HISTORY_PICTURE)
    report = _report(scored, calibration, creators)
    (out / REPORT).write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if scored:
        _draw(scored[0], out, labels=creators.posts.classes)
        bags = creators.test if scored[0].part == "test" else creators.val
        draw_samples(scored[0], out, net=net, bags=bags, posts=creators.posts, most_posts=recipe.most_posts, rng=rng)
    about = _about(scored, report, recipe=recipe, creators=creators)
    return export_creator(net, out, creators=creators, temperature=calibration.temperature, about=about)


def table_of(creators: Creators) -> LabelledImages:
    """A row for each creator: those trained on, then validation, then test; each its own group."""
    held_out = (*creators.val.creators, *creators.test.creators)
    names = tuple(f"{number} {name}" for number, name in enumerate((*[""] * len(creators.train), *held_out)))
    labels = np.concatenate([creators.train.labels, creators.val.labels, creators.test.labels])
    return LabelledImages(names, labels, names, creators.posts.classes)


def _report(scored: Sequence[Scored], calibration: Calibration, creators: Creators) -> dict[str, Any]:
    """JSON-ready: the score table of each part, how many creators it has, and the calibration."""
    sizes = {"train": len(creators.train), "val": len(creators.val), "test": len(creators.test)}
    return {
        "classes": list(creators.posts.classes),
        "interval": f"95 % bootstrap of creators, {N_RESAMPLES} resamples",
        "creators": "made up from labelled photos" if is_made_up(creators) else "accounts",
        "parts": sizes,
        "n_posts": len(creators.posts),
        "temperature": round(calibration.temperature, 4),
        "calibrated_on": calibration.n,
        **{one.part: {"split": HELD_OUT if one.part == "test" else CHOSEN_ON, **one.table} for one in scored},
    }


def is_made_up(creators: Creators) -> bool:
    """Whether the creators are made up from labelled photos."""
    return isinstance(creators.train, MadeUpBags)


def _draw(one: Scored, out: Path, *, labels: Sequence[str]) -> None:
    accuracy, f1 = one.table["accuracy"], one.table["macro_f1"]
    title = f"{one.part}: {one.table['n']} creators, accuracy {accuracy:.3f}, macro-F1 {f1:.3f}"
    plot_confusion(one.truth, one.answers, out / CONFUSION_PICTURE, labels=labels, title=title, unit="creators")


def _about(scored: Sequence[Scored], report: Mapping[str, Any], *, recipe: CreatorRecipe, creators: Creators) -> About:
    """What the card says: origin, data by counts, scores and limits; no place on the machine."""
    best = {"split": "nothing held out"} if not scored else report[scored[0].part]
    parts = ", ".join(f"{part} {n}" for part, n in report["parts"].items())
    kind = "made-up creators, whose bags share photos" if is_made_up(creators) else "creators"
    return About(
        source=f"postlens train creator: {recipe.pooling} pooling, width {recipe.width}",
        limits=(
            f"Scores are of {kind}: {best['split']}. Creators of other kinds, or with other shares of posts on topic, "
            "may score lower. Weights say which posts the answer rests on, not that they are about it."
        ),
        trained_on=(f"{report['creators']} ({parts}), {report['n_posts']} posts",),
        metrics={**best, **{name: report[name] for name in ("temperature", "calibrated_on")}},
    )
