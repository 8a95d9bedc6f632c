"""Pictures that no niche fits, and how many of them are answered with a niche; imported by recipes/niche.py.

Drawn ones (noise, colours, gradients, codes, text, screens, charts) need no data; face crops are taken from the
collections beside the labelled photos where they are there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from niche_fit import OTHER, Float, Int, answers_of
from postlens.config import Settings
from postlens.media.image import DecodedImage
from postlens.pipelines.evaluation.media import read_photo
from postlens.pipelines.evaluation.niche import FaceReader
from postlens.tasks.niche import face_features
from postlens.types import NICHES, Image
from postlens.vision.encoder import Encoder

SIDE_PX = 320
N_DRAWN, N_CROPS = 40, 200  # of each kind
CROPS = {"face crops of expression": "expression", "face crops of attributes": "attributes"}
WORDS = [
    "the",
    "order",
    "total",
    "date",
    "page",
    "note",
    "call",
    "back",
    "soon",
    "open",
    "list",
    "item",
    "price",
    "free",
    "sign",
    "user",
    "week",
    "plan",
    "mail",
    "late",
]
Rng = np.random.Generator
Canvas = PillowImage.Image


@dataclass(frozen=True, slots=True)
class Unlike:
    """Features of pictures that no niche fits."""

    kinds: NDArray[np.str_]  # (N,)
    vectors: Float  # (N, D)
    faces: Float  # (N, 146)


def read_unlike(data: Path, *, cache: Path, rng: Rng) -> Unlike:
    """All kinds; computed once (three minutes), then from the cache."""
    if cache.is_file():
        with np.load(cache) as file:
            return Unlike(file["kinds"], file["vectors"], file["faces"])
    encoder, reader = Encoder(), FaceReader()
    kinds, vectors, faces = [], [], []
    for kind, photo in (*drawn(rng), *crops(data, rng)):
        kinds.append(kind)
        vectors.append(encoder.embed([photo.image])[0])
        faces.append(face_features([[reader.read(photo)]]))
    found = Unlike(np.array(kinds), np.concatenate(vectors).astype(float), np.concatenate(faces).astype(float))
    cache.parent.mkdir(exist_ok=True)
    np.savez_compressed(cache, kinds=found.kinds, vectors=found.vectors, faces=found.faces)
    return found


def crops(data: Path, rng: Rng) -> Iterator[tuple[str, DecodedImage]]:
    """Some face crops of each collection that is there."""
    settings = Settings.load()
    for kind, name in CROPS.items():
        files = sorted(path for path in (data / name).rglob("*") if path.suffix.lower() in {".jpg", ".jpeg", ".png"})
        for path in rng.permutation(np.array(files, object))[:N_CROPS]:
            yield kind, read_photo(path, settings=settings)


# --- drawn ----------------------------------------------------------------------------------------------------------


def drawn(rng: Rng) -> Iterator[tuple[str, DecodedImage]]:
    """Some pictures of each kind."""
    for kind, draw in DRAWN.items():
        for _ in range(N_DRAWN):
            yield kind, DecodedImage(draw(rng), (SIDE_PX, SIDE_PX), 1.0)


def _colour(rng: Rng) -> tuple[int, int, int]:
    red, green, blue = rng.integers(0, 256, 3).tolist()
    return red, green, blue


def _noise(rng: Rng) -> Image:
    return rng.integers(0, 256, (SIDE_PX, SIDE_PX, 3)).astype(np.uint8)


def _clouds(rng: Rng) -> Image:
    """Noise of a few cells, enlarged."""
    cells = int(rng.integers(3, 24))
    small = PillowImage.fromarray(rng.integers(0, 256, (cells, cells, 3)).astype(np.uint8))
    return np.asarray(small.resize((SIDE_PX, SIDE_PX), PillowImage.Resampling.BICUBIC))


def _flat(rng: Rng) -> Image:
    return np.full((SIDE_PX, SIDE_PX, 3), _colour(rng), np.uint8)


def _gradient(rng: Rng) -> Image:
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE_PX), np.linspace(-1, 1, SIDE_PX))
    angle = rng.uniform(0, 2 * np.pi)
    t = np.clip((x * np.cos(angle) + y * np.sin(angle)) / 2 + 0.5, 0, 1)[..., None]
    return np.asarray(t * _colour(rng) + (1 - t) * np.array(_colour(rng)), np.uint8)


def _code(rng: Rng) -> Image:
    """Black and white cells with the three corner squares of a QR code."""
    n, white = int(rng.integers(21, 42)), 255
    cells = rng.integers(0, 2, (n, n)) * white
    for y, x in ((0, 0), (0, n - 7), (n - 7, 0)):
        cells[y : y + 7, x : x + 7] = 0
        cells[y + 1 : y + 6, x + 1 : x + 6] = white
        cells[y + 2 : y + 5, x + 2 : x + 5] = 0
    framed = PillowImage.fromarray(np.pad(cells, 2, constant_values=white).astype(np.uint8))
    return np.asarray(framed.resize((SIDE_PX, SIDE_PX), PillowImage.Resampling.NEAREST).convert("RGB"))


def _text(rng: Rng) -> Image:
    """A page of words, dark on light or light on dark."""
    dark = rng.random() < 0.3
    canvas = PillowImage.new("RGB", (SIDE_PX, SIDE_PX), "black" if dark else "white")
    _lines(canvas, rng, box=(12, 8, SIDE_PX - 12, SIDE_PX - 8), fill="white" if dark else "black")
    return np.asarray(canvas)


def _screen(rng: Rng) -> Image:
    """A bar on top and messages in bubbles, left and right."""
    canvas = PillowImage.new("RGB", (SIDE_PX, SIDE_PX), "#f4f4f6")
    pen = ImageDraw.Draw(canvas)
    pen.rectangle((0, 0, SIDE_PX, 34), fill=_colour(rng))
    top, hue = 44, _colour(rng)
    while top < SIDE_PX - 40:
        left, height = int(rng.choice([8, 90])), int(rng.integers(26, 70))
        pen.rounded_rectangle((left, top, left + 220, top + height), 10, fill="white" if left == 8 else hue)
        _lines(canvas, rng, box=(left + 8, top + 4, left + 212, top + height - 4), fill="black")
        top += height + 8
    return np.asarray(canvas)


def _chart(rng: Rng) -> Image:
    """Bars or a line over axes, with a title."""
    canvas = PillowImage.new("RGB", (SIDE_PX, SIDE_PX), "white")
    pen, n = ImageDraw.Draw(canvas), int(rng.integers(4, 12))
    pen.line((30, 40, 30, 290, 300, 290), fill="black", width=2)
    step, hue = 260 / n, _colour(rng)
    tops = [(36 + i * step, 290 - float(rng.uniform(10, 230))) for i in range(n)]
    if rng.random() < 0.5:
        pen.line(tops, fill=hue, width=3)
    else:
        for left, top in tops:
            pen.rectangle((left, top, left + step * 0.7, 290), fill=hue)
    _lines(canvas, rng, box=(60, 8, 280, 30), fill="black")
    return np.asarray(canvas)


def _lines(canvas: Canvas, rng: Rng, *, box: tuple[int, int, int, int], fill: str) -> None:
    """Words from left to right until the box is full."""
    size = int(rng.integers(11, 20))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    for top in range(box[1], box[3] - size, size + 4):
        words = " ".join(rng.choice(WORDS, 12).tolist())
        while pen.textlength(words, font=font) > box[2] - box[0]:
            words = words.rpartition(" ")[0]
        pen.text((box[0], top), words, fill=fill, font=font)


DRAWN: Mapping[str, Callable[[Rng], Image]] = {
    "drawn: noise": _noise,
    "drawn: clouds": _clouds,
    "drawn: one colour": _flat,
    "drawn: gradient": _gradient,
    "drawn: code": _code,
    "drawn: page of text": _text,
    "drawn: screen of messages": _screen,
    "drawn: chart": _chart,
}


# --- what is answered -----------------------------------------------------------------------------------------------


def rejection_rows(
    unlike: Unlike, probs: Float, *, threshold: float, held_out: tuple[Float, Int, Int]
) -> list[dict[str, Any]]:
    """Lines of niche_rejection.csv. `held_out`: probabilities, answers and labels of the labelled photos."""
    real, answers, truth = held_out
    lines = [
        _line(f"labelled photos, {name}", real[rows], answers[rows])
        for name, rows in (("of a niche", truth != OTHER), ("other", truth == OTHER))
    ]
    for kind in dict.fromkeys(unlike.kinds.tolist()):
        own = probs[unlike.kinds == kind]
        lines.append(_line(kind, own, answers_of(own, threshold)))
    return lines


def _line(kind: str, probs: Float, answers: Int) -> dict[str, Any]:
    most, count = Counter(answers[answers != OTHER].tolist()).most_common(1)[0] if (answers != OTHER).any() else (0, 0)
    return {
        "pictures": kind,
        "n": len(probs),
        "answered_other": round(float((answers == OTHER).mean()), 4),
        "other_for_low_confidence": round(float(((answers == OTHER) & (probs.argmax(1) != OTHER)).mean()), 4),
        "mean_confidence": round(float(probs.max(1).mean()), 4),
        "commonest_niche": NICHES[most] if count else "",
        "its_share": round(count / len(probs), 4),
    }


def told(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table in a sentence, for the card."""
    parts = ", ".join(f"{row['pictures']} {row['answered_other']:.0%}" for row in rows)
    return f"Share answered other: {parts}. What is not rejected gets a niche, often a sure one. "
