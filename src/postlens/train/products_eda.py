"""Labelled images to `eda.html`: what there is to learn from, before anything is learnt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.products.model import Reads
from postlens.tasks.products.readings import MIN_QUALITY
from postlens.train.products_page import bar, failure_table, heat, page, section, table, text, tiles
from postlens.train.products_table import ProductImages
from postlens.train.products_vectors import Vectors
from postlens.types import IntArray

N_EXAMPLES = 12  # of each label
N_BINS = 8  # of the distribution of sizes


def write_eda(
    path: Path, images: ProductImages, found: Vectors, groups: IntArray, *, reads: Reads, rng: np.random.Generator
) -> None:
    """Write the page: balance, co-occurrence, sizes, groups, examples, files that could not be used.

    Its pictures are small copies of the images: keep the page as private as these are.
    """
    lead = (
        f"{len(images)} images, each content once, with {len(images.labels)} labels; read from "
        f"{'the main face of each' if reads == 'face' else 'whole images'}. Files that could not be used: "
        f"{len(images.failures)}."
    )
    html = page(
        "What there is to learn from",
        lead,
        section("Class balance", _balance(images, groups), note=_balance_note(images)),
        section(
            "Labels that occur together", _together(images), note="Images that have both labels of row and column."
        ),
        section("Sizes", *_sizes(found, reads)),
        section("Groups", _groups(images, groups), note=GROUP_NOTE),
        section("Examples", *_examples(images, found, rng)),
        section("Files that could not be used", failure_table(images.failures)),
    )
    path.write_text(html, encoding="utf-8", errors="replace")


GROUP_NOTE = (
    "A group is a person, a sub-folder or a shoot, as given, joined where pictures are nearly the same. It is never "
    "divided between training and scoring."
)


def _balance(images: ProductImages, groups: IntArray) -> str:
    most = max(images.n_positive.values(), default=1) or 1
    return table(
        ("label", "with", "", "without", "not known", "share", "groups with"),
        [
            (
                text(label),
                str(n),
                bar(n / most),
                str(int((images.truth[:, k] == 0).sum())),
                str(int(np.isnan(images.truth[:, k]).sum())),
                f"{np.nanmean(images.truth[:, k]):.0%}" if not np.isnan(images.truth[:, k]).all() else "",
                str(len(np.unique(groups[images.truth[:, k] == 1]))),
            )
            for k, (label, n) in enumerate(images.n_positive.items())
        ],
    )


def _balance_note(images: ProductImages) -> str:
    n_none = int((np.nan_to_num(images.truth, nan=1.0) == 0).all(axis=1).sum())
    return (
        f"{n_none} images have none of the labels. Thresholds suit the share of images with a label here; where it is "
        "rarer in your creators' images, tell so by --prior."
    )


def _together(images: ProductImages) -> str:
    has = (images.truth == 1).astype(np.int64)
    counts = has.T @ has
    if len(images.labels) < 2:
        return ""
    rows = [
        (text(label), *(heat(str(n), n / max(counts[k, k], 1)) for n in counts[k].tolist()))
        for k, label in enumerate(images.labels)
    ]
    return table(("", *images.labels), rows)


def _sizes(found: Vectors, reads: Reads) -> Iterator[str]:
    yield "<h3>Longer side of the images, px</h3>" + _distribution(found.size_px.max(axis=1))
    if reads == "face":
        low = float((found.face_quality < MIN_QUALITY).mean())
        yield "<h3>Side of the faces, px</h3>" + _distribution(found.face_px)
        yield (
            f"<p>{low:.0%} of the faces are of a quality below {MIN_QUALITY:g} (small, blurred or turned): they are "
            "learnt from, but an analysis leaves such faces unread.</p>"
        )


def _distribution(values: NDArray[np.generic]) -> str:
    """Images by size in steps that double, those that occur."""
    steps = np.floor(np.log2(np.maximum(values, 1).astype(np.float64))).astype(np.int64)
    first = max(int(steps.min()), int(steps.max()) - N_BINS + 1)
    counts = np.bincount(np.maximum(steps, first) - first)
    return table(
        ("px", "images", ""),
        [(_span(first + i), str(n), bar(n / counts.max())) for i, n in enumerate(counts.tolist())],
    )


def _span(step: int) -> str:
    return f"{2**step} to {2 ** (step + 1) - 1}"


def _groups(images: ProductImages, groups: IntArray) -> str:
    counts = np.sort(np.unique(groups, return_counts=True)[1])[::-1]
    facts = {
        "groups": str(len(counts)),
        "of one image": str(int((counts == 1).sum())),
        "largest": f"{counts[0]} images",
        "median": f"{np.median(counts):g}",
        "images kept for the test": str(int(images.held_out.sum())),
    }
    return table(tuple(facts), [tuple(facts.values())])


def _examples(images: ProductImages, found: Vectors, rng: np.random.Generator) -> Iterator[str]:
    for k, label in enumerate(images.labels):
        for value, words in ((1, label), (0, f"not {label}")):
            rows = np.flatnonzero(images.truth[:, k] == value)
            chosen = np.sort(rng.permutation(rows)[:N_EXAMPLES]).tolist()
            shown = tiles((found.tiles[row], "") for row in chosen)
            yield f"<h3>{text(words)} ({len(rows)})</h3>{shown}" if shown else ""
