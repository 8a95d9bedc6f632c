"""The verbs of persons on the command line, on the bundled sample campaign: corrections reach the outputs."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from postlens.cli.app import run

from ..pipelines.sample_run import copy_of

PORTRAITS = Path("media") / "sample.portraits"


@pytest.fixture
def out(sample_run, tmp_path) -> Path:
    return copy_of(sample_run, tmp_path)


def told(capsys, *words: object) -> str:
    """What a command prints; it succeeds."""
    capsys.readouterr()
    assert run([str(word) for word in words]) == 0
    return capsys.readouterr().out


def people(capsys, out: Path) -> list[dict[str, object]]:
    return json.loads(told(capsys, "people", "list", "--json", "--out", out))


def names_in_outputs(out: Path) -> set[str | None]:
    said = json.loads((out / "predictions.json").read_text())["people"]
    assert set(pl.read_parquet(out / "people.parquet")["person_id"]) == set(said)
    return {one["name"] for one in said.values()}


def test_list_and_show_tell_what_the_store_knows(out, capsys, tmp_path):
    rows = people(capsys, out)
    assert len(rows) == 2
    assert all(row["person_id"] in told(capsys, "people", "list", "--out", out) for row in rows)
    shown = json.loads(told(capsys, "people", "show", rows[0]["person_id"], "--json", "--out", out))
    assert len(shown["tracks"]) == rows[0]["n_tracks"]
    told(capsys, "people", "show", rows[0]["person_id"], "--out", out, "--faces", tmp_path / "faces")
    pictures = list((tmp_path / "faces").iterdir())
    assert len(pictures) == rows[0]["n_tracks"]
    assert all(path.read_bytes().startswith(b"\xff\xd8") for path in pictures)
    assert "track" in told(capsys, "people", "list", "--waiting", "--out", out)


def test_a_name_a_merge_and_their_undoing_reach_the_outputs(out, capsys):
    first, second = (row["person_id"] for row in people(capsys, out))
    told(capsys, "people", "name", first, "Ann Bell", "--out", out)
    assert names_in_outputs(out) == {"Ann Bell", None}
    told(capsys, "people", "merge", second, "Ann Bell", "--out", out)
    assert "Ann Bell" in names_in_outputs(out)
    log = told(capsys, "people", "log", "--out", out)
    assert "merge" in log and "name" in log
    told(capsys, "people", "undo", "--out", out)
    told(capsys, "people", "undo", "1", "--out", out)
    assert names_in_outputs(out) == {None}
    assert [row["person_id"] for row in people(capsys, out)] == [first, second]


def test_hidden_persons_leave_the_outputs(out, capsys):
    first, second = (row["person_id"] for row in people(capsys, out))
    told(capsys, "people", "hide", first, "--out", out)
    assert set(json.loads((out / "predictions.json").read_text())["people"]) == {second}
    told(capsys, "people", "unhide", first, "--out", out)
    assert len(names_in_outputs(out)) == 1


def test_split_and_assign_take_what_show_prints(out, capsys):
    first, second = (row["person_id"] for row in people(capsys, out))
    shown = json.loads(told(capsys, "people", "show", first, "--json", "--out", out))
    post = shown["tracks"][0]["post_ids"][0]
    told(capsys, "people", "split", first, "--post", post, "--out", out)
    assert post not in json.dumps(json.loads(told(capsys, "people", "show", first, "--json", "--out", out)))
    track = shown["tracks"][1]["track_id"][:12] + ":" + shown["tracks"][1]["track_id"].rpartition(":")[2]
    told(capsys, "people", "assign", track, second, "--out", out)
    moved = json.loads(told(capsys, "people", "show", second, "--json", "--out", out))
    assert shown["tracks"][1]["track_id"] in {one["track_id"] for one in moved["tracks"]}


def test_corrections_survive_the_next_run(out, capsys):
    first, second = (row["person_id"] for row in people(capsys, out))
    told(capsys, "people", "name", first, "Ann Bell", "--out", out)
    told(capsys, "people", "hide", second, "--out", out)
    told(capsys, "demo", "--out", out)
    rows = {row["person_id"]: row for row in people(capsys, out)}
    assert rows[first]["name"] == "Ann Bell"
    assert rows[second]["hidden"]


def test_an_enrolled_person_is_identified_and_forgotten(out, capsys, sample_campaign, tmp_path):
    photos = [sample_campaign / PORTRAITS / name for name in ("smile.jpg", "flight-suit.jpg")]
    text = told(capsys, "enroll", "Ann Bell", photos[0], "--out", out)
    assert "decision 1" in text
    assert "Ann Bell" in names_in_outputs(out)
    assert "Ann Bell" in told(capsys, "identify", photos[1], "--out", out)
    found = json.loads(told(capsys, "identify", photos[1], "--json", "--out", out))
    assert found[0]["faces"][0]["false_match_rate"] < 0.05
    text = told(capsys, "people", "forget", "Ann Bell", "--yes", "--out", out)
    assert "before" in text and "after" in text
    assert "Ann Bell" not in names_in_outputs(out)
    assert "nobody" in told(capsys, "identify", photos[1], "--out", out)


def test_verify_answers_with_its_exit_code(sample_campaign, capsys):
    folder = sample_campaign / PORTRAITS
    same = ["verify", str(folder / "smile.jpg"), str(folder / "flight-suit.jpg")]
    assert "the same person" in told(capsys, *same)
    assert json.loads(told(capsys, *same, "--json"))["same"] is True
    assert run(["verify", str(folder / "smile.jpg"), str(folder / "navy-cap.jpg")]) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("show", "nobody"),
        ("name", "nobody", "Ann"),
        ("merge", "nobody", "nowhere"),
        ("split", "nobody", "x"),
        ("split", "nobody"),
        ("assign", "nothing", "new"),
        ("hide", "nobody"),
        ("undo",),
        ("undo", "9"),
    ],
)
def test_what_is_not_there_is_wrong_usage_and_changes_nothing(out, capsys, words):
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file() and path.suffix != ".db-wal"}
    assert run(["people", *words, "--out", str(out)]) == 2
    assert "error" in capsys.readouterr().err
    after = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file() and path.suffix != ".db-wal"}
    assert {name for name in before if not name.endswith((".db", "-shm"))} <= set(after)
    assert all(after[name] == data for name, data in before.items() if not name.endswith((".db", "-shm")))


def test_without_a_store_nothing_is_made(tmp_path, capsys):
    assert run(["people", "list", "--out", str(tmp_path / "no")]) == 2
    assert "found none" in capsys.readouterr().err
    assert not (tmp_path / "no").exists()


def test_enroll_makes_a_store(tmp_path, capsys, sample_campaign):
    told(capsys, "enroll", "Ann", sample_campaign / PORTRAITS / "smile.jpg", "--out", tmp_path / "new")
    assert [row["name"] for row in people(capsys, tmp_path / "new")] == ["Ann"]


def test_suggestions_come_with_commands(out, capsys):
    assert isinstance(json.loads(told(capsys, "people", "suggest", "--json", "--out", out)), list)
    told(capsys, "people", "suggest", "--out", out)


@pytest.mark.parametrize("verb", [["people", one] for one in ("list", "show", "suggest", "log")] + [["identify"]])
def test_verbs_that_only_read_do_not_say_that_they_write(verb, capsys):
    said = " ".join(told(capsys, *verb, "--help").split())
    assert "made anew" not in said.replace("│ │ ", "")
    assert "only read" in said.replace("│ │ ", "")
