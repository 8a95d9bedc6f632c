"""The tables: their columns, their numbers, and that half a file is never seen."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import openpyxl
import polars as pl
import pytest

from postlens.pipelines.exports import (
    CREATOR_SCHEMA,
    FILES,
    POST_SCHEMA,
    replace_bytes,
    write_exports,
    write_failures,
)
from postlens.tasks.niche.influencer import as_category
from postlens.types import METRICS, Creator, EngagementSnapshot, Failure

from .campaigns import NOW, analysis, campaign, niche, offer, offering, person


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_exports(campaign(), tmp_path)
    return tmp_path


def scores(out: Path) -> list[dict[str, str]]:
    with (out / "confidence_scores.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_files_are_there_and_nothing_else(out):
    assert sorted(path.name for path in out.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("empty", [campaign(0), campaign(1, 0)], ids=["no creators", "no posts"])
def test_an_empty_campaign_has_tables_with_the_same_columns(tmp_path, empty):
    write_exports(empty, tmp_path)
    assert pl.read_parquet(tmp_path / "posts.parquet").columns == list(POST_SCHEMA)
    assert pl.read_parquet(tmp_path / "creators.parquet").columns == list(CREATOR_SCHEMA)
    assert json.loads((tmp_path / "predictions.json").read_text())["posts"] == {}
    assert openpyxl.load_workbook(tmp_path / "people.xlsx").sheetnames == ["people", "appearances"]


def test_posts_have_their_columns_and_values(out):
    posts = pl.read_parquet(out / "posts.parquet")
    assert posts.columns == list(POST_SCHEMA)
    assert set(METRICS) <= set(posts.columns)
    row = posts.row(1, named=True)
    assert (row["post_id"], row["niche"], row["niche_prob"], row["published_at"]) == ("post-1", "food", 0.5, NOW)
    assert (row["media"], row["people"], row["duplicate_of"]) == (["/in/1.jpg"], ["person-1"], "post-0")
    assert (row["product_id"], row["allowed_emoji"], row["forecast_median"]) == ("hat-1", ["😀"], 120.0)
    assert (row["likes"], row["views"], row["followers"]) == (100.0, None, 900.0)


def test_creators_have_their_columns_and_values(out):
    creators = pl.read_parquet(out / "creators.parquet")
    assert creators.columns == list(CREATOR_SCHEMA)
    row = creators.row(0, named=True)
    assert (row["creator_id"], row["n_posts"], row["niche"]) == ("instagram:c0", 2, "food")
    assert (row["deciding_posts"], row["median_likes"], row["median_views"]) == (["post-0", "post-1"], 110.0, None)


def test_figures_of_any_name_are_columns_of_posts_and_creators(tmp_path):
    other = {"clicks": 7.0, "niche": 3.0}
    shown = campaign(1, 1, snapshots={"post-0": EngagementSnapshot("post-0", likes=5.0, other=other)})
    creator = replace(shown.creators[0], medians={"likes": 5.0, "clicks": 7.0})
    write_exports(replace(shown, creators=(creator,)), tmp_path)
    post = pl.read_parquet(tmp_path / "posts.parquet").row(0, named=True)
    assert (post["likes"], post["clicks"], post["niche"], post["figure_niche"]) == (5.0, 7.0, "food", 3.0)
    assert pl.read_parquet(tmp_path / "creators.parquet").row(0, named=True)["median_clicks"] == 7.0
    assert json.loads((tmp_path / "predictions.json").read_text())["posts"]["post-0"]["figures"]["clicks"] == 7.0


def test_a_post_without_any_answer_is_a_row_of_nulls(tmp_path):
    bare = analysis(0, Creator("x:a", "x", "a"), niche=None, recommendation=None, reaction=None, forecast=None)
    write_exports(campaign(1, 1, posts=(bare,), snapshots={}), tmp_path)
    row = pl.read_parquet(tmp_path / "posts.parquet").row(0, named=True)
    assert {row[name] for name in ("niche", "niche_prob", "product_id", "forecast_median", "likes")} == {None}
    assert row["emotions"] is None


def test_predictions_name_category_confidence_and_the_runners_up(out):
    found = json.loads((out / "predictions.json").read_text())
    creator = found["creators"]["instagram:c0"]
    assert (creator["predicted_category"], creator["confidence"]) == ("food", 0.5)
    assert creator["top_predictions"][0] == {"category": "food", "confidence": 0.5}
    assert creator["product"]["product_id"] == "hat-1"
    assert found["people"]["person-1"]["performance"]["likes"]["mean"] == 100.0
    assert found["models"] == {"encoder": "1.0 abc"}
    assert found["created_at"] == NOW.isoformat()


def test_a_predicted_product_has_its_proof_and_all_that_may_change_it(tmp_path):
    write_exports(offering(), tmp_path)
    product = json.loads((tmp_path / "predictions.json").read_text())["creators"]["instagram:c0"]["product"]
    assert (product["product_id"], product["attribute"], product["threshold"]) == ("f-1", "eyeglasses", 0.4)
    assert [item["item"] for item in product["shares"]] == ["hat", "beard", "eyewear"]
    assert [(one["product_id"], one["rank"], one["similarity"]) for one in product["products"]] == [
        ("f-1", 1, 0.31), ("f-2", 2, None),
    ]  # fmt: skip
    assert product["without_face"] == [f"{0:064x}"]


def test_top_predictions_fall_and_the_first_is_the_most_probable():
    top = as_category(niche("p", "travel"))["top_predictions"]
    values = [one["confidence"] for one in top]
    assert len(top) == 3
    assert values == sorted(values, reverse=True)


def test_niche_scores_sum_to_one_for_each_subject(out):
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row in scores(out):
        if row["question"] == "niche":
            sums[row["kind"], row["id"]] += float(row["prob"])
    assert len(sums) == 2 + 4
    assert all(math.isclose(total, 1, abs_tol=1e-3) for total in sums.values())


def test_scores_cover_every_question(out):
    assert {(row["kind"], row["question"]) for row in scores(out)} == {
        ("creator", "niche"),
        ("post", "niche"),
        ("post", "emotion"),
        ("post", "product"),
    }


def test_people_are_rows_with_their_face(out):
    book = openpyxl.load_workbook(out / "people.xlsx")
    sheet = book["people"]
    header = [cell.value for cell in sheet[1]]
    row = dict(zip(header, [cell.value for cell in sheet[2]], strict=True))
    assert header[:4] == ["face", "person_id", "name", "posts"]
    assert (row["person_id"], row["mean_likes"], row["lift_likes"]) == ("person-1", 100, 0.25)
    (image,) = sheet._images
    assert (image.anchor._from.row, image.anchor._from.col) == (1, 0)
    assert book["appearances"]["C2"].value == "post-0"


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "https://example.org", "<b>Ann</b>", "Ann \x07 Bell"])
def test_a_name_in_the_sheet_is_text(tmp_path, name):
    write_exports(campaign(people=(person(name=name),)), tmp_path)
    cell = openpyxl.load_workbook(tmp_path / "people.xlsx")["people"]["C2"]
    assert (cell.data_type, cell.hyperlink) == ("s", None)


def test_a_person_without_face_or_figures_is_a_row(tmp_path):
    write_exports(campaign(people=(person(thumbnail=None, performance=()), person("person-2"))), tmp_path)
    sheet = openpyxl.load_workbook(tmp_path / "people.xlsx")["people"]
    assert [sheet.cell(row, 2).value for row in (2, 3)] == ["person-1", "person-2"]
    assert len(sheet._images) == 1


def test_names_that_are_no_utf8_can_be_written(tmp_path):
    odd = "/in/odd\udcff\udcfe.jpg"
    shown = campaign(failures=(Failure(odd, "decode", "DecodeError", f"{odd} is broken"),))
    shown = replace(shown, locations=dict.fromkeys(shown.locations, odd))
    write_exports(shown, tmp_path)
    assert "odd" in (tmp_path / "failures.csv").read_text(encoding="utf-8")
    assert "odd" in pl.read_parquet(tmp_path / "posts.parquet")["media"][0][0]
    assert "odd" in openpyxl.load_workbook(tmp_path / "people.xlsx")["appearances"]["D2"].value


def test_failures_are_rows_of_file_stage_error_and_message(tmp_path):
    message = 'a "quoted", odd\nmessage; über'
    write_failures([Failure("a,b.jpg", "decode", "DecodeError", message)], tmp_path)
    with (tmp_path / "failures.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [
            ["file", "stage", "error", "message"],
            ["a,b.jpg", "decode", "DecodeError", message],
        ]


@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_opens_with_an_apostrophe(tmp_path, sign):
    text = f"{sign}HYPERLINK(1)"
    post = analysis(0, Creator(f"{sign}x", "x", "a"))
    write_exports(campaign(1, 1, posts=(replace(post, post=replace(post.post, post_id=text)),)), tmp_path)
    write_failures([Failure(text, "decode", "E", text), Failure("a=b.jpg", "decode", "E", "-")], tmp_path)
    with (tmp_path / "failures.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    assert rows == [["'" + text, "decode", "E", "'" + text], ["a=b.jpg", "decode", "E", "'-"]]
    assert {"'" + text} == {row["id"] for row in scores(tmp_path) if row["kind"] == "post"}


def test_predictions_are_json_without_identity_vectors(out):
    text = (out / "predictions.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert "template" not in text
    assert "thumbnail" not in text


def test_no_offer_is_null(tmp_path):
    post = analysis(0, Creator("x:a", "x", "a"), recommendation=offer("post-0", None))
    write_exports(campaign(1, 1, posts=(post,)), tmp_path)
    assert pl.read_parquet(tmp_path / "posts.parquet")["product_id"].to_list() == [None]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path):
    target = tmp_path / "table.csv"
    replace_bytes(target, b"old")

    def broken():
        yield b"n"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        replace_bytes(target, broken())
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["table.csv"]


def test_the_same_campaign_gives_the_same_tables(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_exports(campaign(), tmp_path / name)
    for name in FILES:
        if name != "people.xlsx":  # a workbook holds the time of its making
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
