"""`postlens serve --store FILE`: the REST API and the web page on a store (ready in about 3 s)."""

from __future__ import annotations

import importlib.util
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from postlens.cli.console import plain
from postlens.cli.place import ConfigOption, JsonOption, SetOption, existing
from postlens.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from postlens.store import Store

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
    from postlens.store.engine import shown_location

    found = _settings(config, settings, store=store, port=port, host=host, keys=keys, allow_urls=allow_urls)
    say = Console(stderr=True, soft_wrap=True, highlight=False, markup=False).print
    who = "keys needed" if found.needs_keys else "no keys needed: only this machine can call"
    host = f"[{found.host}]" if ":" in found.host else found.host
    run(found, tell=lambda port: say(f"http://{host}:{port}  store {shown_location(found.store)}  {who}"))


def _settings(config: Path | None, settings: list[str] | None, **given: Any) -> Any:
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.serve.settings import ServeSettings

    analysis = Settings.load(config=config, flags=pairs(settings, "--set"))
    return ServeSettings.load(analysis=analysis, **given)


# --- keys ------------------------------------------------------------------------------------------------------------

keys_app = typer.Typer(help="Who may call: make, list and take back keys.", rich_markup_mode=None)
app.add_typer(keys_app, name="keys")


@keys_app.command("add")
def add(
    name: Annotated[str, typer.Argument(help="Who uses it, for the list.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="read (default), write or admin; each allows what those before it do.")
    ] = None,
    store: StoreOption = None,
) -> None:
    """Make a key. It is shown once: only its sha256 is kept."""
    from postlens.serve.security import add_key

    with _keys_store(store) as opened:
        key, text = add_key(opened, name, tuple(scope or ["read"]), now=datetime.now(UTC))
    Console(stderr=True, highlight=False).print(f"key {key.key_id} ({', '.join(key.scopes)}); keep it now:")
    Console(soft_wrap=True, highlight=False, markup=False).print(text)


@keys_app.command("list")
def list_keys(store: StoreOption = None, as_json: JsonOption = False) -> None:
    """All keys, those that were taken back too."""
    from postlens.store.keys import read_keys

    with _keys_store(store, read_only=True) as opened, opened.read() as conn:
        found = [{name: value for name, value in asdict(one).items() if name != "digest"} for one in read_keys(conn)]
    if as_json:
        print(json.dumps(found, default=str, ensure_ascii=False))
        return
    table = Table("key", "name", "scopes", "made", "revoked")
    for one in found:
        times = [one[name].date().isoformat() if one[name] else "" for name in ("created_at", "revoked_at")]
        table.add_row(one["key_id"], plain(one["name"]), ", ".join(one["scopes"]), *times)
    Console(highlight=False).print(table)


@keys_app.command("revoke")
def revoke(
    key: Annotated[str, typer.Argument(metavar="KEY", help="Its id, from the list.")], store: StoreOption = None
) -> None:
    """Let a key count no more; a running server notices within two seconds."""
    from postlens.store.keys import revoke_key

    with _keys_store(store) as opened, opened.write() as conn:
        revoke_key(conn, key, now=datetime.now(UTC))
    Console(highlight=False).print(f"key {plain(key)} is revoked")


def _keys_store(store: str | None, *, read_only: bool = False) -> Store:
    expect_extra()
    from postlens.store import Store

    location = store or os.environ.get("POSTLENS_SERVE_STORE")
    if not location:
        raise UsageError("expected a store, got none; name it with --store or POSTLENS_SERVE_STORE")
    return Store.open(existing(location), read_only=read_only)
