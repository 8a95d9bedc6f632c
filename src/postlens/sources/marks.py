"""A sheet of an .xlsx file to what calamine leaves out of its cells: link targets, broken values, merged cells.

Read from the file's own XML (ECMA-376, part 1, 18.3): a cell may show "Video 1" and link to an address, hold a formula
that was never calculated, or an error such as #DIV/0!; calamine gives the shown text, or nothing.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final
from xml.etree import ElementTree

XLSX_SUFFIXES: Final = frozenset({".xlsx", ".xlsm"})
_MAIN: Final = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_DOCUMENT: Final = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_PACKAGE: Final = "{http://schemas.openxmlformats.org/package/2006/relationships}"
_LINK_FORMULA: Final = re.compile(r'\s*HYPERLINK\(\s*"([^"]+)"', re.IGNORECASE)
_PLACE: Final = re.compile(r"\$?([A-Z]{1,3})\$?(\d{1,7})")

Cells = list[list[Any]]  # by row and column, from 0
Place = tuple[int, int]


class LinkedText(str):
    """The text of a cell that links to an address."""

    __slots__ = ("target",)
    target: str

    @classmethod
    def of(cls, text: str, target: str) -> LinkedText:
        """`text` is what the cell shows."""
        made = cls(text)
        made.target = target
        return made


class BrokenValue(str):
    """What stands in a cell that has no value: an error, or a formula that was saved without its result."""

    __slots__ = ()

    @property
    def reason(self) -> str:
        """What is wrong and what to do."""
        if self.startswith("="):
            return "expected a value, got a formula that was saved without its result (open and save it in Excel)"
        return "expected a value, got an error of the spreadsheet"


def mark_cells(cells: Cells, path: str, title: str) -> None:
    """Put `LinkedText` and `BrokenValue` into the cells of a sheet where its file has them.

    A file whose parts cannot be found that way keeps its cells as they are: calamine has read it, which is enough.
    """
    if Path(path).suffix.lower() not in XLSX_SUFFIXES:
        return
    try:
        with zipfile.ZipFile(path) as book:
            part = _part_of(book, title)
            with book.open(part) as file:
                links, broken = _read_sheet(file, _targets(book, part))
    except (KeyError, OSError, ValueError, zipfile.BadZipFile, ElementTree.ParseError, NotImplementedError):
        return
    for place, text in broken.items():
        if _has(cells, place) and cells[place[0]][place[1]] in ("", None):
            cells[place[0]][place[1]] = BrokenValue(text)
    for place, target in links.items():
        if _has(cells, place):
            shown = cells[place[0]][place[1]]
            empty = isinstance(shown, BrokenValue) or shown in ("", None)
            cells[place[0]][place[1]] = LinkedText.of(target if empty else str(shown), target)


def _has(cells: Cells, place: Place) -> bool:
    return place[0] < len(cells) and place[1] < len(cells[place[0]])


def _part_of(book: zipfile.ZipFile, title: str) -> str:
    """Name of the part that holds a sheet."""
    sheets = _parse(book, "xl/workbook.xml").iter(f"{_MAIN}sheet")
    key = next(sheet.get(f"{_DOCUMENT}id", "") for sheet in sheets if sheet.get("name") == title)
    return _targets(book, "xl/workbook.xml")[key]


def _targets(book: zipfile.ZipFile, part: str) -> dict[str, str]:
    """Relations of a part by their id: names of parts, or addresses."""
    folder = PurePosixPath(part).parent
    name = f"{folder}/_rels/{PurePosixPath(part).name}.rels"
    if name not in book.namelist():
        return {}
    found = {}
    for one in _parse(book, name).iter(f"{_PACKAGE}Relationship"):
        target = one.get("Target", "")
        outside = one.get("TargetMode") == "External"
        found[one.get("Id", "")] = target if outside else str(folder / target).removeprefix("/")
    return found


def _parse(book: zipfile.ZipFile, part: str) -> ElementTree.Element:
    return ElementTree.fromstring(book.read(part))  # noqa: S314  expat loads nothing and limits how entities grow


def _read_sheet(file: IO[bytes], targets: dict[str, str]) -> tuple[dict[Place, str], dict[Place, str]]:
    """Addresses of links, and texts of broken values, by place."""
    links: dict[Place, str] = {}
    broken: dict[Place, str] = {}
    for _, element in ElementTree.iterparse(file):  # noqa: S314  see _parse
        if element.tag == f"{_MAIN}c":
            place, formula = _place(element.get("r", "")), element.find(f"{_MAIN}f")
            value = (element.findtext(f"{_MAIN}v") or "").strip()
            text = (formula.text or "") if formula is not None else ""
            target = _LINK_FORMULA.match(text)
            if place and target:
                links[place] = target[1]
            if place and (element.get("t") == "e" or (formula is not None and not value)):
                broken[place] = value or f"={text}"
        elif element.tag == f"{_MAIN}row":
            element.clear()
        elif element.tag == f"{_MAIN}hyperlink":
            target_of = targets.get(element.get(f"{_DOCUMENT}id", ""))
            links |= dict.fromkeys(_places(element.get("ref", "")), target_of) if target_of else {}
    return links, broken


def _place(name: str) -> Place | None:
    """`B3` to (2, 1)."""
    match = _PLACE.fullmatch(name)
    if match is None:
        return None
    column = 0
    for letter in match[1]:
        column = 26 * column + ord(letter) - ord("A") + 1
    return int(match[2]) - 1, column - 1


def _places(area: str) -> Iterator[Place]:
    """The cells of `B3` or `B3:B5`; a link over a large area (a whole column) stands for its first cell."""
    first, _, last = area.partition(":")
    start, end = _place(first), _place(last or first)
    if start is None or end is None:
        return
    if (end[0] - start[0] + 1) * (end[1] - start[1] + 1) > 1000:
        end = start
    for row in range(start[0], end[0] + 1):
        yield from ((row, column) for column in range(start[1], end[1] + 1))


def fill_merged(cells: Cells, areas: list[tuple[Place, Place]]) -> list[int]:
    """Give every row of a merged cell its text or date; a number, which is of all together, stays with the first row.

    Returns the rows, from 0, of merged numbers.
    """
    numbers = []
    for (top, left), (bottom, _) in areas:
        if top == bottom or not _has(cells, (top, left)):
            continue
        value = cells[top][left]
        if isinstance(value, int | float):
            numbers.append(top)
        elif isinstance(value, str | date) and value:
            for row in cells[top + 1 : bottom + 1]:
                row[left] = value
    return numbers
