"""Posts of accounts to a run folder: `postlens train engagement DATA --out RUN --model accounts|account|images|cnn`.

accounts: the model that the setting engagement_model takes (minutes for 27,000 posts). account: one account's own
model, and whether it beats the account's median (seconds). images: which of two photos of an account gets more
(seconds). cnn: the reference network of pixels (hours on a processor). All leave scores.json and report.html.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from postlens.errors import NotEnoughDataError, UsageError
from postlens.media.probe import display_name
from postlens.tasks.engagement import ENGAGEMENT_MODEL, PostFacts
from postlens.tasks.engagement.account import MIN_POSTS, AccountModel, fit_account, read_rows
from postlens.tasks.engagement.history import known_count
from postlens.train.engagement_report import Told, write_report
from postlens.train.run_folder import RunFolder
from postlens.types import Image, as_utc

if TYPE_CHECKING:
    from postlens.train.engagement_beside import Network
    from postlens.train.engagement_cnn_recipe import CnnSettings
    from postlens.train.fit import Machine

MODELS = ("accounts", "account", "images", "cnn")


@dataclass(frozen=True, slots=True)
class Material:
    """What is trained on."""

    accounts: Mapping[str, Sequence[PostFacts]]
    name: str  # what the posts are, for cards
    picture: Callable[[PostFacts], Image | None] = lambda post: None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EngagementRun:
    """What a training came to; files in `out` say the rest."""

    out: Path
    scores: Mapping[str, Any]
    words: tuple[str, ...] = field(default=())  # for people


def new_run(out: Path, command: str) -> RunFolder:
    """The folder, made. Raises `UsageError` where another run finished in it, or it cannot be written."""
    folder = RunFolder(out)
    if (out / f"{ENGAGEMENT_MODEL}.toml").exists() or (out / "cnn.toml").exists():
        raise UsageError(f"{display_name(out)}: expected a new folder, got one of an earlier run; name another")
    folder.make(command=command)
    return folder


def run_accounts(
    material: Material,
    *,
    out: Path,
    seed: int = 0,
    command: str = "",
    cnn: CnnSettings | None = None,
    machine: Machine | None = None,
) -> EngagementRun:
    """`engagement_accounts.train_accounts` in a run folder, with its report.

    cnn: also train the reference network, on `machine`, and score it on the same posts (`engagement_beside`).

    Raises as these and `new_run`.
    """
    from postlens.train.engagement_accounts import HELD_OUT, train_accounts
    from postlens.train.engagement_fit import Boosting

    boosting = Boosting()
    network = None if cnn is None else _network(material, cnn, machine)
    with new_run(out, command).logging():
        result = train_accounts(material.accounts, out=out, data=material.name, boosting=boosting, seed=seed)
    settings = {**boosting.settings, **{f"rounds, {name}": n for name, n in boosting.rounds.items()}, "seed": seed}
    scores, history = (result.scores, ()) if network is None else network.beside(result, out=out)
    loss_of = "likes" if cnn is None or cnn.target == "likes" else "log(1 + likes)"
    told = Told("Engagement: a model of many accounts", HELD_OUT, material.notes, settings, loss_of)
    write_report(out, scores, told, outcomes=result.outcomes, history=history)
    seconds = ", ".join(f"{part} {value:.0f} s" for part, value in result.seconds.items())
    return EngagementRun(out, scores, (seconds, f"the setting engagement_model = {display_name(out)} uses it"))


def _network(material: Material, settings: CnnSettings, machine: Machine | None) -> Network:
    from postlens.train.engagement_beside import Network  # torch

    return Network.read(material, settings, machine)


def run_account(material: Material, *, out: Path, account: str | None = None, command: str = "") -> EngagementRun:
    """One account's model and whether it beats the account's median.

    The model is fitted anew at every forecast (`engagement_method = account`), so that the folder holds the report
    alone. Raises `UsageError` for several accounts and no name, `NotEnoughDataError` for too few posts.
    """
    name = find_account(material.accounts, account)
    posts = sorted(material.accounts[name], key=_time)
    counts = np.array([np.nan if (n := known_count(post, "likes")) is None else n for post in posts])
    times = np.array([_time(post) for post in posts])
    places = np.array([np.nan if post.place is None else post.place for post in posts])
    fitted = fit_account(read_rows(posts), counts, times_s=np.where(np.isfinite(times), times, np.nan), places=places)
    if fitted is None:
        raise NotEnoughDataError(
            f"{name}: expected {MIN_POSTS} posts with likes or more, got {int(np.isfinite(counts).sum())}; with fewer, "
            "forecasts come from the model of many accounts"
        )
    new_run(out, command)
    scores = account_scores(fitted)
    settings = {"penalty": fitted.penalty, "posts": fitted.n_posts, "account": name}
    notes = (fitted.note, *material.notes)
    lead = "each post forecast from others" if fitted.earlier == "lot" else "later posts forecast from earlier ones"
    told = Told("Engagement: a model of one account", lead, notes, settings)
    write_report(out, scores, told)
    return EngagementRun(out, scores, (fitted.note,))


def account_scores(fitted: AccountModel) -> dict[str, Any]:
    """Held-out errors of a model of one account, in the form of the other trainings' scores."""
    seen = fitted.held_out
    median = {"n": seen.n, "mae_log": seen.mae_log_median, "mae_log_of_model": seen.mae_log, "spearman": None}
    return {
        "n": seen.n,
        "mae_log": seen.mae_log,
        "gain_over_median": seen.gain,
        "gain_over_median_ci": list(seen.gain_ci),
        "better_than_median": fitted.better_than_median,
        "interval_half_width_log": fitted.half_width,
        "baselines": {"account median of earlier posts": median},
    }


def find_account(accounts: Mapping[str, Sequence[PostFacts]], name: str | None) -> str:
    """The account of the name, with or without its platform; the only one where no name is given.

    Raises `UsageError`.
    """
    bare = None if name is None else name.removeprefix("@")
    found = [one for one in accounts if bare in (None, one, one.partition(":")[2])]
    if len(found) == 1:
        return found[0]
    some = ", ".join(list(accounts)[:5])
    raise UsageError(f"expected the name of one account (--account), got {name or 'none'}; there are: {some or 'none'}")


def _time(post: PostFacts) -> float:
    return -np.inf if post.published_at is None else as_utc(post.published_at).timestamp()


def run_images(material: Material, *, out: Path, seed: int = 0, command: str = "") -> EngagementRun:
    """`engagement_pairs.train_pairs` in a run folder, with its report. Raises as that and `new_run`."""
    from postlens.train.engagement_pairs import train_pairs

    new_run(out, command)
    result = train_pairs(material.accounts, out=out, data=material.name, seed=seed)
    told = Told(
        "Engagement: which photo gets more",
        result.held_out,
        material.notes,
        {"seed": seed, "penalty": result.scores["penalty"]},
    )
    write_report(out, result.scores, told)
    return EngagementRun(out, result.scores)
