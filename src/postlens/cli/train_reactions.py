"""`postlens train reactions DATA --out RUN`: a data set of emotions to a net (on a processor hours)."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli.console import N_REASONS, plain, wide_table
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
    from postlens.train.reactions import ReactionResult


class Layout(StrEnum):
    """How a data set is laid out."""

    AUTO = "auto"
    AFFECTNET = "affectnet"
    FI = "fi"
    EMOSET = "emoset"
    FER2013 = "fer2013"
    FOLDERS = "folders"
    CSV = "csv"


class Loss(StrEnum):
    """Of several labels."""

    BCE = "bce"
    FOCAL = "focal"
    ASYMMETRIC = "asymmetric"


def reactions(
    data: Annotated[
        Path,
        typer.Argument(
            help="AffectNet (tables or folders 0 to 7), FI, EmoSet, FER2013's CSV, folders named by emotion, or a CSV:"
            " file, and label or a column of 1, 0 or nothing for each emotion."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder of the run; the setting reaction_model takes it.")],
    layout: Annotated[Layout, typer.Option(help="auto: told by what lies in the folder.")] = Layout.AUTO,
    labels: Annotated[
        Path | None, typer.Option(help="TOML table of what the data set's labels mean. Default: that of the layout.")
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(help="efficientnet_lite0, resnet50, efficientnet_b0, vit_base_patch16_224, or a TOML file."),
    ] = "efficientnet_lite0",
    backbone: Backbone = None,
    weights: Weights = None,
    loss: Annotated[Loss | None, typer.Option(help="Default: the recipe's, bce.")] = None,
    balance: Annotated[str | None, typer.Option(help="sampler: rare emotions are drawn more often; none.")] = None,
    epochs: Epochs = None,
    learning_rate: LearningRate = None,
    batch_size: BatchSize = None,
    patience: Patience = None,
    precision: Precision = None,
    augment_on: AugmentOn = None,
    seed: Seed = None,
    devices: Devices = "1",
    accelerator: Accelerator = "auto",
    workers: Workers = None,
    compiled: Compiled = False,
    logger: Loggers = None,
    resume: Resume = False,
) -> int:
    """Train which emotions an image conveys, on a data set of your own or a public one.

    Parts that the data set gives are kept, else they are drawn by group. Writes weights, history, scores, answers, a
    page and the model (ONNX and TorchScript) into the folder. Stop it at any time; the same command with --resume goes
    on from the last finished epoch.
    """
    from postlens.train.extra import require_train_extra

    require_train_extra("postlens train")
    values = {
        "weights": weights,
        "loss": None if loss is None else loss.value,
        "balance": balance,
        "batch_size": batch_size,
        "patience": patience,
        "precision": precision,
        "augment_on": augment_on,
        "seed": seed,
    }
    from postlens.train.reactions import train_reactions
    from postlens.train.reactions_recipe import load_reaction_recipe

    chosen = change_recipe(load_reaction_recipe(recipe), backbone, epochs, learning_rate, values)
    with telling_of_resume():
        result = train_reactions(
            data,
            recipe=chosen,
            out=out,
            layout=layout.value,
            labels=labels,
            devices=int(devices) if devices.isdecimal() else devices,
            accelerator=accelerator,
            resume=resume,
            loggers=logger or (),
            workers=workers,
            compiled=compiled,
            command=shlex.join(["postlens", *sys.argv[1:]]),
        )
    if result.is_writer:
        _print_summary(result)
    return 0


def _print_summary(result: ReactionResult) -> None:
    console, images, best = Console(soft_wrap=True, highlight=False), result.data.images, result.scored[0]
    console.print(
        f"{len(images)} images, labels by table {images.map.name}, version {images.map.version}; {len(result.history)} "
        f"epochs, best: epoch {result.best['epoch']}"
    )
    told = best.table
    console.print(
        f"{best.part}: macro-F1 {_shown(told['macro_f1'])}, micro-F1 {_shown(told['micro_f1'])}, weighted F1 "
        f"{_shown(told['weighted_f1'])}, mAP {_shown(told['map'])}, ECE {_shown(told['ece'])} of {told['n']} images"
    )
    table = wide_table("emotion", "with it", "F1", "prec.", "recall", "AP", "threshold", keep=("threshold",))
    for name, one in told["per_class"].items():
        scores = [_shown(one[key]) for key in ("f1", "precision", "recall", "average_precision", "threshold")]
        table.add_row(name, str(one["n_positive"]), *scores)
    console.print(table)
    if left_out := sum(result.data.left_out):
        console.print(f"left out: {left_out} images, since a later part has their file or group")
    if failures := images.failures:
        console.print(f"not used: {len(failures)} files, all in report.html")
        for failure in failures[:N_REASONS]:
            why = failure.message.removeprefix(f"{failure.subject}: ")
            console.print(f"  {plain(failure.subject)}: {plain(why)}")
    console.print(f"model and report: {plain(result.out)}")


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
