"""Parts of the pages of a products training: one file each, without any outside file, in light and dark."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from postlens.types import Failure

MOST_FAILURES = 200  # rows of the table of files that could not be used
# Okabe and Ito 2008 without black and yellow, which one of the two backgrounds swallows.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
DASHES = ("", "6 3", "2 3")  # for more labels than colours
CHART_PX, EDGE_PX = 300, 42  # side of a chart, and room for its axis
_STYLE = """
:root { color-scheme: light dark; --bg: #f6f5f2; --card: #fff; --ink: #1d2327; --soft: #5d666d; --line: #e0ddd6;
  --bar: #0072B2; --heat: 0, 114, 178; --wrong: 213, 94, 0; }
@media (prefers-color-scheme: dark) {
  :root { --bg: #15191c; --card: #1f2529; --ink: #e9ecee; --soft: #a2adb5; --line: #3a434a; --bar: #56B4E9;
    --heat: 86, 180, 233; --wrong: 230, 120, 40; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 1.6rem; margin: 0 0 4px; }
h2 { font-size: 1.2rem; margin: 36px 0 8px; }
h3 { font-size: 1rem; margin: 18px 0 6px; overflow-wrap: anywhere; }
p { margin: 6px 0; max-width: 75ch; }
.soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; background: var(--card); border: 1px solid var(--line); font-size: .92rem; }
th, td { padding: 5px 12px; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap;
  font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child, .words th, .words td { text-align: left; }
.words td { white-space: normal; overflow-wrap: anywhere; }
small { color: var(--soft); display: block; }
td.bar { min-width: 180px; }
td.bar i { display: block; height: 10px; border-radius: 3px; background: var(--bar); }
.tiles { display: flex; flex-wrap: wrap; gap: 8px; }
.tiles figure { margin: 0; width: 112px; font-size: .76rem; color: var(--soft); overflow-wrap: anywhere; }
.tiles img { display: block; width: 112px; height: 112px; object-fit: contain; border-radius: 6px;
  background: var(--card); }
.charts { display: flex; flex-wrap: wrap; gap: 24px; }
@media (max-width: 640px) {
  thead { display: none; }
  table, tbody, tr { display: block; width: 100%; }
  tr { padding: 8px 12px; border-bottom: 1px solid var(--line); }
  td, .words td { display: flex; align-items: baseline; gap: 12px; min-width: 0; padding: 2px 4px; border: 0;
    text-align: right; white-space: normal; overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: var(--soft); flex: none; max-width: 50%; margin-right: auto;
    text-align: left; }
  td[style]::before { color: var(--ink); }
  td.bar { display: block; min-width: 0; padding: 2px 4px; border: 0; }
}
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: .9rem; margin-top: 6px; }
.key span { display: inline-flex; align-items: center; gap: 6px; }
"""


def page(title: str, lead: str, *sections: str) -> str:
    """A page of sections; `title` and `lead` are text, sections are HTML."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(title)}</title><style>{_STYLE}</style></head><body><main>"
        f'<h1>{text(title)}</h1><p class="soft">{text(lead)}</p>{"".join(sections)}</main></body></html>\n'
    )


def text(value: object) -> str:
    """Escaped text."""
    return html.escape(str(value), quote=True)


def section(heading: str, *parts: str, note: str = "") -> str:
    """A heading, a sentence and HTML below it; nothing where there is nothing below."""
    body = "".join(parts)
    told = f'<p class="soft">{text(note)}</p>' if note else ""
    return f"<h2>{text(heading)}</h2>{told}{body}" if body else ""


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False) -> str:
    """Cells are HTML; `words`: of text, to the left and wrapped. On a narrow page each row is a list."""
    head = "".join(f"<th>{text(name)}</th>" for name in header)
    lines = ("".join(_cell(cell, name) for cell, name in zip(row, header, strict=True)) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    kind = ' class="words"' if words else ""
    return f'<div class="wide"><table{kind}><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: str, name: str) -> str:
    """With the name of its column, for narrow pages."""
    label = f'<td data-label="{text(name)}"'
    return cell.replace("<td", label, 1) if cell.startswith("<td") else f"{label}>{cell}</td>"


def bar(share: float) -> str:
    """A cell with a bar of this share of the widest."""
    return f'<td class="bar"><i style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></i></td>'


def heat(value: str, share: float, *, wrong: bool = False) -> str:
    """A cell whose background is the stronger the greater the share; `wrong`: in the colour of mistakes."""
    name = "wrong" if wrong else "heat"
    return f'<td style="background:rgba(var(--{name}), {0.65 * min(max(share, 0.0), 1.0):.2f})">{text(value)}</td>'


def tiles(pictures: Iterable[tuple[bytes, str]]) -> str:
    """JPEGs with a caption each, side by side."""
    figures = "".join(
        f'<figure><img alt="" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">{text(caption)}</figure>'
        for jpeg, caption in pictures
    )
    return f'<div class="tiles">{figures}</div>' if figures else ""


def failure_table(failures: Sequence[Failure]) -> str:
    """The files that could not be used, and why; the first ones of many."""
    if not failures:
        return ""
    told = [one.message.removeprefix(f"{one.subject}: ") for one in failures[:MOST_FAILURES]]
    rows = [(text(one.subject), text(words)) for one, words in zip(failures, told, strict=False)]
    rest = len(failures) - len(rows)
    more = f'<p class="soft">and {rest} more</p>' if rest else ""
    return table(("file", "why"), rows, words=True) + more


def chart(lines: Sequence[tuple[ArrayLike, ArrayLike]], *, x: str, y: str, diagonal: bool = False) -> str:
    """An SVG of curves within 0..1, in the colours of `key`; `diagonal`: what chance gives."""
    side, left = CHART_PX, EDGE_PX
    grid = "".join(
        f'<path d="M{left + side * t:.0f} 8v{side}M{left} {8 + side * t:.0f}h{side}" stroke="var(--line, #ccc)"/>'
        f'<text x="{left + side * t:.0f}" y="{side + 24}" text-anchor="middle">{t:g}</text>'
        f'<text x="{left - 6}" y="{side + 12 - side * t:.0f}" text-anchor="end">{t:g}</text>'
        for t in (0, 0.25, 0.5, 0.75, 1)
    )
    chance = f'<path d="M{left} {8 + side}l{side} {-side}" stroke="var(--soft, #777)" stroke-dasharray="2 4"/>'
    curves = "".join(
        f'<path d="{_path(*line)}" fill="none" stroke="{colour(k)}" stroke-width="2" stroke-dasharray="{dash(k)}"/>'
        for k, line in enumerate(lines)
    )
    names = (
        f'<text x="{left + side / 2}" y="{side + 44}" text-anchor="middle">{text(x)}</text>'
        f'<text transform="translate(11 {8 + side / 2}) rotate(-90)" text-anchor="middle">{text(y)}</text>'
    )
    size = f'width="{side + left + 14}" height="{side + 52}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{text(y)} against {text(x)}" '
        f'font-family="system-ui, sans-serif" font-size="12" fill="var(--soft, #555)">'
        f"{grid}{chance if diagonal else ''}{curves}{names}</svg>"
    )


def _path(xs: ArrayLike, ys: ArrayLike) -> str:
    points = np.column_stack([np.asarray(xs, np.float64), np.asarray(ys, np.float64)])
    pixels = np.round(points * [CHART_PX, -CHART_PX] + [EDGE_PX, 8 + CHART_PX], 1)
    kept = np.ones(len(pixels), bool)
    kept[1:] = (np.abs(np.diff(pixels, axis=0)) > 0).any(axis=1)
    return "M" + "L".join(f"{a:g} {b:g}" for a, b in pixels[kept].tolist())


def key(labels: Sequence[str]) -> str:
    """Which colour is whose."""
    entries = "".join(
        f'<span><svg width="26" height="6"><path d="M0 3h26" stroke="{colour(k)}" stroke-width="3" '
        f'stroke-dasharray="{dash(k)}"/></svg>{text(label)}</span>'
        for k, label in enumerate(labels)
    )
    return f'<div class="key">{entries}</div>'


def colour(k: int) -> str:
    """Of the k-th label."""
    return COLOURS[k % len(COLOURS)]


def dash(k: int) -> str:
    """Of the k-th label's curve."""
    return DASHES[k // len(COLOURS) % len(DASHES)]
