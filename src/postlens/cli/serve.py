"""`postlens serve --store FILE`: the REST API and the web page on a store (ready in about 3 s)."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Annotated, Any

import typer

from postlens.cli.place import ConfigOption, SetOption
from postlens.errors import MissingExtraError

app = typer.Typer(
    help="Answer over HTTP, and show the web page; `keys` says who may call. Needs the extra `serve`.",
    rich_markup_mode=None,
    invoke_without_command=True,
)
PARTS = ("fastapi", "uvicorn", "python_multipart", "prometheus_client")
StoreOption = Annotated[
    str | None, typer.Option("--store", help="Store: a file or a URL. Default: POSTLENS_SERVE_STORE.")
]


def expect_extra() -> None:
    """Raise `MissingExtraError` unless all parts of the extra are installed."""
    if any(importlib.util.find_spec(part) is None for part in PARTS):
        raise MissingExtraError("serve", needed_for="postlens serve")


@app.callback()
def serve(
    ctx: typer.Context,
    store: StoreOption = None,
    port: Annotated[int | None, typer.Option(help="Port to listen at. Default: 8000.")] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen at. Default: 127.0.0.1; another needs keys.")
    ] = None,
    keys: Annotated[
        bool | None, typer.Option("--keys/--no-keys", help="Whether requests need a key. Default: unless on loopback.")
    ] = None,
    allow_urls: Annotated[
        bool | None, typer.Option("--allow-urls/--no-urls", help="Fetch media by URL, from public addresses.")
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Answer over HTTP until stopped. Limits are settings of the environment: POSTLENS_SERVE_MAX_UPLOAD_MIB=512."""
    if ctx.invoked_subcommand is not None:
        return
    expect_extra()
    from postlens.serve.server import run

    run(_settings(config, settings, store=store, port=port, host=host, keys=keys, allow_urls=allow_urls))


def _settings(config: Path | None, settings: list[str] | None, **given: Any) -> Any:
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.serve.settings import ServeSettings

    analysis = Settings.load(config=config, flags=pairs(settings, "--set"))
    return ServeSettings.load(analysis=analysis, **given)
