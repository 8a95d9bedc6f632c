"""People to a workbook: a sheet with a row and a face for each person, a sheet with a row for each appearance.

Texts stay texts (no formulas, no links made by the program), numbers are numbers with a format. A cell is a link only
where `is_safe_link` says so.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from postlens.media.probe import display_name
from postlens.pipelines.campaign import Campaign, PersonAnswer
from postlens.pipelines.exports.sheets import (
    MAX_LINKS,
    PICTURE_PX,
    SHEET_ROWS,
    Cell,
    Column,
    Formats,
    Kind,
    book_formats,
    excel_time,
    open_book,
    put_picture,
    write_header,
    write_link,
    write_row,
)
from postlens.tasks.people.performance import is_few
from postlens.types import Appearance, MediaFile, PersonPerformance, PostAnalysis, order_metrics

PEOPLE_BOOK = "people.xlsx"
SMALL = 100.0  # figures below are shown with two decimals


@dataclass(frozen=True, slots=True)
class Seen:
    """One appearance with what its row tells."""

    person: PersonAnswer
    appearance: Appearance
    post: PostAnalysis | None
    media: MediaFile | None
    place: str  # path or address


def people_xlsx(campaign: Campaign) -> bytes:
    """The workbook as bytes."""
    buffer = io.BytesIO()
    book = open_book(buffer)
    formats = book_formats(book)
    _write_people(book.add_worksheet("people"), campaign, formats)
    rows = _seen(campaign)
    for number in range(1, 1 + max(1, -(-sum(len(p.appearances) for p in campaign.people) // SHEET_ROWS))):
        sheet = book.add_worksheet("appearances" if number == 1 else f"appearances {number}")
        _write_appearances(sheet, list(islice(rows, SHEET_ROWS)), campaign, formats)
    book.close()
    return buffer.getvalue()


# --- people ----------------------------------------------------------------------------------------------------------

PERSON_COLUMNS = (
    Column("face", "text", 11),
    Column("person_id", "text", 20),
    Column("name", "text", 20),
    Column("posts", "whole", 8),
    Column("videos", "whole", 8),
    Column("screen_time_s", "seconds", 12),
    Column("screen_share", "share", 10),
)


def _metric_columns(metric: str, kind: Kind) -> tuple[Column, ...]:
    titles = {"mean": kind, "median": kind, "low": kind, "high": kind, "n": "whole", "note": "text", "lift": "lift"}
    more = {"trend": "lift", "trend_low": "lift", "trend_high": "lift"}
    ends = {"best": kind, "best_post": "text", "worst": kind, "worst_post": "text"}
    return tuple(Column(f"{title}_{metric}", of) for title, of in (titles | more | ends).items())


def _write_people(sheet: Any, campaign: Campaign, formats: Formats) -> None:
    metrics = order_metrics(row.metric for person in campaign.people for row in person.performance)
    kinds = {metric: _figure_kind(campaign.people, metric) for metric in metrics}
    columns = [*PERSON_COLUMNS, *chain.from_iterable(_metric_columns(metric, kinds[metric]) for metric in metrics)]
    write_header(sheet, columns, formats, n_rows=len(campaign.people), n_fixed=3)
    for row, person in enumerate(campaign.people, start=1):
        sheet.set_row_pixels(row, PICTURE_PX)
        if person.thumbnail:
            about_it = f"face of {person.name or person.person_id}"
            put_picture(sheet, (row, 0), person.thumbnail, name="face.jpg", about=about_it)
        by_metric = {p.metric: p for p in person.performance}
        figures = chain.from_iterable(_metric_cells(by_metric.get(metric)) for metric in metrics)
        about = (None, person.person_id, person.name, person.n_posts, person.n_videos, person.screen_time_s)
        write_row(sheet, row, columns, (*about, person.screen_share, *figures), formats)


def _figure_kind(people: Sequence[PersonAnswer], metric: str) -> Kind:
    """Figures of some size are told without decimals."""
    found = [abs(row.mean) for person in people for row in person.performance if row.metric == metric]
    return "count" if max(found) >= SMALL else "small"


def _metric_cells(row: PersonPerformance | None) -> tuple[Cell, ...]:
    if row is None:
        return (None,) * 14
    low, high = row.interval or (None, None)
    trend = (row.trend.slope, row.trend.low, row.trend.high) if row.trend else (None, None, None)
    ends = (row.best, row.best_post_id, row.worst, row.worst_post_id)
    return (row.mean, row.median, low, high, row.n_posts, _note(row), row.lift, *trend, *ends)


def _note(row: PersonPerformance) -> str | None:
    """What to know before a mean is relied on."""
    parts = ["few posts"] if is_few(row) else []
    parts += ["weighed by screen time"] if row.weighting == "screen_time" else []
    return ", ".join(parts) or None


# --- appearances -----------------------------------------------------------------------------------------------------

APPEARANCE_COLUMNS = (
    Column("person_id", "text", 20),
    Column("name", "text", 20),
    Column("post_id", "text", 24),
    Column("file", "text", 40),
    Column("start_s", "seconds", 9),
    Column("end_s", "seconds", 9),
    Column("share", "share", 8),  # of the video; empty for a photo
    Column("similarity", "small", 10),
    Column("creator", "text", 20),
    Column("published_at", "time", 16),
)


def _seen(campaign: Campaign) -> Iterator[Seen]:
    posts = {post.post.post_id: post for post in campaign.posts}
    media = {one.sha256: one for post in campaign.posts for one in post.media}
    for person in campaign.people:
        for one in person.appearances:
            place = campaign.locations.get((one.post_id, one.media), one.media)
            yield Seen(person, one, posts.get(one.post_id), media.get(one.media), place)


def _write_appearances(sheet: Any, rows: Sequence[Seen], campaign: Campaign, formats: Formats) -> None:
    metrics = campaign.metrics
    largest = {m: max(abs(s.values.get(m, 0.0)) for s in campaign.snapshots.values()) for m in metrics}
    columns = [*APPEARANCE_COLUMNS, *(Column(m, "count" if largest[m] >= SMALL else "small") for m in metrics)]
    write_header(sheet, columns, formats, n_rows=len(rows), n_fixed=2)
    links = iter(range(MAX_LINKS))
    for row, seen in enumerate(rows, start=1):
        snapshot = campaign.snapshots.get(seen.appearance.post_id)
        values = snapshot.values if snapshot else {}
        cells = (*_appearance_cells(seen), *(values.get(metric) for metric in metrics))
        write_row(sheet, row, columns, cells, formats)
        write_link(sheet, (row, 3), seen.place, formats=formats, links=links)


def _appearance_cells(seen: Seen) -> tuple[Cell, ...]:
    one, post, media = seen.appearance, seen.post, seen.media
    length_s = media.duration_s if media is not None and media.kind == "video" else None
    share = min(1.0, max(0.0, one.end_s - one.start_s) / length_s) if length_s else None
    return (
        one.person_id,
        seen.person.name,
        one.post_id,
        display_name(seen.place),
        one.start_s,
        one.end_s,
        share,
        one.similarity,
        post.post.creator_id if post else None,
        excel_time(post.post.published_at) if post else None,
    )
