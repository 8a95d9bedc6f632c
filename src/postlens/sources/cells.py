"""Cells of a table: what says nothing, texts, and yes or no."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from typing import Any, Final

from postlens.sources.marks import BrokenValue, LinkedText

# What people and programs write for "not known".
_ABSENT: Final = frozenset(
    {"", "-", "--", "–", "—", "?", "n/a", "na", "nan", "none", "null", "nil", "hidden", "k. a.", "k.a."}
)
_NO: Final = frozenset({"no", "false", "0", "0.0", "nein", "non", "falsch", "faux"})
_HALVES: Final = re.compile("[\ud800-\udfff]")  # of characters; JSON can hold one alone, text that is written cannot
_HALVES_BUT_BYTES: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # Python's stand-ins for bytes of file names stay
FORMULA_SIGNS: Final = tuple("=+-@\t\r\n＝＋－＠")  # owasp.org/www-community/attacks/CSV_Injection


def is_absent(cell: Any) -> bool:
    """Whether a cell says nothing: empty, NaN, or a word for "not known"."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return True
    return isinstance(cell, str) and cell.strip().casefold() in _ABSENT


def without_guard(text: str) -> str:
    """A cell of a CSV file without the apostrophe that keeps a spreadsheet from taking it for a formula."""
    return text[1:] if text.startswith("'") and text[1:].startswith(FORMULA_SIGNS) else text


def without_halves(cell: Any, *, is_path: bool = False) -> Any:
    """A text, or texts in a list, with U+FFFD for halves of characters (a cut emoji); other cells as they are.

    Args:
        is_path: whether U+DC80 to U+DCFF stay, in which Python and its JSON hold the bytes of names that are no UTF-8.
    """
    if isinstance(cell, LinkedText | BrokenValue):
        return cell
    if isinstance(cell, list | tuple):
        return [without_halves(item, is_path=is_path) if isinstance(item, str) else item for item in cell]
    return (_HALVES_BUT_BYTES if is_path else _HALVES).sub("\ufffd", cell) if isinstance(cell, str) else cell


def kind_of_cell(cell: Any) -> str | None:
    """What a cell holds that is no single value: a list, an object or bytes; None for a single value."""
    kinds = ((bytes | bytearray | memoryview, "bytes"), (Mapping, "an object"), (Sequence | Set, "a list"))
    return None if isinstance(cell, str) else next((name for kind, name in kinds if isinstance(cell, kind)), None)


def parse_text(cell: Any) -> str | None:
    """A cell as text; whole numbers without the `.0` that spreadsheets give them.

    Raises:
        ValueError: no single value.
    """
    if kind_of_cell(cell) is not None:
        raise ValueError("expected text")
    if is_absent(cell):
        return None
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def parse_caption(cell: Any) -> str | None:
    """A caption as it stands; only an empty cell is none (a caption may well be "-" or "none").

    Raises:
        ValueError: no single value.
    """
    if kind_of_cell(cell) is not None:
        raise ValueError("expected text")
    return (
        None if cell is None or not str(cell).strip() or (isinstance(cell, float) and math.isnan(cell)) else str(cell)
    )


def parse_presence(cell: Any) -> bool | None:
    """Whether something is there: yes or no, 1 or 0, or the thing itself, as a place's name; None for an empty cell."""
    if is_absent(cell):
        return None
    if isinstance(cell, str):
        return cell.strip().casefold() not in _NO
    return bool(cell)
