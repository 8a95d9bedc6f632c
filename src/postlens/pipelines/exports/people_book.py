"""People to a workbook: a sheet with a row and a face for each person, a sheet with a row for each appearance.

Texts stay texts (no formulas, no links made by the program), numbers are numbers with a format. A cell is a link only
where `is_safe_link` says so.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

from postlens.media.probe import display_name
from postlens.pipelines.campaign import Campaign, PersonAnswer
from postlens.tasks.people.performance import is_few
from postlens.types import Appearance, MediaFile, PersonPerformance, PostAnalysis, order_metrics

PEOPLE_BOOK = "people.xlsx"
FACE_PX = 80  # a face's cell
MAX_TEXT = 32_767  # signs in a cell; the limits are Excel's: support.microsoft.com, "Excel specifications and limits"
MAX_LINK = 2_079  # signs of an address
MAX_LINKS = 65_530  # of a sheet
SHEET_ROWS = 1_000_000  # of 1,048,576; more appearances go on in a further sheet
SMALL = 100.0  # figures below are shown with two decimals

Cell = str | float | int | datetime | None
Kind = str  # name of a cell format: text, whole, count, small, seconds, share, lift, time


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a sheet."""

    title: str
    kind: Kind
    width: float = 12.0


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
    import xlsxwriter

    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(buffer, options)
    formats = _formats(book)
    _write_people(book.add_worksheet("people"), campaign, formats)
    rows = _seen(campaign)
    for number in range(1, 1 + max(1, -(-sum(len(p.appearances) for p in campaign.people) // SHEET_ROWS))):
        sheet = book.add_worksheet("appearances" if number == 1 else f"appearances {number}")
        _write_appearances(sheet, list(islice(rows, SHEET_ROWS)), campaign, formats)
    book.close()
    return buffer.getvalue()


def _formats(book: Any) -> dict[Kind, Any]:
    numbers = {
        "text": "General",
        "whole": "0",
        "count": "#,##0",
        "small": "#,##0.00",
        "seconds": "#,##0.0",
        "share": "0%",
        "lift": "+0%;-0%;0%",
        "time": "yyyy-mm-dd hh:mm",
    }
    found = {kind: book.add_format({"num_format": text, "valign": "vcenter"}) for kind, text in numbers.items()}
    bold = {"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}
    return found | {"header": book.add_format(bold), "link": book.add_format({"hyperlink": 1, "valign": "vcenter"})}


def is_safe_link(place: str) -> bool:
    """Whether a click may open this: a web address with a host and without a user's name or password in it.

    Nothing else is a link: a local path would start a program on the reader's machine, or ask a server of its name.
    """
    if not place.startswith(("http://", "https://")) or len(place) > MAX_LINK or not place.isprintable():
        return False
    try:
        parts = urlsplit(place)
    except ValueError:  # brackets that do not fit
        return False
    return bool(parts.hostname) and "@" not in parts.netloc and not any(sign in place for sign in " \"'<>\\")


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


def _write_people(sheet: Any, campaign: Campaign, formats: dict[Kind, Any]) -> None:
    metrics = order_metrics(row.metric for person in campaign.people for row in person.performance)
    kinds = {metric: _figure_kind(campaign.people, metric) for metric in metrics}
    columns = [*PERSON_COLUMNS, *chain.from_iterable(_metric_columns(metric, kinds[metric]) for metric in metrics)]
    _write_header(sheet, columns, formats, n_rows=len(campaign.people), n_fixed=3)
    for row, person in enumerate(campaign.people, start=1):
        sheet.set_row_pixels(row, FACE_PX)
        if person.thumbnail:
            about_it = {"object_position": 1, "description": _description(person.name or person.person_id)}
            options = {"image_data": io.BytesIO(person.thumbnail), **about_it, **_fit(person.thumbnail)}
            sheet.insert_image(row, 0, "face.jpg", options)
        by_metric = {p.metric: p for p in person.performance}
        figures = chain.from_iterable(_metric_cells(by_metric.get(metric)) for metric in metrics)
        about = (None, person.person_id, person.name, person.n_posts, person.n_videos, person.screen_time_s)
        _write_row(sheet, row, columns, (*about, person.screen_share, *figures), formats)


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


def _description(name: str) -> str:
    """What a screen reader says of a face: control signs, which are not allowed there, are left out."""
    return "face of " + "".join(sign for sign in name if sign.isprintable())[:200]


def _fit(jpeg: bytes) -> dict[str, float]:
    """Scales that bring a thumbnail to the size of its cell."""
    from PIL import Image as PillowImage

    with PillowImage.open(io.BytesIO(jpeg)) as image:
        scale = FACE_PX / max(image.size)
    return {"x_scale": scale, "y_scale": scale}


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


def _write_appearances(sheet: Any, rows: Sequence[Seen], campaign: Campaign, formats: dict[Kind, Any]) -> None:
    metrics = campaign.metrics
    largest = {m: max(abs(s.values.get(m, 0.0)) for s in campaign.snapshots.values()) for m in metrics}
    columns = [*APPEARANCE_COLUMNS, *(Column(m, "count" if largest[m] >= SMALL else "small") for m in metrics)]
    _write_header(sheet, columns, formats, n_rows=len(rows), n_fixed=2)
    links = iter(range(MAX_LINKS))
    for row, seen in enumerate(rows, start=1):
        snapshot = campaign.snapshots.get(seen.appearance.post_id)
        values = snapshot.values if snapshot else {}
        cells = (*_appearance_cells(seen), *(values.get(metric) for metric in metrics))
        _write_row(sheet, row, columns, cells, formats)
        if is_safe_link(seen.place) and next(links, None) is not None:
            sheet.write_url(row, 3, seen.place, formats["link"], string=seen.place[:MAX_TEXT])


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
        _time(post.post.published_at) if post else None,
    )


def _time(at: datetime | None) -> datetime | str | None:
    """As Excel has times: without a zone (UTC), and none before 1900, which becomes text."""
    return at.isoformat() if at and at.year < 1900 else at and at.replace(tzinfo=None)


# --- cells -----------------------------------------------------------------------------------------------------------


def _write_header(
    sheet: Any, columns: Sequence[Column], formats: dict[Kind, Any], *, n_rows: int, n_fixed: int
) -> None:
    """Titles that stay in view, with a filter on each column."""
    for index, column in enumerate(columns):
        sheet.write_string(0, index, _text(column.title), formats["header"])
        sheet.set_column(index, index, column.width)
    sheet.freeze_panes(1, n_fixed)
    sheet.autofilter(0, 0, n_rows, len(columns) - 1)


def _write_row(
    sheet: Any, row: int, columns: Sequence[Column], cells: Sequence[Cell], formats: dict[Kind, Any]
) -> None:
    for index, (column, cell) in enumerate(zip(columns, cells, strict=True)):
        if isinstance(cell, str):
            sheet.write_string(row, index, _text(cell), formats["text"])
        elif isinstance(cell, datetime):
            sheet.write_datetime(row, index, cell, formats[column.kind])
        elif cell is not None:
            sheet.write_number(row, index, cell, formats[column.kind])


def _text(value: str) -> str:
    """What a cell holds of a text: as much as Excel reads, and no half characters."""
    return display_name(value)[:MAX_TEXT] if not value.isascii() else value[:MAX_TEXT]
