"""The location of a store: what is accepted, and how it is shown."""

from __future__ import annotations

import pytest

from postlens.errors import UsageError
from postlens.store.engine import parse_url, shown_location


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("a/b.db", "a/b.db"),
        ("sqlite:///x.db", "x.db"),
        ("sqlite:////in/x.db?password=secret", "/in/x.db"),
        ("postgresql://me:secret@host:5433/db", "postgresql://me@host:5433/db"),
        ("postgresql+psycopg://host/db?user=me&password=secret", "postgresql://host/db"),
        ("postgresql:///db?host=h&passfile=secret", "postgresql:///db"),
        ("postgresql://me:se%40cret@host/db", "postgresql://me@host/db"),
        ("postgresql://me:/se?c#ret:@host/db", "postgresql://me@host/db"),
    ],
)
def test_a_location_is_shown_without_password_and_query(location: str, shown: str) -> None:
    assert shown_location(location) == shown


@pytest.mark.parametrize(
    "location",
    [
        "postgresql://me:secret@host:secret/db",
        "postgresql://me:p@secret@host/db",
        "postgres ql://me:secret@host/db",
        "mysql://me:secret@host/db",
        "sqlite://?password=secret",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_password(location: str) -> None:
    with pytest.raises(UsageError, match=r"expected .* store") as caught:
        parse_url(location)
    assert "secret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
