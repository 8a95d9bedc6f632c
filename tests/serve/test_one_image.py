"""One image to five answers in words, and nothing of it kept."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from postlens.config import Settings
from postlens.serve.one_image import NO_FACE, NO_HISTORY, Answer, Answers, answering


@pytest.fixture(scope="module")
def answer() -> Iterator[Answer]:
    with answering(Settings(workers=1)) as found:
        yield found


def test_a_smiling_face_has_five_answers(answer, sample_campaign):
    found = answer(str(sample_campaign / "media" / "sample.portraits" / "smile.jpg"))
    assert found.people.startswith("One face.")
    assert "happy" in found.reactions
    assert "😀" in found.reactions
    assert found.engagement == NO_HISTORY
    assert all(found)


def test_a_room_without_people_has_a_niche_and_no_face(answer, sample_campaign):
    found = answer(str(sample_campaign / "media" / "sample.interior" / "sofa.jpg"))
    assert found.people == NO_FACE
    assert found.niche.startswith("interior (")


def test_no_image_has_empty_answers(answer):
    assert answer(None) == Answers("", "", "", "", "")


@pytest.mark.parametrize(
    ("name", "content"), [("note.txt", b"hello"), ("empty.jpg", b""), ("cut.jpg", b"\xff\xd8\xff")]
)
def test_what_is_no_image_says_so_without_where_it_lies(answer, tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    found = answer(str(path))
    assert name in found.niche
    assert str(tmp_path) not in found.niche
    assert len(set(found)) == 1


def test_a_video_is_no_image(answer, sample_campaign):
    path = sample_campaign / "media" / "sample.archive" / "commodore.mp4"
    assert answer(str(path)).niche == "commodore.mp4: expected an image, got a video; use postlens analyze"


def test_answers_come_to_any_thread(answer, sample_campaign):
    path = str(sample_campaign / "media" / "sample.portraits" / "smile.jpg")
    with ThreadPoolExecutor(3) as threads:
        found = set(threads.map(answer, [path] * 3))
    assert len(found) == 1


def test_nothing_of_an_image_is_kept(answer, tmp_path, monkeypatch, sample_campaign):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with answering(Settings(workers=1)) as found:
        found(str(sample_campaign / "media" / "sample.portraits" / "smile.jpg"))
        (folder,) = tmp_path.iterdir()
        assert {path.name for path in Path(folder).iterdir()} <= {"postlens.db", "postlens.db-wal", "postlens.db-shm"}
    assert list(tmp_path.iterdir()) == []
