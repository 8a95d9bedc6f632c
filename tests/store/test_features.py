"""Facts of media to rows and back."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.faces import read_faces, read_tracks
from postlens.store.features import read_features, write_features
from postlens.store.media import FileStat, read_files, read_media, read_thumbnails, write_files
from postlens.store.meta import read_revision
from postlens.store.posts import write_posts
from postlens.store.vectors import read_frame_embeddings, read_hashes, read_measures
from postlens.types import Embeddings, Faces, MediaFile

from .conftest import undone
from .facts import ENCODER, NOW, boxes, features, located, sha, tracks_of


def equal(first: Any, second: Any) -> bool:
    """Whether two nouns hold the same values, arrays compared bit by bit."""
    if is_dataclass(first):
        return all(equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(first))
    if isinstance(first, np.ndarray):
        return first.dtype == second.dtype and np.array_equal(first, second)
    return bool(first == second)


def test_all_facts_come_back_as_they_were(store: Store) -> None:
    video = replace(features(2), media=MediaFile(sha(2), "video", "", 1280, 720, 9, 12.5, 29.97, "cut off"))
    written = {sha(1): features(1), sha(2): video}
    with store.write() as conn:
        write_features(conn, *written.values())
        found = read_features(conn, list(written), fingerprint=ENCODER)
    assert list(found) == list(written)
    assert all(equal(found[name], written[name]) for name in written)


def test_writing_the_same_facts_again_changes_nothing(store: Store) -> None:
    for _ in range(2):
        with store.write() as conn:
            n_rows = write_features(conn, features(1), features(2))
    with store.read() as conn:
        assert (n_rows, read_revision(conn)) == (0, 1)


def test_absent_part_leaves_what_is_stored(store: Store) -> None:
    nothing = dict.fromkeys(("thumbnail", "embeddings", "pts_s", "measures", "faces", "tracks", "hashes"))
    with store.write() as conn:
        write_features(conn, features(1))
        assert write_features(conn, replace(features(1), **nothing)) == 0


def test_new_faces_replace_the_old_ones(store: Store) -> None:
    with store.write() as conn:
        write_features(conn, features(1, boxes(0, 100, 200)), features(2))
        write_features(conn, features(1, boxes(300)))
        assert {name: len(found) for name, found in read_faces(conn).items()} == {sha(1): 1, sha(2): 2}
        assert len(read_tracks(conn, [sha(1)])) == 1


def test_media_where_no_face_is_left_has_no_rows(store: Store) -> None:
    nobody = Faces.none()
    with store.write() as conn:
        write_features(conn, features(1))
        write_features(conn, features(1, nobody, tracks=tracks_of(sha(1), boxes())))
        assert (read_faces(conn), len(read_tracks(conn))) == ({}, 0)


def test_faces_without_optional_columns_come_back_without(store: Store) -> None:
    bare = replace(boxes(0), template=None, expression=None, attributes=None, track_id=None, thumbnails=None)
    with store.write() as conn:
        write_features(conn, features(1, bare, tracks=None))
        assert equal(read_faces(conn, templates=True, thumbnails=True)[sha(1)], bare)


def test_templates_and_thumbnails_are_read_where_asked_for(store: Store) -> None:
    with store.write() as conn:
        write_features(conn, features(1))
        plain = read_faces(conn)[sha(1)]
        full = read_faces(conn, [sha(1)], templates=True, thumbnails=True)[sha(1)]
    assert (plain.template, plain.thumbnails) == (None, None)
    assert equal(full, boxes(0, 100))


def test_two_encoders_live_side_by_side(store: Store) -> None:
    other = Embeddings((f"{sha(1)}:0",), np.ones((1, 4), np.float32), "encoder-2")
    with store.write() as conn:
        write_features(conn, features(1))
        write_features(conn, features(1, embeddings=other))
        assert equal(read_frame_embeddings(conn, [sha(1)], "encoder-2")[sha(1)][0], other)
        assert equal(read_frame_embeddings(conn, [sha(1)], ENCODER)[sha(1)][0], features(1).embeddings)


def test_embeddings_come_in_the_order_asked_for(store: Store) -> None:
    frames = np.arange(12, dtype=np.float32)
    film = Embeddings(tuple(f"{sha(3)}:{i}" for i in range(12)), np.ones((12, 16), np.float32), ENCODER)
    with store.write() as conn:
        write_features(conn, features(1), features(3, embeddings=film, pts_s=frames))
        found = read_frame_embeddings(conn, [sha(3), sha(9), sha(1)], ENCODER)
    assert [vectors.ids for vectors, _ in found.values()] == [film.ids, (f"{sha(1)}:0",)]
    assert list(found) == [sha(3), sha(1)]


def test_everything_is_read_without_naming_it(store: Store) -> None:
    with store.write() as conn:
        write_features(conn, features(1), features(2))
        everything = {sha(1), sha(2)}
        for read in (read_media, read_thumbnails, read_hashes, read_measures, read_faces):
            assert set(read(conn)) == everything
        assert set(read_frame_embeddings(conn, None, ENCODER)) == everything


def test_empty_store_reads_as_empty(store: Store) -> None:
    with store.read() as conn:
        assert read_frame_embeddings(conn, [sha(1)], ENCODER) == {}
        assert len(read_tracks(conn, [])) == 0
        assert read_features(conn, [sha(1)], fingerprint=ENCODER) == {}


@pytest.mark.parametrize(("stat_path", "expected"), [(None, "/photos/1.jpg"), ("/cache/x.jpg", "/cache/x.jpg")])
def test_media_path_is_where_the_file_was_met(store: Store, stat_path: str | None, expected: str) -> None:
    with store.write() as conn:
        write_posts(conn, [located(1)], now=NOW)
        write_features(conn, features(1))
        if stat_path:
            write_files(conn, {stat_path: FileStat(1, 2, sha(1))})
        assert read_media(conn, [sha(1)])[sha(1)].path == expected


def test_file_stats_are_remembered(store: Store) -> None:
    stat = FileStat(10, 1_760_000_000_123_456_789, sha(1))
    with store.write() as conn:
        write_files(conn, {"caf\udce9.jpg": stat})
        assert read_files(conn, ["caf\udce9.jpg", "other.jpg"]) == {"caf\udce9.jpg": stat}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.permutations(range(5)), st.integers(1, 5))
def test_order_and_batches_of_media_do_not_matter(store: Store, order: list[int], size: int) -> None:
    with undone(store) as conn:
        write_features(conn, *(features(n) for n in range(5)))
        expected = dump(conn)
    with undone(store) as conn:
        for start in range(0, 5, size):
            write_features(conn, *(features(n) for n in order[start : start + size]))
        assert dump(conn) == expected
