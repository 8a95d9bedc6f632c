"""People in a workbook, read back: rows, numbers, faces, links, and nothing that runs."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import openpyxl
import pytest
from python_calamine import CalamineWorkbook

from postlens.pipelines.exports import people_book as module
from postlens.pipelines.exports.people_book import people_xlsx
from postlens.pipelines.exports.sheets import is_safe_link
from postlens.types import EngagementSnapshot, Trend

from ..campaigns import appearance, campaign, person

EVIL = '=HYPERLINK("http://x.example","click")'


def rows_of(shown, sheet: str) -> list[dict[str, Any]]:
    header, *rows = CalamineWorkbook.from_filelike(io.BytesIO(people_xlsx(shown))).get_sheet_by_name(sheet).to_python()
    return [dict(zip(header, row, strict=True)) for row in rows]


def opened(shown) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(people_xlsx(shown)))


def somebody(**changes: Any):
    one = person(name="Ann Bell", n_videos=1, screen_share=0.25)
    trend = Trend(0.1, -0.05, 0.3, 6)
    row = replace(one.performance[0], best=160.0, worst=40.0, trend=trend, n_effective=2.0, **changes)
    return replace(one, performance=(row,))


def test_a_person_is_a_row_of_figures():
    (row,) = rows_of(campaign(people=(somebody(),)), "people")
    assert (row["person_id"], row["name"], row["posts"], row["videos"]) == ("person-1", "Ann Bell", 2, 1)
    assert (row["screen_time_s"], row["screen_share"]) == (75, 0.25)
    assert (row["mean_likes"], row["median_likes"], row["low_likes"], row["high_likes"]) == (100, 90, 50, 150)
    assert (row["n_likes"], row["note_likes"], row["lift_likes"]) == (2, "few posts", 0.25)
    assert (row["trend_likes"], row["trend_low_likes"], row["trend_high_likes"]) == (0.1, -0.05, 0.3)
    assert (row["best_likes"], row["best_post_likes"]) == (160, "post-0")
    assert (row["worst_likes"], row["worst_post_likes"]) == (40, "post-1")


def test_figures_of_any_name_have_their_columns_after_the_common_ones():
    one = person()
    other = replace(one.performance[0], metric="clicks")
    (row,) = rows_of(campaign(people=(replace(one, performance=(other, *one.performance)),)), "people")
    means = [title for title in row if title.startswith("mean_")]
    assert means == ["mean_likes", "mean_clicks"]


def test_a_person_without_figures_has_empty_cells_beside_one_who_has_them():
    first, second = rows_of(campaign(people=(person(), person("person-2", performance=()))), "people")
    assert (first["mean_likes"], second["mean_likes"], second["n_likes"]) == (100, "", "")


def test_a_mean_weighed_by_screen_time_says_so():
    (row,) = rows_of(campaign(people=(somebody(weighting="screen_time"),)), "people")
    assert row["note_likes"] == "few posts, weighed by screen time"


def test_an_appearance_is_a_row_with_the_figures_of_its_post():
    shown = campaign(snapshots={"post-0": EngagementSnapshot("post-0", likes=1234.0, other={"clicks": 0.5})})
    (row,) = rows_of(shown, "appearances")
    assert (row["person_id"], row["post_id"], row["file"]) == ("person-1", "post-0", "/in/0.jpg")
    assert (row["start_s"], row["end_s"], row["share"]) == (0, 2, "")
    assert (row["creator"], row["published_at"]) == ("instagram:c0", datetime(2026, 3, 1, 12))
    assert (row["likes"], row["clicks"]) == (1234, 0.5)


def test_the_share_of_a_video_is_told():
    shown = campaign(1, 1)
    (post,) = shown.posts
    video = replace(post.media[0], kind="video", duration_s=8.0)
    (row,) = rows_of(replace(shown, posts=(replace(post, media=(video,)),)), "appearances")
    assert row["share"] == 0.25


@pytest.mark.parametrize("sheet", ["people", "appearances"])
def test_the_header_stays_and_filters(sheet):
    found = opened(campaign(people=(somebody(),)))[sheet]
    assert found.freeze_panes in ("D2", "C2")
    assert found.auto_filter.ref.startswith("A1:")
    assert found.auto_filter.ref.endswith(str(found.max_row))


def test_numbers_have_formats():
    sheet = opened(campaign(people=(somebody(),)))["people"]
    formats = {sheet.cell(1, c).value: sheet.cell(2, c).number_format for c in range(1, sheet.max_column + 1)}
    assert (formats["mean_likes"], formats["screen_share"]) == ("#,##0", "0%")
    assert formats["lift_likes"] == "+0%;-0%;0%"


def test_each_face_stands_in_its_row_and_is_named():
    people = (person(name="Ann"), person("person-2", thumbnail=None), person("person-3"))
    sheet = opened(campaign(people=people))["people"]
    assert [image.anchor._from.row for image in sheet._images] == [1, 3]


@pytest.mark.parametrize("text", [EVIL, "+1", "@SUM(1)", "http://x.example", "a\x07b", "x" * 40_000, "\udcff"])
def test_texts_of_any_kind_stay_texts(text):
    shown = campaign(people=(person(name=text),))
    book = opened(replace(shown, locations=dict.fromkeys(shown.locations, text)))
    cells = [book["people"]["C2"], book["appearances"]["B2"]]
    assert {cell.data_type for cell in cells} == {"s"}
    assert not any(cell.hyperlink for cell in cells)


def test_a_figure_with_the_name_of_a_formula_is_a_title():
    shown = campaign(snapshots={"post-0": EngagementSnapshot("post-0", other={EVIL: 1.0})})
    sheet = opened(shown)["appearances"]
    (cell,) = [cell for cell in sheet[1] if cell.value == EVIL]
    assert cell.data_type == "s"


@pytest.mark.parametrize(
    ("place", "safe"),
    [
        ("https://example.org/v/1?a=b#c", True),
        ("http://example.org", True),
        ("/in/0.jpg", False),
        ("file:///etc/passwd", False),
        ("javascript:alert(1)", False),
        ("smb://host/share", False),
        ("\\\\host\\share", False),
        ("https://", False),
        ("https://user:secret@example.org", False),
        ("https://example.org@evil.example", False),
        ("https://[broken", False),
        ("https://example.org/a b", False),
        ("https://example.org/\n", False),
        ("HTTPS://example.org", False),
        ("https://example.org/" + "x" * 3000, False),
    ],
)
def test_only_plain_web_addresses_are_links(place, safe):
    assert is_safe_link(place) is safe
    shown = campaign()
    cell = opened(replace(shown, locations=dict.fromkeys(shown.locations, place)))["appearances"]["D2"]
    assert bool(cell.hyperlink) is safe
    assert cell.value


def test_more_appearances_than_a_sheet_takes_go_on_in_another(monkeypatch):
    monkeypatch.setattr(module, "SHEET_ROWS", 3)
    seen = tuple(appearance("person-1", f"post-{n}", f"{n:064x}") for n in range(4))
    shown = campaign(people=(person(appearances=seen),))
    assert opened(shown).sheetnames == ["people", "appearances", "appearances 2"]
    assert [row["post_id"] for row in rows_of(shown, "appearances 2")] == ["post-3"]


def test_more_addresses_than_a_sheet_takes_are_texts(monkeypatch):
    monkeypatch.setattr(module, "MAX_LINKS", 1)
    seen = tuple(appearance("person-1", "post-0", f"{0:064x}") for _ in range(2))
    shown = campaign(people=(person(appearances=seen),))
    sheet = opened(replace(shown, locations=dict.fromkeys(shown.locations, "https://example.org")))["appearances"]
    assert [bool(sheet[cell].hyperlink) for cell in ("D2", "D3")] == [True, False]
    assert sheet["D3"].value == "https://example.org"


def test_a_post_of_the_last_century_but_one_has_its_time_as_text():
    shown = campaign(1, 1)
    (post,) = shown.posts
    old = replace(post, post=replace(post.post, published_at=datetime(1899, 1, 1, tzinfo=UTC)))
    (row,) = rows_of(replace(shown, posts=(old,)), "appearances")
    assert row["published_at"].startswith("1899-01-01")


def test_a_campaign_of_nobody_has_two_sheets_of_titles():
    shown = campaign(0)
    assert opened(shown).sheetnames == ["people", "appearances"]
    assert (rows_of(shown, "people"), rows_of(shown, "appearances")) == ([], [])
