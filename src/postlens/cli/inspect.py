"""`postlens inspect IMAGE... --out sheet.html`: each step from file to model, and the augmentations (about 5 s)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from postlens.cli.console import plain


def inspect(
    images: Annotated[list[Path], typer.Argument(help="Image files.")],
    out: Annotated[Path, typer.Option(help="The sheet: a name that ends in .png or .html.")] = Path("sheet.html"),
    recipe: Annotated[
        str | None,
        typer.Option(help="Training recipe, by name or file: its preprocessing and augmentation. Default: what ships."),
    ] = None,
    augmentations: Annotated[
        int, typer.Option(min=0, max=100, help="Augmented pictures for each image; 0 needs no train extra.")
    ] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Of the first augmented picture; the others follow.")] = 0,
) -> int:
    """Show step by step what a model is given: decoded, turned upright, cropped, resized, normalised; and augmented.

    An image that cannot be read is told and left out.
    """
    from postlens.config import Settings
    from postlens.errors import MediaError
    from postlens.train.inspect import inspect_image, inspect_mixing, spec_of
    from postlens.train.recipe import DEFAULT_RECIPE, load_recipe
    from postlens.train.sheet import check_name, write_sheet
    from postlens.vision.encoder import ENCODER
    from postlens.vision.zoo import load_spec

    check_name(out)
    spec, augment, settings = load_spec(ENCODER), load_recipe(DEFAULT_RECIPE).augment, Settings.load()
    if recipe is not None:
        chosen = load_recipe(recipe)
        spec, augment = spec_of(chosen, spec), chosen.augment
    found, failed = [], []
    for path in images:
        try:
            found.append(
                inspect_image(path, spec=spec, settings=settings, augment=augment, n_augmented=augmentations, seed=seed)
            )
        except MediaError as error:
            failed.append(error)
    if not found:
        raise failed[0]
    mixed = inspect_mixing(found, augment=augment, seed=seed) if augmentations else None
    write_sheet([*found, mixed] if mixed else found, out, title=f"Preprocessing for {spec.name}")
    say = Console(soft_wrap=True, highlight=False).print
    say(f"{len(found)} image{'s' if len(found) > 1 else ''} in {plain(out)}")
    for problem in failed:
        say(f"  failed: {type(problem).__name__}: {plain(problem)}")
    return 0
