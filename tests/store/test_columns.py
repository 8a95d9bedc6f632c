"""Values to columns and back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from postlens.store.columns import AnyText, pack, pack_rows, unpack, unpack_or_none

DIALECT = sqlite.dialect()
ANY_TEXT = st.text(st.characters(exclude_categories=()))  # lone surrogates and NUL too


@given(ANY_TEXT)
def test_any_text_comes_back(text: str) -> None:
    stored = AnyText().process_bind_param(text, DIALECT)
    assert AnyText().process_result_value(stored, DIALECT) == text


@given(ANY_TEXT)
def test_stored_text_suits_both_databases(text: str) -> None:
    stored = AnyText().process_bind_param(text, DIALECT)
    assert stored is not None
    assert b"\x00" not in stored.encode("utf-8")


@given(ANY_TEXT, ANY_TEXT)
def test_different_texts_stay_different(first: str, second: str) -> None:
    stored = [AnyText().process_bind_param(text, DIALECT) for text in (first, second)]
    assert (stored[0] == stored[1]) == (first == second)


def test_vectors_keep_every_bit() -> None:
    vectors = np.array([[0.1, np.pi, -0.0], [np.inf, 1e-45, 3e38]], np.float32)
    assert unpack([pack(row) for row in vectors]).tobytes() == vectors.tobytes()


def test_unpacked_vectors_may_be_changed() -> None:
    vectors = unpack([pack(np.ones(3, np.float32))])
    vectors += 1
    assert vectors.tolist() == [[2, 2, 2]]


def test_no_vectors_are_an_empty_matrix() -> None:
    assert unpack([], n_columns=5).shape == (0, 5)


def test_absent_matrix_stays_absent() -> None:
    assert unpack_or_none(pack_rows(None, 3)) is None
    assert unpack_or_none([pack(np.ones(2)), None]) is None
