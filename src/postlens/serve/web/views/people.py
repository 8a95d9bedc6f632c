"""Persons to a gallery, to the table of how their posts did, and to the page of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postlens.pipelines.campaign import PersonAnswer
from postlens.pipelines.campaign_figures import campaign_mean
from postlens.pipelines.people_list import PersonDetail, PersonRow
from postlens.pipelines.report.numbers import count
from postlens.serve.web.campaigns import Shown
from postlens.serve.web.charts import Scale, whisker
from postlens.serve.web.names import file_name
from postlens.serve.web.pictures import face_address
from postlens.serve.web.tables import Cell, Column, Row, Table
from postlens.serve.web.views.parts import Face, Tile, any_face, face, post_href, tile
from postlens.store.decisions import Decision
from postlens.store.person_tracks import TrackPlace
from postlens.tasks.people.performance import is_few
from postlens.types import PersonPerformance

VERBS = {
    "merge": "Joined people",
    "split": "Split faces off",
    "name": "Named a person",
    "hide": "Hid a person",
    "unhide": "Showed a person again",
    "assign": "Moved a face",
    "enroll": "Enrolled a person",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A person in the gallery."""

    person_id: str
    label: str
    name: str | None
    href: str
    image: str | None
    n_posts: int
    note: str  # how the posts did


@dataclass(frozen=True, slots=True)
class Change:
    """A decision of the user, as it can be taken back."""

    number: int
    text: str
    faces: tuple[Face, ...]  # of whom it is about, as far as they are there
    when: str
    is_undone: bool


@dataclass(frozen=True, slots=True)
class TrackCard:
    """One appearance of a person, as it can be split off."""

    track_id: str
    image: str
    posts: tuple[Tile, ...]
    file: str
    when: str  # of a video


def cards(shown: Shown, *, metric: str) -> list[Card]:
    """A card for each person who is not hidden."""
    return [_card(person, shown, metric) for person in shown.campaign.people]


def _card(person: PersonAnswer, shown: Shown, metric: str) -> Card:
    one, row = face(person.person_id, shown), _by_metric(person, metric)
    note = f"{count(row.mean)} {metric}" if row else ""
    if row and row.interval:
        note += f", {count(row.interval[0])} to {count(row.interval[1])}"
    return Card(person.person_id, one.label, person.name, one.href, one.image, person.n_posts, note)


def hidden_people(rows: Sequence[PersonRow], shown: Shown) -> list[Face]:
    """Those whom the user hid."""
    return [any_face(row, shown) for row in rows if row.hidden]


def people_table(shown: Shown, *, metric: str) -> Table:
    """A row for each person; performance by one metric."""
    columns = (
        Column("person", "person"),
        Column("posts", "posts", "whole"),
        Column("videos", "videos", "whole"),
        Column("screen", "on screen", "seconds"),
        Column("mean", f"mean {metric}", "count"),
        Column("low", "from", "count"),
        Column("high", "to", "count"),
        Column("lift", "lift", "lift"),
        Column("trend", "trend in 30 days", "lift"),
        Column("best", "best post"),
    )
    people = shown.campaign.people
    known = [row for person in people if (row := _by_metric(person, metric))]
    scale = Scale.of([mark for row in known for mark in (row.mean, *(row.interval or ()))])
    usual = campaign_mean(shown.campaign, metric)
    rows = tuple(_row(person, shown, metric, scale, usual) for person in people)
    return Table("people", "How their posts did", columns, rows)


def _row(person: PersonAnswer, shown: Shown, metric: str, scale: Scale | None, usual: float | None) -> Row:
    one, row = face(person.person_id, shown), _by_metric(person, metric)
    cells: dict[str, Cell] = {
        "person": one.label,
        "posts": person.n_posts,
        "videos": person.n_videos,
        "screen": person.screen_time_s or None,
        **_figures(row),
        "best": shown.title(row.best_post_id) if row else None,
    }
    within = usual if scale and usual is not None and scale.low <= usual <= scale.high else None
    return Row(
        cells,
        href=one.href,
        image=one.image,
        is_face=True,
        notes={"mean": "few posts"} if row and is_few(row) else {},
        drawn={"mean": whisker(row.mean, row.interval, within, scale=scale)} if row and scale else {},
        links={"best": post_href(row.best_post_id)} if row else {},
    )


def _figures(row: PersonPerformance | None) -> dict[str, Cell]:
    if row is None:
        return {}
    low, high = row.interval or (None, None)
    return {
        "mean": row.mean,
        "low": low,
        "high": high,
        "lift": row.lift,
        "trend": row.trend.slope if row.trend else None,
    }


def _by_metric(person: PersonAnswer, metric: str) -> PersonPerformance | None:
    return next((row for row in person.performance if row.metric == metric), None)


# --- one person -------------------------------------------------------------------------------------------------------


def performance_table(person: PersonAnswer, shown: Shown) -> Table:
    """A row for each metric that is known."""
    columns = (
        Column("metric", "figure"),
        Column("posts", "posts", "whole"),
        Column("mean", "mean", "count"),
        Column("low", "from", "count"),
        Column("high", "to", "count"),
        Column("median", "median", "count"),
        Column("lift", "lift", "lift"),
        Column("trend", "trend in 30 days", "lift"),
        Column("best", "best post"),
        Column("worst", "worst post"),
    )
    return Table("performance", "Performance", columns, tuple(_metric_row(row, shown) for row in person.performance))


def _metric_row(row: PersonPerformance, shown: Shown) -> Row:
    cells: dict[str, Cell] = {
        "metric": row.metric,
        "posts": row.n_posts,
        **_figures(row),
        "median": row.median,
        "best": shown.title(row.best_post_id),
        "worst": shown.title(row.worst_post_id),
    }
    usual = campaign_mean(shown.campaign, row.metric)
    scale = Scale.of([mark for mark in (row.mean, usual, *(row.interval or ())) if mark is not None])
    return Row(
        cells,
        notes={"mean": "few posts"} if is_few(row) else {},
        drawn={"mean": whisker(row.mean, row.interval, usual, scale=scale)} if scale else {},
        links={"best": post_href(row.best_post_id), "worst": post_href(row.worst_post_id)},
    )


def track_cards(detail: PersonDetail, shown: Shown) -> list[TrackCard]:
    """A card for each track of a person."""
    return [_track_card(one, shown) for one in detail.tracks]


def _track_card(one: TrackPlace, shown: Shown) -> TrackCard:
    return TrackCard(
        track_id=one.track_id,
        image=face_address(one.track_id),
        posts=tuple(tile(post_id, shown) for post_id in one.post_ids),
        file=file_name(one.files[0]) if one.files else "",
        when=f"{one.start_s:.1f} to {one.end_s:.1f} s" if one.end_s > one.start_s else "",
    )


def appearances_table(detail: PersonDetail, shown: Shown) -> Table:
    """A row for each track of a person in each post."""
    columns = (
        Column("file", "file"),
        Column("post", "post"),
        Column("start", "from second", "seconds"),
        Column("end", "to second", "seconds"),
        Column("alike", "alike", "score"),
        Column("quality", "quality", "score"),
    )
    rows = [_appearance(one, post_id, shown) for one in detail.tracks for post_id in one.post_ids or ("",)]
    return Table("appearances", "Appearances", columns, tuple(rows))


def _appearance(one: TrackPlace, post_id: str, shown: Shown) -> Row:
    cells: dict[str, Cell] = {
        "file": file_name(one.files[0]) if one.files else None,
        "post": shown.title(post_id) if post_id else None,
        "start": one.start_s,
        "end": one.end_s,
        "alike": one.similarity,
        "quality": one.quality,
    }
    return Row(
        cells, image=face_address(one.track_id), is_face=True, links={"post": post_href(post_id)} if post_id else {}
    )


# --- decisions --------------------------------------------------------------------------------------------------------


def changes(decisions: Sequence[Decision], rows: Sequence[PersonRow], shown: Shown) -> list[Change]:
    """Decisions of the user in words; `rows`: all persons."""
    faces = {row.person_id: any_face(row, shown) for row in rows}
    return [_change(one, faces, shown) for one in decisions]


def _change(one: Decision, faces: Mapping[str, Face], shown: Shown) -> Change:
    said = one.payload["said"]
    about = [*said.get("persons", ()), *filter(None, [said.get("person")])]
    who = [faces[name].label if name in faces else shown.numbered(name) for name in about]
    text = VERBS.get(one.verb, one.verb.capitalize()) + (f": {', '.join(who)}" if who else "")
    text += f", as {said['name']}" if said.get("name") else ""
    there = tuple(faces[name] for name in about if name in faces)
    return Change(one.number, text, there, f"{one.created_at:%Y-%m-%d %H:%M}", one.undone_at is not None)
