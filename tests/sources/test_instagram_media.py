"""Metadata of single posts in both structures."""

from __future__ import annotations

import json
from typing import Any

import pytest

from postlens.sources.instagram_media import parse_media

TAGS = {"edges": [{"node": {"user": {"username": "ben"}}}, {"node": {"user": {"username": "cleo"}}}]}


def facts(**media: Any) -> Any:
    return parse_media(json.dumps(media).encode())


@pytest.mark.parametrize(
    ("media", "expected"),
    [
        ({"edge_media_to_tagged_user": TAGS}, 2),
        ({"usertags": {"in": [{"user": {"username": "ben"}}]}}, 1),
        ({"carousel_media": [{"usertags": {"in": [{"user": {"username": "ben"}}]}}] * 2}, 1),
        ({"edge_media_to_tagged_user": {"edges": []}}, 0),
        ({"carousel_media": 5}, None),
        ({}, None),
    ],
)
def test_tagged_accounts_are_counted_once(media: dict[str, Any], expected: int | None) -> None:
    assert facts(**media).n_tagged == expected


@pytest.mark.parametrize(
    ("media", "expected"), [({"location": None}, False), ({"location": {"id": 1}}, True), ({}, None)]
)
def test_no_word_of_a_place_is_not_known(media: dict[str, Any], expected: bool | None) -> None:
    assert facts(**media).has_location is expected


def test_likes_of_a_post_that_hides_them_are_unknown() -> None:
    assert facts(like_count=3, comment_count=2, like_and_view_counts_disabled=True).metrics == {"comments": 2}


def test_the_description_of_a_carousel_is_that_of_its_first_picture() -> None:
    children = {"edges": [{"node": {"accessibility_caption": "A dog"}}, {"node": {"accessibility_caption": "A cat"}}]}
    assert facts(accessibility_caption=None, edge_sidecar_to_children=children).alt_text == "A dog"


@pytest.mark.parametrize(
    ("media", "expected"), [({"id": "12"}, "12"), ({"id": "12_7"}, "12"), ({"pk": 12}, "12"), ({"id": "x"}, None)]
)
def test_the_number_of_a_post_is_told_without_the_account(media: dict[str, Any], expected: str | None) -> None:
    assert facts(**media).media_id == expected


def test_the_owner_is_named_in_both_structures() -> None:
    assert facts(owner={"username": "anna"}).owner == facts(user={"username": "anna"}).owner == "anna"
