"""Cells of a table to numbers."""

from __future__ import annotations

import math
import re
from typing import Any, Final

from postlens.sources.cells import is_absent, kind_of_cell

_HIDDEN_COUNT: Final = -1  # Instagram exports give -1 likes where the account hides them
_POWERS: Final = {  # of ten, by suffix
    "": 0,
    "k": 3,
    "tsd": 3,
    "tsd.": 3,
    "mil": 3,
    "m": 6,
    "mio": 6,
    "mio.": 6,
    "mill.": 6,
    "b": 9,
    "bn": 9,
    "mrd": 9,
    "mrd.": 9,
}
_NUMBER: Final = re.compile(r"([+-]?[\d.,]+)([a-z]*\.?)")
_POWER_OF_TEN: Final = re.compile(r"([+-]?\d+(?:[.,]\d+)?)e([+-]?\d{1,3})")  # as spreadsheets shorten large numbers
_SPACES: Final = re.compile("[\\s\u00a0\u202f'’_]+")  # separate thousands in French, Swiss and Python spelling


def parse_count(cell: Any, *, whole: bool) -> float | None:
    """A number, or None for a cell that says nothing; -1 where the number is `whole` is "hidden by the platform".

    Numbers as text: spaces and apostrophes separate thousands, and a suffix multiplies (12.3K, 1.2M, 3 Mio., 1.2E+05).
    Of two different signs the last is the decimal one (1,234.5 and 1.234,5); one that stands several times separates
    thousands. A single sign before exactly three digits ("1.234", "1,234") separates thousands in `whole` numbers;
    otherwise the point is decimal and the comma separates thousands. Any other single sign is decimal, as is every
    single sign before a suffix. A percentage is a share, as in spreadsheets: "4.5%" is 0.045; a count is none.

    Args:
        whole: whether the column counts something, so that it can neither be negative nor have a fraction.

    Raises:
        ValueError: neither a number nor empty, or negative or a fraction where it counts.
    """
    if is_absent(cell):
        return None
    if isinstance(cell, bool):
        raise ValueError("expected a number, got a yes or no")
    number = _number(cell, whole=whole) if isinstance(cell, str) else _as_float(cell)
    if whole and number == _HIDDEN_COUNT:
        return None
    if not math.isfinite(number) or (whole and number < 0):
        raise ValueError("expected a number of 0 or more" if whole else "expected a finite number")
    if whole and not number.is_integer():
        raise ValueError("expected a whole number")
    return number


def parse_tagged(cell: Any) -> int | None:
    """How many accounts are tagged: a count, or the length of a list of them.

    Raises:
        ValueError: neither a count of 0 or more nor a list.
    """
    if kind_of_cell(cell) == "a list":
        return len(cell)
    count = parse_count(cell, whole=True)
    return None if count is None else int(count)


def _as_float(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, OverflowError) as error:
        raise ValueError("expected a number") from error


def _number(text: str, *, whole: bool) -> float:
    plain = _SPACES.sub("", text.strip().casefold())
    if plain.endswith("%") and not whole:
        return _number(plain[:-1], whole=False) / 100
    if match := _POWER_OF_TEN.fullmatch(plain):
        return float(f"{match[1].replace(',', '.')}e{match[2]}")
    match = _NUMBER.fullmatch(plain)
    power = _POWERS.get(match[2]) if match else None
    if match is None or power is None:
        raise ValueError("expected a number such as 1234, 1,234 or 12.3K")
    digits = _decimal(match[1], whole=whole, scaled=power != 0)
    return float(f"{digits}e{power}")  # the product of floats makes 1.001K 1000.9999999999999


def _decimal(digits: str, *, whole: bool, scaled: bool) -> str:
    """Digits with a decimal point or none, by the rule in `parse_count`."""
    signs = [sign for sign in digits if sign in ".,"]
    if not signs:
        return digits
    last = signs[-1]
    if len(set(signs)) == 2:
        if signs.count(last) > 1:
            raise ValueError("expected one decimal sign")
        return digits.replace("," if last == "." else ".", "").replace(last, ".")
    before, _, after = digits.rpartition(last)
    grouped = re.fullmatch(r"[+-]?[1-9]\d{0,2}([.,]\d{3})+", digits) is not None
    if len(signs) > 1:
        if not grouped:
            raise ValueError("expected groups of three digits")
        return digits.replace(last, "")
    thousands = grouped and not scaled and (whole or last == ",")
    return before + after if thousands else f"{before}.{after}"
