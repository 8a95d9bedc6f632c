"""`postlens train engagement DATA --out RUN`: posts with counts to a model that forecasts (27,000 posts: minutes)."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli.analyze import pairs
from postlens.cli.console import plain, progress_bar
from postlens.cli.place import MapOption
from postlens.cli.train_options import Accelerator, Resume, telling_of_resume
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.train.engagement import EngagementRun, Material

STORE_FILE = "posts.db"  # in the run folder, where no store is named


class Kind(StrEnum):
    """What is trained."""

    ACCOUNTS = "accounts"
    ACCOUNT = "account"
    IMAGES = "images"
    CNN = "cnn"


class Target(StrEnum):
    """What the network's squared error is of."""

    LIKES = "likes"
    LOG_LIKES = "log_likes"


class Keep(StrEnum):
    """Which epoch of the network answers."""

    LAST = "last"
    BEST = "best"


def engagement(
    data: Annotated[
        str,
        typer.Argument(
            help="A table, a folder of posts as `analyze` takes it (likes lists, instaloader, ...), or the collection"
            " instagram_posts."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder of the run; the setting engagement_model takes it.")],
    model: Annotated[
        Kind,
        typer.Option(
            help="accounts: forecasts for any account; account: one account's own; images: which of two photos gets"
            " more; cnn: the reference network of pixels."
        ),
    ] = Kind.ACCOUNTS,
    account: Annotated[str | None, typer.Option(help="Of --model account, where there are several.")] = None,
    creator: Annotated[str | None, typer.Option(help="Whose posts these are, where the source does not say.")] = None,
    mapping: MapOption = None,
    store: Annotated[
        str | None,
        typer.Option(help="Store that the posts are read into; media it has features of are not looked at again."),
    ] = None,
    target: Annotated[Target, typer.Option(help="cnn: plain likes, as published, or log(1 + likes).")] = Target.LIKES,
    cnn: Annotated[
        bool,
        typer.Option(
            "--cnn",
            help="accounts: also train the reference network on the pictures of the same accounts, as a row among the"
            " baselines; two minutes for 1,000 photos.",
        ),
    ] = False,
    epochs: Annotated[int, typer.Option(min=1, help="cnn.")] = 30,
    batch_size: Annotated[int, typer.Option(min=1, help="cnn.")] = 32,
    learning_rate: Annotated[float, typer.Option(min=1e-8, help="cnn: Adam's.")] = 1e-3,
    rotated: Annotated[
        bool, typer.Option("--rotated", help="cnn: also copies of the training photos, turned by 90, 180, 270 degrees.")
    ] = False,
    keep: Annotated[
        Keep, typer.Option(help="cnn: the last epoch, as published, or the one with the lowest validation loss.")
    ] = Keep.LAST,
    trials: Annotated[
        int, typer.Option(min=0, help="cnn: settings tried before the training, by Optuna; each a fifth of its epochs.")
    ] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Of everything random.")] = 0,
    accelerator: Accelerator = "auto",
    resume: Resume = False,
) -> int:
    """Train what a post will get, on your own posts or a collection.

    Accounts are held out for the scores, or with few accounts the latest posts. A table (CSV, Parquet, JSON lines) is
    streamed without its pictures unless --store is given or the model needs them; all else is read through a store.
    """
    from postlens.train.extra import require_train_extra

    require_train_extra("postlens train")
    if resume and model is not Kind.CNN:
        raise UsageError(f"expected --resume with --model cnn alone, got {model.value}, which starts anew in minutes")
    if cnn and model is not Kind.ACCOUNTS:
        raise UsageError(f"expected --cnn with --model accounts alone, got {model.value}")
    command = shlex.join(["postlens", *sys.argv[1:]])
    given: dict[Kind, dict[str, Any]] = {
        Kind.ACCOUNTS: {"seed": seed},
        Kind.ACCOUNT: {"account": account},
        Kind.IMAGES: {"seed": seed},
        Kind.CNN: {"trials": trials, "resume": resume},
    }
    posts = _Posts(looks=cnn or model in (Kind.CNN, Kind.IMAGES), vectors=model is Kind.IMAGES)
    material = posts.read(data, out=out, creator=creator, mapping=pairs(mapping, "--map"), store=store)
    network: dict[str, Any] = {}
    if cnn or model is Kind.CNN:
        from postlens.train.engagement_cnn_recipe import CnnSettings
        from postlens.train.fit import Machine

        settings = CnnSettings(
            target=target.value,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            turned=rotated,
            seed=seed,
            keep=keep.value,
        )
        network = {"cnn": settings, "machine": Machine(1, accelerator)}
    with telling_of_resume() if model is Kind.CNN else nullcontext():
        result = _train(model)(material, out=out, command=command, **network, **given[model])
    _print_summary(result)
    return 0


def _train(model: Kind) -> Callable[..., EngagementRun]:
    if model is Kind.CNN:
        from postlens.train.engagement_cnn_run import run_cnn

        return run_cnn
    from postlens.train.engagement import run_account, run_accounts, run_images

    runs: dict[Kind, Callable[..., EngagementRun]] = {
        Kind.ACCOUNTS: run_accounts,
        Kind.ACCOUNT: run_account,
        Kind.IMAGES: run_images,
    }
    return runs[model]


@dataclass(frozen=True, slots=True)
class _Posts:
    """How posts are to be read."""

    looks: bool  # at pictures
    vectors: bool  # embeddings of a collection's thumbnails too

    def read(
        self, data: str, *, out: Path, creator: str | None, mapping: dict[str, str], store: str | None
    ) -> Material:
        """A collection, a table by streaming, or any source through a store."""
        from postlens.config import Settings
        from postlens.pipelines.training_posts import is_collection, read_collection_posts, read_source_posts
        from postlens.train.engagement import Material
        from postlens.train.engagement_stream import is_streamable, stream_posts

        path = Path(data)
        with progress_bar("reading posts") as progress:
            if is_collection(path):
                posts = read_collection_posts(path, vectors=self.vectors, progress=progress)
            elif not self.looks and store is None and is_streamable(path):
                streamed = stream_posts(path, mapping=mapping, creator=creator)
                return Material(streamed.accounts, "a table of posts", notes=(streamed.note,))
            else:
                out.mkdir(parents=True, exist_ok=True)
                place = store or str(out / STORE_FILE)
                posts = read_source_posts(
                    data, store=place, settings=Settings.load(), creator=creator, mapping=mapping, progress=progress
                )
        return Material(posts.accounts, posts.name, posts.picture, posts.notes)


def _print_summary(result: EngagementRun) -> None:
    say = Console(soft_wrap=True, highlight=False).print
    names = ("n", "mae_log", "spearman", "coverage_90", "pair_accuracy")
    found = [(name, result.scores[name]) for name in names if result.scores.get(name) is not None]
    say("held out: " + ", ".join(f"{name} {value if name == 'n' else round(value, 3)}" for name, value in found))
    for name, row in result.scores.get("baselines", {}).items():
        say(f"  {name}: MAE {row['mae_log']:.3f} on {row['n']} posts, the model there {row['mae_log_of_model']:.3f}")
    for line in result.words:
        say(plain(line))
    say(f"model and report: {plain(result.out)}")
