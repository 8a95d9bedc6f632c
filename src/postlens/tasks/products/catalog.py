"""A CSV or TOML file to products: what can be recommended, and for which labels.

One row (CSV) or one `[[product]]` table (TOML) each, with the columns product_id, title and labels, and if wanted
url, image and active. Other columns are left alone. The order of the file is the order of preference.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from postlens.errors import RowError, SourceNotFoundError, TableError
from postlens.tasks.products.items import LABELS
from postlens.types import Product

DEFAULT_CATALOG = Path(__file__).with_name("catalog.toml")
REQUIRED = ("product_id", "title", "labels")
COLUMNS = (*REQUIRED, "url", "image", "active")
_DELIMITERS = (",", ";", "\t")  # the last two are what spreadsheets write where the comma is the decimal sign
_TRUE, _FALSE = frozenset({"", "1", "true", "yes", "y"}), frozenset({"0", "false", "no", "n"})
_FORMATS = ".csv or .toml"


def load_catalog(path: Path, *, labels: Sequence[str] = LABELS) -> tuple[Product, ...]:
    """The active products of a catalog, in the file's order; () when all are inactive.

    `labels` are the allowed ones; in a CSV cell they are separated by `;`, `,` or `|`. A blank `active` means yes.
    Raises `SourceNotFoundError` when the file cannot be opened, `TableError` when it is no catalog, and `RowError`,
    which names the row and column, for a value that cannot be used (a repeated product_id too).
    """
    rows = _read_rows(Path(path))
    products = [_product(row, where=where, labels=labels) for where, row in rows]
    seen: set[str] = set()
    for (where, _), product in zip(rows, products, strict=True):
        if product.product_id in seen:
            raise RowError(f"{where}, column product_id: expected each id once, got {product.product_id!r} again")
        seen.add(product.product_id)
    return tuple(product for product in products if product.active)


def _read_rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """(place for messages, values) of each row."""
    readers = {".csv": _csv_rows, ".toml": _toml_rows}
    if path.suffix.lower() not in readers:
        raise TableError(f"{path}: expected a catalog that ends in {_FORMATS}, got {path.suffix!r}; convert it")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SourceNotFoundError(f"{path}: cannot open the catalog ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path}: expected UTF-8 text, got byte {error.start} that is not; save it as UTF-8"
        ) from error
    rows = readers[path.suffix.lower()](path, text)
    if not rows:
        raise TableError(f"{path}: expected at least one product, got none; see {DEFAULT_CATALOG.name} for an example")
    return rows


def _csv_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    header = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="", skipinitialspace=True)
    names = [name.strip().lower() for name in reader.fieldnames or ()]
    if missing := [name for name in REQUIRED if name not in names]:
        raise TableError(f"{path}: expected the columns {', '.join(REQUIRED)}, {', '.join(missing)} missing; add them")
    reader.fieldnames = names
    try:
        return [(f"{path}, row {reader.line_num}", row) for row in reader]
    except csv.Error as error:
        raise TableError(f"{path}, row {reader.line_num}: not a CSV table ({error})") from error


def _toml_rows(path: Path, text: str) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        tables = tomllib.loads(text).get("product", [])
    except tomllib.TOMLDecodeError as error:
        raise TableError(f"{path}: not valid TOML: {error}") from error
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise TableError(f"{path}: expected [[product]] tables, got {type(tables).__name__}; write one per product")
    return [(f"{path}, product {number}", table) for number, table in enumerate(tables, start=1)]


def _product(row: Mapping[str, Any], *, where: str, labels: Sequence[str]) -> Product:
    text = {name: _text(row.get(name), where=f"{where}, column {name}") for name in COLUMNS if name != "labels"}
    for name in ("product_id", "title"):
        if not text[name]:
            raise RowError(f"{where}, column {name}: expected a value, got nothing; fill it in")
    return Product(
        product_id=text["product_id"],
        title=text["title"],
        labels=_labels(row.get("labels"), where=f"{where}, column labels", known=labels),
        url=text["url"] or None,
        image=text["image"] or None,
        active=_active(text["active"], where=f"{where}, column active"),
    )


def _text(value: object, *, where: str) -> str:
    if isinstance(value, str | int | float | None):
        return "" if value is None else str(value).strip()
    raise RowError(f"{where}: expected text, got {type(value).__name__}; write a plain value")


def _labels(value: object, *, where: str, known: Sequence[str]) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else re.split("[;,|]", _text(value, where=where))
    names = tuple(dict.fromkeys(_text(part, where=where).lower() for part in parts if part != ""))
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        got = ", ".join(repr(name) for name in unknown) or "nothing"
        raise RowError(f"{where}: expected labels out of {', '.join(known)}, got {got}; correct it")
    return names


def _active(text: str, *, where: str) -> bool:
    if text.lower() in _TRUE | _FALSE:
        return text.lower() in _TRUE
    raise RowError(f"{where}: expected yes or no (true, false, 1, 0), got {text!r}; correct it")
