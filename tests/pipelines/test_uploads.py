"""Uploaded files and tables to posts, with nothing read outside of their folder."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from postlens.config import Settings
from postlens.pipelines.run import Runner
from postlens.pipelines.uploads import Plan, ingest_uploads
from postlens.store import Store
from postlens.store.posts import read_posts

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path, sample_campaign):
    """A photo, twice, in a folder, and one beside the folder."""
    photo = (sample_campaign / "media" / "sample.interior" / "sofa.jpg").read_bytes()
    for name in ("up/a.jpg", "up/deep/b.jpg", "secret.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(photo)
    return tmp_path / "up"


def ingest(store: Store, plan: Plan, **more):
    """The posts alone: no stage looks at the media."""
    with Runner([], Settings(workers=1)) as runner:
        return ingest_uploads(store, plan, runner, now=NOW, **more)


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "a.db") as found:
        yield found


def test_a_plan_comes_back_from_json(folder):
    plan = Plan(folder, media=("a.jpg",), tables=("t.csv",), creator="ada", mapping={"likes": "Likes"})
    assert Plan.of(json.loads(json.dumps(plan.as_dict())), folder) == plan


def test_the_same_file_of_the_same_creator_is_the_same_post(store, folder):
    first = ingest(store, Plan(folder, media=("a.jpg",), creator="ada"))
    again = ingest(store, Plan(folder, media=("a.jpg", "deep/b.jpg"), creator="@ada"))
    other = ingest(store, Plan(folder, media=("a.jpg",), creator="eve"))
    assert again.post_ids == first.post_ids
    assert set(other.post_ids).isdisjoint(first.post_ids)


@pytest.mark.parametrize(
    "named", ["../secret.jpg", "deep/../../secret.jpg", "/etc/hostname", "missing.jpg", "deep", "\x00.jpg"]
)
def test_a_table_reaches_no_file_beside_the_uploads(store, folder, named):
    if "\x00" not in named:
        (folder / "link.jpg").symlink_to(folder.parent / "secret.jpg")
    (folder / "t.csv").write_text(f"path,creator,likes\n{named},ada,7\nlink.jpg,ada,8\na.jpg,ada,9\n")
    found = ingest(store, Plan(folder, tables=("t.csv",), media=("a.jpg",)))
    with store.read() as conn:
        read = [post for post in read_posts(conn) if post.media]
    assert len(read) == 1
    assert len(found.failures) >= 1
    assert "secret" not in repr(found.failures).replace("secret.jpg", "", 1) or named.endswith("secret.jpg")


def test_urls_are_posts_whose_media_is_not_fetched_unless_allowed(store, folder):
    found = ingest(store, Plan(folder, urls=("https://example.com/a.jpg",)))
    assert [one.error for one in found.failures] == ["DownloadNotAllowedError"]


class EnoughError(Exception):
    """The work is to end."""


@pytest.mark.parametrize("n_asked", [1, 5, 13, 16])
def test_work_ends_at_the_row_or_step_where_it_is_asked_to(store, folder, n_asked):
    asked = []

    def stop():
        asked.append(None)
        if len(asked) == n_asked:
            raise EnoughError

    (folder / "t.csv").write_text("path,likes\n" + "a.jpg,1\n" * 10)
    with pytest.raises(EnoughError):
        ingest(store, Plan(folder, tables=("t.csv",)), stop=stop)
    assert len(asked) == n_asked
