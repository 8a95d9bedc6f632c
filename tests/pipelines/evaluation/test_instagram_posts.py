"""Collections of Instagram posts are read with all their faults, and scored."""

from __future__ import annotations

import base64
import gzip
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from postlens.errors import EmptySourceError, SourceNotFoundError
from postlens.pipelines.evaluation import instagram_posts
from postlens.pipelines.evaluation.instagram_posts import POSTS, evaluate, read_collection


def thumbnail(level: int) -> str:
    data = io.BytesIO()
    Image.fromarray(np.full((42, 34, 3), level, np.uint8)).save(data, "JPEG")
    return base64.b64encode(data.getvalue()).decode()


def row(creator: int, i: int, **changes: Any) -> dict[str, Any]:
    values = {
        "creator": creator,
        "niche": "food",
        "likes": 40 * (creator + 1) + i,
        "comments": 3,
        "followers": 1500 * (creator + 1),
        "followees": 300,
        "posts": 80,
        "taken_at": 1_550_000_000 + 86_400 * i,
        "width": 1080,
        "height": 1350,
        "sidecar": False,
        "n_hashtags": i,
        "caption_len": 120,
        "n_tagged": 0,
        "has_location": True,
        "alt": "Image may contain: food",
        "thumb_jpeg": thumbnail(20 * i),
    }
    return values | changes


# The newest post stands for the time of reading: with it the others' likes are final.
LATER = row(99, 0, taken_at=1_550_000_000 + 40 * 86_400, likes=None)


def write(folder: Path, lines: list[Any]) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    (folder / POSTS).write_bytes(gzip.compress(text.encode()))
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path, [row(creator, i) for creator in range(12) for i in range(3)] + [LATER])


def test_the_promised_scores_are_there(folder: Path):
    scores = evaluate(folder)
    assert (scores["n"], scores["failed"], scores["no_forecast"], scores["in_sample"]) == (36, 0, 1, False)
    for table in (scores, *scores["by_account_size"].values()):
        for name in ("mae_log", "spearman", "coverage_90", "pair_accuracy"):
            assert {name, f"{name}_ci"} <= table.keys()
    json.dumps(scores, allow_nan=False)


def test_progress_is_told(folder: Path):
    steps: list[tuple[int, int]] = []
    evaluate(folder, progress=lambda done, total: steps.append((done, total)))
    assert steps[-1] == (37, 37)


def test_known_files_are_marked_as_in_sample(folder: Path, monkeypatch: pytest.MonkeyPatch):
    known = instagram_posts.open_model("engagement").spec.train_manifests[0]
    monkeypatch.setattr(instagram_posts, "file_sha256", lambda path: known)
    assert evaluate(folder)["in_sample"]


@pytest.mark.parametrize(
    "column", ["taken_at", "width", "alt", "followees", "thumb_jpeg", "has_location", "caption_len"]
)
def test_a_missing_column_is_no_obstacle(tmp_path: Path, column: str):
    rows = [{k: v for k, v in row(creator, i).items() if k != column} for creator in range(3) for i in range(2)]
    assert evaluate(write(tmp_path, [*rows, LATER]))["n"] == 6


@pytest.mark.parametrize(
    "thumb", ["", "no base64!", thumbnail(9)[:40], base64.b64encode(b"\x89PNG\r\n\x1a\n").decode(), 7]
)
def test_a_broken_picture_is_counted_and_its_post_kept(tmp_path: Path, thumb: Any):
    scores = evaluate(write(tmp_path, [row(1, 0, thumb_jpeg=thumb), row(2, 0), row(3, 0), LATER]))
    assert (scores["n"], scores["failed"]) == (3, 1)


@pytest.mark.parametrize("line", ["{", "[1]", '{"likes": 3}', "\x00\x01"])
def test_a_broken_line_is_counted_and_left_out(tmp_path: Path, line: str):
    collection = read_collection(write(tmp_path, [line, row(1, 0)]))
    assert (len(collection), collection.n_failed) == (1, 1)


@pytest.mark.parametrize("bad", [None, "many", -4, True, 1e400])
def test_hidden_or_broken_likes_are_not_scored(tmp_path: Path, bad: Any):
    scores = evaluate(write(tmp_path, [row(1, 0, likes=bad), row(2, 0), row(3, 0), LATER]))
    assert (scores["n"], scores["no_forecast"]) == (2, 2)


def test_likes_of_the_week_before_the_newest_post_are_not_scored(tmp_path: Path):
    young, done = (LATER["taken_at"] - days * 86_400 for days in (6, 7))
    posts = [row(1, 0), row(1, 1, taken_at=young), row(2, 0), row(2, 1, taken_at=done)]
    scores = evaluate(write(tmp_path, [*posts, LATER]))
    assert (scores["n"], scores["no_forecast"]) == (3, 2)


@pytest.mark.parametrize("bad", [None, "yesterday", 1e300, -1e300])
def test_a_broken_time_leaves_a_post_without_one(tmp_path: Path, bad: Any):
    (post,) = read_collection(write(tmp_path, [row(1, 0, taken_at=bad)])).accounts["1"]
    assert post.published_at is None


def test_nothing_to_score_is_an_error(tmp_path: Path):
    with pytest.raises(EmptySourceError, match="likes and followers"):
        evaluate(write(tmp_path, [row(1, 0, likes=None)]))


DAMAGED = gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 30  # a gzip header before what is no deflate stream


@pytest.mark.parametrize("content", [None, b"no gzip", gzip.compress(b"{}\n" * 500, mtime=0)[:-20], DAMAGED])
def test_a_missing_or_damaged_file_is_an_error(tmp_path: Path, content: bytes | None):
    if content is not None:
        (tmp_path / POSTS).write_bytes(content)
    with pytest.raises(SourceNotFoundError, match="expected Instagram posts"):
        read_collection(tmp_path)


@pytest.mark.data
def test_the_shipped_model_knows_its_training_data(data_root: Path):
    path = data_root / "instagram_posts" / POSTS
    manifests = instagram_posts.open_model("engagement").spec.train_manifests
    assert instagram_posts.file_sha256(path) in manifests
