"""Folders that instaloader filled."""

from __future__ import annotations

import json
import lzma
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from postlens.sources import SOURCES, open_source
from postlens.types import Failure, SourcePost

AT = datetime(2023, 1, 5, 12, tzinfo=UTC)
STEM = "2023-01-05_12-00-00_UTC"
NODE = {
    "id": "77",
    "shortcode": "abc",
    "taken_at_timestamp": int(AT.timestamp()),
    "owner": {"username": "anna"},
    "edge_media_preview_like": {"count": 27},
    "edge_media_to_comment": {"count": 3},
    "edge_media_to_caption": {"edges": [{"node": {"text": "Guten Tag 🌿"}}]},
    "edge_media_to_tagged_user": {"edges": []},
    "accessibility_caption": "Photo of a dog",
    "location": None,
}
APP = {
    "pk": 77,
    "taken_at": int(AT.timestamp()),
    "user": {"username": "anna"},
    "like_count": 27,
    "comment_count": 3,
    "play_count": 900,
    "caption": {"text": "Guten Tag 🌿"},
    "usertags": {"in": []},
    "location": None,
    "accessibility_caption": "Photo of a dog",
}
PROFILE = {
    "username": "anna",
    "edge_followed_by": {"count": 1200},
    "edge_follow": {"count": 80},
    "edge_owner_to_timeline_media": {"count": 45},
}


def media(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(b"not looked into")
    return folder


def metadata(folder: Path, name: str, node: Any, node_type: str | None = "Post") -> None:
    document = {"node": node} | ({"instaloader": {"node_type": node_type}} if node_type else {})
    content = json.dumps(document).encode()
    (folder / name).write_bytes(lzma.compress(content, preset=0) if name.endswith(".xz") else content)


def read(path: Path, **options: Any) -> tuple[list[SourcePost], list[str]]:
    items = list(open_source(path, **options))
    told = [item.message.replace(f"{path}/", "") for item in items if isinstance(item, Failure)]
    return [item for item in items if isinstance(item, SourcePost)], told


def names_of(post: SourcePost) -> list[str]:
    return [Path(str(ref.path)).name for ref in post.media]


@pytest.mark.parametrize("name", [f"{STEM}.json.xz", f"{STEM}.json"])
@pytest.mark.parametrize("node", [NODE, APP, {"id": "77", "iphone_struct": APP}], ids=["page", "app", "within"])
def test_both_structures_tell_the_same(node: Any, name: str, tmp_path: Path) -> None:
    metadata(media(tmp_path / "anna", f"{STEM}.jpg"), name, node)
    (post,), told = read(tmp_path)
    assert told == []
    assert (post.post_id, post.creator_id, post.caption) == ("instagram:77", "instagram:anna", "Guten Tag 🌿")
    assert (post.published_at, post.observed_at) == (AT, None)
    assert {name: post.metrics[name] for name in ("likes", "comments")} == {"likes": 27, "comments": 3}
    assert (post.alt_text, post.n_tagged, post.has_location) == ("Photo of a dog", 0, False)


def test_a_carousel_is_one_post_in_order_and_a_video_stands_for_its_cover(tmp_path: Path) -> None:
    names = [f"{STEM}_{n}.jpg" for n in (1, 2, 10)] + [f"{STEM}_2.mp4"]
    metadata(media(tmp_path / "anna", *names), f"{STEM}.json.xz", NODE)
    (post,), told = read(tmp_path)
    assert names_of(post) == [f"{STEM}_1.jpg", f"{STEM}_2.mp4", f"{STEM}_10.jpg"]
    assert told == []


def test_the_figures_of_the_account_come_from_its_profile(tmp_path: Path) -> None:
    folder = media(tmp_path / "some folder", f"{STEM}.jpg", f"{STEM}_profile_pic.jpg", "id", "iterator_Ab.json.xz")
    metadata(folder, "anna_123.json.xz", PROFILE, "Profile")
    metadata(folder, f"{STEM}.json.xz", NODE)
    (post,), told = read(tmp_path)
    assert (post.followers, post.followees, post.n_posts, told) == (1200, 80, 45, [])


def test_figures_of_a_profile_are_not_those_of_another_owner(tmp_path: Path) -> None:
    folder = media(tmp_path, f"{STEM}.jpg")
    metadata(folder, "anna_123.json", {"iphone_struct": {"follower_count": 9}, "username": "anna"}, "Profile")
    metadata(folder, f"{STEM}.json.xz", NODE | {"owner": {"username": "ben"}})
    (post,), _ = read(tmp_path)
    assert (post.handle, post.followers) == ("ben", None)


@pytest.mark.parametrize("node", [{"edge_media_preview_like": {"count": -1}}, {"like_and_view_counts_disabled": True}])
def test_hidden_likes_stay_unknown(node: dict[str, Any], tmp_path: Path) -> None:
    metadata(media(tmp_path, f"{STEM}.jpg"), f"{STEM}.json.xz", NODE | node | {"iphone_struct": APP})
    (post,), _ = read(tmp_path)
    assert "likes" not in post.metrics


def test_without_metadata_caption_file_and_name_are_used(tmp_path: Path) -> None:
    folder = media(tmp_path / "anna", f"{STEM}.jpg", "2023-01-06_12-00-00_UTC.jpg")
    (folder / f"{STEM}.txt").write_text("Guten Tag", encoding="utf-8")
    metadata(folder, "2023-01-06_12-00-00_UTC.json.xz", NODE)
    (first, _), told = read(tmp_path)
    assert (first.caption, first.published_at, first.metrics, first.handle) == ("Guten Tag", AT, {}, "anna")
    assert ["expected metadata" in message for message in told] == [True]


def test_a_folder_without_any_metadata_says_so_once(tmp_path: Path) -> None:
    posts, told = read(media(tmp_path / "anna", f"{STEM}.jpg", "2023-01-06_12-00-00_UTC.jpg"))
    assert ([post.handle for post in posts], len(told)) == (["anna", "anna"], 1)


@pytest.mark.parametrize(
    "content", [b"", b"no xz", lzma.compress(b"{}" * 99)[:30], lzma.compress(b"[1]"), lzma.compress(b"[" * 99_999)]
)
def test_broken_metadata_costs_the_post_its_counts_only(content: bytes, tmp_path: Path) -> None:
    folder = media(tmp_path / "anna", f"{STEM}.jpg")
    (folder / f"{STEM}.json.xz").write_bytes(content)
    (post,), told = read(tmp_path)
    assert (post.published_at, post.metrics, post.handle) == (AT, {}, "anna")
    assert [message.startswith(f"anna/{STEM}.json.xz: ") for message in told] == [True]


@pytest.mark.parametrize(("name", "kind"), [(STEM, "StoryItem"), (f"{STEM}_story", "Post")])
def test_stories_are_told_apart(name: str, kind: str, tmp_path: Path) -> None:
    folder = media(tmp_path, f"{name}.jpg", "2023-01-06_12-00-00_UTC.jpg")
    metadata(folder, f"{name}.json.xz", NODE, kind)
    metadata(folder, "2023-01-06_12-00-00_UTC.json.xz", NODE)
    (post,), told = read(tmp_path)
    assert names_of(post) == ["2023-01-06_12-00-00_UTC.jpg"]
    assert "1 stories are left out" in told[0]


def test_metadata_without_media_is_told(tmp_path: Path) -> None:
    metadata(media(tmp_path, "2023-01-06_12-00-00_UTC.jpg"), f"{STEM}.json.xz", NODE)
    posts, told = read(tmp_path)
    assert len(posts) == 1
    assert f"{STEM}.json.xz: expected a picture or video beside the metadata" in told[0]


def test_a_name_with_an_impossible_date_has_no_time(tmp_path: Path) -> None:
    (post,), _ = read(media(tmp_path, "2023-13-05_12-00-00_UTC.jpg"))
    assert post.published_at is None


def test_media_of_other_names_is_kept(tmp_path: Path) -> None:
    posts, _ = read(media(tmp_path / "anna", f"{STEM}.jpg", "holiday_1.jpg"))
    assert [names_of(post) for post in posts] == [[f"{STEM}.jpg"], ["holiday_1.jpg"]]


@pytest.mark.parametrize(
    ("name", "kind"), [(f"{STEM}.jpg", "instaloader"), ("anna.jpg", "folder"), ("2023-01-05.jpg", "folder")]
)
def test_the_names_in_a_folder_or_below_tell_the_source(name: str, kind: str, tmp_path: Path) -> None:
    for path in (media(tmp_path / "anna", name), tmp_path):
        assert next(source.name for source in SOURCES.values() if source.accepts(str(path))) == kind
