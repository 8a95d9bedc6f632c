"""Large tables of posts: what is read of them, what is left out, and what is told."""

from __future__ import annotations

import polars as pl
import pytest

from postlens.errors import EmptySourceError, TableError, UnknownNameError
from postlens.sources import open_source
from postlens.train.engagement_stream import is_streamable, stream_posts
from postlens.types import SourcePost

ROWS = """username,Like Count,timestamp,followers,caption,id
ann,12,2024-01-01,1000,hello,1
bob,1.2K,2024-01-02,900,,2
ann,-1,2024-01-03,1000,again,3
ann,many,2024-01-04,1000,again,4
ann,99,2024-01-01,1000,twice,1
,5,2024-01-05,10,nobody,5
"""


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "posts.csv"
    path.write_text(ROWS)
    return path


def test_counts_are_read_as_analyze_reads_them(table):
    found = stream_posts(table).accounts
    assert [post.counts.get("likes") for post in found["ann"]] == [99, None, None]
    assert found["bob"][0].counts["likes"] == 1200
    assert found["ann"][0].published_at.day == 1


def test_textual_counts_are_told(table):
    found = stream_posts(table)
    assert found.n_bad_cells == 1
    assert "1 cells could not be read" in found.note


def test_rows_without_a_creator_need_a_name(table):
    assert set(stream_posts(table).accounts) == {"ann", "bob"}
    assert set(stream_posts(table, creator="me").accounts) == {"ann", "bob", "me"}


def test_sample_is_of_whole_accounts(tmp_path):
    path = tmp_path / "many.parquet"
    pl.DataFrame({"account": [f"a{i % 200}" for i in range(1000)], "likes": range(1000)}).write_parquet(path)
    found = stream_posts(path, most=500)
    assert {len(posts) for posts in found.accounts.values()} == {5}
    assert 60 < len(found.accounts) < 140
    assert "sample of 50.0%" in found.note


def test_json_lines_and_own_column_names_are_read(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_text('{"who": "ann", "hearts": 3}\n{"who": "ann", "hearts": 4}\n')
    found = stream_posts(path, mapping={"creator": "who"})
    assert [post.counts["likes"] for post in found.accounts["ann"]] == [3, 4]


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("creator,caption\nann,x\n", TableError, "expected columns likes"),
        ("likes\n3\n", TableError, "expected columns creator"),
        ("creator,likes\n", EmptySourceError, "got none"),
    ],
)
def test_tables_that_cannot_be_trained_on_are_told(tmp_path, text, error, words):
    path = tmp_path / "posts.csv"
    path.write_text(text)
    with pytest.raises(error, match=words):
        stream_posts(path)


def test_damaged_parquet_is_told(tmp_path):
    path = tmp_path / "posts.parquet"
    path.write_bytes(b"PAR1 no")
    with pytest.raises(TableError, match="damaged"):
        stream_posts(path)


def test_unknown_column_to_map_is_refused(table):
    with pytest.raises(UnknownNameError):
        stream_posts(table, mapping={"nothing": "id"})


def test_folders_are_not_streamed(tmp_path, table):
    assert is_streamable(table)
    assert not is_streamable(tmp_path)


def test_places_tags_and_texts_are_read_as_analyze_reads_them(tmp_path):
    """One set of parsers: what a table says in a store and in a training is the same."""
    path = tmp_path / "posts.csv"
    cells = ["true", "0", "Lisbon", "", "no"]
    rows = [f"{place}.jpg,ann,{place},{cell},[1],-" for place, cell in enumerate(cells)]
    path.write_text("\n".join(["path,creator,likes,has_location,n_tagged,caption", *rows]))
    streamed = stream_posts(path).accounts["ann"]
    posts = [one for one in open_source(path) if isinstance(one, SourcePost)]
    assert [one.has_location for one in streamed] == [True, False, True, None, False]
    for name in ("has_location", "n_tagged", "caption"):
        assert [getattr(one, name) for one in streamed] == [getattr(one, name) for one in posts]


def test_lists_of_tagged_accounts_are_counted(tmp_path):
    path = tmp_path / "posts.jsonl"
    path.write_text('{"creator": "ann", "likes": 3, "n_tagged": ["a", "b"]}\n')
    assert stream_posts(path).accounts["ann"][0].n_tagged == 2


def test_the_note_says_what_the_table_does_not_tell(table):
    note = stream_posts(table).note
    assert "pictures were not looked at (--store does): shape, light, faces" in note
    assert "without columns, observed_at, followees, n_posts, alt_text, n_tagged, has_location" in note


def test_the_latest_observation_of_a_post_counts_else_the_last_row(tmp_path):
    path = tmp_path / "posts.csv"
    rows = ["1,90,2024-02-01,", "1,40,2024-01-01,later text", "2,5,,first", "2,7,,", "3,6,2024-01-01,", "3,8,,"]
    path.write_text("\n".join(["creator,post_id,likes,observed_at,caption", *(f"ann,{row}" for row in rows)]))
    found = stream_posts(path)
    assert [one.counts["likes"] for one in found.accounts["ann"]] == [90, 7, 8]
    assert [one.caption for one in found.accounts["ann"]] == ["later text", "first", None]
    assert [one.observed_at is None for one in found.accounts["ann"]] == [False, True, True]
    assert (found.n_repeats, found.n_contradictions) == (3, 1)
    assert "3 rows repeat a post: the latest observation counts" in found.note
    assert "1 of them have other counts of the same time" in found.note
