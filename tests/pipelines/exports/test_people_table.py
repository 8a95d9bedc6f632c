"""People as a table: a row for each person and metric."""

from __future__ import annotations

import io
from dataclasses import replace

import polars as pl
import pytest

from postlens.pipelines.exports import PERSON_SCHEMA, write_exports
from postlens.types import Trend

from ..campaigns import campaign, person


def table(tmp_path, people) -> pl.DataFrame:
    write_exports(campaign(people=people), tmp_path)
    return pl.read_parquet(io.BytesIO((tmp_path / "people.parquet").read_bytes()))


def test_each_metric_of_a_person_is_a_row(tmp_path):
    one = person(name="Ann")
    clicks = replace(one.performance[0], metric="clicks", trend=Trend(0.1, 0.0, 0.2, 7), best=9.0)
    found = table(tmp_path, (replace(one, performance=(*one.performance, clicks)), person("person-2")))
    assert found.columns == list(PERSON_SCHEMA)
    assert found.select("person_id", "metric").rows() == [
        ("person-1", "likes"), ("person-1", "clicks"), ("person-2", "likes"),
    ]  # fmt: skip
    row = found.row(1, named=True)
    assert (row["name"], row["mean"], row["mean_low"], row["mean_high"]) == ("Ann", 100, 50, 150)
    assert (row["trend"], row["trend_low"], row["trend_high"], row["best"]) == (0.1, 0, 0.2, 9)


@pytest.mark.parametrize(("n_posts", "few"), [(4, True), (5, False)])
def test_a_mean_of_few_posts_is_marked(tmp_path, n_posts, few):
    one = person()
    found = table(tmp_path, (replace(one, performance=(replace(one.performance[0], n_posts=n_posts),)),))
    assert found["few_posts"].to_list() == [few]


def test_a_person_without_figures_is_a_row_without_a_metric(tmp_path):
    row = table(tmp_path, (person(performance=()),)).row(0, named=True)
    assert (row["person_id"], row["metric"], row["mean"], row["n_posts"]) == ("person-1", None, None, 2)


def test_nobody_is_a_table_of_no_rows(tmp_path):
    found = table(tmp_path, ())
    assert (found.height, found.columns) == (0, list(PERSON_SCHEMA))


def test_no_face_and_no_identity_vector_is_in_the_table():
    assert set(PERSON_SCHEMA.values()) <= {"str", "i64", "f64", "bool"}
