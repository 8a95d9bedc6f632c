"""Earlier counts and followers to a first guess of log(1 + count) that knows how fast an account changes.

What an account gets beyond the line of its followers is taken for a Gaussian process over time: one part stays, one
drifts (exponential covariance), one is each post's own (Rasmussen and Williams 2006, chapter 2). Its mean, given the
earlier posts, is the anchor: near posts count more than far ones, several more than one. The four numbers have the
smallest absolute error on posts with earlier ones of three fifths of the accounts, of seven tried
(docs/log/engagement.md).
"""

from __future__ import annotations

import math

import numpy as np

from postlens.tasks.engagement.records import Float, History

# Least squares of log(1 + likes) on log(1 + followers) over 26,837 posts (recipes/engagement.py, row "line"); the 2017
# posts of large accounts, fitted alone, agree within 0.05 at their median of 376,245 followers.
LINE_INTERCEPT, LINE_SLOPE = -2.408, 0.878
STAYS, DRIFTS, OWN = 0.1, 0.7, 0.15  # variances of log counts; a higher OWN trusts the single post less
DRIFT_DAYS = 1000.0  # after so long 1/e of what drifts is left; longer: old posts count as much as new ones
# The latest posts that are looked at; more change the guess by less than 0.01, and the time grows with their cube.
MOST_POSTS = 40
LARGEST_DEVIATION = 1.0  # earlier log counts are cut at this distance from their median: one viral post is not a trend


def followers_line(followers: float | None) -> float:
    """What so many followers suggest, log(1 + count); NaN where they are not known."""
    return math.nan if followers is None else LINE_INTERCEPT + LINE_SLOPE * math.log1p(max(followers, 0.0))


def anchor(history: History) -> float:
    """The first guess, log(1 + count); the line of followers without earlier posts, NaN without both."""
    line = followers_line(history.followers)
    if not len(history):
        return line
    logs = np.log1p(history.counts[-MOST_POSTS:])
    middle = float(np.median(logs))
    logs = np.clip(logs, middle - LARGEST_DEVIATION, middle + LARGEST_DEVIATION)
    ages_days = np.nan_to_num(history.ages_days[-MOST_POSTS:])  # without times all count alike
    return _guess(logs, ages_days, line=line)


def _guess(logs: Float, ages_days: Float, *, line: float) -> float:
    """The process's mean at age 0; without followers around the mean that fits the posts best."""
    own = OWN * np.eye(len(logs))
    between = STAYS + DRIFTS * np.exp(-np.abs(ages_days[:, None] - ages_days) / DRIFT_DAYS) + own
    solved = np.linalg.solve(between, np.stack([logs, np.ones(len(logs))], axis=1))
    level = solved[:, 0].sum() / solved[:, 1].sum() if math.isnan(line) else line
    to_now = STAYS + DRIFTS * np.exp(-ages_days / DRIFT_DAYS)
    return float(level + to_now @ (solved[:, 0] - level * solved[:, 1]))
