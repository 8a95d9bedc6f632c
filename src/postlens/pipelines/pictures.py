"""An image with its faces to two pictures: before and after cropping side by side, and the result under its title."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from postlens.config import Settings
from postlens.errors import DecodeError
from postlens.media.decode import decode_file
from postlens.pipelines.decode import decode_work, decoding
from postlens.pipelines.plan import WorkItem
from postlens.tasks.products.pixels import head_squares
from postlens.tasks.products.readings import MIN_QUALITY
from postlens.types import Faces, Image, MediaFeatures, MediaFile

if TYPE_CHECKING:
    from PIL import ImageFont
    from PIL.Image import Image as Pillow

    Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

SIDE_PX = 448  # height of the panels, twice that of a crop as the models see it
WIDEST_PX = 796  # of a panel: an image of 16:9 at that height
DECODED_PX = 1280  # longest side at which an image is decoded for a picture: a face of a tenth of it fills 128 px
GAP_PX, MARGIN_PX, LINE_PX = 12, 16, 2
MOST_CROPS = 5  # the one that counts and the next largest: more do not fit the height
PAPER, INK, BAND, CHOSEN, OTHER = (255, 255, 255), (255, 255, 255), (32, 36, 44), (230, 120, 20), (120, 170, 220)
TITLE_PX, TEXT_PX = 26, 16  # sizes of letters
# Fonts with more than basic Latin, as systems name them. Without any, Pillow's own is used and other letters are
# replaced by their base letter or "?".
FONTS = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf", "Arial.ttf", "Helvetica.ttc")


@dataclass(frozen=True, slots=True)
class Shot:
    """A decoded image with the faces in it."""

    image: Image  # uint8 (H, W, 3)
    faces: Faces  # in pixels of the original
    scale: float  # size of the image / of the original


def take_shot(media: MediaFile, faces: Faces, row: int | None, *, settings: Settings) -> Shot:
    """Decode a file again: an image, or of a video the frame of the face `row` (the first one for `None`).

    Raises `MediaError` when the file cannot be decoded any more, `DecodeError` also when it has changed.
    """
    if media.kind == "video":
        features = MediaFeatures(media, faces=faces)
        work = decode_work(WorkItem(media.sha256, media.path, "video", frozenset()), settings=settings, stored=features)
        frame = 0 if row is None else int(faces.frame[row])
        return Shot(work.image_of(frame), faces[faces.frame == frame], work.frames.scale)
    decoded = decode_file(media.path, how=replace(decoding("image", settings), max_side_px=DECODED_PX))
    if decoded.media.sha256 != media.sha256:
        raise DecodeError(f"{media.path}: the file has changed since it was looked at; run again")
    return Shot(decoded.frames.images[0], faces, decoded.frames.scale)


def crop_picture(shot: Shot, *, box_px: Sequence[float] | None) -> Image:
    """Before and after cropping: the image with its faces marked, the head that was read, the other heads smaller.

    `box_px` is the box of the face that was read, in the original's pixels; without one nothing is cropped. Faces of
    too low a quality to be read are marked, not cropped. Returns uint8 (448, W, 3).
    """
    before = _marked(shot, box_px)
    if box_px is None:
        return np.asarray(before)
    read = _nearest(shot.faces, box_px)
    areas = np.prod(shot.faces.xyxy_px[:, 2:] - shot.faces.xyxy_px[:, :2], axis=1)
    others = [row for row in np.argsort(-areas, kind="stable").tolist() if row != read]
    others = [row for row in others if shot.faces.quality[row] >= MIN_QUALITY]
    rows = [read, *others][:MOST_CROPS]
    heads = _heads(shot, rows)
    return np.asarray(_beside(before, [_square(heads[0], SIDE_PX)], _stack(heads[1:])))


def result_picture(shot: Shot, *, title: str, text: str, box_px: Sequence[float] | None = None) -> Image:
    """The image under a band with a title and a text of as many lines as it needs; uint8 (H, W, 3)."""
    panel = _marked(shot, box_px, only=True)
    width_px = max(panel.width, SIDE_PX) + 2 * MARGIN_PX
    band = _band(title, text, width_px)
    sheet = _sheet(width_px, band.height + panel.height + 2 * MARGIN_PX)
    sheet.paste(band, (0, 0))
    sheet.paste(panel, ((width_px - panel.width) // 2, band.height + MARGIN_PX))
    return np.asarray(sheet)


# --- parts ----------------------------------------------------------------------------------------------------------


def _marked(shot: Shot, box_px: Sequence[float] | None, *, only: bool = False) -> Pillow:
    """As large as a panel, with a frame around each face (`only`: around the one that was read)."""
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    height, width = shot.image.shape[:2]
    ratio = min(SIDE_PX / height, WIDEST_PX / width)
    size_px = max(1, round(width * ratio)), max(1, round(height * ratio))
    picture = PillowImage.fromarray(shot.image).resize(size_px, PillowImage.Resampling.BICUBIC)
    draw, scale = ImageDraw.Draw(picture), shot.scale * ratio
    for box in () if only else shot.faces.xyxy_px.tolist():
        draw.rectangle([value * scale for value in box], outline=OTHER, width=LINE_PX)
    if box_px is not None:
        draw.rectangle([float(value) * scale for value in box_px], outline=CHOSEN, width=2 * LINE_PX)
    return picture


def _heads(shot: Shot, rows: list[int]) -> list[Image]:
    """The heads (224, 224, 3), levelled; white where they leave the image."""
    faces, margin = shot.faces[rows], max(shot.image.shape[:2]) // 2
    shift = np.float32(margin / shot.scale)
    padded = np.pad(shot.image, ((margin, margin), (margin, margin), (0, 0)), constant_values=PAPER[0])
    return head_squares(padded, replace(faces, landmarks_px=faces.landmarks_px + shift), scale=shot.scale)


def _square(image: Image, side_px: int) -> Pillow:
    from PIL import Image as PillowImage

    return PillowImage.fromarray(image).resize((side_px, side_px), PillowImage.Resampling.BICUBIC)


def _stack(heads: Sequence[Image]) -> list[Pillow]:
    """Small squares, as many as there may be of them over the height of a panel."""
    side_px = (SIDE_PX - (MOST_CROPS - 2) * GAP_PX) // (MOST_CROPS - 1)
    return [_square(head, side_px) for head in heads]


def _beside(before: Pillow, *columns: Sequence[Pillow]) -> Pillow:
    """Columns of pictures, from the top, to the right of the first one."""
    every = [[before], *(column for column in columns if column)]
    width_px = sum(column[0].width for column in every) + GAP_PX * (len(every) - 1)
    sheet, left = _sheet(width_px, SIDE_PX), 0
    for column in every:
        top = 0
        for picture in column:
            sheet.paste(picture, (left, top))
            top += picture.height + GAP_PX
        left += column[0].width + GAP_PX
    return sheet


def _sheet(width_px: int, height_px: int) -> Pillow:
    from PIL import Image as PillowImage

    return PillowImage.new("RGB", (width_px, height_px), PAPER)


def _nearest(faces: Faces, box_px: Sequence[float]) -> int:
    """The face in this box; boxes of frames that are decoded again are the same ones."""
    return int(np.abs(faces.xyxy_px - np.asarray(box_px, np.float32)).sum(axis=1).argmin())


# --- letters ----------------------------------------------------------------------------------------------------------


def _band(title: str, text: str, width_px: int) -> Pillow:
    from PIL import Image as PillowImage
    from PIL import ImageDraw

    inner_px, lines = width_px - 2 * MARGIN_PX, []
    for words, size_px in ((title, TITLE_PX), (text, TEXT_PX)):
        font, known = _font(size_px)
        lines += [(line, font, size_px) for line in _wrapped(words if known else _basic(words), font, inner_px)]
    band = PillowImage.new("RGB", (width_px, sum(round(1.4 * size) for *_, size in lines) + 2 * GAP_PX), BAND)
    draw, top = ImageDraw.Draw(band), GAP_PX
    for line, font, size_px in lines:
        draw.text((MARGIN_PX, top), line, font=font, fill=INK)
        top += round(1.4 * size_px)
    return band


def _font(size_px: int) -> tuple[Font, bool]:
    """A font of the system, or Pillow's own; whether it has more than basic Latin."""
    from PIL import ImageFont

    for name in FONTS:
        try:
            return ImageFont.truetype(name, size_px), True
        except OSError:
            continue
    return ImageFont.load_default(size_px), False


def _basic(text: str) -> str:
    """The text in ASCII: accents dropped, other letters as "?"."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).encode("ascii", "replace").decode()


def _wrapped(text: str, font: Font, width_px: int) -> list[str]:
    """Lines that fit the width; a word that is longer is cut where it must be."""
    lines = [""]
    for word in " ".join(text.split()).split(" "):
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width_px:
            lines[-1] = longer
            continue
        lines.append("")
        for sign in word:
            if lines[-1] and font.getlength(lines[-1] + sign) > width_px:
                lines.append("")
            lines[-1] += sign
    return [line for line in lines if line]
