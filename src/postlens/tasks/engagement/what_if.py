"""One post, its account and the model to what a change of caption, hashtags, weekday or hour goes along with.

Caption and hashtags come from the model of many accounts: what changes in its answer when only that changes. Weekday
and hour come from the account's own posts, each count against those around it in time, so that growth of the account
is not taken for an effect of the day (Welch 1947; all options together are right in 95 %, by Bonferroni). Both are
associations: accounts that write long captions differ in other ways, too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.engagement.answer import Change, ChangeKind
from postlens.tasks.engagement.features import FEATURES, feature_row
from postlens.tasks.engagement.history import known_count
from postlens.tasks.engagement.predict import run_model
from postlens.tasks.engagement.records import Float, History, Model, PostFacts
from postlens.types import FloatArray, as_utc

CAPTION_LENGTHS = (0, 50, 150, 500, 1500)  # characters, by choice: none, a line, two lines, a paragraph, a text
HASHTAGS = (0, 3, 10, 30)  # 30 is the platform's most
LEAST_CHANGE = 0.05  # smaller ones are told as none, by choice: the model is not that sure of one account
MIN_CELL = 8  # own posts of a weekday or time of day, and as many others; fewer and one good post makes the day
CONFIDENCE = 0.95
N_AROUND = 10  # posts on each side that a post's count is compared with
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
HOURS = 4  # hours in a part of the day


def caption_changes(post: PostFacts, history: History, model: Model) -> tuple[Change, ...]:
    """Options of caption length and number of hashtags, each against the post as it is.

    Where the post's caption is not known, against no caption and no hashtag. () where the model does not read them.
    """
    names = model.spec.labels or FEATURES
    known = post.caption is not None or post.caption_length is not None
    shown = post if known else replace(post, caption_length=0, n_hashtags=0)
    row = feature_row(shown, history, names=names)
    lengths = [(_length_text(n), math.log1p(n)) for n in CAPTION_LENGTHS]
    hashtags = [(_hashtag_text(n), float(n)) for n in HASHTAGS]
    return (
        *_changes("caption", row, "log_caption_length", lengths, model, known=known),
        *_changes("hashtags", row, "n_hashtags", hashtags, model, known=known),
    )


def _changes(
    kind: ChangeKind, row: FloatArray, feature: str, options: Sequence[tuple[str, float]], model: Model, *, known: bool
) -> Iterator[Change]:
    """The model's answers for the options beside that for the row, the difference to earlier posts moved along."""
    names = model.spec.labels or FEATURES
    if feature not in names or math.isnan(now := float(row[names.index(feature)])):
        return
    rows = np.tile(row, (len(options) + 1, 1))
    for name in {feature, f"more_{feature}"}.intersection(names):
        rows[1:, names.index(name)] += np.array([value - now for _, value in options], np.float32)
    medians = run_model(rows, model)[:, 1]
    nearest = min(range(len(options)), key=lambda place: abs(options[place][1] - now))
    for place, (text, _) in enumerate(options):
        is_now = place == nearest and known
        change = math.expm1(float(medians[place + 1] - medians[0]))
        yield Change(kind, text, 0.0 if is_now or abs(change) < LEAST_CHANGE else change, is_now=is_now)


def time_changes(post: PostFacts, earlier: Sequence[PostFacts], *, metric: str) -> tuple[Change, ...]:
    """Weekdays and parts of the day (UTC) whose own posts did better or worse than the others beyond chance.

    `earlier`: the account's posts known before this one. Of each kind one entry without a figure where none is sure.
    """
    dated = [
        (as_utc(one.published_at), math.log1p(count))
        for one in earlier
        if one.published_at is not None and (count := known_count(one, metric)) is not None
    ]
    dated.sort()
    left = _against_neighbours(np.array([value for _, value in dated], np.float64))
    at = as_utc(post.published_at) if post.published_at else None
    weekdays = np.array([time.weekday() for time, _ in dated], np.int64)
    parts = np.array([time.hour // HOURS for time, _ in dated], np.int64)
    days = _cells("weekday", left, weekdays, WEEKDAYS, now=at.weekday() if at else None)
    hours = _cells("hour", left, parts, _part_names(), now=at.hour // HOURS if at else None)
    return (*days, *hours)


def _cells(
    kind: ChangeKind, left: Float, cell: NDArray[np.int64], names: Sequence[str], *, now: int | None
) -> list[Change]:
    counts = np.bincount(cell, minlength=len(names))
    tested = [i for i in range(len(names)) if counts[i] >= MIN_CELL and len(cell) - counts[i] >= MIN_CELL]
    if not tested:
        what = "weekday" if kind == "weekday" else "time of day"
        return [Change(kind, "any", None, note=f"fewer than {MIN_CELL} earlier posts with a date on any {what}")]
    found = []
    for i in tested:
        low, middle, high = _welch(left[cell == i], left[cell != i], n_tests=len(tested))
        if low > 0 or high < 0:
            change, low, high = np.expm1([middle, low, high]).tolist()
            found.append(Change(kind, names[i], change, (low, high), int(counts[i]), is_now=i == now))
    if found:
        return sorted(found, key=lambda one: -(one.change or 0.0))
    return [Change(kind, "any", None, note=f"no difference beyond chance in {len(cell)} earlier posts")]


def _against_neighbours(logs: Float) -> Float:
    """Each value less the median of those around it, itself left out."""
    if len(logs) < 2:
        return np.zeros(len(logs))
    padded = np.pad(logs, N_AROUND, constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * N_AROUND + 1).copy()
    around[:, N_AROUND] = np.nan
    return np.asarray(logs - np.nanmedian(around, axis=1))


def _welch(own: Float, others: Float, *, n_tests: int) -> tuple[float, float, float]:
    """(low, difference of means, high), by Welch's unequal variances."""
    from scipy.special import stdtrit

    a, b = own.var(ddof=1) / len(own), others.var(ddof=1) / len(others)
    middle = float(own.mean() - others.mean())
    if a + b == 0:
        return middle, middle, middle
    freedom = (a + b) ** 2 / (a**2 / (len(own) - 1) + b**2 / (len(others) - 1))
    half = float(stdtrit(freedom, 1 - (1 - CONFIDENCE) / (2 * n_tests))) * math.sqrt(a + b)
    return middle - half, middle, middle + half


def _part_names() -> tuple[str, ...]:
    return tuple(f"{start:02d}:00 to {start + HOURS:02d}:00 UTC" for start in range(0, 24, HOURS))


def _length_text(n: int) -> str:
    return "no caption" if n == 0 else f"about {n} characters"


def _hashtag_text(n: int) -> str:
    return "no hashtag" if n == 0 else f"{n} hashtags"
