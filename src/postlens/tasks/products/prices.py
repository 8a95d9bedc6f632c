"""What stands in a price column to an amount and a currency."""

from __future__ import annotations

import math
import re
from typing import Final, NamedTuple

SYMBOLS: Final = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY", "₹": "INR", "fr.": "CHF", "sfr.": "CHF", "zł": "PLN"}
TOLD: Final = 10**300  # digits beyond it help nobody, and of the longest Python writes none
_SPACES: Final = re.compile("[\\s\u00a0\u202f'’]+")  # separate thousands in French and Swiss spelling
_AMOUNT: Final = re.compile(r"([^\d,–—-]*?)(\d[\d.,]*?)(?:[.,]?[-–—]{1,2})?([^\d,–—-]*)")  # `45.–` is 45
_GROUPS: Final = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*")


class Price(NamedTuple):
    """An amount of money."""

    amount: float
    currency: str | None  # three capital letters (ISO 4217); None: not said


def parse_price(value: object) -> Price | None:
    """A number, or a text such as `12,90 €`, `$1,299.00`, `EUR 5` or `45.–`; None for nothing.

    Of two different signs the last is the decimal one; a single one before exactly three digits separates thousands
    (`1.299` costs more than a thousand), any other is decimal. The dollar sign is read as USD, the yen sign as JPY.
    Raises `ValueError` for what is no price of 0 or more.
    """
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        amount = _float(value)
        return None if math.isnan(amount) else Price(_checked(amount, value), None)
    match = _AMOUNT.fullmatch(_SPACES.sub("", value)) if isinstance(value, str) else None
    if match is None or (match[1] and match[3]):
        raise _no_price(value)
    return Price(_checked(_number(match[2], value), value), parse_currency(match[1] or match[3]))


def parse_currency(text: str) -> str | None:
    """A sign or three letters to the letters as capitals; None for nothing. Raises `ValueError` for anything else."""
    plain = text.strip()
    if not plain:
        return None
    code = SYMBOLS.get(plain.casefold(), plain.upper())
    if re.fullmatch("[A-Z]{3}", code) is None:
        raise ValueError(f"expected a currency such as EUR or €, got {text!r}; correct it")
    return code


def _number(digits: str, value: object) -> float:
    """By the rule in `parse_price`."""
    signs = [sign for sign in digits if sign in ".,"]
    decimal = None if not signs or _GROUPS.fullmatch(digits) else signs[-1]
    whole, _, cents = digits.rpartition(decimal) if decimal else (digits, "", "")
    grouped = re.fullmatch(r"\d+|[1-9]\d{0,2}([.,])\d{3}(\1\d{3})*", whole)
    if grouped is None or (decimal is not None and (decimal in whole or not cents)):
        raise _no_price(value)
    return float(f"{re.sub('[.,]', '', whole)}.{cents or 0}")


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # TOML and JSON hold integers of any length
        return math.inf


def _checked(amount: float, value: object) -> float:
    if not math.isfinite(amount) or amount < 0:
        raise _no_price(value)
    return amount


def _no_price(value: object) -> ValueError:
    told = f"an integer of {value.bit_length()} bits" if isinstance(value, int) and abs(value) > TOLD else repr(value)
    return ValueError(f"expected a price such as 12.90 or 12,90 €, got {told}; correct it")
