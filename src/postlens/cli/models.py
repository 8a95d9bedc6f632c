"""`postlens models list|show`: the models that ship, with their cards."""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated

import typer
from rich.console import Console

from postlens.cli.console import wide_table

app = typer.Typer(help="The models that ship, with their cards.", rich_markup_mode=None)


@app.command("list")
def list_models() -> None:
    """One line for each model: task, size, licence, fingerprint."""
    from postlens.vision import zoo

    table = wide_table("name", "task", "MiB", "licence", "fingerprint", keep=("name", "MiB", "fingerprint"))
    for spec in zoo.list_models():
        size = (zoo.WEIGHTS / spec.file).stat().st_size / 2**20
        licence = spec.licence.partition(" (")[0]  # the whole of it stands on the card
        table.add_row(spec.name, spec.task, f"{size:.1f}", licence, spec.fingerprint)
    Console().print(table)


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="A name from `models list`.")]) -> None:
    """The whole card of a model: origin, licence, preprocessing, scores, limits."""
    from postlens.vision import zoo

    spec = zoo.load_spec(name)
    table = wide_table("field", "value", keep=("field",))
    for f in fields(spec):
        value = getattr(spec, f.name)
        if value not in ((), {}, "", None):
            table.add_row(f.name, _text(value))
    table.add_row("fingerprint", spec.fingerprint)
    Console().print(table, markup=False)


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return "\n".join(f"{key}: {item}" for key, item in value.items())
    return str(value)
