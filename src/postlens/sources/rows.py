"""A CSV file with named columns to its rows."""

from __future__ import annotations

import csv
from pathlib import Path

from postlens.errors import SourceNotFoundError, TableError
from postlens.media.probe import display_name


def read_table(table: Path, *needed: str) -> list[dict[str, str]]:
    """The rows of a CSV file by column; cells that a short row lacks are "", cells beyond the header are left out.

    Raises:
        SourceNotFoundError: the file cannot be opened.
        TableError: it is no CSV file in UTF-8, or lacks one of the `needed` columns.
    """
    name = display_name(table)
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = [_named(row) for row in csv.DictReader(file, restval="")]
    except OSError as error:
        raise SourceNotFoundError(
            f"{display_name(table.parent)}: expected {table.name} in the folder ({error.strerror}); "
            "name the folder that holds it"
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TableError(f"{name}: expected a CSV file in UTF-8, got damaged data ({error}); save it again") from error
    if rows and not set(needed) <= rows[0].keys():
        wanted = f"columns {', '.join(needed[:-1])} and {needed[-1]}" if needed[1:] else f"a column {needed[0]}"
        raise TableError(f"{name}: expected {wanted}, got {', '.join(rows[0])}; rename the columns")
    return rows


def _named(row: dict[str, str]) -> dict[str, str]:
    """The cells under a column; DictReader puts the others under None."""
    return {name: cell for name, cell in row.items() if name is not None}
