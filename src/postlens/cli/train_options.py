"""Options that the verbs of training images share, and what these do with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.train.recipe import Recipe

Backbone = Annotated[str | None, typer.Option(help="Any timm model instead of the recipe's.")]
Weights = Annotated[
    str | None,
    typer.Option(
        help="Where the backbone starts: shipped, pretrained (downloaded by timm), none (random), or a checkpoint"
        " (.safetensors, .pth)."
    ),
]
Devices = Annotated[str, typer.Option(help="How many to train on, or auto: all there are.")]
Accelerator = Annotated[str, typer.Option(help="auto, cpu, cuda, or another that Lightning names.")]
Precision = Annotated[str | None, typer.Option(help="auto, 32, bf16 or fp16.")]
BatchSize = Annotated[int | None, typer.Option(help="Images in a step, for each device.")]
LearningRate = Annotated[str | None, typer.Option(help="Highest of each phase, by commas, or one for all.")]
Patience = Annotated[int | None, typer.Option(help="Epochs without a better score that end a phase.")]
AugmentOn = Annotated[
    str | None, typer.Option(help="workers (default) or device: where training pictures are altered.")
]
Seed = Annotated[int | None, typer.Option(help="Of everything random.")]
Workers = Annotated[
    int | None, typer.Option(min=0, max=256, help="Processes that make batches, for each device. Default: cores.")
]
Compiled = Annotated[
    bool, typer.Option("--compile", help="torch.compile the net: a minute more for each phase, faster steps.")
]
Loggers = Annotated[list[str] | None, typer.Option(help="wandb or mlflow, beside TensorBoard. May be given twice.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on after the last finished epoch of the run.")]
Epochs = Annotated[str | None, typer.Option(help="Of each phase, by commas: 10,30,10. A phase of 0 is left out.")]


@contextmanager
def telling_of_resume() -> Iterator[None]:
    """Say how to go on when a training is stopped by hand."""
    try:
        yield
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped. Finished epochs are kept; the same command with --resume goes on.")
        raise


def change_recipe(
    recipe: Recipe, backbone: str | None, epochs: str | None, learning_rate: str | None, values: Mapping[str, Any]
) -> Recipe:
    """The recipe with what the flags change; `None` changes nothing. Raises `UsageError`."""
    if backbone is not None:
        from postlens.train.backbones import recipe_for

        recipe = recipe_for(recipe, backbone)
    norms = {"batch_norm": "train"} if values["weights"] == "none" else {}  # random norms have no statistics to keep
    return recipe.changed(**values, **norms, phases=change_phases(recipe, epochs, learning_rate))


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
