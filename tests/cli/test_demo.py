"""`postlens demo`: the sample campaign ends in a report that says what is invented."""

from __future__ import annotations

import polars as pl

from postlens.cli.demo import NOTE


def test_everything_in_the_sample_campaign_can_be_read(sample_run):
    assert pl.read_csv(sample_run / "failures.csv").height == 0


def test_the_report_says_what_is_invented(sample_run):
    assert NOTE in (sample_run / "report.html").read_text(encoding="utf-8")


def test_the_sample_shows_every_capability(sample_run):
    posts = pl.read_parquet(sample_run / "posts.parquet")
    assert posts["niche"].n_unique() >= 3
    assert posts["people"].list.len().sum() >= 2
    assert posts["product_id"].drop_nulls().len() >= 1
    assert posts["allowed_emoji"].list.len().sum() >= 1
    assert posts["forecast_median"].drop_nulls().len() >= 1
