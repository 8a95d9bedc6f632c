"""Odd pictures in, emotions and emoji out, all by the command line: each kind has a result that is known beforehand."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageOps

from postlens.cli.app import run
from postlens.tasks.reactions.emoji import DEFAULT_TABLE
from postlens.types import EMOTIONS

FACES = ("smile.jpg", "flight-suit.jpg", "navy-cap.jpg", "cap-badge.jpg")
READ = {"drawing.png", "screenshot.png", "collage.jpg", "blank.png", "forty.jpg", "video.mp4", "dot.png"}
UNREAD = {
    "torn.jpg": "DecodeError",
    "text.jpg": "UnsupportedMediaError",
    "empty.jpg": "EmptyMediaError",
    "pipe.jpg": "UnreadableMediaError",
}

Drawn = PillowImage.Image


def drawing() -> Drawn:
    """A round yellow face, which no detector of faces has to take for one."""
    image = PillowImage.new("RGB", (640, 640), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((120, 120, 520, 520), fill=(255, 220, 60), outline="black", width=8)
    draw.arc((220, 280, 420, 440), 20, 160, fill="black", width=10)
    return image


def screenshot() -> Drawn:
    """Lines of text under a bar, upright as on a phone."""
    image = PillowImage.new("RGB", (720, 1280), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, 720, 90), fill=(30, 90, 160))
    for line in range(30):
        draw.text((40, 120 + 36 * line), "what somebody wrote to somebody " * 3, fill="black")
    return image


def tiles(paths: list[Path], *, columns: int, side_px: int) -> Drawn:
    """Pictures side by side, every second one mirrored."""
    image = PillowImage.new("RGB", (columns * side_px, -(-len(paths) // columns) * side_px))
    for i, path in enumerate(paths):
        with PillowImage.open(path) as photo:
            tile = photo.convert("RGB").resize((side_px, side_px))
        place = (i % columns * side_px, i // columns * side_px)
        image.paste(ImageOps.mirror(tile) if i % 2 else tile, place)
    return image


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory, sample_campaign: Path) -> Path:
    """A folder with a picture of every kind, and files that are none."""
    root = tmp_path_factory.mktemp("odd")
    portraits = sample_campaign / "media" / "sample.portraits"
    drawing().save(root / "drawing.png")
    screenshot().save(root / "screenshot.png")
    tiles([portraits / name for name in FACES], columns=2, side_px=600).save(root / "collage.jpg", quality=92)
    tiles([portraits / "smile.jpg"] * 40, columns=8, side_px=200).save(root / "forty.jpg", quality=92)
    PillowImage.new("RGB", (640, 480), "white").save(root / "blank.png")
    PillowImage.new("L", (1, 1)).save(root / "dot.png")
    shutil.copy(portraits / "flight-suit.mp4", root / "video.mp4")
    (root / "torn.jpg").write_bytes((portraits / "smile.jpg").read_bytes()[:2000])
    (root / "text.jpg").write_bytes(b"this is no picture, it is a text file\n" * 20)
    (root / "empty.jpg").write_bytes(b"")
    os.mkfifo(root / "pipe.jpg")
    return root


def told(*words: object, code: int = 0) -> str:
    """What a command prints; it ends with the code."""
    with redirect_stdout(StringIO()) as said, redirect_stderr(StringIO()) as errors:
        ended = run([str(word) for word in words])
    assert ended == code, said.getvalue() + errors.getvalue()
    return said.getvalue() + errors.getvalue()


@pytest.fixture(scope="module")
def out(odd: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a batch over all of it."""
    folder = tmp_path_factory.mktemp("out")
    said = told("react", odd, "--batch", "--out", folder)
    assert f"{len(READ)} posts" in said and f"{len(UNREAD)} failures" in said
    return folder


@pytest.fixture(scope="module")
def answers(out: Path) -> dict[str, dict[str, Any]]:
    """By file name."""
    lines = [json.loads(line) for line in (out / "reactions.jsonl").read_text(encoding="utf-8").splitlines()]
    return {Path(line["files"][0] if "files" in line else line["subject"]).name: line for line in lines}


# --- pictures --------------------------------------------------------------------------------------------------------


def test_every_file_has_exactly_one_row(odd, out, answers):
    rows = list(csv.DictReader(io.StringIO((out / "reactions.csv").read_text(encoding="utf-8"))))
    assert sorted(Path(row["files"]).name for row in rows) == sorted(path.name for path in odd.iterdir())
    assert set(answers) == READ | set(UNREAD)


@pytest.mark.parametrize("name", sorted(READ))
def test_what_can_be_seen_has_emotions_and_emoji(answers, name):
    found = answers[name]
    assert list(found["probs"]) == list(EMOTIONS)
    assert all(0 <= prob <= 1 for prob in found["probs"].values())
    assert set(found["emotions"]) <= set(EMOTIONS) and found["emotions"]
    assert found["allowed"] and not set(found["allowed"]) & set(found["blocked"])
    assert 1 <= found["valence"] <= 7 and 1 <= found["arousal"] <= 7


@pytest.mark.parametrize("name", ["drawing.png", "screenshot.png", "blank.png", "dot.png"])
def test_without_faces_the_scene_decides_alone(answers, name):
    found = answers[name]
    assert (found["reader"], found["decided_by"], found["n_faces"]) == ("scene", "scene", 0)


@pytest.mark.parametrize("name", ["screenshot.png", "blank.png"])
def test_a_picture_of_nothing_blocks_no_ordinary_answer(answers, name):
    assert answers[name]["emotions"] == ["neutral"] or answers[name]["low_confidence"]


def test_a_collage_is_read_as_all_its_faces(answers):
    assert (answers["collage.jpg"]["reader"], answers["collage.jpg"]["n_faces"] >= 3) == ("scene+faces", True)


def test_forty_faces_are_read_together(answers):
    found = answers["forty.jpg"]
    assert found["reader"] == "scene+faces"
    assert 35 <= found["n_faces"] <= 40


def test_a_video_is_one_answer(answers):
    found = answers["video.mp4"]
    assert (found["reader"], found["n_faces"] >= 1) == ("scene+faces", True)


@pytest.mark.parametrize(("name", "error"), UNREAD.items())
def test_what_cannot_be_read_says_why(answers, name, error):
    assert (answers[name]["error"], answers[name]["message"] != "") == (error, True)


def test_nothing_that_can_be_read_is_no_success(odd):
    assert "DecodeError" in told("react", odd / "torn.jpg", code=1)
    assert "no such file" in told("react", odd / "gone.jpg", code=1)
    assert json.loads(told("react", odd / "torn.jpg", "--json", code=1))[0]["error"] == "DecodeError"


# --- answers without the media ---------------------------------------------------------------------------------------


def test_a_store_answers_after_the_media_is_gone(odd, out, answers, tmp_path):
    copy = Path(shutil.copytree(out, tmp_path / "copy"))
    for words in (("react", copy / "postlens.db"), ("react", "--store", copy / "postlens.db")):
        found = json.loads(told(*words, "--json"))
        by_name = {Path(one["files"][0]).name: one for one in found}
        assert by_name == {name: answers[name] for name in READ}


def test_a_store_that_is_not_there_is_wrong_usage(tmp_path):
    assert "expected a store" in told("react", "--store", tmp_path / "none.db", code=2)
    assert not list(tmp_path.iterdir())


def test_one_threshold_and_the_policy_hold_for_all_emotions(out):
    store = out / "postlens.db"
    every = json.loads(told("react", store, "--threshold", "0", "--policy", "union", "--json"))
    none = json.loads(told("react", store, "--threshold", "1", "--json"))
    assert all(len(one["emotions"]) == len(EMOTIONS) for one in every)
    assert all(set(one["allowed"]) & set(one["blocked"]) for one in every)
    assert {one["low_confidence"] for one in none} == {True}
    assert {len(one["emotions"]) for one in none} == {1}


def test_emotions_are_named_in_the_language_asked_for(odd, out):
    found = json.loads(told("react", out / "postlens.db", "--language", "de", "--threshold", "0", "--json"))
    assert {"fröhlich", "traurig", "wütend", "Angst"} <= set(found[0]["labels"])
    assert "Überraschung" in told("react", out / "postlens.db", "--language", "de")
    assert "expected a language out of en, de" in told("react", odd / "blank.png", "--language", "tlh", code=2)


# --- the emoji table -------------------------------------------------------------------------------------------------


def own_table(folder: Path, change: Callable[[str], str]) -> Path:
    path = folder / "mine.toml"
    path.write_text(change(DEFAULT_TABLE.read_text(encoding="utf-8")), encoding="utf-8")
    return path


def test_an_own_table_replaces_the_packaged_one(out, tmp_path):
    mine = own_table(tmp_path, lambda text: text.replace('"👍"', '"🦥"'))
    found = json.loads(
        told("react", out / "postlens.db", "--table", mine, "--threshold", "0", "--policy", "union", "--json")
    )
    assert all("🦥" in one["allowed"] and "👍" not in one["allowed"] for one in found)


def corrupt() -> Iterator[Any]:
    """What is wrong with a table, and what is said about it."""
    yield pytest.param(lambda text: text.replace("[sad]", "[sad"), "no valid TOML", id="syntax")
    yield pytest.param(
        lambda text: text.replace('"💔"', '":("'), "line 20: ':(' in allowed of sad is no emoji", id="text"
    )
    yield pytest.param(lambda text: text.replace('"💔"', '"😂"'), "is both allowed and blocked by sad", id="overlap")
    yield pytest.param(lambda text: text.replace("[fear]", "[terror]"), "unknown emotion 'terror'", id="emotion")
    yield pytest.param(lambda text: text[: text.index("[other]")], "no rule for ['other']", id="missing")
    yield pytest.param(lambda text: "", "expected a whole number as version", id="empty")


@pytest.mark.parametrize(("change", "reason"), list(corrupt()))
def test_a_corrupt_table_stops_before_any_look_with_line_and_reason(odd, tmp_path, change, reason):
    mine = own_table(tmp_path, change)
    said = told("react", odd / "blank.png", "--table", mine, code=2)
    assert reason in said and str(mine) in said and "line" in said
    assert "line" in told(
        "analyze", odd / "blank.png", "--out", tmp_path / "out", "--set", f"emoji_table={mine}", code=2
    )


# --- wrong usage -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "expected at least one source"),
        (("a.jpg", "--out", "there"), "add --batch"),
        (("a.jpg", "--policy", "lenient"), "reaction_policy (from flag)"),
        (("a.jpg", "--threshold", "1.5"), "reaction_threshold (from flag)"),
        (("STORE", "a.jpg"), "expected one store"),
        (("STORE", "--store", "other.db"), "expected one store"),
        (("STORE", "--tta"), "leave --tta out"),
    ],
)
def test_wrong_usage_is_said_in_one_line(out, words, reason):
    given = [str(out / "postlens.db") if word == "STORE" else word for word in words]
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()) as errors:
        assert run(["react", *given]) == 2
    assert reason in errors.getvalue()
    assert errors.getvalue().count("\n") == 1
