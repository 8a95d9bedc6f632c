"""A campaign to its tables: Parquet for programs, XLSX of people and products, predictions as JSON, scores as CSV.

Every file is written beside its target and renamed, so that a stopped run never leaves half a file. A text cell of a
CSV file that a spreadsheet would take for a formula begins with an apostrophe, see `FORMULA_SIGNS`; a workbook holds
texts as texts.
"""

from __future__ import annotations

from pathlib import Path

from postlens.pipelines.campaign import Campaign
from postlens.pipelines.exports.csvs import (
    FAILURES,
    SCORES,
    add_failure,
    csv_bytes,
    write_failures,
    write_scores,
)
from postlens.pipelines.exports.files import remove_leftovers, replace_bytes
from postlens.pipelines.exports.people_book import PEOPLE_BOOK, people_xlsx
from postlens.pipelines.exports.people_table import PEOPLE_TABLE, PERSON_SCHEMA, person_rows
from postlens.pipelines.exports.predictions import PREDICTIONS, prediction_lines
from postlens.pipelines.exports.products_book import PRODUCTS_BOOK, products_xlsx
from postlens.pipelines.exports.products_table import PRODUCT_SCHEMA, PRODUCTS_TABLE, product_rows
from postlens.pipelines.exports.reactions_table import REACTION_SCHEMA, REACTIONS_PARQUET, reaction_rows
from postlens.pipelines.exports.tables import (
    CREATOR_SCHEMA,
    CREATORS,
    POST_SCHEMA,
    POSTS,
    creator_rows,
    creator_schema,
    post_rows,
    post_schema,
    write_parquet,
)
from postlens.sources.cells import FORMULA_SIGNS

__all__ = [
    "CREATOR_SCHEMA",
    "FAILURES",
    "FILES",
    "FORMULA_SIGNS",
    "PERSON_SCHEMA",
    "POST_SCHEMA",
    "PRODUCT_SCHEMA",
    "REACTION_SCHEMA",
    "add_failure",
    "csv_bytes",
    "remove_leftovers",
    "replace_bytes",
    "write_exports",
    "write_failures",
]

FILES = (
    POSTS,
    CREATORS,
    PEOPLE_BOOK,
    PEOPLE_TABLE,
    PRODUCTS_BOOK,
    PRODUCTS_TABLE,
    REACTIONS_PARQUET,
    PREDICTIONS,
    SCORES,
    FAILURES,
)


def write_exports(campaign: Campaign, out: Path) -> None:
    """Write all tables of the campaign into the folder.

    Raises:
        OSError: the folder cannot be written.
    """
    write_parquet(out / POSTS, post_rows(campaign), post_schema(campaign.metrics))
    write_parquet(out / CREATORS, creator_rows(campaign), creator_schema(campaign.metrics))
    write_parquet(out / PEOPLE_TABLE, person_rows(campaign), PERSON_SCHEMA)
    replace_bytes(out / PEOPLE_BOOK, people_xlsx(campaign))
    write_parquet(out / PRODUCTS_TABLE, product_rows(campaign), PRODUCT_SCHEMA)
    replace_bytes(out / PRODUCTS_BOOK, products_xlsx(campaign))
    write_parquet(out / REACTIONS_PARQUET, reaction_rows(campaign), REACTION_SCHEMA)
    replace_bytes(out / PREDICTIONS, prediction_lines(campaign))
    write_scores(campaign, out)
    write_failures(campaign.failures, out)
