"""`postlens train niche DATA --out FOLDER`: labelled images to a model (minutes on a GPU, hours on a processor)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli.console import plain
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.train.loop import TrainResult
    from postlens.train.recipe import Recipe

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
    backbone: Annotated[str | None, typer.Option(help="Any timm model instead of the recipe's.")] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="Where the backbone starts: shipped, pretrained (downloaded by timm), none (random), or a checkpoint"
            " (.safetensors, .pth)."
        ),
    ] = None,
    devices: Annotated[str, typer.Option(help="How many to train on, or auto: all there are.")] = "1",
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, or another that Lightning names.")] = "auto",
    precision: Annotated[str | None, typer.Option(help="auto, 32, bf16 or fp16.")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a step, for each device.")] = None,
    epochs: Annotated[
        str | None, typer.Option(help="Of each phase, by commas: 10,30,10. A phase of 0 is left out.")
    ] = None,
    learning_rate: Annotated[str | None, typer.Option(help="Highest of each phase, by commas, or one for all.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without a better score that end a phase.")] = None,
    balance: Annotated[str | None, typer.Option(help="loss, sampler or none: how scarce labels count.")] = None,
    augment_on: Annotated[
        str | None, typer.Option(help="workers (default) or device: where training pictures are altered.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    workers: Annotated[
        int | None, typer.Option(min=0, max=256, help="Processes that make batches, for each device. Default: cores.")
    ] = None,
    compiled: Annotated[
        bool, typer.Option("--compile", help="torch.compile the net: a minute more for each phase, faster steps.")
    ] = False,
    logger: Annotated[
        list[str] | None, typer.Option(help="wandb or mlflow, beside TensorBoard. May be given twice.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch of the run.")] = False,
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
    chosen = _recipe(recipe, backbone=backbone, epochs=epochs, learning_rate=learning_rate, values=values)
    from postlens.train.loop import train_niche

    try:
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
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. Finished epochs are kept; the same command with --resume goes on.")
        raise
    _print_summary(result)
    return 0


def _recipe(
    name: str, *, backbone: str | None, epochs: str | None, learning_rate: str | None, values: dict[str, Any]
) -> Recipe:
    """The recipe with what the flags change."""
    from postlens.train.recipe import load_recipe

    recipe = load_recipe(name)
    if backbone is not None:
        from postlens.train.backbones import recipe_for

        recipe = recipe_for(recipe, backbone)
    if values["weights"] == "none":
        values = values | {"batch_norm": "train"}  # random norms have no statistics to keep
    return recipe.changed(**values, phases=change_phases(recipe, epochs, learning_rate))


def change_phases(recipe: Recipe, epochs: str | None, learning_rate: str | None) -> list[dict[str, Any]]:
    """The recipe's phases with other epochs and learning rates, those of 0 epochs left out."""
    n = len(recipe.phases)
    counts = _numbers(epochs, n, "--epochs") or [phase.epochs for phase in recipe.phases]
    rates = _numbers(learning_rate, n, "--learning-rate") or [phase.learning_rate for phase in recipe.phases]
    if not any(counts):
        raise UsageError(f"expected at least one epoch in --epochs, got {epochs!r}")
    changed = zip(recipe.phases, counts, rates, strict=True)
    return [phase.model_dump() | {"epochs": k, "learning_rate": rate} for phase, k, rate in changed if k]


def _numbers(text: str | None, n: int, flag: str) -> list[float]:
    """`10,30,10` to its numbers; one number stands for all. Raises `UsageError`."""
    if text is None:
        return []
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 1:
        numbers *= n
    if len(numbers) != n or min(numbers) < 0:
        raise UsageError(f"expected {n} numbers of 0 or more for {flag}, by commas, or one for all, got {text!r}")
    return numbers


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
