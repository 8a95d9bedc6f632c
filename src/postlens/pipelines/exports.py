"""A campaign to its tables: posts and creators as Parquet, people as XLSX, predictions as JSON, scores as CSV.

Every file is written beside its target and renamed, so that a stopped run never leaves half a file. A text cell of a
CSV file that a spreadsheet would take for a formula begins with an apostrophe, see `FORMULA_SIGNS`.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from postlens.media.probe import display_name
from postlens.pipelines.campaign import Campaign, CreatorAnswer, PersonAnswer
from postlens.tasks.niche.influencer import as_category
from postlens.types import METRICS, Failure, PostAnalysis

FAILURES = "failures.csv"
FILES = (
    "posts.parquet",
    "creators.parquet",
    "people.xlsx",
    "predictions.json",
    "confidence_scores.csv",
    FAILURES,
)
FAILURE_HEADER = ("file", "stage", "error", "message")
FACE_PX = 80  # a face's cell in people.xlsx
FORMULA_SIGNS = tuple("=+-@\t\r\n＝＋－＠")  # owasp.org/www-community/attacks/CSV_Injection


def write_exports(campaign: Campaign, out: Path) -> None:
    """Write all tables of the campaign into the folder.

    Raises:
        OSError: the folder cannot be written.
    """
    _write_parquet(out / "posts.parquet", _post_rows(campaign), POST_SCHEMA)
    _write_parquet(out / "creators.parquet", [_creator_row(answer) for answer in campaign.creators], CREATOR_SCHEMA)
    replace_bytes(out / "people.xlsx", _people_xlsx(campaign))
    replace_bytes(out / "predictions.json", _predictions(campaign))
    _write_csv(out / "confidence_scores.csv", ("kind", "id", "question", "label", "prob"), _score_rows(campaign))
    write_failures(campaign.failures, out)


def write_failures(failures: Iterable[Failure], out: Path) -> None:
    """`failures.csv`: one row for each thing that could not be done."""
    _write_csv(out / FAILURES, FAILURE_HEADER, map(_failure_row, failures))


def add_failure(failure: Failure, out: Path) -> None:
    """Put one failure below those that `failures.csv` holds, unless it is among them."""
    path = out / FAILURES
    old = path.read_bytes() if path.is_file() else _csv([FAILURE_HEADER])
    new = _csv([_failure_row(failure)])
    if new not in old:
        replace_bytes(path, old + new)


def _failure_row(failure: Failure) -> tuple[str, ...]:
    return failure.subject, failure.stage, failure.error, failure.message


def replace_bytes(path: Path, data: bytes | Iterable[bytes]) -> None:
    """Write beside the target, then rename over it; `remove_leftovers` knows the name used meanwhile."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.writelines([data] if isinstance(data, bytes) else data)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def remove_leftovers(out: Path, names: Iterable[str]) -> int:
    """Delete what processes that were killed in `replace_bytes` left of these files; returns how many there were.

    Whether a process still runs is not asked: numbers are used again, in containers soon, and faces would stay. Of two
    processes that write to one folder at the same time, one may thus fail, and succeeds when run again.
    """
    patterns = [re.compile(rf"\.{re.escape(name)}\.\d+") for name in names]
    left = [path for path in out.iterdir() if any(pattern.fullmatch(path.name) for pattern in patterns)]
    for path in left:
        path.unlink(missing_ok=True)
    return len(left)


# --- tables ----------------------------------------------------------------------------------------------------------

_METRIC_SCHEMA = dict.fromkeys(METRICS, "f64")
POST_SCHEMA = {
    "post_id": "str",
    "creator_id": "str",
    "platform": "str",
    "published_at": "utc",
    "media": "list",
    "niche": "str",
    "niche_prob": "f64",
    "n_faces": "i64",
    "people": "list",
    "product_id": "str",
    "product_label": "str",
    "emotions": "list",
    "allowed_emoji": "list",
    "blocked_emoji": "list",
    "forecast_metric": "str",
    "forecast_median": "f64",
    "forecast_lower": "f64",
    "forecast_upper": "f64",
    "forecast_baseline": "f64",
    "forecast_note": "str",
    "duplicate_of": "str",
    **_METRIC_SCHEMA,
    "followers": "f64",
}
CREATOR_SCHEMA = {
    "creator_id": "str",
    "platform": "str",
    "handle": "str",
    "n_posts": "i64",
    "n_images": "i64",
    "n_videos": "i64",
    "followers": "f64",
    "niche": "str",
    "niche_prob": "f64",
    "deciding_posts": "list",
    "product_id": "str",
    "product_label": "str",
    "product_share": "f64",
    "product_reason": "str",
    **{f"median_{name}": kind for name, kind in _METRIC_SCHEMA.items()},
}


def _post_rows(campaign: Campaign) -> list[dict[str, Any]]:
    first = {d.post_id: d.first_post_id for d in campaign.duplicates}
    return [_post_row(post, campaign) | {"duplicate_of": first.get(post.post.post_id)} for post in campaign.posts]


def _post_row(post: PostAnalysis, campaign: Campaign) -> dict[str, Any]:
    snapshot = campaign.snapshots.get(post.post.post_id)
    return {
        "post_id": post.post.post_id,
        "creator_id": post.post.creator_id,
        "platform": post.post.platform,
        "published_at": post.post.published_at,
        "media": [display_name(campaign.locations.get((post.post.post_id, name), name)) for name in post.post.media],
        "niche": post.niche.label if post.niche else None,
        "niche_prob": post.niche.confidence if post.niche else None,
        "n_faces": sum(len(faces) for faces in post.faces),
        "people": sorted({a.person_id for a in post.appearances}),
        **_product_columns(post),
        **_reaction_columns(post),
        **_forecast_columns(post),
        **{name: getattr(snapshot, name, None) for name in (*METRICS, "followers")},
    }


def _product_columns(post: PostAnalysis) -> dict[str, Any]:
    choice = post.recommendation
    product = choice.product if choice else None
    return {"product_id": product.product_id if product else None, "product_label": choice.label if choice else None}


def _reaction_columns(post: PostAnalysis) -> dict[str, Any]:
    reaction = post.reaction
    return {
        "emotions": list(reaction.emotions) if reaction else None,
        "allowed_emoji": list(reaction.allowed) if reaction else None,
        "blocked_emoji": list(reaction.blocked) if reaction else None,
    }


def _forecast_columns(post: PostAnalysis) -> dict[str, Any]:
    forecast = post.forecast
    names = ("metric", "median", "lower", "upper", "baseline", "note")
    return {f"forecast_{name}": getattr(forecast, name, None) for name in names}


def _creator_row(answer: CreatorAnswer) -> dict[str, Any]:
    choice = answer.recommendation
    return {
        "creator_id": answer.creator.creator_id,
        "platform": answer.creator.platform,
        "handle": answer.creator.handle,
        "n_posts": answer.n_posts,
        "n_images": answer.n_images,
        "n_videos": answer.n_videos,
        "followers": answer.followers,
        "niche": answer.niche.label if answer.niche else None,
        "niche_prob": answer.niche.confidence if answer.niche else None,
        "deciding_posts": [post_id for post_id, _ in answer.niche.attention[:5]] if answer.niche else [],
        "product_id": choice.product.product_id if choice and choice.product else None,
        "product_label": choice.label if choice else None,
        "product_share": choice.share if choice else None,
        "product_reason": choice.reason if choice else None,
        **{f"median_{name}": answer.medians.get(name) for name in METRICS},
    }


def _write_parquet(path: Path, rows: list[dict[str, Any]], schema: Mapping[str, str]) -> None:
    import polars as pl

    kinds = {
        "str": pl.String(),
        "f64": pl.Float64(),
        "i64": pl.Int64(),
        "utc": pl.Datetime("us", "UTC"),
        "list": pl.List(pl.String),
    }
    buffer = io.BytesIO()
    pl.DataFrame(rows, schema={name: kinds[kind] for name, kind in schema.items()}).write_parquet(buffer)
    replace_bytes(path, buffer.getvalue())


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> None:
    replace_bytes(path, _csv([header, *rows]))


def _csv(rows: Iterable[tuple[Any, ...]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # lines end with CR LF (RFC 4180); with LF alone, a CR in a cell would not be quoted
    writer.writerows([_unarmed(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8", "backslashreplace")


def _unarmed(cell: object) -> object:
    """A text that opens like a formula with an apostrophe before it; numbers stay as they are."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_SIGNS) else cell


# --- predictions -----------------------------------------------------------------------------------------------------


def _predictions(campaign: Campaign) -> Iterator[bytes]:
    """One JSON object, an answer a line and never all in memory at once."""
    head = {"created_at": campaign.created_at.isoformat(), "models": dict(campaign.models)}
    yield json.dumps(head)[:-1].encode()
    yield from _json_part("creators", ((a.creator.creator_id, _creator_prediction(a)) for a in campaign.creators))
    yield from _json_part("posts", ((post.post.post_id, post.to_dict()) for post in campaign.posts))
    yield from _json_part("people", ((person.person_id, _person_prediction(person)) for person in campaign.people))
    yield b"}\n"


def _json_part(name: str, items: Iterable[tuple[str, Any]]) -> Iterator[bytes]:
    """`, "name": {...}` with an item a line."""
    yield f",\n{json.dumps(name)}: {{".encode()
    for number, (key, value) in enumerate(items):
        yield f"{',' if number else ''}\n {json.dumps(key)}: {json.dumps(value)}".encode()
    yield b"}"


def _creator_prediction(answer: CreatorAnswer) -> dict[str, Any]:
    choice = answer.recommendation
    found = as_category(answer.niche) if answer.niche else {"predicted_category": None}
    return {
        **found,
        "n_posts": answer.n_posts,
        "deciding_posts": [list(pair) for pair in answer.niche.attention[:5]] if answer.niche else [],
        "product": {
            "product_id": choice.product.product_id if choice.product else None,
            "label": choice.label,
            "share": choice.share,
            "n_images": choice.n_images,
            "reason": choice.reason,
        }
        if choice
        else None,
    }


def _person_prediction(person: PersonAnswer) -> dict[str, Any]:
    return {
        "name": person.name,
        "n_posts": person.n_posts,
        "n_videos": person.n_videos,
        "screen_time_s": round(person.screen_time_s, 2),
        "performance": {
            p.metric: {"mean": p.mean, "median": p.median, "interval": p.interval, "n_posts": p.n_posts, "lift": p.lift}
            for p in person.performance
        },
    }


def _score_rows(campaign: Campaign) -> Iterator[tuple[str, str, str, str, str]]:
    for answer in campaign.creators:
        if answer.niche:
            yield from _probs("creator", answer.creator.creator_id, "niche", answer.niche.probs)
    for post in campaign.posts:
        if post.niche:
            yield from _probs("post", post.post.post_id, "niche", post.niche.probs)
        if post.reaction:
            yield from _probs("post", post.post.post_id, "emotion", post.reaction.probs)
        if post.recommendation:
            yield from _probs("post", post.post.post_id, "product", post.recommendation.shares)


def _probs(kind: str, key: str, question: str, probs: Mapping[str, float]) -> Iterator[tuple[str, str, str, str, str]]:
    for label, prob in probs.items():
        yield kind, key, question, label, f"{prob:.4f}"


# --- people ----------------------------------------------------------------------------------------------------------


def _people_xlsx(campaign: Campaign) -> bytes:
    """One sheet with a row and a thumbnail for each person, one of appearances."""
    import xlsxwriter

    buffer = io.BytesIO()
    book = xlsxwriter.Workbook(buffer, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    bold = book.add_format({"bold": True})
    _people_sheet(book.add_worksheet("people"), campaign, bold)
    _appearance_sheet(book.add_worksheet("appearances"), campaign, bold)
    book.close()
    return buffer.getvalue()


def _people_sheet(sheet: Any, campaign: Campaign, bold: Any) -> None:
    metrics = [name for name in METRICS if any(p.metric == name for q in campaign.people for p in q.performance)]
    header = ["face", "person_id", "name", "posts", "videos", "screen_time_s"]
    for name in metrics:
        header += [f"mean_{name}", f"median_{name}", f"low_{name}", f"high_{name}", f"lift_{name}", f"n_{name}"]
    sheet.write_row(0, 0, header, bold)
    sheet.set_column_pixels(0, 0, FACE_PX)
    sheet.set_column(1, 2, 20)
    for row, person in enumerate(campaign.people, start=1):
        sheet.set_row_pixels(row, FACE_PX)
        if person.thumbnail:
            options = {"image_data": io.BytesIO(person.thumbnail), "object_position": 1}
            sheet.insert_image(row, 0, "face.jpg", options | _fit(person.thumbnail))
        cells = [person.person_id, person.name, person.n_posts, person.n_videos, round(person.screen_time_s, 2)]
        by_metric = {p.metric: p for p in person.performance}
        for name in metrics:
            p = by_metric.get(name)
            low, high = p.interval if p and p.interval else (None, None)
            cells += [p.mean, p.median, low, high, p.lift, p.n_posts] if p else [None] * 6
        sheet.write_row(row, 1, cells)


def _fit(jpeg: bytes) -> dict[str, float]:
    """Scales that bring a thumbnail to the size of its cell."""
    from PIL import Image as PillowImage

    with PillowImage.open(io.BytesIO(jpeg)) as image:
        scale = FACE_PX / max(image.size)
    return {"x_scale": scale, "y_scale": scale}


def _appearance_sheet(sheet: Any, campaign: Campaign, bold: Any) -> None:
    sheet.write_row(0, 0, ["person_id", "name", "post_id", "file", "start_s", "end_s", "similarity"], bold)
    sheet.set_column(0, 3, 24)
    row = 0
    for person in campaign.people:
        for a in person.appearances:
            row += 1
            where = display_name(campaign.locations.get((a.post_id, a.media), a.media))
            cells = [a.person_id, person.name, a.post_id, where, a.start_s, a.end_s, round(a.similarity, 4)]
            sheet.write_row(row, 0, cells)
