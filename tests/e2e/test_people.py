"""A table of clips in, people out, more clips later, then a merge, a split and a forget: all by the command line."""

from __future__ import annotations

import base64
import json
import re
import shutil
import sqlite3
import zipfile
from contextlib import closing, redirect_stdout
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest

from postlens.cli.app import run

from .portrait_clips import CLIPS, write_clip

MORE = ("--metric-column", "watch time")
PHOTOS = ("smile.jpg", "navy-cap.jpg")
NAMES = {"a": "Ann Bell", "b": "Bea Cole"}
HEADER = ["path", "creator", "published_at", "views", "likes", "watch time"]
# clip, day of January 2025, views, likes, watch time
FIRST = [
    ["a1.mp4", 1, 100, 10, 1.5],
    ["a2.mp4", 8, 200, 20, 2.5],
    ["a3.mp4", 15, 400, "8o8", 3.5],  # likes that cannot be read
    ["b1.mp4", 4, 1000, 50, 0.5],
    ["b2.mp4", 11, 600, None, 1.0],  # hidden by the platform
    ["ab.mp4", 20, 300, 30, 2.0],
    ["a1-again.mp4", 25, 9999, 999, 9.5],  # the same clip at a lower quality
    ["gone.mp4", 26, 5, 5, 5.0],  # no such file
]
SECOND = [
    ["a4.mp4", 28, 700, 70, 4.5],
    ["b1.mp4", 4, 1600, 50, 0.5],  # more views than in January
    ["a2-copy.mp4", 29, 8888, 888, 8.5],  # the same bytes as a2
]
MEANS = {  # by hand, without the copies
    "first": {
        ("a", "views"): (100 + 200 + 400 + 300) / 4,
        ("a", "likes"): (10 + 20 + 30) / 3,
        ("a", "watch time"): (1.5 + 2.5 + 3.5 + 2.0) / 4,
        ("b", "views"): (1000 + 600 + 300) / 3,
        ("b", "likes"): (50 + 30) / 2,
        ("b", "watch time"): (0.5 + 1.0 + 2.0) / 3,
    },
    "second": {
        ("a", "views"): (100 + 200 + 400 + 300 + 700) / 5,
        ("a", "likes"): (10 + 20 + 30 + 70) / 4,
        ("a", "watch time"): (1.5 + 2.5 + 3.5 + 2.0 + 4.5) / 5,
        ("b", "views"): (1600 + 600 + 300) / 3,
        ("b", "likes"): (50 + 30) / 2,
        ("b", "watch time"): (0.5 + 1.0 + 2.0) / 3,
    },
}

Figures = dict[tuple[str, str], dict[str, Any]]  # person and metric to a row of people.parquet


def told(*words: object) -> str:
    """What a command prints; it succeeds."""
    with redirect_stdout(StringIO()) as said:
        assert run([str(word) for word in words]) == 0, said.getvalue()
    return said.getvalue()


def write_table(path: Path, rows: list[list[Any]]) -> Path:
    """A workbook with an empty row in the middle."""
    book = openpyxl.Workbook()
    book.active.append(HEADER)
    for number, (name, day, *figures) in enumerate(rows):
        if number == 2:
            book.active.append([])
        book.active.append([name, "studio", datetime(2025, 1, day, 12), *figures])
    book.save(path)
    return path


@dataclass
class State:
    """What a user sees after a step."""

    people: dict[str, dict[str, Any]]  # `people list`
    clips: dict[str, frozenset[str]]  # person to the clips that `people show` has
    figures: Figures
    book: dict[str, list[tuple[Any, ...]]]


@dataclass
class Story:
    """A campaign in a folder, and what was seen on the way."""

    folder: Path
    states: dict[str, State] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    marks: frozenset[bytes] = frozenset()  # of the person who is forgotten
    found_before: dict[str, int] = field(default_factory=dict)
    found_after: dict[str, int] = field(default_factory=dict)
    found_at_the_end: dict[str, int] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "work"

    def do(self, step: str, *words: object, see: bool = True) -> str:
        """Run a command on the store; keep what it says and what is there afterwards."""
        self.said[step] = self.said.get(step, "") + told(*words, "--out", self.out)
        if see:
            self.states[step] = self._state()
        return self.said[step]

    def person(self, step: str, clip: str) -> str:
        """Who was seen in a clip of one person."""
        (found,) = [person for person, clips in self.states[step].clips.items() if clip in clips]
        return found

    def ids(self, step: str) -> set[str]:
        return set(self.states[step].people)

    def figures(self, step: str, who: str) -> dict[str, dict[str, Any]]:
        """Metric to the row of the person of clip a1 or b1."""
        owner = self.person(step, f"{who}1")
        return {metric: row for (person, metric), row in self.states[step].figures.items() if person == owner}

    def _state(self) -> State:
        people = {row["person_id"]: row for row in json.loads(told("people", "list", "--json", "--out", self.out))}
        table = pl.read_parquet(self.out / "people.parquet").to_dicts()
        book = openpyxl.load_workbook(self.out / "people.xlsx")
        return State(
            people=people,
            clips={person: self._clips(person) for person in people},
            figures={(row["person_id"], row["metric"]): row for row in table},
            book={page.title: list(page.iter_rows(values_only=True)) for page in book},
        )

    def _clips(self, person: str) -> frozenset[str]:
        shown = json.loads(told("people", "show", person, "--json", "--out", self.out))["tracks"]
        return frozenset(Path(name).stem for one in shown for name in one["files"])


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, sample_campaign: Path) -> Story:
    """January's table, February's, corrections, and at the end a person who is forgotten."""
    folder, media = tmp_path_factory.mktemp("people"), sample_campaign / "media"
    for name, clip in CLIPS.items():
        write_clip(folder / f"{name}.mp4", clip, media)
    write_clip(folder / "a1-again.mp4", CLIPS["a1"], media, quality=32)
    shutil.copy(folder / "a2.mp4", folder / "a2-copy.mp4")
    made = Story(folder)
    _tables(made)
    _corrections(made)
    _gallery(made, media / "sample.portraits")
    _forget(made, media / "sample.portraits")
    return made


def _tables(story: Story) -> None:
    january = write_table(story.folder / "january.xlsx", FIRST)
    february = write_table(story.folder / "february.xlsx", SECOND)
    story.do("clean", "clean", january, *MORE, see=False)
    story.do("first", "analyze", story.out / "clean.xlsx", *MORE)
    told("clean", february, *MORE, "--out", story.folder / "february", "--store", story.out / "postlens.db")
    story.do("second", "analyze", february, *MORE)
    story.do("again", "analyze", february, *MORE)


def _corrections(story: Story) -> None:
    """A clip is taken off a person and given back, twice: by a merge, and by taking both decisions back."""
    a, b = story.person("second", "a1"), story.person("second", "b1")
    story.do("split", "people", "split", a, "--post", "a3.mp4")
    story.do("merge", "people", "merge", a, story.person("split", "a3"))
    story.do("undo merge", "people", "undo", "2")
    story.do("undo split", "people", "undo")
    story.do("name a", "people", "name", a, NAMES["a"], see=False)
    story.do("names", "people", "name", b, NAMES["b"])


def _gallery(story: Story, portraits: Path) -> None:
    story.do("enroll", "enroll", NAMES["a"], portraits / "smile.jpg")
    story.do("identify", "identify", *(portraits / name for name in PHOTOS), "--json", see=False)
    story.do("log", "people", "log", see=False)


def _forget(story: Story, portraits: Path) -> None:
    """Forget the first person; keep what could tell of it, read from the store by its own SQL."""
    story.marks = marks_of(story, NAMES["a"])
    story.found_before = hits(story)
    story.do("forget", "people", "forget", NAMES["a"], "--yes")
    story.found_after = hits(story)
    story.do("analyze after", "analyze", story.out / "clean.xlsx", story.folder / "february.xlsx", *MORE)
    story.found_at_the_end = hits(story)
    story.do("identify after", "identify", *(portraits / name for name in PHOTOS), "--json", see=False)


# --- an independent search -------------------------------------------------------------------------------------------


def rows(story: Story, query: str, *values: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(story.out / "postlens.db")) as conn:
        return conn.execute(query, values).fetchall()


def marks_of(story: Story, name: str) -> frozenset[bytes]:
    """Name, id, pictures and templates of a person, as bytes."""
    ((person_id,),) = rows(story, "SELECT person_id FROM persons WHERE name = ?", name)
    own = "SELECT track_id FROM person_tracks WHERE person_id = ?"
    templates = rows(story, f"SELECT template FROM tracks WHERE track_id IN ({own})", person_id)
    faces = rows(story, f"SELECT template, thumbnail FROM faces WHERE track_id IN ({own})", person_id)
    blobs = {value for row in (*templates, *faces) for value in row if value}
    assert len(blobs) > len(templates) > 1
    return frozenset({name.encode(), person_id.encode()} | blobs)


def contents(path: Path) -> bytes:
    """A file's bytes, unpacked, and pictures in a page as they were before base64."""
    data = path.read_bytes()
    if path.suffix == ".xlsx":
        with zipfile.ZipFile(path) as book:
            return b"".join(map(book.read, book.namelist()))
    if path.suffix == ".parquet":
        return pl.read_parquet(path).write_json().encode()
    return data + b"".join(base64.b64decode(one) for one in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data))


def hits(story: Story) -> dict[str, int]:
    """File to how many of the marks are in it; files without any are left out."""
    folders = (story.out, story.folder / "february")
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    found = {path.name: sum(mark in contents(path) for mark in story.marks) for path in sorted(files)}
    return {name: n for name, n in found.items() if n}


# --- what must hold --------------------------------------------------------------------------------------------------


def test_clean_tells_the_copy_the_broken_cell_and_the_missing_file(story):
    assert "8 rows: 7 posts, 1 duplicates (1 by frames), 2 failed" in story.said["clean"]
    assert "got '8o8'" in story.said["clean"] and "gone.mp4" in story.said["clean"]


def test_clips_of_two_people_become_two_persons(story):
    assert sorted(map(sorted, story.states["first"].clips.values())) == [["a1", "a2", "a3", "ab"], ["ab", "b1", "b2"]]


@pytest.mark.parametrize("step", list(MEANS))
def test_means_are_those_computed_by_hand(story, step):
    for (who, metric), mean in MEANS[step].items():
        assert story.figures(step, who)[metric]["mean"] == pytest.approx(mean), (who, metric)


def test_the_workbook_has_the_figures_of_the_parquet_table(story):
    header, *people = story.states["second"].book["people"]
    for row in (dict(zip(header, cells, strict=True)) for cells in people):
        for metric in HEADER[3:]:
            figures = story.states["second"].figures[row["person_id"], metric]
            assert row[f"mean_{metric}"] == pytest.approx(figures["mean"])
            assert row[f"n_{metric}"] == figures["n_posts"]


def test_more_clips_and_a_corrected_figure_change_what_they_should(story):
    first, second = (story.figures(step, "b") for step in ("first", "second"))
    assert story.ids("second") == story.ids("first")
    assert first["views"]["mean"] < second["views"]["mean"]
    own = ("mean", "mean_low", "mean_high", "median", "best", "worst", "n_posts", "screen_time_s")
    for metric in ("likes", "watch time"):
        assert [first[metric][name] for name in own] == [second[metric][name] for name in own]


def test_the_same_table_again_changes_nothing(story):
    assert "0 done, 3 unchanged" in story.said["again"]
    assert story.states["again"] == story.states["second"]


def test_a_split_takes_a_clip_and_its_figures_off(story):
    rest, new = story.person("split", "a1"), story.person("split", "a3")
    assert rest == story.person("second", "a1")
    assert story.states["split"].clips[new] == {"a3"}
    views = {
        person: row["mean"] for (person, metric), row in story.states["split"].figures.items() if metric == "views"
    }
    assert views[rest] == pytest.approx((100 + 200 + 300 + 700) / 4)
    assert views[new] == 400


@pytest.mark.parametrize("step", ["merge", "undo split"])
def test_a_merge_or_an_undo_gives_the_clip_back(story, step):
    assert story.states[step].clips == story.states["second"].clips
    assert story.states[step].figures == story.states["second"].figures


def test_a_merge_taken_back_leaves_the_split(story):
    assert story.states["undo merge"].clips == story.states["split"].clips
    assert story.states["undo merge"].figures == story.states["split"].figures


def test_names_reach_the_outputs_and_an_enrolled_photo_joins_its_person(story):
    for step in ("names", "enroll"):
        header, *people = story.states[step].book["people"]
        assert {row[header.index("name")] for row in people} == set(NAMES.values())
    before, after = (story.states[step].people[story.person("second", "a1")] for step in ("names", "enroll"))
    assert (before["n_enrolled"], after["n_enrolled"]) == (0, 1)
    assert before["n_posts"] == after["n_posts"]


def test_identify_names_both_and_nobody_whom_it_does_not_know(story):
    assert answers(story, "identify") == [NAMES["a"], NAMES["b"]]
    assert answers(story, "identify after") == [None, NAMES["b"]]


def test_the_log_lists_every_decision(story):
    log = story.said["log"]
    assert [log.count(verb) >= 1 for verb in ("split", "merge", "name", "enroll")] == [True] * 4
    assert log.count("taken back") == 2


def test_what_is_forgotten_is_nowhere_and_does_not_come_back(story):
    assert {"postlens.db", "people.xlsx", "people.parquet", "predictions.json", "report.html"} <= set(
        story.found_before
    )
    assert story.found_after == {}
    assert story.found_at_the_end == {}
    assert story.ids("analyze after") == {story.person("second", "b1")}


def test_forgetting_one_leaves_the_other_as_it_was(story):
    left = story.person("second", "b1")
    assert story.states["forget"].clips == {left: story.states["enroll"].clips[left]}
    assert story.figures("forget", "b")["views"]["mean"] == story.figures("enroll", "b")["views"]["mean"]


def answers(story: Story, step: str) -> list[str | None]:
    return [photo["faces"][0]["name"] for photo in json.loads(story.said[step])]
