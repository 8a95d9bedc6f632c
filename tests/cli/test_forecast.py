"""Early counts as they are typed."""

import pytest

from postlens.cli.forecast import parse_early
from postlens.errors import UsageError


@pytest.mark.parametrize(
    ("text", "count", "age_h"), [("120@1h", 120, 1), ("40@30min", 40, 0.5), ("900 @ 1d", 900, 24), ("7@90m", 7, 1.5)]
)
def test_a_count_and_its_age(text, count, age_h):
    found = parse_early(text)
    assert found is not None
    assert (found.count, found.age_h) == (count, age_h)


@pytest.mark.parametrize("text", ["120", "1h", "-3@1h", "120@0h", "120@9d", "120@1 week", ""])
def test_other_forms_are_told(text):
    with pytest.raises(UsageError, match="such as 120@1h"):
        parse_early(text)


def test_none_is_none():
    assert parse_early(None) is None
