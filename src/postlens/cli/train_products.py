"""`postlens train products --data FOLDER --out RUN`: own labels for product recommendations (0.1 s for each image)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

from postlens.cli.console import N_REASONS, plain, progress_bar, wide_table
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.train.products import ProductRecipe, ProductResult

T = TypeVar("T")


HEADS = "heads"


class Reads(StrEnum):
    """What a label is read from."""

    AUTO = "auto"
    FACE = "face"
    IMAGE = "image"


def products(
    data: Annotated[
        Path,
        typer.Option(
            help="Folder of folders named by label (none or other: no label; a folder below: a person or shoot), or a"
            " CSV: file, a column of 1, 0 or nothing for each label, and if wanted group or person, and split."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder of the run; the setting product_models takes it.")],
    recipe: Annotated[
        str,
        typer.Option(
            help="heads: a linear head for each label, on the vectors that an analysis stores. two_networks: VGG16 and"
            " ResNet50 over pixels (needs a GPU); two_networks_scratch, or a TOML file of your own nets."
        ),
    ] = HEADS,
    reads: Annotated[
        Reads,
        typer.Option(help="face: from the head around the main face; image: from the whole; auto: by the images."),
    ] = Reads.AUTO,
    label: Annotated[
        list[str] | None, typer.Option(help="Learn this label only; may be given several times. Default: all.")
    ] = None,
    item: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=ITEM, the item of the catalog that the label shows. Default: the label itself."),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(help="LABEL=SHARE of images with it in the wild, 0..1. Default: the share in the data."),
    ] = None,
    folds: Annotated[
        int,
        typer.Option(min=2, max=20, help="Parts, by group, each scored by what learnt from the others; nets need 3."),
    ] = 5,
    seed: Annotated[int, typer.Option(help="Of the folds and of the examples shown.")] = 0,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="Of nets: pretrained (downloaded by timm), none (random), or NET=FILE, given for each. Default: the"
            " recipe's."
        ),
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images in a step of nets, for each device.")] = None,
    devices: Annotated[str, typer.Option(help="How many to train nets on, or auto: all there are.")] = "1",
    accelerator: Annotated[str, typer.Option(help="auto, cpu, cuda, or another that Lightning names.")] = "auto",
) -> int:
    """Train labels of your own for recommending products, from labelled images.

    Writes labels.csv, eda.html, report.html, metrics.json, answers.csv, the curves and the model with its cards into
    the folder. A head reads what an analysis stores anyway: no media is looked at again when it is used. Nets look at
    all media once more, and take hours to train.
    """
    from postlens.train.extra import require_train_extra

    require_train_extra("postlens train")
    from postlens.train.products import ProductRecipe

    chosen = ProductRecipe(
        labels=tuple(label or ()),
        reads=reads.value,
        n_folds=folds,
        items=_pairs(item, "--item", str),
        priors=_pairs(prior, "--prior", float),
        seed=seed,
    )
    nets = NetOptions(recipe, tuple(weights or ()), batch_size, devices, accelerator)
    _print_summary(_train(data, out, chosen, nets))
    return 0


@dataclass(frozen=True, slots=True)
class NetOptions:
    """The flags that only nets have a use for."""

    recipe: str
    weights: tuple[str, ...]
    batch_size: int | None
    devices: str
    accelerator: str

    @property
    def given(self) -> list[str]:
        """Flags of nets that were given."""
        changed = {
            "--weights": bool(self.weights),
            "--batch-size": self.batch_size is not None,
            "--devices": self.devices != "1",
            "--accelerator": self.accelerator != "auto",
        }
        return [name for name, is_given in changed.items() if is_given]


def _train(data: Path, out: Path, recipe: ProductRecipe, nets: NetOptions) -> ProductResult:
    command = shlex.join(["postlens", *sys.argv[1:]])
    if nets.recipe != HEADS:
        return _train_nets(data, out, recipe, nets, command=command)
    if nets.given:
        raise UsageError(f"expected {' and '.join(nets.given)} with a recipe of nets, got recipe {HEADS}; leave it out")
    from postlens.train.products import train_products

    with progress_bar("images") as progress:
        return train_products(data, out=out, recipe=recipe, command=command, progress=progress)


def _train_nets(data: Path, out: Path, recipe: ProductRecipe, options: NetOptions, *, command: str) -> ProductResult:
    from postlens.train.two_networks_recipe import change_nets, list_net_recipes, load_nets

    shipped = options.recipe in list_net_recipes()
    nets = load_nets(options.recipe)
    weights = _pairs(options.weights, "--weights", str) if any("=" in one for one in options.weights) else None
    named = weights or (options.weights[-1] if options.weights else None)
    nets = change_nets(nets, weights=named, batch_size=options.batch_size)
    from postlens.train.fit import Machine, choose_workers
    from postlens.train.two_networks import train_two_networks

    devices = int(options.devices) if options.devices.isdecimal() else options.devices
    machine = Machine(devices, options.accelerator, choose_workers(None, devices))
    with progress_bar("images") as progress:
        return train_two_networks(
            data,
            out=out,
            recipe=recipe,
            nets=nets,
            name=options.recipe if shipped else Path(options.recipe).name,
            machine=machine,
            command=command,
            progress=progress,
        )


def _pairs(texts: Sequence[str] | None, flag: str, parse: Callable[[str], T]) -> dict[str, T]:
    """`hat=0.1` to its name and value. Raises `UsageError`."""
    found = {}
    for text in texts or ():
        name, sign, value = text.partition("=")
        try:
            if not (name and sign and value):
                raise ValueError
            found[name.strip()] = parse(value.strip())
        except ValueError:
            kind = {"--prior": "LABEL=NUMBER", "--item": "LABEL=ITEM"}.get(flag, "NET=FILE")
            raise UsageError(f"expected {kind} for {flag}, got {text!r}") from None
    return found


def _print_summary(result: ProductResult) -> None:
    console = Console(soft_wrap=True, highlight=False)
    told = f"{len(result.images)} images, read from {'faces' if result.reads == 'face' else 'whole images'}"
    console.print(f"{told}; scores by {result.kind} that saw no image of the group")
    table = wide_table("label", "images", "with", "AUC", "F1", "prec.", "recall", "threshold", keep=("threshold",))
    for one, label in zip(result.scores, result.labels, strict=True):
        scores = [
            "" if one.table[name] is None else f"{one.table[name]:.3f}" for name in ("auc", "f1", "precision", "recall")
        ]
        table.add_row(plain(one.label), str(one.table["n"]), str(one.table["n_pos"]), *scores, f"{label.threshold:.3f}")
    console.print(table)
    if result.outside and result.outside.warning:
        console.print(f"take care: it {plain(result.outside.warning)}")
    if failures := result.images.failures:
        console.print(f"not used: {len(failures)} files, all in report.html")
        for failure in failures[:N_REASONS]:
            why = failure.message.removeprefix(f"{failure.subject}: ")
            console.print(f"  {plain(failure.subject)}: {plain(why)}")
    console.print(f"model and report: {plain(result.out)}")
