"""`postlens train creator FEATURES --out FOLDER`: posts' vectors to a model of creators (minutes on two cores)."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli.console import N_REASONS, plain
from postlens.cli.train_options import telling_of_resume

if TYPE_CHECKING:
    from postlens.train.loop import TrainResult


def creator(
    features: Annotated[Path, typer.Argument(help="File of `postlens extract`: .npz or .parquet.")],
    out: Annotated[Path, typer.Option(help="New folder of the run; with --resume the one to go on in.")],
    model: Annotated[
        Path | None,
        typer.Option(help="Run of `postlens train niche` that the features were extracted with. Default: what ships."),
    ] = None,
    made_up: Annotated[
        int | None,
        typer.Option(min=9, help="The file has labelled photos, no creators: make up this many of them in each epoch."),
    ] = None,
    measures: Annotated[
        bool, typer.Option("--measures", help="Read likes, age and caption length beside the vectors.")
    ] = False,
    recipe: Annotated[Path | None, typer.Option(help="TOML file of settings. Default: those that ship.")] = None,
    pooling: Annotated[str | None, typer.Option(help="attention, gated or mean.")] = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            help="CSV of group,split (train, val, test). Default: that of --model if it names these creators, else"
            " drawn, no creator in two."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Creators in a step, for each device.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The highest.")] = None,
    most_posts: Annotated[int | None, typer.Option(min=1, help="Posts of a creator in a step.")] = None,
    patience: Annotated[int | None, typer.Option(help="Epochs without a better score that end the training.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of everything random.")] = None,
    devices: Annotated[str, typer.Option(help="How many to train on, or auto: all there are.")] = "1",
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, or another that Lightning names.")] = "auto",
    logger: Annotated[
        list[str] | None, typer.Option(help="wandb or mlflow, beside TensorBoard. May be given twice.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch of the run.")] = False,
) -> int:
    """Train what a creator is about: attention over all its posts.

    Writes weights, history, scores, pictures and the exported model into the folder, beside a copy of the post model
    that made the vectors: the folder can be given to `predict --model` and to the setting niche_model. Creators are
    split whole. Stop it at any time; the same command with --resume goes on from the last finished epoch.
    """
    from postlens.train.creator_recipe import load_creator_recipe
    from postlens.train.extra import require_train_extra
    from postlens.train.feature_file import read_features

    require_train_extra("postlens train")
    chosen = load_creator_recipe(recipe).changed(
        pooling=pooling,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        most_posts=most_posts,
        patience=patience,
        seed=seed,
    )
    found = read_features(features)
    from postlens.train.creator import train_creator
    from postlens.train.creator_features import posts_of
    from postlens.train.creator_model import copy_post_model, post_model, splits_of

    posts = post_model(model, fingerprint=found.fingerprint)
    known = splits_of(model, found.creators) if splits is None else None
    if known is not None:
        Console(soft_wrap=True, highlight=False).print(f"creators divided as in {plain(known)}")
    with telling_of_resume():
        result = train_creator(
            posts_of(found, measures=measures),
            recipe=chosen,
            out=out,
            made_up=made_up,
            splits=splits or known,
            devices=int(devices) if devices.isdecimal() else devices,
            accelerator=accelerator,
            resume=resume,
            loggers=logger or (),
            command=shlex.join(["postlens", *sys.argv[1:]]),
        )
    if result.is_writer:
        copy_post_model(posts, out)
        _print_summary(result)
    return 0


def _print_summary(result: TrainResult) -> None:
    best, say = result.best, Console(soft_wrap=True, highlight=False).print
    n_val = 0 if result.val is None else len(result.val)
    say(f"{len(result.history)} epochs; best: epoch {best['epoch']}")
    if result.left_out:
        some = ", ".join(map(plain, result.left_out[:N_REASONS]))
        say(f"left out for want of a label: {len(result.left_out)} creators, such as {some}")
    say(f"validation: macro-F1 {best['val_macro_f1']:.3f}, accuracy {best['val_accuracy']:.3f} of {n_val} creators")
    if result.test is not None and len(result.test):
        hits = (result.test.logits.argmax(axis=1) == result.test.truth).mean()
        say(f"test: accuracy {hits:.3f} of {len(result.test)}; the rest is in classification_report.json")
    say(f"model and report: {plain(result.out)}")
