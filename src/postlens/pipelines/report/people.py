"""People of a campaign to the rows of a table that can be sorted, with faces and drawn intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postlens.pipelines.campaign import Campaign, PersonAnswer
from postlens.pipelines.campaign_figures import campaign_mean
from postlens.pipelines.report.cards import PostCard, data_uri, small_uri
from postlens.pipelines.report.numbers import place
from postlens.tasks.people.performance import FEW_POSTS, is_few
from postlens.types import PersonPerformance

PEOPLE_SHOWN = 100  # with pictures, those with the most posts; a face and two posts are about 10 kB
PEOPLE_LISTED = 1000  # rows of the table, without pictures beyond PEOPLE_SHOWN; all of them are in people.xlsx
FACES_OPEN = 30  # of the gallery; the others of PEOPLE_SHOWN unfold
METRICS_SHOWN = 4  # of people, the most widely known; all of them are in people.xlsx
Images = Mapping[str, bytes]  # sha256 of media -> JPEG


@dataclass(frozen=True, slots=True)
class Picture:
    """A small picture of a post."""

    title: str
    image: str | None  # data URI
    is_video: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """What the bars of one metric are drawn on: a log scale from the least to the greatest mark."""

    low: float
    high: float
    campaign_mean: float | None

    def spot(self, value: float) -> float:
        """0..100 from left to right."""
        return place(value, low=self.low, high=self.high)


@dataclass(frozen=True, slots=True)
class MetricCell:
    """What the table tells of a person by one metric."""

    metric: str
    row: PersonPerformance | None  # None: no figure is known
    few: str  # a remark for means of few posts, else empty
    scale: Scale | None
    best: Picture | None = None
    worst: Picture | None = None  # None for one post: it is the best, too


@dataclass(frozen=True, slots=True)
class PersonRow:
    """One person as the page shows it."""

    person: PersonAnswer
    label: str  # the user's name, else "Person 3"
    anchor: str
    face: str | None
    cells: tuple[MetricCell, ...]


def person_labels(people: Sequence[PersonAnswer]) -> dict[str, str]:
    """person_id -> the user's name, else a running number."""
    return {person.person_id: person.name or f"Person {n}" for n, person in enumerate(people, start=1)}


def person_metrics(people: Sequence[PersonAnswer]) -> tuple[str, ...]:
    """Metrics known for anyone, the most widely known first; of equally known ones the first of METRICS."""
    known = Counter(row.metric for person in people for row in person.performance)
    order = list(dict.fromkeys(row.metric for person in people for row in person.performance))
    return tuple(sorted(known, key=lambda name: (-known[name], order.index(name)))[:METRICS_SHOWN])


def shown_posts(people: Sequence[PersonAnswer]) -> list[str]:
    """Posts whose pictures stand in the table: the best and the worst of each metric."""
    metrics = person_metrics(people)
    rows = [row for person in people[:PEOPLE_SHOWN] for row in person.performance if row.metric in metrics]
    return [post_id for row in rows for post_id in (row.best_post_id, row.worst_post_id)]


def person_rows(campaign: Campaign, cards: Mapping[str, PostCard], images: Images) -> list[PersonRow]:
    """A row for each of the first PEOPLE_LISTED persons; the first PEOPLE_SHOWN have pictures."""
    labels, metrics = person_labels(campaign.people), person_metrics(campaign.people)
    scales = {metric: _scale(campaign, metric) for metric in metrics}
    pictures: dict[str, Picture | None] = {
        post_id: tiny_picture(cards[post_id], images) for post_id in shown_posts(campaign.people) if post_id in cards
    }
    rows = []
    for number, person in enumerate(campaign.people[:PEOPLE_LISTED], start=1):
        pictured = number <= PEOPLE_SHOWN
        by_metric = {row.metric: row for row in person.performance}
        seen = pictures if pictured else {}
        cells = [_cell(metric, by_metric.get(metric), scales[metric], seen) for metric in metrics]
        face = data_uri(person.thumbnail) if person.thumbnail and pictured else None
        rows.append(PersonRow(person, labels[person.person_id], f"person-{number}", face, tuple(cells)))
    return rows


def tiny_picture(card: PostCard, images: Images) -> Picture:
    """A post's first picture, made small."""
    jpeg = next((images[sha256] for sha256 in card.post.post.media if sha256 in images), None)
    return Picture(card.title, small_uri(jpeg) if jpeg else None, card.is_video)


def _cell(
    metric: str, row: PersonPerformance | None, scale: Scale, pictures: Mapping[str, Picture | None]
) -> MetricCell:
    if row is None:
        return MetricCell(metric, None, "", None)
    worst = row.worst_post_id if row.worst_post_id != row.best_post_id else None
    best = pictures.get(row.best_post_id)
    return MetricCell(metric, row, _remark(row), scale, best, pictures.get(worst) if worst else None)


def _remark(row: PersonPerformance) -> str:
    if not is_few(row):
        return ""
    return "1 post" if row.n_posts == 1 else f"{row.n_posts} posts" if row.n_posts < FEW_POSTS else "few posts"


def _scale(campaign: Campaign, metric: str) -> Scale:
    mean = campaign_mean(campaign, metric)
    rows = [row for person in campaign.people[:PEOPLE_LISTED] for row in person.performance if row.metric == metric]
    marks = [mark for row in rows for mark in (row.mean, *(row.interval or ()))] + ([mean] if mean is not None else [])
    return Scale(min(marks), max(marks), mean)
