"""Photos and settings to a run folder of the reference network: search, training, export, report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from postlens.train.engagement import EngagementRun, Material, new_run
from postlens.train.engagement_cnn import CnnResult, export_cnn, fit_cnn
from postlens.train.engagement_cnn_recipe import CnnSettings
from postlens.train.engagement_photos import Photos, collect_photos
from postlens.train.engagement_report import Told, write_report
from postlens.train.engagement_scores import followers_line, scores_of
from postlens.train.engagement_search import TRIALS, is_searched, read_search, search_settings, settings_words
from postlens.train.fit import Machine
from postlens.train.run_folder import RunFolder
from postlens.vision.cards import known

LOSSES_OF = {"likes": "likes", "log_likes": "log(1 + likes)"}
LIMITS = (
    "Pixels alone, which say little about counts: see the scores beside a line of followers. The baseline of the other "
    "models, not a forecast to act on."
)


def run_cnn(
    material: Material,
    cnn: CnnSettings,
    *,
    out: Path,
    trials: int = 0,
    machine: Machine | None = None,
    resume: bool = False,
    command: str = "",
) -> EngagementRun:
    """Train the reference network on the material's photos and write the run folder.

    trials: of the search over learning rate, dropout, filters and dense width before the training; 0: none. With
        `resume` a search that came to its end is not done again.

    Raises as `engagement_cnn.fit_cnn`.
    """
    photos = collect_photos(material.accounts, material.picture)
    if not resume:
        new_run(out, command)
        (out / TRIALS).unlink(missing_ok=True)  # of a run that ended before its first epoch
    if trials and not (is_searched(out) or RunFolder(out).recipe.exists()):

        def loss(some: CnnSettings, folder: Path) -> float:
            return fit_cnn(photos, some, out=folder, machine=machine).val_loss

        search_settings(cnn, trials=trials, out=out, loss=loss)
    settings, trials = read_search(cnn, out)
    result = fit_cnn(photos, settings, out=out, machine=machine, resume=resume, command=command)
    scores = cnn_scores(result, photos)
    told = {
        "limits": LIMITS,
        "trained_on": (f"{material.name}: {len(photos)} photos of {photos.n_accounts} accounts",),
        "metrics": {"held_out": known({k: v for k, v in scores.items() if not isinstance(v, dict)})},
    }
    export_cnn(result, settings, out, told=told)
    words = {**settings_words(settings), "trials": trials}
    lead = f"{result.held_out}; loss in {settings.target}, squared; scores in log(1 + likes)"
    page = Told("Engagement: the reference network of pixels", lead, material.notes, words, LOSSES_OF[cnn.target])
    write_report(out, scores, page, outcomes=result.outcomes, history=result.history)
    return EngagementRun(out, scores, (f"{len(result.history)} epochs on {len(result.split.train)} photos",))


def cnn_scores(result: CnnResult, photos: Photos) -> dict[str, Any]:
    """Of the test photos, with the constant, the line of followers and the account's median beside."""
    y, train = np.log1p(photos.likes.astype(np.float64)), result.split.train
    followers = photos.followers.astype(np.float64)
    baselines = {
        "constant": np.full(len(result.outcomes), np.median(y[train])),
        "followers line": followers_line(followers[train], y[train], wanted=result.outcomes.followers),
        "account median of earlier posts": result.outcomes.baseline,
    }
    scores = scores_of(result.outcomes, baselines, rng=np.random.default_rng(0))
    return {**scores, "split": result.held_out, "n_train": len(train)}
