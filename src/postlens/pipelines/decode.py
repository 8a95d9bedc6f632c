"""A work item to decoded frames with the facts of its file."""

from __future__ import annotations
