"""Pictures with captions to one HTML page that holds its pictures and needs no other file."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable
from typing import Final

import numpy as np

from postlens.media.image import DecodedImage, fit
from postlens.train.inspect import Inspection, Step
from postlens.types import Image

MOST_SIDE_PX: Final = 480  # of a picture; wide value maps may have three times that
_STYLE: Final = """
:root { color-scheme: light dark; --bg: #f6f5f2; --card: #fff; --ink: #1d2327; --soft: #5d666d; --line: #e0ddd6; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #15191c; --card: #1f2529; --ink: #e9ecee; --soft: #a2adb5; --line: #343c42; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1160px; margin: 0 auto; padding: 24px 20px 40px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; }
h2 { font-size: 1.25rem; margin: 32px 0 0; overflow-wrap: anywhere; }
h3 { font-size: 1rem; margin: 16px 0 8px; color: var(--soft); }
.steps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 200px), 1fr)); gap: 14px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 10px; overflow: hidden; }
figure.wide { grid-column: span 3; }
img { display: block; width: 100%; height: auto; max-height: 320px; object-fit: contain; background: var(--bg); }
figure:not(.wide) img { aspect-ratio: 1; }
figcaption { padding: 8px 12px 10px; font-size: .84rem; color: var(--soft); overflow-wrap: anywhere; }
figcaption b { display: block; color: var(--ink); font-size: .95rem; }
figcaption span { display: block; }
@media (max-width: 700px) { .steps { grid-template-columns: 1fr 1fr; } figure.wide { grid-column: 1 / -1; } }
"""


def render_html(inspections: Iterable[Inspection], title: str) -> str:
    """A page without any outside file."""
    body = "".join(map(_article, inspections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_escaped(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{_escaped(title)}</h1>{body}</main></body></html>\n"
    )


def _article(inspection: Inspection) -> str:
    parts = [
        f'<h3>{name}</h3><div class="steps">{"".join(map(_figure, steps))}</div>' for name, steps in inspection.sections
    ]
    return f"<section><h2>{_escaped(inspection.name)}</h2>{''.join(parts)}</section>"


def _figure(step: Step) -> str:
    height, width = step.picture.shape[:2]
    facts = "".join(f"<span>{_escaped(fact)}</span>" for fact in step.facts)
    kind = ' class="wide"' if width > 2 * height else ""
    return (
        f'<figure{kind}><img src="{_data_uri(step.picture)}" alt="{_escaped(step.title)}">'
        f"<figcaption><b>{_escaped(step.title)}</b>{facts}</figcaption></figure>"
    )


def _data_uri(picture: Image) -> str:
    """The picture as a PNG within the page, so that no compression is taken for the model's input."""
    from PIL import Image as Pil

    most = MOST_SIDE_PX * (3 if picture.shape[1] > 2 * picture.shape[0] else 1)
    small = fit(DecodedImage(np.ascontiguousarray(picture), (picture.shape[1], picture.shape[0]), 1.0), most)
    buffer = io.BytesIO()
    Pil.fromarray(small.image).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _escaped(text: str) -> str:
    return html.escape(text, quote=True)
