"""Posts of sources to the store: located, hashed once, and never brought back once forgotten."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from postlens.media.hashing import sha256_file
from postlens.pipelines import ingest as ingest_module
from postlens.pipelines.ingest import Ingest, Ingested
from postlens.sources import open_source
from postlens.store import Store
from postlens.store.forget import forget_creator
from postlens.store.media import read_files
from postlens.store.meta import read_revision
from postlens.store.posts import read_creators, read_post_media, read_posts
from postlens.store.snapshots import read_snapshots
from postlens.types import Failure, MediaRef, SourcePost

from .fakes import NOW, picture, pictures, settings


def post(path: Path | str, *, handle: str = "ann", **changes: object) -> SourcePost:
    return SourcePost(**{"handle": handle, "media": (MediaRef(path=str(path)),), **changes})


def ingest(store: Store, found, *, downloads: Path = Path("unused"), **changes: object) -> Ingested:
    return Ingest(store, settings=settings(**changes), downloads=downloads, now=NOW).run(found)


def test_a_folder_becomes_posts_of_its_sub_folders(store, tmp_path):
    expected = pictures(tmp_path / "in" / "ann", 2) | pictures(tmp_path / "in" / "ben", 1, first=7)
    result = ingest(store, open_source(tmp_path / "in"))
    assert result.paths == expected
    with store.read() as conn:
        assert [creator.handle for creator in read_creators(conn)] == ["ann", "ben"]
        assert sorted(post_.post_id for post_ in read_posts(conn)) == sorted(result.post_ids)


def test_an_unchanged_file_is_not_read_again(store, tmp_path):
    """Other bytes of the same size and time keep the hash: so the file was not opened."""
    path = picture(tmp_path / "a.png", seed=1)
    before = path.stat()
    (sha256,) = ingest(store, [post(path)]).paths
    path.write_bytes(bytes(before.st_size))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert set(ingest(store, [post(path)]).paths) == {sha256}


def test_an_unchanged_download_is_not_read_again(store, tmp_path, monkeypatch):
    """A folder stands for the network: the file is there under its name, as after an earlier run."""
    path, hashed = picture(tmp_path / "downloaded.png", seed=1), []
    monkeypatch.setattr(ingest_module, "fetch", lambda *_, **__: path)
    monkeypatch.setattr(ingest_module, "sha256_file", lambda name: hashed.append(name) or sha256_file(name))
    found = [SourcePost(handle="ann", media=(MediaRef(url="https://example.org/a.png"),))]
    results = [ingest(store, found, downloads=tmp_path, allow_download=True).paths for _ in range(2)]
    assert results == [{sha256_file(path): str(path)}] * 2
    assert hashed == [str(path)]


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_file_of_another_size_or_time_is_read_again(store, tmp_path, change):
    path = picture(tmp_path / "a.png", seed=1)
    before = path.stat()
    ingest(store, [post(path)])
    path.write_bytes(bytes(before.st_size + (change == "size")))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9 * (change == "time")))
    assert set(ingest(store, [post(path)]).paths) == {sha256_file(path)}
    with store.read() as conn:
        assert read_files(conn)[str(path)].sha256 == sha256_file(path)


def test_the_same_bytes_at_two_paths_are_one_medium_of_two_posts(store, tmp_path):
    first, second = picture(tmp_path / "a.png", seed=1), picture(tmp_path / "b.png", seed=1)
    result = ingest(store, [post(first), post(second)])
    assert result.paths == {sha256_file(first): str(first)}
    assert len(result.post_ids) == 2
    with store.read() as conn:
        assert {item.sha256 for item in read_post_media(conn)} == set(result.paths)


def test_a_missing_file_is_a_failure_and_its_post_keeps_its_numbers(store, tmp_path):
    absent = tmp_path / "gone.jpg"
    result = ingest(store, [post(absent, metrics={"likes": 5.0})])
    assert [(f.subject, f.stage, f.error) for f in result.failures] == [(str(absent), "read", "MediaNotFoundError")]
    assert (result.paths, len(result.post_ids)) == ({}, 1)


def test_failures_of_the_source_pass_through(store):
    failure = Failure("posts.csv, row 3", "source", "RowError", "no path")
    result = ingest(store, [failure])
    assert result.failures == [failure]
    assert result.subjects == {"posts.csv, row 3"}


def test_a_url_is_a_failure_unless_downloads_are_on(store, tmp_path):
    url = "https://example.org/a.jpg"
    found = [SourcePost(handle="ann", media=(MediaRef(url=url),))]
    result = ingest(store, found, downloads=tmp_path / "downloads")
    assert [(f.subject, f.error) for f in result.failures] == [(url, "DownloadNotAllowedError")]
    assert "--allow-download" in result.failures[0].message
    assert not (tmp_path / "downloads").exists()


@pytest.mark.parametrize("url", ["http://127.0.0.1/a.jpg", "http://169.254.169.254/latest", "http://10.0.0.1/a.jpg"])
def test_private_addresses_are_refused_with_downloads_on(store, tmp_path, url):
    found = [SourcePost(handle="ann", media=(MediaRef(url=url),))]
    result = ingest(store, found, downloads=tmp_path, allow_download=True)
    assert [f.error for f in result.failures] == ["AddressRefusedError"]


def forget(store: Store, creator_id: str) -> None:
    with store.write() as conn:
        forget_creator(conn, creator_id, now=NOW)


def test_posts_of_a_forgotten_creator_are_skipped_and_told(store, tmp_path):
    one, two = picture(tmp_path / "a.png", seed=1), picture(tmp_path / "b.png", seed=2)
    ingest(store, [post(one, handle="secret_ann"), post(two, handle="ben")])
    forget(store, "unknown:secret_ann")
    result = ingest(store, [post(one, handle="secret_ann"), post(two, handle="ben")])
    assert [f.error for f in result.failures] == ["ForgottenError"]
    assert result.paths == {sha256_file(two): str(two)}
    with store.read() as conn:
        assert [creator.handle for creator in read_creators(conn)] == ["ben"]


def test_the_failure_of_a_forgotten_creator_does_not_name_them(store, tmp_path):
    path = picture(tmp_path / "a.png", seed=1)
    ingest(store, [post(path, handle="secret_ann")])
    forget(store, "unknown:secret_ann")
    result = ingest(store, [post(path, handle="secret_ann")])
    assert "secret_ann" not in repr(result.failures)


def test_ingesting_again_changes_no_fact(store, tmp_path):
    pictures(tmp_path / "in" / "ann", 3)
    ingest(store, open_source(tmp_path / "in"))
    with store.read() as conn:
        before = read_revision(conn)
    ingest(store, open_source(tmp_path / "in"))
    with store.read() as conn:
        assert read_revision(conn) == before


def test_more_posts_than_one_transaction_holds_are_all_written(store, tmp_path):
    path = picture(tmp_path / "a.png", seed=1)
    found = [post(path, platform="x", post_key=str(number)) for number in range(1100)]
    assert len(ingest(store, found).post_ids) == 1100
    with store.read() as conn:
        assert len(read_posts(conn)) == 1100


def test_a_forgotten_creator_is_told_once_however_many_posts(store, tmp_path):
    path = picture(tmp_path / "a.png", seed=1)
    ingest(store, [post(path, handle="secret_ann")])
    forget(store, "unknown:secret_ann")
    many = [post(path, handle="secret_ann", platform="unknown", post_key=str(number)) for number in range(1100)]
    assert len(ingest(store, many).failures) == 1


@pytest.mark.parametrize("name", ["é 图 🐕.png", "semi;colon,comma.png", "-dash.png", "new\nline.png"])
def test_odd_names_are_names(store, tmp_path, name):
    path = picture(tmp_path / name, seed=1)
    assert ingest(store, [post(path)]).paths == {sha256_file(path): str(path)}


def test_names_that_are_no_utf8_are_names(store, tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff\xfe.png"))
    picture(path, seed=1)
    assert ingest(store, [post(path)]).paths == {sha256_file(path): str(path)}
    assert ingest(store, [post(path)]).paths == {sha256_file(path): str(path)}


def test_media_that_a_later_row_of_the_same_post_replaces_is_not_looked_at(store, tmp_path):
    one, two = picture(tmp_path / "a.png", seed=1), picture(tmp_path / "b.png", seed=2)
    result = ingest(store, [post(path, platform="x", post_key="7") for path in (one, two)])
    assert result.paths == {sha256_file(two): str(two)}


@pytest.mark.parametrize("name", ["published_at", "observed_at"])
def test_a_time_ahead_of_the_clock_is_told_and_counts_as_unknown(store, tmp_path, name):
    wrong = post(tmp_path / "a.png", origin="posts.csv, row 2", metrics={"likes": 5}, **{name: NOW + timedelta(days=9)})
    result = ingest(store, [wrong])
    told = [one for one in result.failures if one.stage == "source"]
    assert [(one.subject, one.error) for one in told] == [("posts.csv, row 2", "RowError")]
    assert f"expected a time that has passed as {name}" in told[0].message
    with store.read() as conn:
        (stored,) = read_posts(conn)
        assert stored.published_at is None
        assert read_snapshots(conn)[stored.post_id].observed_at == NOW


def test_a_planned_post_keeps_its_time(store, tmp_path):
    planned = post(tmp_path / "a.png", published_at=NOW + timedelta(days=9))
    assert [one.stage for one in ingest(store, [planned]).failures] == ["read"]
    with store.read() as conn:
        assert read_posts(conn)[0].published_at == planned.published_at


def test_a_time_of_another_zone_is_not_ahead(store, tmp_path):
    recent = post(tmp_path / "a.png", metrics={"likes": 5}, published_at=NOW + timedelta(hours=14))
    assert [one.stage for one in ingest(store, [recent]).failures] == ["read"]


def rows_of_one_post(tmp_path: Path, *rows: tuple[float, str | None]) -> list[SourcePost]:
    """Likes and day of observation of each row of one post."""
    return [
        post(
            tmp_path / "a.png",
            metrics={"likes": likes},
            observed_at=None if day is None else datetime.fromisoformat(f"{day}T00:00:00+00:00"),
            origin=f"posts.csv, row {number}",
        )
        for number, (likes, day) in enumerate(rows, start=2)
    ]


@pytest.mark.parametrize(
    ("rows", "likes", "told"),
    [
        ([(5, None), (7, None)], 7, "likes 7 and 5 (of posts.csv, row 2); say with observed_at which is newer"),
        ([(5, None), (5, None)], 5, None),
        ([(90, "2024-02-01"), (40, "2024-01-01")], 90, None),
        ([(90, "2024-02-01"), (91, "2024-02-01")], 91, "likes 91 and 90 (of posts.csv, row 2); remove the wrong row"),
        ([(90, "2024-02-01"), (70, None)], 70, None),
    ],
    ids=["no times", "the same twice", "an older one last", "one time", "one without a time is of now"],
)
@pytest.mark.parametrize("per_transaction", [1, 512])
def test_the_latest_observation_counts_else_the_last_row(
    store, tmp_path, monkeypatch, rows, likes, told, per_transaction
):
    picture(tmp_path / "a.png", seed=1)
    monkeypatch.setattr(ingest_module, "POSTS_PER_TRANSACTION", per_transaction)
    result = ingest(store, rows_of_one_post(tmp_path, *rows))
    with store.read() as conn:
        (snapshot,) = read_snapshots(conn).values()
    assert snapshot.likes == likes
    assert [told in one.message for one in result.failures] == ([] if told is None else [True])
