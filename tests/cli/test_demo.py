"""`postlens demo`: the sample campaign ends in a report that says what is invented."""

from __future__ import annotations

import importlib.util
import webbrowser

import polars as pl
import pytest

from postlens.cli import EXIT_USAGE, demo
from postlens.cli.app import run
from postlens.cli.demo import NOTE
from postlens.serve import server
from postlens.serve.settings import ServeSettings

from ..serve.conftest import wait_until


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


@pytest.mark.parametrize("words", [["--serve", "--gradio"], ["--port", "8001"], ["--open"]])
def test_words_that_do_not_go_together_are_refused(words, tmp_path):
    assert run(["demo", *words, "--out", str(tmp_path / "out")]) == EXIT_USAGE
    assert not (tmp_path / "out").exists()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[ServeSettings]:
    """The settings of each server that would have been started."""
    found: list[ServeSettings] = []
    monkeypatch.setattr(server, "run", found.append)
    return found


def test_the_campaign_is_served_at_this_machine_alone(sample_run, served, capsys):
    assert run(["demo", "--serve", "--port", "8123", "--out", str(sample_run)]) == 0
    (settings,) = served
    assert (settings.host, settings.port, settings.needs_keys) == ("127.0.0.1", 8123, False)
    assert settings.store == str(sample_run / "postlens.db")
    assert "http://127.0.0.1:8123" in capsys.readouterr().err


def test_what_was_analyzed_before_is_not_analyzed_again(sample_run, served):
    before = (sample_run / "report.html").stat().st_mtime_ns
    assert run(["demo", "--serve", "--out", str(sample_run)]) == 0
    assert (sample_run / "report.html").stat().st_mtime_ns == before


def test_no_browser_is_opened_unless_asked_for(sample_run, served, monkeypatch):
    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    monkeypatch.setattr(demo, "_answers", lambda url: True)
    run(["demo", "--serve", "--out", str(sample_run)])
    assert opened == []
    run(["demo", "--serve", "--open", "--port", "8124", "--out", str(sample_run)])
    wait_until(lambda: opened)
    assert opened == ["http://127.0.0.1:8124"]


def test_the_page_of_one_image_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(["demo", "--gradio"]) == EXIT_USAGE
    assert 'pip install "postlens[demo]"' in capsys.readouterr().err
