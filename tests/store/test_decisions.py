"""Decisions are numbered, and their tracks follow the faces."""

from __future__ import annotations

from typing import Any

import pytest

from postlens.store import Store
from postlens.store.decisions import (
    add_decision,
    delete_decisions,
    mark_undone,
    persons_of,
    read_decisions,
    renamed,
    texts_in,
    tracks_of,
    write_payload,
)

from .facts import LATER, NOW


def rows(**changes: Any) -> dict[str, Any]:
    return {"persons": {}, "gallery": {}, "links": {}, "tracks": {}, **changes}


PAYLOAD = {
    "said": {"person": "Ann"},
    "before": rows(tracks={"a:0": "p1", "b:0": None}, persons={"p1": [None, False]}),
    "after": rows(
        gallery={"a:1": ["p2", "named"]}, links={"must_link a:0 b:0": 1, "cannot_link b:0 c:0": 1}, tracks={"a:0": None}
    ),
}


def test_decisions_are_numbered_in_order(store: Store) -> None:
    with store.write() as conn:
        assert [add_decision(conn, "name", PAYLOAD, now=NOW) for _ in range(3)] == [1, 2, 3]
        mark_undone(conn, 2, now=LATER)
        found = read_decisions(conn)
    assert [one.number for one in found] == [1, 2, 3]
    assert [one.undone_at for one in found] == [None, LATER, None]
    assert found[0].payload == PAYLOAD


def test_a_payload_can_be_replaced_and_a_decision_dropped(store: Store) -> None:
    with store.write() as conn:
        number = add_decision(conn, "name", PAYLOAD, now=NOW)
        write_payload(conn, number, {"said": {}})
        assert read_decisions(conn)[0].payload == {"said": {}}
        assert delete_decisions(conn, [number, 9]) == 1
        assert read_decisions(conn) == []


def test_a_decision_names_its_tracks_and_persons() -> None:
    assert tracks_of(PAYLOAD) == {"a:0", "a:1", "b:0", "c:0"}
    assert persons_of(PAYLOAD) == {"p1", "p2"}


@pytest.mark.parametrize(
    ("moved", "links", "gallery"),
    [
        ({}, ["cannot_link b:0 c:0", "must_link a:0 b:0"], ["a:1"]),
        ({"a:0": "a:1", "a:1": "a:0"}, ["cannot_link b:0 c:0", "must_link a:1 b:0"], ["a:0"]),
        ({"b:0": "b:7", "c:0": "a:3"}, ["cannot_link a:3 b:7", "must_link a:0 b:7"], ["a:1"]),
        ({"a:0": None}, ["cannot_link b:0 c:0"], ["a:1"]),
        ({"b:0": None, "a:1": None}, [], []),
    ],
)
def test_tracks_get_their_new_ids_or_are_left_out(moved: dict[str, Any], links: list[str], gallery: list[str]) -> None:
    found = renamed(PAYLOAD, moved)["after"]
    assert sorted(found["links"]) == links
    assert sorted(found["gallery"]) == gallery


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a", {"a"}),
        ({"a": ["b", {"c": "d e"}]}, {"a", "b", "c", "d e"}),
        ({"must_link a b": 1}, {"must_link a b", "must_link", "a", "b"}),
        (3, set()),
        (None, set()),
    ],
)
def test_all_texts_of_a_value_are_found(value: Any, expected: set[str]) -> None:
    assert texts_in(value) == expected
