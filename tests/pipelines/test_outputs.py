"""The sample campaign's outputs: what they hold, when they are written again, and what must not be in them."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import openpyxl
import polars as pl
import pytest
from sqlalchemy import create_engine

from postlens.cli.app import run
from postlens.config import Settings
from postlens.errors import StoreWriteError
from postlens.pipelines.campaign import Campaign
from postlens.pipelines.exports import CREATOR_SCHEMA, POST_SCHEMA, write_exports
from postlens.pipelines.folder import STATE
from postlens.pipelines.outputs import OUTPUTS, place_of, update_outputs
from postlens.pipelines.sample import POSTS_TABLE
from postlens.store import Store
from postlens.store.ledger import write_failures
from postlens.store.people import Person, read_persons, write_persons
from postlens.types import Failure

from ..media.samples import encoded, photo
from .fakes import NOW
from .sample_run import copy_of


@pytest.fixture
def copied(sample_run, tmp_path) -> Path:
    """The sample run's folder, to be changed; its outputs are those of its store."""
    out = copy_of(sample_run, tmp_path)
    update(out)
    return out


def update(out: Path, **changes: object) -> bool:
    settings = Settings(**changes)
    with Store.open(out / "postlens.db") as store:
        return update_outputs(store, out, settings=settings, now=NOW)


def times(out: Path) -> dict[str, int]:
    return {name: (out / name).stat().st_mtime_ns for name in OUTPUTS}


def table_rows() -> list[dict[str, str]]:
    with POSTS_TABLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_output_is_there(sample_run):
    assert all((sample_run / name).stat().st_size > 0 for name in (*OUTPUTS, "run.log", "postlens.db"))


def test_every_row_of_the_source_is_a_post_with_its_numbers(sample_run):
    posts = pl.read_parquet(sample_run / "posts.parquet")
    assert posts.columns == list(POST_SCHEMA)
    assert posts.height == len(table_rows())
    likes = sorted(float(row["likes"]) for row in table_rows() if row["likes"])
    assert sorted(posts["likes"].drop_nulls().to_list()) == likes


def test_every_creator_has_a_niche_and_medians(sample_run):
    creators = pl.read_parquet(sample_run / "creators.parquet")
    assert creators.columns == list(CREATOR_SCHEMA)
    assert set(creators["handle"]) == {row["creator"] for row in table_rows()}
    assert creators["niche"].null_count() == 0
    assert creators["niche_prob"].is_between(0, 1).all()


def test_probabilities_of_every_niche_sum_to_one(sample_run):
    sums: dict[tuple[str, ...], float] = defaultdict(float)
    with (sample_run / "confidence_scores.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            assert 0 <= float(row["prob"]) <= 1
            if row["question"] == "niche":
                sums[row["kind"], row["id"]] += float(row["prob"])
    assert len(sums) > len(table_rows())
    assert all(abs(total - 1) < 1e-3 for total in sums.values())


def test_somebody_is_recognised_across_posts(sample_run):
    people = json.loads((sample_run / "predictions.json").read_text())["people"]
    assert people
    assert max(person["n_posts"] for person in people.values()) >= 2
    assert all(person["performance"] for person in people.values())


def test_every_person_has_a_face_in_the_sheet(sample_run):
    sheet = openpyxl.load_workbook(sample_run / "people.xlsx")["people"]
    people = json.loads((sample_run / "predictions.json").read_text())["people"]
    assert [sheet.cell(row, 2).value for row in range(2, sheet.max_row + 1)] == list(people)
    assert len(sheet._images) == len(people)


def test_forecasts_have_an_interval_or_a_reason(sample_run):
    posts = pl.read_parquet(sample_run / "posts.parquet")
    known = posts.filter(pl.col("forecast_median").is_not_null())
    assert known.height
    assert (known["forecast_lower"] <= known["forecast_median"]).all()
    assert (known["forecast_median"] <= known["forecast_upper"]).all()
    assert posts.filter(pl.col("forecast_median").is_null())["forecast_note"].null_count() == 0


def test_the_log_and_the_predictions_hold_no_caption_face_or_vector(sample_run):
    log = (sample_run / "run.log").read_text()
    captions = [row["caption"] for row in table_rows() if row["caption"]]
    assert not any(caption in log for caption in captions)
    assert '"template"' not in (sample_run / "predictions.json").read_text()
    assert {"start", "process", "commit", "outputs", "end"} <= {json.loads(line)["event"] for line in log.splitlines()}


def test_nothing_is_rewritten_when_nothing_changed(copied):
    before = times(copied)
    assert not update(copied)
    assert times(copied) == before


@pytest.mark.parametrize(
    "change",
    [{"reaction_policy": "union"}, {"product_policy": "missing"}, {"metric": "views"}, {"niche_threshold": 0.9}],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_rewrites_them(copied, change):
    before = times(copied)
    assert update(copied, **change)
    after = times(copied)
    assert all(after[name] > before[name] for name in OUTPUTS)
    assert not update(copied, **change)


def test_another_catalog_or_another_text_in_it_rewrites_them(copied, tmp_path):
    catalog = tmp_path / "catalog.csv"
    catalog.write_text("product_id,title,labels\nx-1,First hat,hat\n")
    assert update(copied, catalog=catalog)
    catalog.write_text("product_id,title,labels\nx-1,Other hat,hat\n")
    assert update(copied, catalog=catalog)
    assert not update(copied, catalog=catalog)


def test_another_image_that_the_catalog_names_rewrites_them(copied, tmp_path):
    catalog = tmp_path / "catalog.csv"
    catalog.write_text("product_id,title,labels,image\nx-1,First hat,hat,hat.jpg\n")
    assert update(copied, catalog=catalog)
    for seed in (1, 2):
        (tmp_path / "hat.jpg").write_bytes(encoded(photo(300 + seed, 200, seed=seed), "JPEG"))
        assert update(copied, catalog=catalog)
        assert not update(copied, catalog=catalog)


def test_the_number_of_workers_rewrites_nothing(copied):
    update(copied, workers=1)
    assert not update(copied, workers=2)


@pytest.mark.parametrize("name", OUTPUTS)
def test_a_missing_output_is_written_again(copied, name):
    (copied / name).unlink()
    assert update(copied)
    assert (copied / name).is_file()


def test_a_name_given_to_a_person_is_shown(copied):
    with Store.open(copied / "postlens.db") as store:
        with store.read() as conn:
            person = read_persons(conn)[0]
        with store.write() as conn:
            write_persons(conn, [Person(person.person_id, person.created_at, name="Ann Bell")])
    assert update(copied)
    assert "Ann Bell" in (copied / "report.html").read_text(encoding="utf-8")
    people = json.loads((copied / "predictions.json").read_text())["people"]
    assert people[person.person_id]["name"] == "Ann Bell"


def test_a_hidden_person_is_not_shown(copied):
    with Store.open(copied / "postlens.db") as store:
        with store.read() as conn:
            person = read_persons(conn)[0]
        with store.write() as conn:
            write_persons(conn, [Person(person.person_id, person.created_at, hidden=True)])
    assert update(copied)
    assert person.person_id not in (copied / "report.html").read_text(encoding="utf-8")
    assert person.person_id not in (copied / "predictions.json").read_text()


def test_a_fact_written_meanwhile_is_shown_the_next_time(copied, monkeypatch):
    def write_with_another(campaign: Campaign, out: Path) -> None:
        write_exports(campaign, out)
        with Store.open(copied / "postlens.db") as other, other.write() as conn:
            write_failures(conn, [Failure("late.jpg", "decode", "E", "m")])

    with monkeypatch.context() as patch:
        patch.setattr("postlens.pipelines.outputs.write_exports", write_with_another)
        assert update(copied, metric="views")
    assert update(copied, metric="views")
    assert "late.jpg" in (copied / "failures.csv").read_text()


def test_outputs_of_a_run_that_was_stopped_are_written_again(copied, monkeypatch):
    def stop(*_args: object, **_more: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("postlens.pipelines.outputs.write_report", stop)
        update(copied, metric="views")
    assert update(copied)


@pytest.mark.parametrize("text", [b"", b"of another program", b"\xff\xfe"])
def test_outputs_of_an_unknown_state_are_written_again(copied, text):
    (copied / STATE).write_bytes(text)
    assert update(copied)
    assert not update(copied)


@pytest.mark.parametrize("name", [*OUTPUTS, STATE])
def test_what_a_killed_process_left_goes_and_other_files_stay(copied, name):
    left, other = copied / f".{name}.4711", copied / f".{name}.backup"
    for path in (left, other):
        path.write_bytes(b"faces")
    update(copied, metric="views")
    assert (left.exists(), other.exists()) == (False, True)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("postgresql://ann@host/db", "postgresql://ben@host/db", True),
        ("postgresql://host/db", "postgresql://ben@host/db", True),
        ("postgresql://host/db", "postgresql://host/copy", False),
        ("a/../x.db", "x.db", True),
        ("a/x.db", "b/x.db", False),
    ],
)
def test_a_store_has_one_place_for_all_its_users(one, other, same):
    places = {place_of(Store(create_engine("sqlite://"), name=name, read_only=True)) for name in (one, other)}
    assert len(places) == (1 if same else 2)


def test_outputs_that_cannot_be_written_are_an_error_that_helps(copied, monkeypatch):
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    before = {name: (copied / name).read_bytes() for name in OUTPUTS}
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreWriteError, match="free space and run again"):
        update(copied, metric="views")
    assert {name: (copied / name).read_bytes() for name in OUTPUTS} == before


def test_a_second_run_does_nothing(sample_run, tmp_path, capsys):
    out = copy_of(sample_run, tmp_path)
    words = ["demo", "--out", str(out)]
    assert run(words) == 0  # writes the outputs for this folder
    before = times(out)
    capsys.readouterr()
    assert run(words) == 0
    assert "0 done" in capsys.readouterr().out
    assert times(out) == before
