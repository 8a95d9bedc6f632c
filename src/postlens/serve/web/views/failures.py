"""What could not be read or answered to a table, without the folders of the server."""

from __future__ import annotations

from collections.abc import Iterable

from postlens.serve.web.names import failed_file, failed_why
from postlens.serve.web.tables import Column, Row, Table
from postlens.types import Failure

COLUMNS = (
    Column("file", "file"),
    Column("step", "step"),
    Column("error", "kind of error"),
    Column("why", "what happened"),
)


def failures_table(failures: Iterable[Failure]) -> Table:
    """A row for each failure."""
    rows = tuple(
        Row({"file": failed_file(one), "step": one.stage, "error": one.error, "why": failed_why(one)})
        for one in failures
    )
    return Table("failures", "Failures", COLUMNS, rows)
