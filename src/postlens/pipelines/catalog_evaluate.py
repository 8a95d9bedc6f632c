"""A table of images or subjects with their right products to how well the catalog is ranked by similarity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection

from postlens.config import Settings
from postlens.errors import MediaError, NotEnoughDataError, RowError, SourceNotFoundError, TableError, UnknownNameError
from postlens.pipelines.catalog import load_products
from postlens.pipelines.catalog_images import ImageReader
from postlens.sources.cells import parse_text
from postlens.sources.sheets import Row, open_sheet
from postlens.store import Store
from postlens.store.posts import read_creators, read_posts
from postlens.store.vectors import read_frame_embeddings
from postlens.tasks.products.catalog import STAGE
from postlens.tasks.products.ranking import ProductVectors, mean_direction, rank_products
from postlens.tasks.products.retrieval import score_retrieval
from postlens.types import Failure, FloatArray, Product
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

QUERIES: Final = ("image", "subject_id")  # columns of the truth: a file, or a post or creator of the store
SEED: Final = 0  # of the intervals


@dataclass(frozen=True, slots=True)
class Retrieval:
    """How well products are ranked; tables as `score_retrieval` gives them."""

    among_all: Mapping[str, Any]  # among all active products
    same_label: Mapping[str, Any]  # among those that share a label with a right one, as when the item is known
    n_products: int
    n_vectors: int  # products whose image could be compared
    failures: tuple[Failure, ...]  # rows of the truth and parts of the catalog that could not be used


class _TruthRow(NamedTuple):
    where: str
    column: str  # of QUERIES
    name: str  # what stands in it
    product_id: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """One query: what is sought with, and what is right."""

    subject_id: str
    query: FloatArray  # (D,)
    right: frozenset[str]


def evaluate_catalog(truth: Path, *, store: Store | None, settings: Settings) -> Retrieval:
    """Rank the catalog that answers for each image or subject of a table, by similarity, and score the right products.

    The table has columns image (a path from its folder) or subject_id (a post or creator of the store, creators by id
    or handle), and product_id; several rows of one query give it several right products. A subject's query is the mean
    direction of all its media, whatever item they show.

    Raises:
        SourceNotFoundError, TableError: the table cannot be read.
        SettingsError: the catalog cannot be used.
        NotEnoughDataError: not one row can be used; the message says why the first cannot.
    """
    rows = list(_read(truth))
    ranked_by_image = settings.model_copy(update={"product_order": "similar"})
    with store.read() if store is not None else nullcontext() as conn:
        catalog = load_products(conn, ranked_by_image)
        active = [product for product in catalog.products if product.active]
        ids = {product.product_id for product in active}
        vectors = ProductVectors.of({name: own for name, own in catalog.vectors.items() if name in ids})
        seeker = _Seeker(conn, settings, folder=truth.parent)
        answers, failures = _answers(rows, seeker, ids)
    if not answers or not vectors.rows:
        first = next(iter((*failures, *catalog.notes)), None)
        why = f"{first.subject}: {first.message}" if first else "no product has an image; add some"
        raise NotEnoughDataError(f"expected products with images and rows to rank them for, got none usable; {why}")
    return Retrieval(
        among_all=_score(answers, active, vectors),
        same_label=_score(answers, active, vectors, same_label=True),
        n_products=len(active),
        n_vectors=len(vectors.rows),
        failures=(*failures, *catalog.notes),
    )


def _score(
    answers: Sequence[_Answer],
    products: Sequence[Product],
    vectors: ProductVectors,
    *,
    same_label: bool = False,
) -> dict[str, Any]:
    ranked = []
    for answer in answers:
        labels = {label for one in products if one.product_id in answer.right for label in one.labels}
        chosen = [one for one in products if not same_label or labels & {*one.labels}]
        order = rank_products(
            chosen, order="similar", subject_id=answer.subject_id, vectors=vectors, query=answer.query
        )
        ranked.append([one.product.product_id for one in order])
    return score_retrieval(ranked, [one.right for one in answers], rng=np.random.default_rng(SEED))


class _Seeker:
    """Images and subjects to their query vectors."""

    def __init__(self, conn: Connection | None, settings: Settings, *, folder: Path) -> None:
        self._conn = conn
        self._folder = folder
        self._reader = ImageReader(settings, known={}, downloads=None)

    def seek(self, column: str, name: str) -> FloatArray:
        """Raises `MediaError` for an image, `UnknownNameError` for a subject, `NotEnoughDataError` without a vector."""
        vectors = self._reader.read_one(name, folder=self._folder).vector[None] if column == "image" else self._of(name)
        query = mean_direction(vectors)
        if query is None:
            raise NotEnoughDataError(f"expected a picture with content, got none in {name!r}; analyze its media first")
        return query

    def _of(self, subject_id: str) -> FloatArray:
        """(N, D) directions of the media of a post, or of all posts of a creator."""
        posts = [] if self._conn is None else list(read_posts(self._conn, post_ids=[subject_id]))
        if self._conn is not None and not posts:
            posts = [post for name in self._creators(subject_id) for post in read_posts(self._conn, creator_id=name)]
        if self._conn is None or not posts:
            raise UnknownNameError(f"expected a post or creator of the store, got {subject_id!r}; analyze it first")
        sha256s = list(dict.fromkeys(sha256 for post in posts for sha256 in post.media))
        frames = read_frame_embeddings(self._conn, sha256s, load_spec(ENCODER).fingerprint)
        found = [direction for own, _ in frames.values() if (direction := mean_direction(own.vectors)) is not None]
        return np.stack(found) if found else np.zeros((0, 1), np.float32)

    def _creators(self, name: str) -> list[str]:
        """The creator_ids of an id, or of a handle as it is shown, which must be of one platform."""
        every = [] if self._conn is None else list(read_creators(self._conn))
        plain = name.removeprefix("@")
        ids = [one.creator_id for one in every if one.creator_id == plain] or [
            one.creator_id for one in every if one.handle == plain
        ]
        if len(ids) > 1:
            raise UnknownNameError(f"expected one creator, got {name!r} for {' and '.join(ids)}; write the id")
        return ids


def _answers(
    rows: Sequence[_TruthRow | Failure], seeker: _Seeker, known: set[str]
) -> tuple[list[_Answer], list[Failure]]:
    """Queries in the order of their first rows, and the rows that cannot be used."""
    failures = []
    right: dict[tuple[str, str], dict[str, str]] = {}  # query to right products and their rows
    for row in rows:
        if isinstance(row, Failure):
            failures.append(row)
            continue
        if row.product_id in known:
            right.setdefault((row.column, row.name), {})[row.product_id] = row.where
        else:
            error = UnknownNameError(f"expected an active product of the catalog, got {row.product_id!r}; correct it")
            failures.append(Failure.of(row.where, STAGE, error))
    answers = []
    for (column, name), products in right.items():
        try:
            answers.append(_Answer(name, seeker.seek(column, name), frozenset(products)))
        except (MediaError, UnknownNameError, NotEnoughDataError) as error:
            failures.append(Failure.of(next(iter(products.values())), STAGE, error))
    return answers, sorted(failures, key=lambda failure: _row_number(failure.subject))


def _row_number(subject: str) -> int:
    """Of "truth.csv, row 7"; 0 for what is told of the whole table."""
    _, sign, number = subject.rpartition(", row ")
    return int(number) if sign and number.isdecimal() else 0


def _read(path: Path) -> Iterator[_TruthRow | Failure]:
    if not path.is_file():
        raise SourceNotFoundError(f"{path}: expected a table with columns image or subject_id, and product_id; no file")
    sheet = open_sheet(str(path), is_header=_is_header, no_header=_no_header)
    for row in sheet.rows:
        if isinstance(row, RowError):
            yield Failure.of(str(path), STAGE, row)
        elif any(cell not in (None, "") for cell in row.cells):
            yield _row(row, where=f"{path}, row {row.number}")


def _is_header(names: Sequence[str]) -> bool:
    plain = {name.casefold() for name in names}
    return "product_id" in plain and any(name in plain for name in QUERIES)


def _no_header(name: str, names: Sequence[str]) -> TableError:
    shown = ", ".join(name for name in names if name) or "none"
    return TableError(f"{name}: expected the columns image or subject_id, and product_id, got {shown}; add them")


def _row(row: Row, *, where: str) -> _TruthRow | Failure:
    try:
        cells = {name.casefold(): parse_text(cell) for name, cell in zip(row.names, row.cells, strict=False)}
    except ValueError as error:
        return Failure.of(where, STAGE, RowError(f"{error}; write plain values"))
    column = next((name for name in QUERIES if cells.get(name)), None)
    if column is None or not cells.get("product_id"):
        return Failure.of(where, STAGE, RowError("expected an image or subject_id, and a product_id; fill them in"))
    return _TruthRow(where, column, str(cells[column]), str(cells["product_id"]))
