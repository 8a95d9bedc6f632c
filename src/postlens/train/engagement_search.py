"""A small search over the settings of the reference network, by the validation loss: Optuna's TPE sampler.

Akiba et al. 2019, arXiv:1907.10902. Trials train the same loop in folders of their own below the run; the test photos
play no part in it.
"""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from postlens.errors import DivergedError, MissingExtraError
from postlens.train.engagement_cnn_recipe import CnnSettings

if TYPE_CHECKING:
    import optuna

TRIALS = "trials.csv"
SEARCHED = ("learning_rate", "dropout", "n_filters", "dense")
LEARNING_RATES = (1e-4, 3e-3)  # a factor of 30 around Adam's own
DROPOUTS = (0.0, 0.5)
FILTERS = (16, 32, 64)
DENSE = (64, 128, 256)
SHARE_OF_EPOCHS = 0.2  # of a trial, so that five trials cost one training; more ranks them more surely
log = logging.getLogger("postlens.train")


def search_settings(
    settings: CnnSettings, *, trials: int, out: Path, loss: Callable[[CnnSettings, Path], float]
) -> CnnSettings:
    """The settings with the lowest validation loss of `trials`; the given ones are the first trial.

    Args:
        out: folder for the trials, which leave trials.csv there and nothing else.
        loss: trains with settings in a folder, and gives the lowest validation loss.

    Raises `MissingExtraError` without Optuna, `DivergedError` where no trial came to a loss.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError("train", needed_for="--trials") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    short = replace(settings, epochs=max(1, round(settings.epochs * SHARE_OF_EPOCHS)))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=settings.seed), direction="minimize")
    study.enqueue_trial({name: getattr(settings, name) for name in SEARCHED})

    def objective(trial: optuna.Trial) -> float:
        folder = out / f"trial{trial.number + 1}"
        shutil.rmtree(folder, ignore_errors=True)  # of a search that was killed
        try:
            found = loss(replace(short, **_drawn(trial, settings)), folder)
        except DivergedError as error:
            raise optuna.TrialPruned(str(error)) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        log.info("trial %d: %s: validation loss %.4f", trial.number + 1, trial.params, found)
        return found

    study.optimize(objective, n_trials=trials)
    if all(trial.value is None for trial in study.trials):
        raise DivergedError(f"expected a validation loss, got none in {trials} trials; lower --learning-rate")
    _write(study, out / TRIALS)
    return replace(settings, **study.best_params)


def is_searched(out: Path) -> bool:
    """Whether a search in the folder came to its end."""
    return (out / TRIALS).exists()


def read_search(settings: CnnSettings, out: Path) -> tuple[CnnSettings, int]:
    """The settings that an earlier search in the folder found best, and its trials; the given ones without a search."""
    if not is_searched(out):
        return settings, 0
    with (out / TRIALS).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    best = min((row for row in rows if row["val_loss"] != "diverged"), key=lambda row: float(row["val_loss"]))
    kinds = {name: type(getattr(settings, name)) for name in SEARCHED}
    return replace(settings, **{name: kind(best[name]) for name, kind in kinds.items()}), len(rows)


def _drawn(trial: optuna.Trial, given: CnnSettings) -> dict[str, Any]:
    """Within the ranges, which are widened to hold the given settings."""
    rates, drops = (*LEARNING_RATES, given.learning_rate), (*DROPOUTS, given.dropout)
    return {
        "learning_rate": trial.suggest_float("learning_rate", min(rates), max(rates), log=True),
        "dropout": trial.suggest_float("dropout", min(drops), max(drops)),
        "n_filters": trial.suggest_categorical("n_filters", sorted({*FILTERS, given.n_filters})),
        "dense": trial.suggest_categorical("dense", sorted({*DENSE, given.dense})),
    }


def _write(study: optuna.Study, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("trial", *SEARCHED, "val_loss"))
        for trial in study.trials:
            value = "diverged" if trial.value is None else trial.value
            writer.writerow((trial.number + 1, *(trial.params.get(name, "") for name in SEARCHED), value))


def settings_words(settings: CnnSettings) -> dict[str, Any]:
    """By name, for a report."""
    return {one.name: getattr(settings, one.name) for one in fields(settings)}
