"""Pictures with captions to one PNG."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from postlens.train.inspect import Inspection, Step

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image as PillowImage

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_WIDTH_PX, _MARGIN_PX, _GAP_PX, _HEIGHT_PX = 1256, 28, 20, 224  # of the sheet, its border, between and of pictures
_CELL_PX: Final = 176  # narrowest cell, so that captions have room
_PAPER, _INK, _SOFT = (255, 255, 255), (29, 35, 39), (93, 102, 109)
_TITLE_PX, _NAME_PX, _SECTION_PX, _CAPTION_PX, _FACT_PX = 26, 21, 16, 15, 13  # sizes of letters


@dataclass(frozen=True, slots=True)
class _Text:
    """A line of text and where it stands."""

    at_px: tuple[int, int]
    text: str
    size_px: int
    colour: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class _Cell:
    """A picture scaled for the sheet, with the lines of its caption."""

    picture: PillowImage
    lines: tuple[tuple[str, int, tuple[int, int, int]], ...]  # text, size, colour

    @property
    def width_px(self) -> int:
        return max(_CELL_PX, self.picture.width)

    @property
    def height_px(self) -> int:
        return self.picture.height + 6 + sum(_line_px(size) for _, size, _ in self.lines)


def render_png(inspections: Iterable[Inspection], title: str) -> bytes:
    """All sections below each other, as the bytes of a PNG."""
    from PIL import Image as Pil
    from PIL import ImageDraw

    texts: list[_Text] = []
    pictures: list[tuple[tuple[int, int], PillowImage]] = []
    bottom = _heading(title, _TITLE_PX, _MARGIN_PX, texts)
    for inspection in inspections:
        bottom = _heading(inspection.name, _NAME_PX, bottom, texts)
        for name, steps in inspection.sections:
            bottom = _heading(name, _SECTION_PX, bottom, texts)
            for line in _lines_of([_cell(step) for step in steps]):
                bottom = _place(line, bottom, texts, pictures)
        bottom += _GAP_PX
    sheet = Pil.new("RGB", (_WIDTH_PX, bottom), _PAPER)
    for at_px, picture in pictures:
        sheet.paste(picture, at_px)
    pen = ImageDraw.Draw(sheet)
    for text in texts:
        pen.text(text.at_px, text.text, fill=text.colour, font=_font(text.size_px))
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _heading(text: str, size_px: int, top: int, texts: list[_Text]) -> int:
    for line in _wrapped(text, size_px, _WIDTH_PX - 2 * _MARGIN_PX):
        texts.append(_Text((_MARGIN_PX, top), line, size_px, _INK))
        top += _line_px(size_px)
    return top + 6


def _cell(step: Step) -> _Cell:
    """The step's picture at the sheet's height, its caption wrapped to its width."""
    from PIL import Image as Pil

    picture = Pil.fromarray(step.picture)
    ratio = min(_HEIGHT_PX / picture.height, (_WIDTH_PX - 2 * _MARGIN_PX) / picture.width)
    size = max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio))
    picture = picture.resize(size, Pil.Resampling.BICUBIC) if size != picture.size else picture
    width = max(_CELL_PX, picture.width)
    lines = [(line, _CAPTION_PX, _INK) for line in _wrapped(step.title, _CAPTION_PX, width)]
    lines += [(line, _FACT_PX, _SOFT) for fact in step.facts for line in _wrapped(fact, _FACT_PX, width)]
    return _Cell(picture, tuple(lines))


def _lines_of(cells: Iterable[_Cell]) -> Iterator[list[_Cell]]:
    """Cells in lines that fit the sheet's width."""
    line: list[_Cell] = []
    for cell in cells:
        width = sum(one.width_px + _GAP_PX for one in [*line, cell]) - _GAP_PX
        if line and width > _WIDTH_PX - 2 * _MARGIN_PX:
            yield line
            line = []
        line.append(cell)
    if line:
        yield line


def _place(
    line: Sequence[_Cell], top: int, texts: list[_Text], pictures: list[tuple[tuple[int, int], PillowImage]]
) -> int:
    """Put a line of cells on the sheet; returns where the next begins."""
    left = _MARGIN_PX
    for cell in line:
        pictures.append(((left, top), cell.picture))
        y = top + cell.picture.height + 6
        for text, size_px, colour in cell.lines:
            texts.append(_Text((left, y), text, size_px, colour))
            y += _line_px(size_px)
        left += cell.width_px + _GAP_PX
    return top + max(cell.height_px for cell in line) + _GAP_PX


def _line_px(size_px: int) -> int:
    return round(size_px * 1.35)


def _font(size_px: int) -> Font:
    from PIL import ImageFont

    return ImageFont.load_default(size_px)


def _wrapped(text: str, size_px: int, width_px: int) -> list[str]:
    """The text in lines that fit, broken at spaces; a word that is too long by itself is broken anywhere."""
    font = _font(size_px)
    lines = [""]
    for word in (piece for one in text.split() for piece in _pieces(one, font, width_px)):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width_px:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _pieces(word: str, font: Font, width_px: int) -> Iterator[str]:
    """The word in pieces that fit."""
    while word:
        n = len(word)
        while n > 1 and font.getlength(word[:n]) > width_px:
            n -= 1
        yield word[:n]
        word = word[n:]
