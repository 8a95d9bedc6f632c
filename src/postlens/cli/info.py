"""`postlens info`: versions, providers, models, settings and what a store holds."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from postlens.cli.analyze import pairs
from postlens.cli.console import wide_table

LIBRARIES = ("numpy", "onnxruntime", "pillow", "pillow-heif", "simplejpeg", "av", "sqlalchemy", "polars")
EXTRAS = {"serve": "fastapi", "train": "torch", "ray": "ray", "postgres": "psycopg"}


def info(
    show_settings: Annotated[bool, typer.Option("--settings", help="Each setting and where it came from.")] = False,
    config: Annotated[Path | None, typer.Option(help="Settings file. Default: postlens.toml here, if any.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Any setting: --set metric=views. Repeatable.")
    ] = None,
    store: Annotated[str | None, typer.Option(help="Also count what this store holds.")] = None,
) -> int:
    """Show versions, execution providers, models, settings or the contents of a store."""
    console = Console()
    if show_settings:
        console.print(_settings_table(config, pairs(settings, "--set")))
        return 0
    console.print(_versions_table())
    console.print(_models_line(), highlight=False, soft_wrap=True)
    if store is not None:
        console.print(_store_table(store))
    return 0


def _settings_table(config: Path | None, flags: dict[str, Any]) -> Table:
    from postlens.config import Settings

    settings = Settings.load(config=config, flags=flags)
    origins = settings.origins()
    table = wide_table("setting", "value", "from", "what it does", keep=("setting",))
    for name, field in type(settings).model_fields.items():
        table.add_row(name, str(getattr(settings, name)), origins[name], field.description or "")
    return table


def _versions_table() -> Table:
    table = Table("part", "version")
    table.add_row("postlens", importlib.metadata.version("postlens"))
    table.add_row("python", platform.python_version())
    for name in LIBRARIES:
        table.add_row(name, importlib.metadata.version(name))
    for extra, package in EXTRAS.items():
        table.add_row(
            f"extra {extra}", _installed(package) or escape(f'not installed: pip install "postlens[{extra}]"')
        )
    return table


def _installed(package: str) -> str | None:
    try:
        return f"{package} {importlib.metadata.version(package)}"
    except importlib.metadata.PackageNotFoundError:
        return None


def _models_line() -> str:
    from postlens.vision import zoo
    from postlens.vision.session import PROVIDERS

    models = zoo.list_models()
    total = sum((zoo.WEIGHTS / spec.file).stat().st_size for spec in models) / 2**20
    return f"{len(models)} models, {total:.1f} MiB; providers in use: {', '.join(PROVIDERS)}"


def _store_table(location: str) -> Table:
    from postlens.store import Store
    from postlens.store.meta import count_rows

    table = Table("in the store", "rows")
    with Store.open(location, read_only=True) as store, store.read() as conn:
        for name, count in count_rows(conn).items():
            table.add_row(name, str(count))
    return table
