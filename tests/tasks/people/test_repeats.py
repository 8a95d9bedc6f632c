"""A post repeats an earlier one when more than half of its files do."""

from __future__ import annotations

import pytest

from postlens.tasks.people.compare import Verdict
from postlens.tasks.people.repeats import Link, link_posts

LOOK, FRAMES = Verdict("look", 0.9), Verdict("frames", 0.8)


def links(**of: tuple[str, Verdict]) -> dict[str, Link]:
    return {later: Link(*one) for later, one in of.items()}


@pytest.mark.parametrize(
    ("first", "later", "copied"),
    [
        ("a", "a", True),
        ("abc", "b", True),  # a photo taken out of a carousel
        ("a", "abc", False),  # a carousel with one known photo
        ("ab", "ac", False),  # the same cover
        ("abc", "abd", True),
        ("abc", "axyz", False),
        ("abc", "cab", True),
    ],
)
def test_most_of_the_files_decide(first: str, later: str, copied: bool):
    found = link_posts([("first", list(first)), ("later", list(later))], {})
    assert [one.later_id for one in found] == ["later"] * copied


def test_reason_is_the_least_sure_and_score_the_mean():
    (found,) = link_posts([("p", ["a", "b"]), ("q", ["A", "b", "c"])], links(A=("a", LOOK)))
    assert found == ("q", "p", "look", pytest.approx((0.9 + 1) / 3))


def test_files_of_two_posts_make_no_copy_of_either():
    assert link_posts([("p", ["a", "b"]), ("q", ["c", "d"]), ("r", ["a", "c", "x", "y"])], {}) == ()


def test_a_copy_of_a_copy_points_to_the_first_of_all():
    found = link_posts([("p", ["a"]), ("q", ["b"]), ("r", ["c"])], links(b=("a", LOOK), c=("b", FRAMES)))
    assert [(one.later_id, one.first_id, one.reason) for one in found] == [("q", "p", "look"), ("r", "p", "frames")]


def test_what_a_copy_adds_counts_for_its_first():
    found = link_posts([("p", ["a", "b"]), ("q", ["a", "b", "c"]), ("r", ["c"])], {})
    assert [(one.later_id, one.first_id) for one in found] == [("q", "p"), ("r", "p")]


def test_many_posts_of_one_file_take_little():
    assert len(link_posts([(f"p{k}", ["a"]) for k in range(20_000)], {})) == 19_999
