"""Appearances to timelines: for each video, who is on screen when."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.report.cards import PostCard
from postlens.pipelines.report.people import Images, Picture, person_labels, tiny_picture
from postlens.tasks.people.screen import screen_spans
from postlens.types import Appearance

TIMELINES_SHOWN = 30  # videos, those with the most people; all appearances are in people.xlsx
PEOPLE_PER_VIDEO = 12  # rows of a timeline, those longest on screen
SPANS_NAMED = 4  # written out beside the bars
NARROWEST = 0.6  # percent of the bar's width, so that a short appearance is seen; gaps narrower than this are closed

Key = tuple[str, str]  # post_id and sha256 of the video
Spans = Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One person in one video."""

    label: str
    bars: tuple[tuple[float, float], ...]  # left and width in percent
    times: str  # "0:01 to 0:04, 0:09 to 0:12 and 2 more"
    screen_time_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Who is on screen when in one video."""

    picture: Picture
    length_s: float
    n_people: int
    rows: tuple[TimelineRow, ...]

    @property
    def n_more(self) -> int:
        """People of the video without a row."""
        return self.n_people - len(self.rows)


def shown_videos(campaign: Campaign) -> tuple[list[Key], int]:
    """The TIMELINES_SHOWN videos with the most people, then with the longest time on screen; and how many there are."""
    by_video = _by_video(campaign)
    order = sorted(by_video, key=lambda key: (-len(by_video[key]), -_seconds(by_video[key]), key))
    return order[:TIMELINES_SHOWN], len(order)


def timelines(campaign: Campaign, cards: Mapping[str, PostCard], images: Images) -> list[Timeline]:
    """The timelines of `shown_videos`, in that order."""
    by_video, labels = _by_video(campaign), person_labels(campaign.people)
    lengths = {media.sha256: media.duration_s for post in campaign.posts for media in post.media}
    keys, _ = shown_videos(campaign)
    return [
        _timeline(by_video[key], labels, picture=tiny_picture(cards[key[0]], images), told_s=lengths.get(key[1]))
        for key in keys
    ]


def _by_video(campaign: Campaign) -> dict[Key, dict[str, list[Appearance]]]:
    videos = {(p.post.post_id, media.sha256) for p in campaign.posts for media in p.media if media.kind == "video"}
    found: dict[Key, dict[str, list[Appearance]]] = defaultdict(lambda: defaultdict(list))
    for person in campaign.people:
        for one in person.appearances:
            if (one.post_id, one.media) in videos:
                found[one.post_id, one.media][one.person_id].append(one)
    return found


def _seconds(people: Mapping[str, list[Appearance]]) -> float:
    return sum(one.end_s - one.start_s for own in people.values() for one in own)


def _timeline(
    people: Mapping[str, list[Appearance]], labels: Mapping[str, str], *, picture: Picture, told_s: float | None
) -> Timeline:
    spans = {person: next(iter(screen_spans(own).values())) for person, own in people.items()}
    length_s = max(told_s or 0.0, *(end for own in spans.values() for _, end in own)) or 1.0
    rows = [_row(labels[person], own, length_s) for person, own in spans.items()]
    rows.sort(key=lambda row: (-row.screen_time_s, row.label))
    return Timeline(picture, length_s, len(rows), tuple(rows[:PEOPLE_PER_VIDEO]))


def _row(label: str, spans: Spans, length_s: float) -> TimelineRow:
    total_s = sum(end - start for start, end in spans)
    say = clock if length_s >= 60 else tenths
    named = ", ".join(_span(say(start), say(end)) for start, end in spans[:SPANS_NAMED])
    more = f" and {len(spans) - SPANS_NAMED} more" if len(spans) > SPANS_NAMED else ""
    return TimelineRow(label, _bars(spans, length_s), named + more, total_s, total_s / length_s)


def _bars(spans: Spans, length_s: float) -> tuple[tuple[float, float], ...]:
    """Left and width in percent: at most 100 / NARROWEST bars, however many spans there are."""
    bars: list[list[float]] = []
    for start, end in spans:
        left, right = 100 * start / length_s, 100 * end / length_s
        if bars and left - bars[-1][1] < NARROWEST:
            bars[-1][1] = max(right, bars[-1][1])
        else:
            bars.append([left, max(right, left + NARROWEST)])
    return tuple((round(min(left, 100 - NARROWEST), 2), round(right - left, 2)) for left, right in bars)


def _span(first: str, last: str) -> str:
    return first if first == last else f"{first} to {last}"


def tenths(value_s: float) -> str:
    """4.25 -> 4.2 s."""
    return f"{value_s:.1f} s"


def clock(value_s: float) -> str:
    """75.2 -> 1:15, 3725 -> 1:02:05."""
    minutes, rest = divmod(int(value_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
