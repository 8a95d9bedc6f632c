"""What answers look like on the wire: pydantic models made from the records of `types.py`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Schema(BaseModel):
    """Base of all answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Health(Schema):
    """The state of the server."""

    status: str
    version: str
