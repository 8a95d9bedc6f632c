"""`postlens train niche DATA --out FOLDER`: labelled images to a model (minutes on a GPU, hours on a processor)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli.console import plain
from postlens.cli.train_options import (
    Accelerator,
    AugmentOn,
    Backbone,
    BatchSize,
    Compiled,
    Devices,
    Epochs,
    LearningRate,
    Loggers,
    Patience,
    Precision,
    Resume,
    Seed,
    Weights,
    Workers,
    change_recipe,
    telling_of_resume,
)

if TYPE_CHECKING:
    from postlens.train.loop import TrainResult

app = typer.Typer(help="Train models on your own labelled images.", rich_markup_mode=None)


@app.command("niche")
def niche(
    data: Annotated[
        Path,
        typer.Argument(help="A cache of `postlens preprocess`, or a folder of labelled images as it takes them."),
    ],
    out: Annotated[Path, typer.Option(help="New folder of the run; with --resume the one to go on in.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="efficientnet_lite0, tf_efficientnetv2_s, vit_base_patch16_224, resnet50, or a TOML file of your own."
        ),
    ] = "efficientnet_lite0",
    splits: Annotated[
        Path | None, typer.Option(help="CSV of group,split (train, val, test). Default: drawn, no group in two parts.")
    ] = None,
    backbone: Backbone = None,
    weights: Weights = None,
    devices: Devices = "1",
    accelerator: Accelerator = "auto",
    precision: Precision = None,
    batch_size: BatchSize = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    patience: Patience = None,
    balance: Annotated[str | None, typer.Option(help="loss, sampler or none: how scarce labels count.")] = None,
    augment_on: AugmentOn = None,
    seed: Seed = None,
    workers: Workers = None,
    compiled: Compiled = False,
    logger: Loggers = None,
    resume: Resume = False,
) -> int:
    """Train what a post is about: a backbone and a head, in phases.

    Writes weights, history, scores, pictures and the exported model into the folder. Stop it at any time; the same
    command with --resume goes on from the last finished epoch.
    """
    from postlens.train.extra import require_train_extra

    require_train_extra("postlens train")
    values = {
        "weights": weights,
        "precision": precision,
        "batch_size": batch_size,
        "patience": patience,
        "balance": balance,
        "augment_on": augment_on,
        "seed": seed,
    }
    from postlens.train.loop import train_niche
    from postlens.train.recipe import load_recipe

    chosen = change_recipe(load_recipe(recipe), backbone, epochs, learning_rate, values)
    with telling_of_resume():
        result = train_niche(
            data,
            recipe=chosen,
            out=out,
            splits=splits,
            devices=int(devices) if devices.isdecimal() else devices,
            accelerator=accelerator,
            resume=resume,
            loggers=logger or (),
            workers=workers,
            compiled=compiled,
            command=shlex.join(["postlens", *sys.argv[1:]]),
        )
    _print_summary(result)
    return 0


def _print_summary(result: TrainResult) -> None:
    """Nothing in the further processes of a training on several devices."""
    if result.val is None or result.test is None:
        return
    best, say = result.best, Console(soft_wrap=True, highlight=False).print
    say(f"{len(result.history)} epochs; best: epoch {best['epoch']}, in phase {best['phase']}")
    say(f"validation: macro-F1 {best['val_macro_f1']:.3f}, accuracy {best['val_accuracy']:.3f} of {len(result.val)}")
    if len(result.test):
        hits = (result.test.logits.argmax(axis=1) == result.test.truth).mean()
        say(
            f"test: accuracy {hits:.3f} of {len(result.test)} by the most probable label; "
            "classification_report.json has the scores of what the model answers, its threshold applied"
        )
    say(f"model and report: {plain(result.out)}")
