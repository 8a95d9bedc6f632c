"""Copies of a forgotten person's clips by the command line: known before, or met afterwards, re-encoded or mirrored."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest

from .portrait_clips import CLIPS, write_clip
from .test_people import told

KNOWN = ("a1", "a2", "a3", "b1", "b2", "ab")
LATER = {"a1-again": "a1", "a2-mirrored": "a2", "ab-again": "ab"}  # to what they are copies of


@dataclass(frozen=True)
class Campaign:
    """Clips in a folder, and an output folder."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def analyze(self, *names: str) -> None:
        told("analyze", *(self.folder / f"{name}.mp4" for name in names), "--out", self.out)

    def people(self) -> dict[str, set[str]]:
        """Person to the clips that show it."""
        rows = json.loads(told("people", "list", "--json", "--out", self.out))
        return {row["person_id"]: self._clips(row["person_id"]) for row in rows}

    def waiting(self) -> set[str]:
        tracks = json.loads(told("people", "list", "--waiting", "--json", "--out", self.out))
        return {Path(name).stem for one in tracks for name in one["files"]}

    def forget(self, clip: str) -> None:
        (person,) = [one for one, clips in self.people().items() if clip in clips]
        told("people", "forget", person, "--yes", "--out", self.out)

    def reasons(self) -> list[str]:
        """Of the copies."""
        with closing(sqlite3.connect(self.out / "postlens.db")) as conn:
            rows = conn.execute("SELECT duplicate_reason FROM posts WHERE duplicate_of IS NOT NULL")
            return sorted(row[0] for row in rows)

    def _clips(self, person: str) -> set[str]:
        shown = json.loads(told("people", "show", person, "--json", "--out", self.out))["tracks"]
        return {Path(name).stem for one in shown for name in one["files"]}


@pytest.fixture
def campaign(tmp_path: Path, sample_campaign: Path) -> Campaign:
    media = sample_campaign / "media"
    for name in KNOWN:
        write_clip(tmp_path / f"{name}.mp4", CLIPS[name], media)
    for name in ("a1", "ab"):
        write_clip(tmp_path / f"{name}-again.mp4", CLIPS[name], media, quality=32)
    mirror(tmp_path / "a2.mp4", tmp_path / "a2-mirrored.mp4")
    return Campaign(tmp_path)


def mirror(path: Path, out: Path) -> None:
    """The clip with left and right exchanged."""
    with av.open(str(path)) as read, av.open(str(out), "w") as write:
        seen = read.streams.video[0]
        stream = write.add_stream("libx264", rate=seen.average_rate)
        stream.width, stream.height, stream.pix_fmt = seen.width, seen.height, "yuv420p"
        stream.thread_count = 1  # several give other bytes now and then
        for frame in read.decode(seen):
            turned = np.ascontiguousarray(frame.to_ndarray(format="rgb24")[:, ::-1])
            write.mux(stream.encode(av.VideoFrame.from_ndarray(turned, format="rgb24")))
        write.mux(stream.encode())


def test_copies_that_come_later_do_not_bring_a_forgotten_person_back(campaign):
    campaign.analyze(*KNOWN)
    campaign.forget("a1")
    ((left, clips),) = campaign.people().items()
    assert clips == {"b1", "b2", "ab"}
    campaign.analyze(*LATER)
    assert campaign.reasons() == ["frames", "frames", "look"]
    assert campaign.people() == {left: {"b1", "b2", "ab", "ab-again"}}
    assert campaign.waiting() == set()
    campaign.analyze(*KNOWN, *LATER)
    assert campaign.people() == {left: {"b1", "b2", "ab", "ab-again"}}


def test_copies_that_were_known_before_lose_what_was_not_told_to_be_the_person(campaign):
    campaign.analyze("a1", "a1-again", "a2", "a2-mirrored", "b1", "b2")
    (person,) = [one for one, clips in campaign.people().items() if "a1" in clips]
    copies = [name for name in ("a1-again", "a2-mirrored") if name in campaign.people()[person]]
    for name in copies:
        told("people", "split", person, "--post", f"{name}.mp4", "--out", campaign.out)
    assert {"a1-again", "a2-mirrored"} <= campaign.waiting() | set().union(
        *(clips for one, clips in campaign.people().items() if one != person)
    )
    campaign.forget("a1")
    assert list(campaign.people().values()) == [{"b1", "b2"}]
    assert campaign.waiting() == set()
