"""Appearances to the time a person is on screen, and to its share of the videos."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from postlens.types import Appearance


def screen_time_s(appearances: Iterable[Appearance]) -> float:
    """Seconds in which a person is on screen: overlapping appearances in one media file count once."""
    return sum(end - start for spans in screen_spans(appearances).values() for start, end in spans)


def screen_spans(appearances: Iterable[Appearance]) -> dict[str, list[tuple[float, float]]]:
    """Media to its spans (start, end) in seconds with the person on screen, in order and apart from each other."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in sorted(appearances, key=lambda one: (one.media, one.start_s, one.end_s)):
        spans, end_s = found[one.media], max(one.start_s, one.end_s)
        if spans and one.start_s <= spans[-1][1]:
            spans[-1] = (spans[-1][0], max(spans[-1][1], end_s))
        else:
            spans.append((one.start_s, end_s))
    return dict(found)


def screen_shares(appearances: Iterable[Appearance], durations_s: Mapping[str, float | None]) -> dict[str, float]:
    """Video to the share of it, in [0, 1], with the person on screen.

    `durations_s` are those of videos; photos and videos whose container tells no length are left out. A track that
    ends a little after the length that the container tells does not make more than 1.
    """
    return {
        media: min(1.0, sum(end - start for start, end in spans) / length_s)
        for media, spans in screen_spans(appearances).items()
        if (length_s := durations_s.get(media))
    }
