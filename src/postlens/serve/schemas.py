"""The base of all answers on the wire, what lists and problems look like, and how figures are rounded.

Each model of an answer has `of`, which names what of a record is told. Identity vectors, pictures and places on the
server are never told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from postlens.serve.names import shown_name
from postlens.types import Failure

T = TypeVar("T")


class Schema(BaseModel):
    """Base of all answers. Halves of characters, which names of files and captions may hold, become `?`: no JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _whole_characters(cls, values: Any) -> Any:
        return {name: _whole(value) for name, value in values.items()} if isinstance(values, dict) else values


class Page(Schema, Generic[T]):
    """A part of a list."""

    items: list[T]
    total: int = Field(description="Rows that fit the filters, on all pages.")
    next_cursor: str | None = Field(None, description="For the next page; null on the last.")


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457)."""

    type: str = Field(description="urn:postlens:problem: and the code.")
    title: str
    status: int
    code: str = Field(description="Stays the same from version to version; see docs/serving.md.")
    detail: str


class Health(Schema):
    """The state of the server."""

    status: str
    version: str


class FailureOut(Schema):
    """One thing that could not be done."""

    subject: str
    stage: str
    error: str
    message: str

    @classmethod
    def of(cls, failure: Failure) -> Self:
        """With the file's own name in place of where it lies."""
        subject = shown_name(failure.subject)
        message = failure.message.replace(failure.subject, subject)
        return cls(subject=subject, stage=failure.stage, error=failure.error, message=message)


def _whole(value: Any) -> Any:
    """A text, or texts in a list, that can be written as UTF-8."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
    return [_whole(one) for one in value] if isinstance(value, list) else value


def rounded(value: float | None, digits: int) -> float | None:
    """The value with so many digits; `None` stays."""
    return None if value is None else round(float(value), digits)


def shares(values: Mapping[str, float]) -> dict[str, float]:
    """Probabilities with four digits."""
    return {name: round(float(value), 4) for name, value in values.items()}
