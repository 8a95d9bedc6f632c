"""Groups of features left out and put in, to what each is worth; used by recipes/engagement.py."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from engagement_data import Posts
from engagement_pictures import Pictures
from engagement_views import Shown
from postlens.tasks.engagement.evaluate import pair_counts, spearman
from postlens.tasks.engagement.features import GROUPS
from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number
from postlens.train.engagement_fit import SETTINGS, Boosting, fit, outcomes_of, predict
from postlens.train.engagement_rows import Table, build_table, columns_of, with_differences

RESAMPLES = 100  # fewer than of the shipped model's scores: thirty cases are compared with each other
N_COMPONENTS, MOST_COMPONENTS = 16, 64  # beside other features; where pixels are all there is
UNKNOWN = ("faces", "niche", "account_niche", "valence", "caption_text")  # in no post of the collection with pictures
REST = tuple(name for name in GROUPS if name not in ("anchor", *UNKNOWN))
TABLE = ("followers", "history", "caption", "shape")  # what a spreadsheet of one's own posts holds
OF_ACCOUNT = ("followers", "account")
# Half the trees at twice the learning rate: forty cases are compared with each other, on five folds each.
MEDIAN = Boosting(rounds={"median": 120}, settings={**SETTINGS, "learning_rate": 0.12})
PCA_EVERY = 4  # of the training pictures one in so many shapes the components
Float = NDArray[Any]  # of floats


@dataclass(frozen=True, slots=True)
class Case:
    """Which rows are shown which groups, and which further columns."""

    name: str
    table: Table
    groups: Sequence[str]
    extra: Float | None = None  # (N, K)
    n_components: int = 0  # principal components of the picture's vector
    blind: bool = False  # none of the account's counts is known
    anchored: bool = True  # False: the anchor, which knows followers and counts, is not used either


def ablation_rows(posts: Posts, shown: Shown, folds: NDArray[np.int64], pictures: Pictures) -> list[dict[str, Any]]:
    """Median models of each case on the posts with pictures, accounts held out; the large accounts train along."""
    small = shown.whole.account < posts.n_small
    components = _components(pictures.vectors, folds[shown.whole.account[small].astype(int)])
    found = []
    for case in (*_cases(shown, pictures), _floor(posts, shown)):
        guess = _held_out(case, folds, components, small)
        found.append(_row(case, shown.whole.take(small), guess[small]))
    return found


def _cases(shown: Shown, pictures: Pictures) -> Iterator[Case]:
    whole, cold = shown.whole, shown.cold
    niche, valence = (_padded(values, len(whole)) for values in (pictures.niche, pictures.valence))
    content = ("caption", "tags", "shape", "alt", "measures")
    yield Case("constant", cold, (), anchored=False, blind=True)
    yield Case(
        "pixels only: measures and vector",
        cold,
        ("measures",),
        n_components=MOST_COMPONENTS,
        anchored=False,
        blind=True,
    )
    yield Case(
        "content only: caption, tags, description",
        cold,
        ("caption", "tags", "shape", "alt"),
        anchored=False,
        blind=True,
    )
    yield Case("content only, with pixels", cold, content, n_components=N_COMPONENTS, anchored=False, blind=True)
    yield Case("followers only", cold, ("followers",), blind=True)
    yield Case("followers and measures", cold, ("followers", "measures"), blind=True)
    yield Case("followers, measures and vector", cold, ("followers", "measures"), n_components=N_COMPONENTS, blind=True)
    yield Case("figures of the account", cold, OF_ACCOUNT, blind=True)
    blind = [name for name in REST if name not in ("history", "differences")]
    yield Case("counts hidden", cold, blind, blind=True)
    yield Case("counts hidden, without measures", cold, _without(blind, "measures"), blind=True)
    yield Case("counts hidden, without description", cold, _without(blind, "alt"), blind=True)
    yield Case("counts hidden + vector", cold, blind, n_components=N_COMPONENTS, blind=True)
    yield Case(
        "counts hidden, without description + vector",
        cold,
        _without(blind, "alt"),
        n_components=N_COMPONENTS,
        blind=True,
    )
    yield Case("counts hidden + niche of the picture", cold, blind, niche, blind=True)
    yield Case("counts hidden + valence and arousal", cold, blind, valence, blind=True)
    yield Case("counts hidden + niche of the account", shown.told_cold, [*blind, "account_niche"], blind=True)
    yield Case("all", whole, REST)
    for name in REST:
        yield Case(f"all without {name}", whole, _without(REST, name))
    yield Case("all + vector", whole, REST, n_components=N_COMPONENTS)
    yield Case("all + niche of the picture", whole, REST, niche)
    yield Case("all + valence and arousal", whole, REST, valence)
    yield Case("all + niche of the account", shown.told, [*REST, "account_niche"])
    yield Case("table: followers, history, caption, shape", whole, TABLE)
    yield Case("table + measures", whole, (*TABLE, "measures"))
    yield Case("table + measures and vector", whole, (*TABLE, "measures"), n_components=N_COMPONENTS)
    yield Case("table + description", whole, (*TABLE, "alt"))


def _floor(posts: Posts, shown: Shown) -> Case:
    """What an account's other posts tell, later ones among them: no forecast, but the least error to hope for."""
    others = build_table(posts.accounts, change=lambda post: replace(post, published_at=None))
    horizon = columns_of(["horizon"])
    others.x[:, horizon] = shown.whole.x[:, horizon]
    return Case("no forecast: all other posts of the account known, later ones too", others, REST)


def _without(groups: Sequence[str], name: str) -> list[str]:
    return [other for other in groups if other != name]


def _columns(groups: Sequence[str]) -> list[int]:
    """Of the groups, without differences of what the other groups hold."""
    hidden = set(with_differences(name for name in GROUPS if name not in groups))
    return [column for column in columns_of(groups) if column not in hidden]


def _padded(values: Float, n: int) -> Float:
    """The posts with pictures come first; the others' values are not known."""
    return np.concatenate([values, np.full((n - len(values), values.shape[1]), np.nan)])


def _held_out(case: Case, folds: NDArray[np.int64], components: Sequence[Float], small: NDArray[np.bool_]) -> Float:
    table, fold = case.table, folds[case.table.account.astype(int)]
    guess = np.full(len(table), np.nan)
    for k in range(folds.max() + 1):
        train, rows = fold != k, fold == k
        parts = [_first_column(case), table.x[:, _columns(case.groups)]]
        if case.extra is not None:
            parts.append(case.extra)
        if case.n_components:
            parts.append(_padded(components[k][:, : case.n_components], len(table)))
        seen = replace(table, x=np.hstack(parts).astype(np.float32))
        used = train if case.anchored else train & small
        if case.groups:
            boosters = fit(seen.take(used), MEDIAN)
            guess[rows] = predict(boosters["median"], seen.x[rows])
        else:
            guess[rows] = np.median(table.y[used])
    return guess


def _components(vectors: NDArray[np.float32], fold: NDArray[np.int64]) -> list[Float]:
    """For each fold the principal components (N, MOST_COMPONENTS) of the others' pictures, for all pictures."""
    shaped = [
        PCA(MOST_COMPONENTS, svd_solver="randomized", random_state=0).fit(vectors[fold != k][::PCA_EVERY])
        for k in range(fold.max() + 1)
    ]
    return [np.asarray(pca.transform(vectors)) for pca in shaped]


def _first_column(case: Case) -> NDArray[np.float32]:
    return case.table.x[:, :1] if case.anchored else np.zeros((len(case.table), 1), np.float32)


def _row(case: Case, table: Table, guess: Float) -> dict[str, Any]:
    """Pairs of one account are compared only by forecasts that know none of its counts."""
    error, own = np.abs(guess - table.y), table.n_earlier > 0
    drawn: dict[str, Any] = {"groups": table.account, "n": RESAMPLES, "rng": np.random.default_rng(0)}
    found = {
        "case": case.name,
        "n": len(table),
        "mae_log": plain_number(float(error.mean())),
        "mae_log_ci": plain_interval(bootstrap_interval(lambda e: float(e.mean()), error, **drawn)),
        "spearman": plain_number(spearman(table.y, guess)),
        "mae_log_without_earlier_posts": plain_number(float(error[~own].mean())),
        "mae_log_with_earlier_posts": plain_number(float(error[own].mean())),
    }
    if not case.blind:
        return found
    right, n_pairs, _ = pair_counts(outcomes_of(table, np.stack([guess] * 3, axis=1), guess))
    return {**found, "pair_accuracy": plain_number(float(right.sum() / n_pairs.sum()))}
