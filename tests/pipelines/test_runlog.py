"""The log of a run: one JSON object a line, closed with the run."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from postlens.pipelines.runlog import LOGGER, event, run_log


def lines(out: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (out / "run.log").read_text(encoding="utf-8").splitlines()]


def test_an_event_is_a_line_with_time_level_name_and_values(tmp_path):
    with run_log(tmp_path, verbose=False):
        event("commit", n_media=3, path=Path("/in/a.jpg"))
    (line,) = lines(tmp_path)
    assert (line["event"], line["level"], line["n_media"], line["path"]) == ("commit", "info", 3, "/in/a.jpg")
    assert str(line["at"]).endswith("Z")


def test_runs_append(tmp_path):
    for number in range(3):
        with run_log(tmp_path, verbose=False):
            event("start", number=number)
    assert [line["number"] for line in lines(tmp_path)] == [0, 1, 2]


def test_line_breaks_and_odd_names_stay_in_one_line(tmp_path):
    with run_log(tmp_path, verbose=False):
        event("failure", file="a\nb\udcff é")
    (line,) = lines(tmp_path)
    assert line["file"] == "a\nb\udcff é"


def test_nothing_is_logged_outside_a_run(tmp_path):
    with run_log(tmp_path, verbose=False):
        event("start")
    event("late")
    assert [line["event"] for line in lines(tmp_path)] == ["start"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_the_log_is_closed_after_an_error(tmp_path, error):
    before, level = list(LOGGER.handlers), LOGGER.level
    with pytest.raises(error), run_log(tmp_path, verbose=True):
        raise error
    assert (LOGGER.handlers, LOGGER.level) == (before, level)


@pytest.mark.parametrize(("verbose", "shown"), [(False, False), (True, True)])
def test_verbose_shows_the_events_on_standard_error(tmp_path, capsys, verbose, shown):
    with run_log(tmp_path, verbose=verbose):
        event("start")
    out, err = capsys.readouterr()
    assert out == ""
    assert ('"start"' in err) == shown


def test_only_the_loggers_of_postlens_are_written(tmp_path):
    with run_log(tmp_path, verbose=False):
        logging.getLogger("postlens.run").warning("ours")
        logging.getLogger("other").warning("theirs")
    assert [line["event"] for line in lines(tmp_path)] == ["ours"]
