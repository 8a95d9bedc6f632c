"""Rows of a catalog to products: what can be recommended, and for which labels.

Columns: product_id, title and labels, and if wanted url, image, price, currency, audience and active; others are left
alone. The order of the rows is the order of preference.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from postlens.errors import RowError, UnknownNameError
from postlens.tasks.products.items import SEPARATORS, label_key
from postlens.tasks.products.prices import Price, parse_currency, parse_price
from postlens.types import Failure, Product

_T = TypeVar("_T")
DEFAULT_CATALOG = Path(__file__).with_name("catalog.toml")
REQUIRED: Final = ("product_id", "title", "labels")
COLUMNS: Final = (*REQUIRED, "url", "image", "price", "currency", "audience", "active")
STAGE: Final = "catalog"  # of the failures
LEFT_OUT: Final = "the row is left out"  # at the end of failures whose row is no product
# Other spellings by our name, compared without case, spaces and signs.
_SPELLINGS: Final = {
    "product_id": ("productid", "id", "sku"),
    "title": ("title", "name", "producttitle", "productname"),
    "labels": ("labels", "label"),
    "url": ("url", "link", "producturl"),
    "image": ("image", "picture", "photo", "imageurl", "imagepath"),
}
_YES: Final = frozenset({"", "1", "true", "yes", "y", "ja", "oui"})
_NO: Final = frozenset({"0", "false", "no", "n", "nein", "non"})
_SCHEME: Final = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)  # RFC 3986, section 3.1
_SHOWN_CHARS: Final = 40  # of a cell that could not be read


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """One product as a file has it."""

    where: str  # file and row, for messages
    values: Mapping[str, Any]  # by column of COLUMNS


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a catalog holds."""

    products: tuple[Product, ...]  # inactive ones too, in the order of preference
    failures: tuple[Failure, ...]  # rows and values that could not be used, labels that no model reads


def parse_catalog(rows: Iterable[CatalogRow | Failure], *, labels: Collection[str]) -> Catalog:
    """Products of the rows that can be used, and failures for the others, which name row and column.

    A row without id, title or labels, with an id of a row above or an `active` that is neither yes nor no is left out.
    An optional value that cannot be read (a price, a currency) is left empty and told. A label that is not among
    `labels` stays with its product and is told, since a model that reads it may come later.
    """
    products: dict[str, Product] = {}
    failures: list[Failure] = []
    for row in rows:
        if isinstance(row, Failure):
            failures.append(row)
            continue
        reader = _RowReader(row)
        try:
            product = reader.product()
            if product.product_id in products:
                got = f"got {product.product_id!r} again; the first is used"
                raise RowError(f"column product_id: expected each id once, {got}")
            products[product.product_id] = product
        except RowError as error:
            failures.append(Failure.of(row.where, STAGE, RowError(f"{error}; {LEFT_OUT}")))
            continue
        failures += reader.failures
    found = tuple(products.values())
    return Catalog(found, (*failures, *unknown_labels(found, labels=labels)))


def unknown_labels(products: Iterable[Product], *, labels: Collection[str]) -> tuple[Failure, ...]:
    """A note for each label of active products that is not among `labels`, which are those that a model reads."""
    counts = Counter(label for product in products if product.active for label in product.labels if label not in labels)
    known = ", ".join(labels)
    return tuple(
        Failure(
            subject=f"label {label!r}",
            stage=STAGE,
            error=UnknownNameError.__name__,
            message=f"expected labels out of {known}, got {label!r} on {n} product{'s' if n > 1 else ''}: no model in"
            " use reads it; train one (`postlens train products`) and name it in the setting product_models",
        )
        for label, n in counts.items()
    )


def unknown_audience(products: Iterable[Product], audience: Sequence[str]) -> tuple[Failure, ...]:
    """A note where no active product is for one of these audiences, most likely a slip; case does not matter."""
    known = {name.casefold(): name for one in products if one.active for name in one.audience}
    unknown = [name for name in audience if name.casefold() not in known]
    if not unknown:
        return ()
    there = f"known: {', '.join(sorted(known.values()))}" if known else "all are for everybody"
    error = UnknownNameError(f"no product has the audience {' or '.join(map(repr, unknown))}; {there}")
    return (Failure.of("audience", STAGE, error),)


def find_columns(names: Sequence[str]) -> dict[str, int]:
    """Our columns to their places among a table's column names, of several spellings the first; absent ones left out.

    "Product ID", "product-id" and "SKU" are all product_id.
    """
    plain = [re.sub(r"[\W_]", "", name).casefold() for name in names]
    places = {}
    for column in COLUMNS:
        wanted = _SPELLINGS.get(column, (column,))
        at = next((plain.index(spelling) for spelling in wanted if spelling in plain), None)
        if at is not None:
            places[column] = at
    return places


class _RowReader:
    """Values of one row, and what could not be read of it."""

    def __init__(self, row: CatalogRow) -> None:
        self._row = row
        self.failures: list[Failure] = []

    def product(self) -> Product:
        """Raises `RowError` where the row cannot be used."""
        price, currency = self._money()
        return Product(
            product_id=self._needed("product_id", _text),
            title=self._needed("title", _text),
            labels=self._needed("labels", _labels),
            url=self._optional("url", _address) or None,
            image=self._optional("image", _text) or None,
            active=self._read("active", _flag),
            price=price,
            currency=currency,
            audience=self._optional("audience", _names) or (),
        )

    def _needed(self, column: str, parse: Callable[[Any], _T]) -> _T:
        value = self._read(column, parse)
        if not value:
            raise RowError(f"column {column}: expected a value, got nothing; fill it in")
        return value

    def _read(self, column: str, parse: Callable[[Any], _T]) -> _T:
        try:
            return parse(self._row.values.get(column))
        except ValueError as error:
            raise RowError(f"column {column}: {error}") from error

    def _optional(self, column: str, parse: Callable[[Any], _T]) -> _T | None:
        try:
            return self._read(column, parse)
        except RowError as error:
            self._keep_without(column, str(error))
            return None

    def _keep_without(self, columns: str, why: str) -> None:
        self.failures.append(Failure.of(self._row.where, STAGE, RowError(f"{why}; kept without {columns}")))

    def _money(self) -> tuple[float | None, str | None]:
        """Price and currency; a column currency that contradicts the price leaves both empty."""
        price: Price | None = self._optional("price", parse_price)
        said = self._optional("currency", lambda value: parse_currency(_text(value)))
        if price is None:
            return None, said
        if said and price.currency and said != price.currency:
            why = f"column currency: expected that of the price, {price.currency}, got {said}; correct it"
            self._keep_without("price and currency", why)
            return None, None
        return price.amount, said or price.currency


def _text(value: object) -> str:
    if isinstance(value, Mapping | list | tuple | set | bytes):
        raise ValueError(f"expected text, got {type(value).__name__}; write a plain value")
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float) and value.is_integer():  # as spreadsheets give whole numbers
        return str(int(value))
    return str(value).strip()


def _address(value: object) -> str:
    """An address without a scheme, or with http(s): others can do things when they are clicked in a report."""
    text = _text(value)
    scheme = _SCHEME.match(text)
    if scheme is not None and scheme[1].casefold() not in ("http", "https"):
        raise ValueError(f"expected an http:// or https:// address, got {text[:_SHOWN_CHARS]!r}; correct it")
    return text


def _names(value: object) -> tuple[str, ...]:
    """Each name once: of a list, or of a text with `;`, `,` or `|` between."""
    parts = value if isinstance(value, list | tuple) else re.split(f"[{SEPARATORS}]", _text(value))
    return tuple(dict.fromkeys(name for part in parts if (name := _text(part))))


def _labels(value: object) -> tuple[str, ...]:
    return tuple(dict.fromkeys(label_key(name) for name in _names(value)))


def _flag(value: object) -> bool:
    text = _text(value).casefold()
    if text in _YES | _NO:
        return text in _YES
    raise ValueError(f"expected yes or no (true, false, 1, 0), got {_text(value)[:_SHOWN_CHARS]!r}; correct it")
