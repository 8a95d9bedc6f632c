"""Cells of a table to numbers, times, texts and media references."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, date, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

from postlens.sources.marks import BrokenValue, LinkedText
from postlens.sources.protocol import absolute
from postlens.sources.single import is_url, url_ref
from postlens.types import MediaRef, as_utc

# What people and programs write for "not known".
_ABSENT: Final = frozenset(
    {"", "-", "--", "–", "—", "?", "n/a", "na", "nan", "none", "null", "nil", "hidden", "k. a.", "k.a."}
)
_NO: Final = frozenset({"no", "false", "0", "0.0", "nein", "non", "falsch", "faux"})
_HIDDEN_COUNT: Final = -1  # Instagram exports give -1 likes where the account hides them
_FACTORS: Final = {
    "": 1,
    "k": 1e3,
    "tsd": 1e3,
    "tsd.": 1e3,
    "mil": 1e3,
    "m": 1e6,
    "mio": 1e6,
    "mio.": 1e6,
    "mill.": 1e6,
    "b": 1e9,
    "bn": 1e9,
    "mrd": 1e9,
    "mrd.": 1e9,
}
_NUMBER: Final = re.compile(r"([+-]?[\d.,]+)([a-z]*\.?)")
_POWER_OF_TEN: Final = re.compile(r"([+-]?\d+(?:[.,]\d+)?)e([+-]?\d{1,3})")  # as spreadsheets shorten large numbers
_SPACES: Final = re.compile("[\\s\u00a0\u202f'’_]+")  # separate thousands in French, Swiss and Python spelling
_DAY_FIRST: Final = re.compile(r"(\d{1,2})([./-])(\d{1,2})\2(\d{4})(?:,?\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_UNIX_S: Final = (1e8, 1e10)  # 1973 to 2286; a thousand times that is in milliseconds
_HALVES: Final = re.compile("[\ud800-\udfff]")  # of characters; JSON can hold one alone, text that is written cannot
_HALVES_BUT_BYTES: Final = re.compile("[\ud800-\udc7f\udd00-\udfff]")  # Python's stand-ins for bytes of file names stay
_SERIAL_DAYS: Final = (30_000, 60_000)  # 1982 to 2064 as spreadsheets count days, where a cell lost its date format
_SERIAL_START: Final = datetime(1899, 12, 30, tzinfo=UTC)
FORMULA_SIGNS: Final = tuple("=+-@\t\r\n＝＋－＠")  # owasp.org/www-community/attacks/CSV_Injection
_TWITTER: Final = "%a %b %d %H:%M:%S %z %Y"


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


def parse_count(cell: Any, *, whole: bool) -> float | None:
    """A number, or None for a cell that says nothing; -1 where the number is `whole` is "hidden by the platform".

    Numbers as text: spaces and apostrophes separate thousands, and a suffix multiplies (12.3K, 1.2M, 3 Mio., 1.2E+05).
    Of two different signs the last is the decimal one (1,234.5 and 1.234,5); one that stands several times separates
    thousands. A single sign before exactly three digits ("1.234", "1,234") separates thousands in `whole` numbers;
    otherwise the point is decimal and the comma separates thousands. Any other single sign is decimal, as is every
    single sign before a suffix. A percentage is a share, as in spreadsheets: "4.5%" is 0.045; a count is none.

    Args:
        whole: whether the column counts something, so that it cannot be negative.

    Raises:
        ValueError: neither a number nor empty, or negative where it counts.
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
    return number


def parse_tagged(cell: Any) -> int | None:
    """How many accounts are tagged: a count, or the length of a list of them.

    Raises:
        ValueError: neither a count of 0 or more nor a list.
    """
    if kind_of_cell(cell) == "a list":
        return len(cell)
    count = parse_count(cell, whole=True)
    if count is not None and not count.is_integer():
        raise ValueError("expected a whole number")
    return None if count is None else int(count)


def parse_presence(cell: Any) -> bool | None:
    """Whether something is there: yes or no, 1 or 0, or the thing itself, as a place's name; None for an empty cell."""
    if is_absent(cell):
        return None
    if isinstance(cell, str):
        return cell.strip().casefold() not in _NO
    return bool(cell)


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
    factor = _FACTORS.get(match[2]) if match else None
    if match is None or factor is None:
        raise ValueError("expected a number such as 1234, 1,234 or 12.3K")
    return float(_decimal(match[1], whole=whole, scaled=factor != 1)) * factor


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


def parse_time(cell: Any) -> datetime | None:
    """A time in UTC, or None for a cell that says nothing. Times without a zone are taken as UTC.

    Read are dates of spreadsheets and their plain numbers of days, ISO 8601, Unix seconds and milliseconds, RFC 2822,
    Twitter's form, and day.month.year with points. With slashes or hyphens, day and month must tell themselves apart:
    25/12/2024 is read, 03/04/2024 is not.

    Raises:
        ValueError: no time, or one that could be read in two ways.
    """
    if is_absent(cell):
        return None
    if isinstance(cell, datetime):
        return as_utc(cell)
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day, tzinfo=UTC)
    if isinstance(cell, int | float):
        return _unix(float(cell))
    if kind_of_cell(cell) is not None:
        raise ValueError("expected a date such as 2024-12-31 18:00")
    text = str(cell).strip()
    if re.fullmatch(r"\d{9,13}(\.\d+)?|\d{5}(\.\d+)?", text):
        return _unix(float(text))
    match = _DAY_FIRST.fullmatch(text)
    return _day_month(match) if match else _written(text)


def _unix(number: float) -> datetime:
    if _SERIAL_DAYS[0] <= number < _SERIAL_DAYS[1]:
        return _SERIAL_START + timedelta(seconds=round(number * 86_400))
    low, high = _UNIX_S
    if low <= number < high:
        return datetime.fromtimestamp(number, UTC)
    if low * 1000 <= number < high * 1000:
        return datetime.fromtimestamp(number / 1000, UTC)
    raise ValueError("expected a date such as 2024-12-31 18:00")


def _day_month(match: re.Match[str]) -> datetime:
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    if match[2] != "." and first <= 12 and second <= 12 and first != second:
        raise ValueError("day and month cannot be told apart; write 2024-12-31")
    day, month = (first, second) if match[2] == "." or first > 12 else (second, first)
    hour, minute, second_of_minute = (int(part or 0) for part in match.groups()[4:])
    return datetime(year, month, day, hour, minute, second_of_minute, tzinfo=UTC)


def _written(text: str) -> datetime:
    for parse in (datetime.fromisoformat, parsedate_to_datetime, lambda text: datetime.strptime(text, _TWITTER)):
        try:
            return as_utc(parse(text))
        except (ValueError, IndexError, TypeError, OverflowError):
            continue
    raise ValueError("expected a date such as 2024-12-31 18:00")


def parse_media(cell: Any, *, folder: str, as_url: bool = False) -> tuple[MediaRef, ...]:
    """The media that a cell names, in order: paths (relative ones from `folder`) or URLs, separated by ; or |.

    A separator within an existing file's name separates nothing; within a list of URLs it does so only before the next
    address. Backslashes are read as slashes where only that leads to a file.

    Args:
        cell: a text, or a list of texts.
        as_url: whether the column is for URLs, so that an entry without http(s) is still one.

    Raises:
        ValueError: an object, bytes, a list within a list, or a cell that holds no value.
    """
    many = isinstance(cell, list | tuple)
    items = cell if many else [cell]
    if kind := next((kind for item in items if (kind := kind_of_cell(item))), None):
        raise ValueError(f"expected text or a list of texts, got {kind}{' in a list' if many else ''}")
    texts = [parse_text(_unlinked(item, folder)) for item in items]
    return tuple(_ref(part, folder, as_url) for text in texts if text is not None for part in _parts(text, folder))


def _unlinked(cell: Any, folder: str) -> Any:
    """Where a cell links to, unless its text is an address or a file itself."""
    if isinstance(cell, BrokenValue):
        raise ValueError(cell.reason)
    if not isinstance(cell, LinkedText) or is_url(cell) or _exists(Path(folder, cell)):
        return cell
    return cell.target if is_url(cell.target) else unquote(cell.target)


def _parts(text: str, folder: str) -> Sequence[str]:
    if not re.search("[;|]", text) or _exists(Path(folder, text)):
        return [text]
    pattern = r"[;|]\s*(?=https?://)" if is_url(text) else "[;|]"
    return [part.strip() for part in re.split(pattern, text) if part.strip(" ;|")]


def _ref(part: str, folder: str, as_url: bool) -> MediaRef:
    if as_url or is_url(part):
        return url_ref(part)
    path = Path(folder, part)
    if "\\" in part and not _exists(path) and _exists(turned := Path(folder, part.replace("\\", "/"))):
        path = turned
    return MediaRef(path=absolute(str(path)))


def _exists(path: Path) -> bool:
    """Whether a file is there; a text that cannot be a path names none."""
    try:
        return path.exists()
    except (OSError, ValueError):  # too long, or with a NUL
        return False
