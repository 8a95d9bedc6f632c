"""What pages are made of: tables, exports, drawings, names, and the campaign that is kept."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.pipelines.campaign import Campaign
from postlens.serve.web.campaigns import BrokenReadingError, Campaigns, StillReadingError
from postlens.serve.web.charts import (
    MOST_DOTS,
    MOST_LINES,
    Scale,
    forecast_bar,
    forecast_history,
    share_bar,
    ticks,
    whisker,
)
from postlens.serve.web.exports import exported
from postlens.serve.web.names import failed_file, failed_why, file_name, for_pages, without_folders
from postlens.serve.web.tables import Column, Order, Row, Table, paged
from postlens.store import Store
from postlens.types import Creator, EngagementForecast, Failure

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def table(*values: float | None) -> Table:
    columns = (Column("name", "name"), Column("n", "n", "count"))
    return Table("t", "T", columns, tuple(Row({"name": f"=row{i}", "n": value}) for i, value in enumerate(values)))


@given(st.lists(st.one_of(st.none(), st.floats(-1e9, 1e9))), st.booleans())
def test_sorting_keeps_all_rows_and_puts_the_unknown_last(values, down):
    rows = table(*values).ordered("n", "down" if down else "up", default=Order("name")).rows
    found = [row.cells["n"] for row in rows]
    known = [value for value in found if value is not None]
    assert sorted(known, reverse=down) == known
    assert found == known + [None] * (len(values) - len(known))


def test_a_table_is_sorted_by_its_default_where_no_such_column_is():
    assert table(2, 1).ordered("none", "up", default=Order("n")).order == Order("n")


@given(st.lists(st.integers()), st.integers(-3, 100), st.integers(1, 7))
def test_pages_hold_every_item_once(items, number, size):
    n_pages = paged(items, number, size=size).n_pages
    found = [item for page in range(1, n_pages + 1) for item in paged(items, page, size=size).items]
    assert found == items
    assert 1 <= paged(items, number, size=size).number <= n_pages


def test_no_exported_cell_is_a_formula():
    assert b"'=row0" in exported(table(1), "csv")


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("/srv/a b/photo.jpg", "photo.jpg"),
        ("https://host.example/x/photo.jpg?token=1", "photo.jpg"),
        ("photo.jpg", "photo.jpg"),
    ],
)
def test_a_place_is_called_by_its_last_name(place, name):
    assert file_name(place) == name


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("/srv/data/posts/a.jpg: damaged", "", "a.jpg: damaged"),
        ("cannot read /srv/my data/x.csv, row 3", "/srv/my data/x.csv", "cannot read x.csv, row 3"),
        ("2/3 of it; see https://host.example/a/b", "", "2/3 of it; see https://host.example/a/b"),
    ],
)
def test_sentences_lose_the_folders_of_the_server(text, place, told):
    assert without_folders(text, place=place) == told


def test_a_failure_names_file_and_row_only():
    failure = Failure("/srv/in/posts.csv, row 3", "read", "RowError", "/srv/in/posts.csv, row 3: no media")
    assert failed_file(failure) == "posts.csv, row 3"
    assert failed_why(failure) == "posts.csv, row 3: no media"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "these are all tracks of Ann; leave at least one, or use `people name`",
            "these are all tracks of Ann; leave at least one",
        ),
        (
            "expected a decision to take back, got none; `postlens people log` lists them",
            "expected a decision to take back, got none",
        ),
        (
            "expected a creator, got none; name it with --map creator=COLUMN or give --creator NAME",
            "expected a creator, got none",
        ),
        (
            "'Ann' is person-1 already; use `people merge`, or another name",
            "'Ann' is person-1 already, or another name",
        ),
        ("a - b; c -- d", "a - b; c -- d"),
    ],
)
def test_sentences_for_pages_do_not_speak_to_the_command_line(said, told):
    assert for_pages(said) == told


# --- drawings ---------------------------------------------------------------------------------------------------------


def forecast(actual: float | None = 120.0) -> EngagementForecast:
    return EngagementForecast("p", "likes", 100.0, 50.0, 200.0, 0.9, 90.0, 5, actual)


def test_drawings_have_no_style_attributes():
    scale = Scale(1, 100)
    parts = [share_bar(0.4, mark=0.5), whisker(10, (5, 20), 8, scale=scale), forecast_bar(forecast())]
    parts.append(forecast_history([forecast()], title="<title>"))
    for part in parts:
        assert "style" not in part
    assert "&lt;title&gt;" in parts[-1]


def test_a_history_shows_the_latest_posts_and_what_they_got():
    text = forecast_history([forecast(float(n)) for n in range(1, MOST_DOTS + 20)], title="t")
    assert text.count('class="got"') == MOST_DOTS
    assert "nan" not in text


@pytest.mark.parametrize("forecasts", [[], [EngagementForecast("p", "likes", None, None, None, 0.9, None, 0)]])
def test_nothing_known_draws_nothing(forecasts):
    assert forecast_history(forecasts, title="t") == ""


@given(st.one_of(st.just(0.0), st.floats(0.01, 1e8)), st.floats(1, 1e4))
def test_an_axis_has_few_figures_that_are_read_easily(low, factor):
    found = ticks(low, low * factor + 1)
    assert 1 <= len(found) <= MOST_LINES
    assert found == sorted(set(found))
    assert all(len(f"{value:.12g}".replace(".", "").strip("0").partition("e")[0]) <= 2 for value in found)


def test_equal_marks_are_drawn_in_the_middle():
    assert 0 < Scale(5, 5).spot(5) < 100


# --- the campaign -----------------------------------------------------------------------------------------------------


@dataclass
class SlowContext:
    """Answers that take as long as a test says, about an empty store whose revision a test sets."""

    store: Store
    settings: object
    n: int = 1
    n_computed: int = 0
    go_on: threading.Event = field(default_factory=threading.Event)

    def revision(self) -> int:
        return self.n

    def state(self) -> object:
        n = self.n
        self.n_computed += 1
        self.go_on.wait(5)
        campaign = Campaign((), (), {}, {}, (), (), (), n_waiting_faces=n, created_at=NOW)
        return _State(n, replace(campaign, creators=(_Answer(Creator("a:b", "a", "b")),)))


@dataclass(frozen=True)
class _State:
    revision: int
    campaign: Campaign


@dataclass(frozen=True)
class _Answer:
    creator: Creator


@pytest.fixture
def slow(tmp_path):
    from postlens.config import Settings

    with Store.open(tmp_path / "postlens.db") as store:
        yield SlowContext(store, Settings())


def test_a_first_reading_that_takes_long_is_told_and_goes_on(slow):
    campaigns = Campaigns(slow)
    with pytest.raises(StillReadingError):
        campaigns.latest(wait_s=0.01)
    slow.go_on.set()
    assert campaigns.latest(wait_s=5).is_fresh


def test_while_a_change_is_read_pages_show_the_state_of_before_without_what_was_forgotten(slow):
    slow.go_on.set()
    campaigns = Campaigns(slow)
    assert campaigns.latest(wait_s=5).campaign.creators
    slow.go_on.clear()
    slow.n = 2
    shown = campaigns.latest(wait_s=0.01)
    assert not shown.is_fresh
    assert shown.campaign.creators == ()  # the store has no such creator any more
    slow.go_on.set()
    assert campaigns.latest(wait_s=5).campaign.n_waiting_faces == 2


def test_a_reading_that_breaks_is_told_and_ends(slow, monkeypatch):
    def broken() -> object:
        raise ZeroDivisionError

    monkeypatch.setattr(slow, "state", broken)
    campaigns = Campaigns(slow)
    for _ in range(2):
        with pytest.raises(BrokenReadingError, match="the server's log"):
            campaigns.latest(wait_s=5)


def test_of_one_state_the_same_is_shown_and_of_another_another(slow):
    slow.go_on.set()
    campaigns = Campaigns(slow)
    first = campaigns.latest(wait_s=5)
    assert campaigns.latest(wait_s=5) is first
    slow.n = 2
    assert campaigns.latest(wait_s=5) is not first


def test_many_readers_start_one_computation(slow):
    campaigns, found = Campaigns(slow), []
    threads = [threading.Thread(target=lambda: found.append(campaigns.latest(wait_s=5))) for _ in range(8)]
    for thread in threads:
        thread.start()
    slow.go_on.set()
    for thread in threads:
        thread.join()
    assert slow.n_computed == 1
    assert [shown.is_fresh for shown in found] == [True] * 8
