"""What is done, what is stale, what failed."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from postlens.store import Store
from postlens.store.ledger import clear_failures, mark_done, read_done, read_failures, stale, write_failures
from postlens.types import Failure

from .facts import LATER, provenance, sha

STAGES = [("encode", "1", "model-1"), ("faces", "1", "model-1")]


def test_everything_is_stale_at_first(store: Store) -> None:
    with store.read() as conn:
        assert stale(conn, [sha(1), sha(2)], STAGES) == {sha(1): {"encode", "faces"}, sha(2): {"encode", "faces"}}


def test_done_stages_are_fresh(store: Store) -> None:
    with store.write() as conn:
        mark_done(conn, [provenance(1, "encode"), provenance(1, "faces"), provenance(2, "encode")])
        assert stale(conn, [sha(1), sha(2)], STAGES) == {sha(2): {"faces"}}


def test_what_a_stage_was_done_for_is_told_whatever_the_model(store: Store) -> None:
    with store.write() as conn:
        mark_done(
            conn, [provenance(1, "encode"), provenance(2, "encode", fingerprint="model-2"), provenance(3, "faces")]
        )
        assert read_done(conn, [sha(1), sha(2), sha(3), sha(4)], "encode") == {sha(1), sha(2)}
        assert read_done(conn, [sha(2)], "encode") == {sha(2)}


@pytest.mark.parametrize("now", [("encode", "2", "model-1"), ("encode", "1", "model-2"), ("other", "1", "model-1")])
def test_new_version_or_model_is_stale(store: Store, now: tuple[str, str, str]) -> None:
    with store.write() as conn:
        mark_done(conn, [provenance(1, "encode")])
        assert stale(conn, [sha(1)], [now]) == {sha(1): {now[0]}}


def test_going_back_to_an_older_model_is_stale_too(store: Store) -> None:
    with store.write() as conn:
        mark_done(conn, [provenance(1, "encode")])
        mark_done(conn, [provenance(1, "encode", fingerprint="model-2")])
        assert stale(conn, [sha(1)], [("encode", "1", "model-1")]) == {sha(1): {"encode"}}
        assert stale(conn, [sha(1)], [("encode", "1", "model-2")]) == {}


def test_marking_leaves_other_stages_alone(store: Store) -> None:
    with store.write() as conn:
        mark_done(conn, [provenance(1, "encode"), provenance(2, "faces")])
        mark_done(conn, [provenance(1, "faces", version="2")])
        assert stale(conn, [sha(1)], [("encode", "1", "model-1"), ("faces", "2", "model-1")]) == {}
        assert stale(conn, [sha(2)], [("faces", "1", "model-1")]) == {}


def test_stage_done_again_keeps_its_first_time(store: Store) -> None:
    with store.write() as conn:
        mark_done(conn, [provenance(1, "encode")])
        mark_done(conn, [replace(provenance(1, "encode"), created_at=LATER)])
        assert conn.exec_driver_sql("SELECT count(*), min(created_at) = max(created_at) FROM ledger").one()[0] == 1


def test_nothing_to_do_is_nothing_stale(store: Store) -> None:
    with store.read() as conn:
        assert stale(conn, [], STAGES) == {}
        assert stale(conn, [sha(1)], []) == {}


def test_many_inputs_are_planned_fast(store: Store) -> None:
    many = [sha(number) for number in range(25_000)]
    with store.write() as conn:
        mark_done(conn, [provenance(number, "encode") for number in range(24_999)])
        started = time.perf_counter()
        assert stale(conn, many, STAGES[:1]) == {many[-1]: {"encode"}}
        assert time.perf_counter() - started < 5


def test_newest_failure_of_a_stage_is_kept(store: Store) -> None:
    old, new = Failure("a.jpg", "decode", "DecodeError", "old"), Failure("a.jpg", "decode", "TooLargeError", "new")
    with store.write() as conn:
        write_failures(conn, [old])
        write_failures(conn, [new])
        assert read_failures(conn) == [new]


@pytest.mark.parametrize(("stage", "left"), [(None, ["b"]), ("encode", ["a", "b"])])
def test_success_clears_failures(store: Store, stage: str | None, left: list[str]) -> None:
    failed = [Failure(*pair, "E", "m") for pair in (("a", "decode"), ("a", "encode"), ("b", "decode"))]
    with store.write() as conn:
        write_failures(conn, failed)
        clear_failures(conn, ["a"], stage=stage)
        assert [one.subject for one in read_failures(conn)] == left
