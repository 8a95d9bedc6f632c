"""Settings: rising weight of file, environment and flags, and errors that name the origin."""

from __future__ import annotations

import pytest

from postlens.config import Settings
from postlens.errors import SettingsError


@pytest.fixture
def toml(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path / "postlens.toml"


def test_flags_outweigh_environment_and_environment_outweighs_the_file(toml, monkeypatch):
    toml.write_text('workers = 3\nmetric = "views"\nvideo_rate_hz = 2.0\n')
    monkeypatch.setenv("POSTLENS_WORKERS", "4")
    monkeypatch.setenv("POSTLENS_METRIC", "shares")
    settings = Settings.load(flags={"metric": "saves", "catalog": None})
    assert (settings.workers, settings.metric, settings.video_rate_hz) == (4, "saves", 2.0)
    origins = settings.origins()
    assert (origins["workers"], origins["metric"], origins["video_rate_hz"], origins["catalog"]) == (
        "environment",
        "flag",
        "postlens.toml",
        "default",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("wokers = 2", "did you mean workers"),
        ("workers = 0", "workers (from postlens.toml)"),
        ("catalog = 3", "catalog (from postlens.toml)"),
        ('emoji_table = ["a.toml"]', "emoji_table (from postlens.toml)"),
        ('metric = "hearts"', "metric (from postlens.toml)"),
        ("workers = ", "readable TOML"),
        (f"workers = {'1' * 5000}", "readable TOML"),
        (f"workers = {'[' * 50_000}", "nested too deeply"),
    ],
)
def test_a_wrong_file_says_what_and_where(toml, text, said):
    toml.write_text(text)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert said in str(caught.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path):
    with pytest.raises(SettingsError, match="readable TOML file"):
        Settings.load(config=tmp_path / "absent.toml")


def test_paths_in_a_file_are_relative_to_it(tmp_path):
    config = tmp_path / "conf" / "my.toml"
    config.parent.mkdir()
    config.write_text('catalog = "products.csv"\n')
    assert Settings.load(config=config).catalog == tmp_path / "conf" / "products.csv"


def test_settings_cannot_be_changed_after_loading():
    with pytest.raises(ValueError, match="frozen"):
        Settings.load().workers = 9


@pytest.mark.parametrize("value", ["Watch Time, Rate", ["Watch Time", "Rate", "Rate"], ("Watch Time", "Rate")])
def test_names_of_columns_come_as_a_list_or_with_commas(toml, value):
    assert Settings.load(flags={"metric_columns": value}).metric_columns == ("Watch Time", "Rate")


def test_names_of_columns_come_from_file_and_environment(toml, monkeypatch):
    toml.write_text('metric_columns = ["Rate"]\n')
    assert Settings.load().metric_columns == ("Rate",)
    monkeypatch.setenv("POSTLENS_METRIC_COLUMNS", "Watch Time,Rate")
    assert Settings.load().metric_columns == ("Watch Time", "Rate")


def test_names_of_columns_that_are_no_names_are_told(toml):
    with pytest.raises(SettingsError, match="metric_columns"):
        Settings.load(flags={"metric_columns": 7})
