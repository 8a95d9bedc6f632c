"""Labelled clips of the evaluation data through the verbs: a table in, copies told, people found, one forgotten."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import pytest

from postlens.cli.app import run

from .test_people import told

pytestmark = pytest.mark.data
EDITS = ("lowq", "greybright", "logo")  # of the first clip that has them
LEAST_RECALL = 0.7  # of pairs of clips of one person; recordings on other days may stay apart


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Labels:
    """Clips of persons who are in several of them, and some edits of one."""

    def __init__(self, folder: Path) -> None:
        edits = {row["file"]: row for row in read(folder / "dup.csv")}
        clips: dict[str, set[str]] = defaultdict(set)
        for row in read(folder / "people.csv"):
            if row["file"] not in edits:
                clips[row["person"]].add(row["file"])
        several = {person: files for person, files in clips.items() if len(files) > 1}
        self.person = {file: person for person, files in several.items() for file in sorted(files)}
        self.edits = {
            file: row["edit_of"]
            for file, row in edits.items()
            if row["edit_of"] in self.person and row["edit"] in EDITS
        }

    def together(self) -> set[frozenset[str]]:
        """Pairs of clips of one person."""
        return {
            frozenset(pair) for pair in combinations(self.person, 2) if self.person[pair[0]] == self.person[pair[1]]
        }


@pytest.fixture(scope="module")
def labels(data_root: Path) -> Labels:
    return Labels(data_root / "video")


@pytest.fixture(scope="module")
def out(data_root: Path, labels: Labels, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    rows = [
        f"{data_root / 'video' / name},{100 * n}" for n, name in enumerate([*labels.person, *labels.edits], start=1)
    ]
    (folder / "clips.csv").write_text("\n".join(["path,views", *rows]))
    told("clean", folder / "clips.csv", "--out", folder, "--format", "csv", "--creator", "studio")
    told("analyze", folder / "clean.csv", "--out", folder, "--creator", "studio")
    return folder


def people(out: Path) -> dict[str, set[str]]:
    """Person to the clips that show it."""
    found = {}
    for row in json.loads(told("people", "list", "--json", "--out", out)):
        shown = json.loads(told("people", "show", row["person_id"], "--json", "--out", out))["tracks"]
        found[row["person_id"]] = {Path(name).name for one in shown for name in one["files"]}
    return found


def pairs(found: Mapping[str, set[str]]) -> set[frozenset[str]]:
    return {frozenset(pair) for clips in found.values() for pair in combinations(sorted(clips), 2)}


def test_edits_are_told_with_the_clip_they_copy(out, labels):
    links = {Path(row["path"]).name: Path(row["first_media"]).name for row in read(out / "duplicates.csv")}
    assert labels.edits.items() <= links.items()


def test_no_two_people_are_one_person_and_most_clips_of_one_are_together(out, labels):
    found, right = pairs(people(out)), labels.together()
    there = {clip for clips in people(out).values() for clip in clips}
    right = {pair for pair in right if pair <= there}
    assert found <= right
    assert len(found & right) >= LEAST_RECALL * len(right)


def test_a_merge_can_be_taken_back_and_a_forgotten_person_stays_away(out):
    first, second = list(people(out))[:2]
    before = people(out)
    told("people", "merge", first, second, "--out", out)
    assert people(out)[first] == before[first] | before[second]
    told("people", "undo", "--out", out)
    assert people(out) == before
    told("people", "forget", first, "--yes", "--out", out)
    assert people(out) == {person: clips for person, clips in before.items() if person != first}
    assert run(["analyze", str(out / "clean.csv"), "--out", str(out), "--creator", "studio"]) == 0
    assert people(out) == {person: clips for person, clips in before.items() if person != first}
