"""Answers about people beside the truth to scores with 95 % intervals: face pairs, persons of clips, copies."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.scoring import bootstrap_interval, plain_interval, plain_number, roc_auc

Float = NDArray[np.float64]
Bool = NDArray[np.bool_]
Score = Callable[..., float]
FMRS = {"fnmr_at_fmr_1e2": 1e-2, "fnmr_at_fmr_1e3": 1e-3}


def with_interval(name: str, score: Score, *columns: Any, groups: Any, rng: np.random.Generator) -> dict[str, Any]:
    """`{name: value, name_ci: [low, high]}`, resampled by group; `None` where the score is not defined."""
    interval = bootstrap_interval(score, *columns, groups=groups, rng=rng)
    return {name: plain_number(score(*columns)), f"{name}_ci": plain_interval(interval)}


# --- pairs of photos ------------------------------------------------------------------------------------------------


def score_pairs(
    distance: Float,
    same: Bool,
    *,
    threshold: float,
    sources: Sequence[str],
    people: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Scores of 1:1 verification: accuracy, auc, fnmr_at_fmr_*, each with `_ci`; n, n_compared, threshold, by_source.

    distance (N,) is NaN where a photo has no face: such a pair is answered "different" in the accuracy, and left out of
    auc and of the error rates (n_compared counts the rest). `sources` (N,) are drawn as wholes where there are several,
    else `people` (N,), the first person of each pair.
    """
    groups = sources if len(set(sources)) > 1 else people
    table = {"n": len(same), **_pair_scores(distance, same, threshold=threshold, groups=groups, rng=rng)}
    table |= {"n_compared": int(np.isfinite(distance).sum()), "threshold": threshold, "by_source": {}}
    for source in sorted(set(sources)):
        rows = np.array([one == source for one in sources])
        of_source = [person for person, here in zip(people, rows, strict=True) if here]
        scores = _pair_scores(distance[rows], same[rows], threshold=threshold, groups=of_source, rng=rng)
        table["by_source"][source] = {"n": int(rows.sum()), **scores}
    return table


def _pair_scores(
    distance: Float, same: Bool, *, threshold: float, groups: Sequence[str], rng: np.random.Generator
) -> dict[str, Any]:
    def accuracy(d: Float, truth: Bool) -> float:
        return float(((d <= threshold) == truth).mean())  # NaN <= threshold is false: "different"

    compared = np.isfinite(distance)
    columns, of = (distance[compared], same[compared]), np.asarray(groups)[compared]
    table = with_interval("accuracy", accuracy, distance, same, groups=groups, rng=rng)
    table |= with_interval("auc", lambda d, truth: roc_auc(-d, truth), *columns, groups=of, rng=rng)
    for name, fmr in FMRS.items():
        table |= with_interval(name, lambda d, t, fmr=fmr: fnmr_at_fmr(d, t, fmr=fmr), *columns, groups=of, rng=rng)
    return table


def fnmr_at_fmr(distance: Float, same: Bool, *, fmr: float) -> float:
    """Share of same-person pairs refused at the largest threshold that accepts at most `fmr` of the others.

    As in ISO/IEC 19795-1: pairs strictly nearer than the threshold are accepted. NaN without both kinds of pairs.
    """
    others = np.sort(distance[~same])
    if not len(others) or not same.any():
        return float("nan")
    return float((distance[same] >= others[int(fmr * len(others))]).mean())


# --- persons of clips -----------------------------------------------------------------------------------------------


def score_clips(
    predicted: Sequence[Collection[str]],
    labelled: Sequence[Collection[str]],
    *,
    shoots: Sequence[str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """pairwise_precision, pairwise_recall, pairwise_f and bcubed_f over clips, each with `_ci` (drawn by shoot).

    Each clip (N) has a set of predicted and a set of labelled persons. A pair of clips is positive when the sets share
    a person: so tracks need no labels of their own, and a clip without a found person is in no predicted pair. B-cubed
    (Bagga and Baldwin 1998) averages over clips the precision and recall of the clips found to share a person with it,
    itself included. Wrong merges are counted, too: n_wrong_pairs are the pairs of clips joined without a common person,
    n_wrong_persons the predicted persons whose clips have no labelled person in common.
    """
    found, true = _sharing(predicted), _sharing(labelled)
    rows = np.arange(len(found))
    scores: dict[str, Score] = {
        "pairwise_precision": lambda r: _pairwise(found, true, r)[0],
        "pairwise_recall": lambda r: _pairwise(found, true, r)[1],
        "pairwise_f": lambda r: _pairwise(found, true, r)[2],
        "bcubed_f": lambda r: _bcubed_f(found, true, r),
    }
    table: dict[str, Any] = {"n": len(rows), "n_wrong_pairs": int(np.triu(found & ~true, 1).sum())}
    table["n_wrong_persons"] = sum(not _in_common(name, predicted, labelled) for name in set().union(*predicted))
    table["n_persons"] = len(set().union(*labelled))
    for name, score in scores.items():
        table |= with_interval(name, score, rows, groups=shoots, rng=rng)
    return table


def _in_common(name: str, predicted: Sequence[Collection[str]], labelled: Sequence[Collection[str]]) -> set[str]:
    """Labelled persons of all clips in which one is found."""
    shown = [set(true) for found, true in zip(predicted, labelled, strict=True) if name in found]
    return set.intersection(*shown)


def _sharing(persons: Sequence[Collection[str]]) -> Bool:
    """Which clips have a person in common: (N, N), each clip with itself."""
    number = {person: column for column, person in enumerate(sorted(set().union(*persons)))}
    member = np.zeros((len(persons), len(number)), np.int64)
    for row, names in enumerate(persons):
        member[row, [number[name] for name in names]] = 1
    shared: Bool = (member @ member.T > 0) | np.eye(len(persons), dtype=bool)
    return shared


def _pairwise(found: Bool, true: Bool, rows: NDArray[np.int64]) -> tuple[float, float, float]:
    """(precision, recall, F) over pairs of different clips; rows may repeat in a resample."""
    apart = rows[:, None] != rows[None, :]
    f, t = found[np.ix_(rows, rows)] & apart, true[np.ix_(rows, rows)] & apart
    hits, n_found, n_true = float((f & t).sum()), float(f.sum()), float(t.sum())
    return _ratio(hits, n_found), _ratio(hits, n_true), _ratio(2 * hits, n_found + n_true)


def _bcubed_f(found: Bool, true: Bool, rows: NDArray[np.int64]) -> float:
    f, t = found[np.ix_(rows, rows)], true[np.ix_(rows, rows)]
    hits = (f & t).sum(axis=1)
    precision, recall = float((hits / f.sum(axis=1)).mean()), float((hits / t.sum(axis=1)).mean())
    return _ratio(2 * precision * recall, precision + recall)


def _ratio(top: float, bottom: float) -> float:
    return top / bottom if bottom else float("nan")


# --- copies ---------------------------------------------------------------------------------------------------------


def score_copies(
    found: Iterable[tuple[str, str]],
    *,
    edit_of: Mapping[str, str],
    edits: Mapping[str, str],
    rng: np.random.Generator,
) -> dict[str, Any]:
    """precision, recall and by_edit of copies, each score with `_ci`, drawn by original.

    `found` are (later, first) as predicted; `edit_of` and `edits` give each edited clip's original and kind of edit. A
    link is right when both clips go back to one original. An edit is found when it is in one predicted group with the
    clip that it is an edit of.
    """
    found = sorted(found)
    root, group = _roots(edit_of.items()), _roots(found)
    right = np.array([root.get(a, a) == root.get(b, b) for a, b in found], np.float64)
    files = sorted(edit_of)
    hit = np.array([group.get(file, file) == group.get(edit_of[file], edit_of[file]) for file in files], np.float64)
    origin, kind = np.array([root[file] for file in files]), np.array([edits[file] for file in files])
    table: dict[str, Any] = {"n_found": len(found), "n_edits": len(files), "n_wrong": int((1 - right).sum())}
    table |= with_interval("precision", _mean, right, groups=[root.get(a, a) for a, _ in found], rng=rng)
    table |= with_interval("recall", _mean, hit, groups=origin, rng=rng)
    table["by_edit"] = {
        name: {
            "n": int((kind == name).sum()),
            **with_interval("recall", _mean, hit[kind == name], groups=origin[kind == name], rng=rng),
        }
        for name in sorted(set(edits.values()))
    }
    return table


def _roots(links: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Smallest name of each group of linked names."""
    group: dict[str, set[str]] = {}
    for a, b in links:
        joined = group.get(a, {a}) | group.get(b, {b})
        group |= dict.fromkeys(joined, joined)
    return {name: min(members) for name, members in group.items()}


def _mean(values: Float) -> float:
    return float(values.mean()) if len(values) else float("nan")
