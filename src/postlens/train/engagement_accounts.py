"""Posts of many accounts to the model that forecasts for any account: `postlens train engagement --model accounts`.

Boosted quantiles on account history, caption, picture and time (`tasks.engagement.features`), scored on accounts held
out, each post forecast from earlier posts of its account alone; intervals widened by margins that were measured on held
out accounts, by size of account. The folder then holds engagement.onnx with its card, which the setting
engagement_model takes, scores.json, plots and report.html. 27,000 posts take minutes.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import NotEnoughDataError
from postlens.tasks.engagement.evaluate import Outcomes
from postlens.tasks.engagement.predict import SPREAD_FACTOR, SPREAD_PRIOR, SPREAD_WORTH_POSTS
from postlens.train.engagement_export import export_accounts
from postlens.train.engagement_fit import Boosting, account_folds, cross_validate, fit, outcomes_of
from postlens.train.engagement_margins import margin_band, margins
from postlens.train.engagement_rows import Accounts, Table, Views, build_views
from postlens.train.engagement_scores import followers_line, scores_of
from postlens.train.export import LICENCE
from postlens.types import ModelSpec
from postlens.vision.cards import known
from postlens.vision.zoo import load_spec

MIN_ACCOUNTS = 10  # two for each of five folds; fewer have no account that is held out and another to compare with
MIN_ROWS = 100  # posts with likes; 40 are the fewest of a leaf, and one leaf is a constant
# Posts of a streamed table that are trained on: whole accounts, drawn. Eight times what the shipped model learned from;
# more costs time and memory in proportion (0.4 kB for a row and view).
MOST_POSTS = 200_000
HELD_OUT = "whole accounts held out; each post is forecast from earlier posts of its account"
LIMITS = (
    "Likes only; other metrics get the account's median. Accounts, countries and years other than those trained on may "
    "be forecast worse. Followers are those at the time of counting, not of posting."
)
log = logging.getLogger("postlens.train")


@dataclass(frozen=True, slots=True)
class AccountsResult:
    """What a training came to."""

    spec: ModelSpec
    outcomes: Outcomes  # of every post with a forecast, by models that its account was not in
    answered: NDArray[np.bool_]  # (N,) which of the posts with likes these are, accounts in order
    scores: Mapping[str, Any]
    parity: float  # largest difference of the exported file, in log(1 + likes)
    seconds: Mapping[str, float] = field(default_factory=dict)  # by part


def train_accounts(
    accounts: Accounts,
    *,
    out: Path,
    data: str,
    boosting: Boosting | None = None,
    seed: int = 0,
) -> AccountsResult:
    """Cross-validate over accounts, train on all of them, write engagement.onnx and its card into `out`.

    Args:
        accounts: posts by account, in any order.
        data: what they are, for the card.
        seed: of what the copies with less known hide.

    Raises:
        NotEnoughDataError: fewer than `MIN_ACCOUNTS` accounts or `MIN_ROWS` posts that can be trained on.
        ModelError: the exported file computes something else.
    """
    boosting, clock = boosting or Boosting(), _Clock()
    views = build_views(accounts)
    _check(views.whole, n_accounts=len(accounts))
    clock.mark("features")
    held = cross_validate(views, account_folds(len(accounts)), boosting)
    clock.mark("folds")
    outcomes = outcomes_of(views.whole, held.bounds["whole"], held.bounds["cold"][:, 1])
    answered = ~np.isnan(outcomes.median)
    outcomes = outcomes.take(answered)
    scores = _scores(outcomes, views, n_accounts=len(accounts))
    clock.mark("scores")
    everyone = np.ones(len(accounts), bool)
    train = views.training(everyone, rng=np.random.default_rng(seed))
    boosters = fit(train, boosting)
    margin = margins(held.raw["whole"], views.whole.y, margin_band(views.whole.x))
    spec, worst = export_accounts(boosters, margin, _card(scores, views.whole, data), folder=out, probe=train.x)
    clock.mark("final")
    log.info("%d posts of %d accounts; seconds: %s", len(views.whole), len(accounts), clock.seconds)
    return AccountsResult(spec, outcomes, answered, scores, worst, clock.seconds)


def _check(table: Table, *, n_accounts: int) -> None:
    n = len(table.usable)
    if n_accounts < MIN_ACCOUNTS or n < MIN_ROWS:
        raise NotEnoughDataError(
            f"expected {MIN_ROWS} posts or more with likes, and with followers or earlier posts, of {MIN_ACCOUNTS} "
            f"accounts or more, got {n} of {n_accounts}; add accounts, or train one account with --model account"
        )


def _scores(outcomes: Outcomes, views: Views, *, n_accounts: int) -> dict[str, Any]:
    """Of the model, and beside it the account's own median, the line of followers, and the model without counts."""
    y, fold = outcomes.actual, account_folds(n_accounts)[outcomes.account.astype(int)]
    line, constant = np.full(len(y), np.nan), np.full(len(y), np.nan)
    for k in range(fold.max() + 1):
        train, rows = fold != k, fold == k
        line[rows] = followers_line(outcomes.followers[train], y[train], wanted=outcomes.followers[rows])
        constant[rows] = np.median(y[train])
    baselines = {
        "account median of earlier posts": outcomes.baseline,
        "followers line": line,
        "constant": constant,
        "this model, counts of the account hidden": outcomes.blind,
    }
    table = scores_of(outcomes, baselines, rng=np.random.default_rng(0))
    return {**table, "split": HELD_OUT, "n_posts": len(views.whole)}


def _card(scores: Mapping[str, Any], table: Table, data: str) -> dict[str, Any]:
    """The spread of other metrics is that of the shipped model: it describes accounts in general."""
    shipped = load_spec("engagement").thresholds
    metrics = {name: value for name, value in scores.items() if not isinstance(value, Mapping)}
    digest = hashlib.sha256(table.x.tobytes() + table.y.tobytes()).hexdigest()
    return {
        "licence": LICENCE,
        "source": "postlens train engagement --model accounts: LightGBM on accounts' posts with counts",
        "thresholds": {name: shipped[name] for name in (SPREAD_PRIOR, SPREAD_WORTH_POSTS, SPREAD_FACTOR)},
        "metrics": {"held_out_accounts": known(metrics)},
        "limits": LIMITS,
        "trained_on": (f"{data}: {len(table)} posts of {len(np.unique(table.account))} accounts",),
        "train_manifests": (digest,),
    }


class _Clock:
    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] = round(now - self._last, 2)
        self._last = now
