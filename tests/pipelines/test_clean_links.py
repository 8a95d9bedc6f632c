"""Posts linked by address and content: one first occurrence in each group, whatever the order of the links."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.pipelines.clean_links import Match, Place, match_posts
from postlens.tasks.people.repeats import Duplicate

URL_A, URL_B = ("https://h/a",), ("https://h/b",)


def test_posts_of_one_address_are_one_group_by_url():
    found = match_posts(["1", "2", "3"], {"1": URL_A, "2": URL_B, "3": URL_A}, [])
    assert found == {"3": Match("1", "url", 1.0)}


def test_posts_without_an_address_are_linked_by_content_alone():
    found = match_posts(["1", "2"], {"1": (), "2": ()}, [Duplicate("2", "1", "frames", 0.75)])
    assert found == {"2": Match("1", "frames", 0.75)}


def test_an_equal_address_says_more_than_equal_content():
    found = match_posts(["1", "2"], {"1": URL_A, "2": URL_A}, [Duplicate("2", "1", "bytes", 1.0)])
    assert found["2"].reason == "url"


def test_address_and_content_make_one_group_together():
    found = match_posts(["1", "2", "3"], {"1": URL_A, "2": URL_A}, [Duplicate("3", "2", "look", 0.9)])
    assert found == {"2": Match("1", "url", 1.0), "3": Match("1", "look", 0.9)}


def test_the_first_of_its_copies_that_is_no_first_by_address_keeps_a_reason():
    urls = {"1": URL_A, "3": URL_A}
    found = match_posts(["1", "2", "3"], urls, [Duplicate("3", "2", "frames", 0.8)])
    assert found == {"2": Match("1", "frames", 0.8), "3": Match("1", "url", 1.0)}


@pytest.mark.parametrize(
    ("origin", "place"),
    [
        ("/in/posts.csv, row 7", Place("/in/posts.csv", 7)),
        ("/in/posts.xlsx, sheet 'May, row 2', row 9", Place("/in/posts.xlsx, sheet 'May, row 2'", 9)),
        ("/in/photo.jpg", None),
        ("", None),
    ],
)
def test_where_a_post_is_listed_is_read_from_its_origin(origin, place):
    assert Place.of(origin) == place


IDS = [str(number) for number in range(8)]


@given(
    st.permutations(IDS),
    st.dictionaries(st.sampled_from(IDS), st.sampled_from([URL_A, URL_B, ()])),
    st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)), max_size=6, unique_by=lambda pair: pair[1]),
)
def test_every_match_leads_to_an_earlier_first_that_matches_nothing(order, urls, pairs):
    copies = [Duplicate(later, first, "bytes", 1.0) for first, later in pairs if first != later]
    found = match_posts(order, urls, copies)
    for post_id, match in found.items():
        assert match.first_id not in found
        assert order.index(match.first_id) < order.index(post_id)
    linked = {post_id for one in copies for post_id in (one.later_id, one.first_id)}
    assert all(post_id in linked or urls.get(post_id) for post_id in found)
