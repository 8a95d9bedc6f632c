"""Folders of labelled clips to scores, on the bundled clips."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from postlens.errors import EmptySourceError, UsageError
from postlens.pipelines.evaluation import evaluate_task
from postlens.pipelines.evaluation.video import evaluate

CLIPS = ("sample.archive/commodore.mp4", "sample.archive/shuttle-pilot.mp4", "sample.cats.coffee/cat-and-guest.mp4")


@pytest.fixture(scope="module")
def clips(sample_campaign: Path) -> dict[str, Path]:
    return {Path(clip).stem: sample_campaign / "media" / clip for clip in CLIPS}


def labelled(folder: Path, *, people: str | None = None, copies: str | None = None) -> Path:
    """A folder with the given rows of people.csv and dup.csv."""
    if people is not None:
        (folder / "people.csv").write_text("file,person,shoot\n" + people)
    if copies is not None:
        (folder / "dup.csv").write_text("file,edit_of,edit\n" + copies)
    return folder


def test_people_and_copies_of_clips_are_scored(tmp_path, clips):
    shutil.copy(clips["commodore"], tmp_path / "one.mp4")
    shutil.copy(clips["shuttle-pilot"], tmp_path / "two.mp4")
    shutil.copy(clips["commodore"], tmp_path / "one-again.mp4")
    people = "one.mp4,hopper,s1\none-again.mp4,hopper,s1\ntwo.mp4,collins,s2\n"
    table = evaluate(labelled(tmp_path, people=people, copies="one-again.mp4,one.mp4,none\n"))
    assert (table["people"]["pairwise_f"], table["people"]["bcubed_f"]) == (1.0, 1.0)
    assert (table["duplicates"]["precision"], table["duplicates"]["recall"]) == (1.0, 1.0)
    assert table["duplicates"]["by_edit"]["none"]["n"] == 1
    assert (table["people"]["n_wrong_pairs"], table["people"]["n_wrong_persons"]) == (0, 0)
    assert (table["failed"], table["in_sample"]) == (0, False)


def test_missing_and_broken_clips_are_counted_and_show_nobody(tmp_path, clips):
    shutil.copy(clips["commodore"], tmp_path / "one.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    table = evaluate(labelled(tmp_path, people="one.mp4,hopper,\nbroken.mp4,hopper,\ngone.mp4,hopper,\n"))
    assert (table["n"], table["failed"]) == (3, 2)
    assert (table["people"]["pairwise_recall"], table["duplicates"]) == (0.0, None)


def test_a_folder_without_any_listed_clip_is_refused(tmp_path):
    with pytest.raises(EmptySourceError, match=r"people\.csv"):
        evaluate(tmp_path)


@pytest.mark.parametrize(("part", "other"), [("people", "duplicates"), ("duplicates", "people")])
def test_one_part_is_scored_alone(tmp_path, clips, part, other):
    shutil.copy(clips["commodore"], tmp_path / "one.mp4")
    shutil.copy(clips["commodore"], tmp_path / "two.mp4")
    folder = labelled(tmp_path, people="one.mp4,hopper,s1\ntwo.mp4,hopper,s1\n", copies="two.mp4,one.mp4,none\n")
    table = evaluate_task("video", folder, parts=(part,))
    assert table[part] is not None and table[other] is None


def test_parts_of_another_task_are_refused(tmp_path):
    with pytest.raises(UsageError, match="task video"):
        evaluate_task("niche", tmp_path, parts=("people",))
