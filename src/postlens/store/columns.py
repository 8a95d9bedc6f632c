"""Python values to database columns and back: text, times, JSON, float32 vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import DateTime, Dialect, Text
from sqlalchemy.types import TypeDecorator

from postlens.types import FloatArray, as_utc

_ESCAPED = "bytes:"  # opens a text that had to be percent-encoded
_FLOAT32 = np.dtype("<f4")  # the same bytes on every machine


class AnyText(TypeDecorator[str]):
    """Text of any content. Names that are no valid UTF-8 (lone surrogates) or hold NUL are kept percent-encoded."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or _is_storable(value):
            return value
        return _ESCAPED + quote_from_bytes(value.encode("utf-8", "surrogatepass"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or not value.startswith(_ESCAPED):
            return value
        return unquote_to_bytes(value.removeprefix(_ESCAPED)).decode("utf-8", "surrogatepass")


def _is_storable(text: str) -> bool:
    """True where both databases take the text as it is."""
    if "\x00" in text or text.startswith(_ESCAPED):
        return False
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


class UtcTime(TypeDecorator[datetime]):
    """Aware UTC times; a naive one is taken as UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else as_utc(value)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else as_utc(value)


class JsonText(TypeDecorator[Any]):
    """JSON with sorted keys as text, so that equal values are equal bytes."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


def pack(vector: NDArray[Any]) -> bytes:
    """float32 little-endian bytes of an array of any shape, row by row."""
    return np.ascontiguousarray(vector, _FLOAT32).tobytes()


def pack_rows(matrix: NDArray[Any] | None, n_rows: int) -> list[bytes | None]:
    """`pack` of each row of an (N, ...) array; N times `None` where there is no array."""
    if matrix is None:
        return [None] * n_rows
    return [pack(row) for row in matrix]


def unpack(blobs: Sequence[bytes], *, n_columns: int = 0) -> FloatArray:
    """(N, D) float32 matrix of N packed vectors of one length; (0, n_columns) where there is none."""
    if not blobs:
        return np.zeros((0, n_columns), np.float32)
    joined = np.frombuffer(bytearray().join(blobs), _FLOAT32)
    return joined.reshape(len(blobs), -1).astype(np.float32, copy=False)


def unpack_or_none(blobs: Sequence[bytes | None]) -> FloatArray | None:
    """`unpack`, or `None` where any of the vectors is absent."""
    present = [blob for blob in blobs if blob is not None]
    return unpack(present) if present and len(present) == len(blobs) else None
