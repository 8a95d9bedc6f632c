"""Instagram's own export of an account's data."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.sources import SOURCES, open_source
from postlens.sources.export_files import mend
from postlens.types import Failure, SourcePost

AT = datetime(2023, 1, 5, 12, tzinfo=UTC)
S = int(AT.timestamp())
NEW, OLD = "your_instagram_activity/content", "content"


def spelled(text: str) -> str:
    """As Instagram writes it: each byte of UTF-8 as a character."""
    return text.encode().decode("latin-1")


def item(name: str, **fields: Any) -> dict[str, Any]:
    return {"uri": f"media/posts/202301/{name}", "creation_timestamp": S, **fields}


def write(root: Path, name: str, content: Any) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return root


def insight(uri: str, at: int = 0, **values: str) -> dict[str, Any]:
    media = {"Media Thumbnail": {"uri": uri, "creation_timestamp": at}}
    return {"media_map_data": media, "string_map_data": {name: {"value": value} for name, value in values.items()}}


def insights(root: Path, *entries: Any) -> Path:
    path = "logged_information/past_instagram_insights/posts.json"
    return write(root, path, {"organic_insights_posts": list(entries)})


def read(path: Path, **options: Any) -> tuple[list[SourcePost], list[str]]:
    items = list(open_source(path, **options))
    told = [one.message.replace(f"{path}/", "") for one in items if isinstance(one, Failure)]
    return [one for one in items if isinstance(one, SourcePost)], told


@pytest.mark.parametrize("folder", [NEW, OLD, "your_instagram_activity/media"])
def test_pictures_and_carousels_become_posts(folder: str, tmp_path: Path) -> None:
    single = {"media": [item("1.jpg", title=spelled("Grüße 🌿"))]}
    carousel = {"media": [item("2.jpg"), item("3.mp4")], "title": "Two", "creation_timestamp": S + 60}
    posts, told = read(write(tmp_path, f"{folder}/posts_1.json", [single, carousel]))
    assert told == []
    assert [post.caption for post in posts] == ["Grüße 🌿", "Two"]
    assert [Path(str(ref.path)).name for ref in posts[1].media] == ["2.jpg", "3.mp4"]
    assert (posts[0].published_at, posts[0].metrics, posts[0].platform) == (AT, {}, "instagram")
    assert next(source.name for source in SOURCES.values() if source.accepts(str(tmp_path))) == "instagram_export"


def test_several_lists_and_reels_are_read_in_order_and_stories_are_told(tmp_path: Path) -> None:
    for number in (10, 9, 1):
        write(tmp_path, f"{NEW}/posts_{number}.json", [{"media": [item(f"{number}.jpg")]}])
    write(tmp_path, f"{NEW}/reels.json", {"ig_reels_media": [{"media": [item("reel.mp4")]}]})
    write(tmp_path, f"{NEW}/stories.json", {"ig_stories": [item("story.jpg")]})
    posts, told = read(tmp_path)
    assert [Path(str(post.media[0].path)).stem for post in posts] == ["1", "9", "10", "reel"]
    assert [message.split(":")[0] for message in told] == [f"{NEW}/stories.json"]


def test_insights_give_figures_by_file_and_else_by_time(tmp_path: Path) -> None:
    posts = [{"media": [item("1.jpg")]}, {"media": [item("2.jpg", creation_timestamp=S + 60)]}]
    write(tmp_path, f"{NEW}/posts_1.json", posts)
    first = insight("media/posts/202301/1.jpg", Likes="1,234", Impressions="9000", **{"Accounts reached": "800"})
    insights(tmp_path, first, insight("media/other/thumb.jpg", S + 60, **{spelled("Gefällt mir"): "7"}))
    found, told = read(tmp_path)
    assert [post.metrics for post in found] == [{"likes": 1234, "impressions": 9000, "reach": 800}, {"likes": 7}]
    assert told == []


def test_insights_of_no_post_and_textual_counts_are_told(tmp_path: Path) -> None:
    write(tmp_path, f"{NEW}/posts_1.json", [{"media": [item("1.jpg")]}])
    insights(tmp_path, insight("media/posts/202301/1.jpg", Likes="many"), insight("media/gone.jpg", Likes="3"), 5)
    (post,), told = read(tmp_path)
    assert post.metrics == {}
    assert [message.split(": ")[1] for message in told] == [
        "Likes",
        "expected an object, got int; it is left out",
        "expected a post with this file or time in the lists of posts, got none; its figures are left out",
    ]


def test_the_account_is_named_in_the_export_with_who_follows(tmp_path: Path) -> None:
    write(tmp_path, f"{NEW}/posts_1.json", [{"media": [item("1.jpg")]}])
    user = {"profile_user": [{"string_map_data": {"Email": {"value": "a@b.c"}, "Benutzername": {"value": "anna"}}}]}
    write(tmp_path, "personal_information/personal_information/personal_information.json", user)
    write(tmp_path, "connections/followers_and_following/followers_1.json", [{}] * 3)
    write(tmp_path, "connections/followers_and_following/followers_2.json", [{}])
    write(tmp_path, "connections/followers_and_following/following.json", {"relationships_following": [{}] * 2})
    (post,), told = read(tmp_path, creator="dana")
    assert (post.handle, post.followers, post.followees, told) == ("anna", 4, 2, [])


def test_the_folder_names_the_account_where_the_export_does_not(tmp_path: Path) -> None:
    (post,), _ = read(
        write(tmp_path / "instagram-anna_b-2024-05-01-x1Yz", f"{NEW}/posts_1.json", [{"media": [item("1.jpg")]}])
    )
    assert post.handle == "anna_b"


@pytest.mark.parametrize("uri", ["../../etc/passwd", "/etc/passwd", "media/../../x.jpg", "a\0b", "."])
def test_a_file_outside_the_export_is_not_touched(uri: str, tmp_path: Path) -> None:
    entries = [{"media": [{"uri": uri}]}, {"media": [item("1.jpg")]}]
    posts, told = read(write(tmp_path / "in", f"{NEW}/posts_1.json", entries))
    assert len(posts) == 1
    assert "expected a uri within the export" in told[0]


@pytest.mark.parametrize("content", [b"", b"[", b'"text"', b"[" * 99_999, "[]".encode("utf-16")])
def test_a_damaged_list_costs_only_itself(content: bytes, tmp_path: Path) -> None:
    write(tmp_path, f"{NEW}/posts_1.json", content)
    posts, told = read(write(tmp_path, f"{NEW}/posts_2.json", [{"media": [item("1.jpg")]}]))
    assert (len(posts), [message.startswith(f"{NEW}/posts_1.json: ") for message in told]) == (1, [True])


@pytest.mark.parametrize("entry", [5, None, {}, {"media": []}, {"media": "x"}, {"media": [{"uri": 3}]}])
def test_an_entry_without_media_is_told(entry: Any, tmp_path: Path) -> None:
    posts, told = read(write(tmp_path, f"{NEW}/posts_1.json", [entry, {"media": [item("1.jpg")]}]))
    assert (len(posts), len(told)) == (1, 1)


def test_a_time_that_is_none_costs_only_itself(tmp_path: Path) -> None:
    (post,), told = read(write(tmp_path, f"{NEW}/posts_1.json", [{"media": [item("1.jpg", creation_timestamp=7)]}]))
    assert post.published_at is None
    assert "creation_timestamp" in told[0]


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_is_mended(text: str) -> None:
    assert mend(spelled(text)) == text


@pytest.mark.parametrize("text", ["Grüße", "🌿", "plain"])
def test_text_that_is_right_stays(text: str) -> None:
    assert mend(text) == text
