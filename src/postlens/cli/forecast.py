"""`postlens forecast SOURCE...`: what each photo will probably get, and why (5 s, then 10 photos/s on a core)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar
from postlens.cli.place import OUT, ConfigOption, JsonOption, SetOption
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.config import Settings
    from postlens.pipelines.forecast import Asked, Forecasts
    from postlens.tasks.engagement.answer import Forecast
    from postlens.tasks.engagement.early import EarlyCount

EARLY = re.compile(r"(\d+(?:\.\d+)?)@(\d+(?:\.\d+)?)(m|min|h|d)")
HOURS = {"m": 1 / 60, "min": 1 / 60, "h": 1.0, "d": 24.0}
POSTS_TOLD = 20  # of a source with more, the rest is in the table or the JSON


def forecast(
    sources: Annotated[
        list[str] | None, typer.Argument(help="New photos of --account, or what `analyze` reads, or a store.")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="The sources are new photos of this account of the store, not posted yet.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for forecasts.csv, and of the store unless --store. With --account: postlens-out."),
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Store that has the account; without --account, to keep what was found in.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option(help="auto (default), accounts: of many accounts, account: of its own posts, median: its median."),
    ] = None,
    early: Annotated[
        str | None,
        typer.Option(help="Likes soon after posting, of the one new post: 120@1h for 120 after an hour."),
    ] = None,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Print what could be done otherwise for posts that are out, too.")
    ] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Say how many likes a photo will probably get on an account, with an interval, reasons and similar posts.

    Exit code 0 if any post could be forecast, 1 if none, 2 for wrong usage.
    """
    from postlens.cli.analyze import pairs
    from postlens.config import Settings
    from postlens.pipelines.forecast import Asked

    given = {"engagement_method": method} if method is not None else {}
    loaded = Settings.load(config=config, flags=pairs(settings, "--set") | given)
    place = out if out is not None or account is None or store is not None else OUT
    asked = Asked(tuple(sources or ()), account, parse_early(early), place, store)
    found = _found(asked, loaded)
    path = _written(found, out)
    if as_json:
        from postlens.pipelines.forecast_files import as_dicts

        typer.echo(json.dumps(list(as_dicts(found)), indent=1, allow_nan=False))
    else:
        _print(found, path, what_if=what_if)
    return EXIT_DONE if any(one.forecast.median is not None for one in found.posts) else EXIT_NOTHING


def parse_early(text: str | None) -> EarlyCount | None:
    """`120@1h`, `40@30min`, `900@1d` to a count and its age. Raises `UsageError` for another form or a later count."""
    from postlens.tasks.engagement.early import LATEST_H, EarlyCount

    if text is None:
        return None
    parts = EARLY.fullmatch(text.strip().replace(" ", ""))
    age_h = float(parts[2]) * HOURS[parts[3]] if parts else 0.0
    if parts is None or not 0 < age_h <= LATEST_H:
        raise UsageError(f"expected COUNT@TIME such as 120@1h or 900@1d, up to {LATEST_H:.0f} h, got {text!r}")
    return EarlyCount(float(parts[1]), age_h)


def _found(asked: Asked, settings: Settings) -> Forecasts:
    from postlens.cli.place import existing
    from postlens.pipelines.forecast import forecast_media, forecast_store
    from postlens.pipelines.predict import is_store

    stores = [source for source in asked.sources if is_store(source)]
    if stores and (len(asked.sources) > 1 or asked.store):
        raise UsageError("expected one store, without --store, or media only")
    if stores or (asked.store and not asked.sources):
        if asked.early is not None:
            raise UsageError(
                "expected a new photo with --early, got a store, whose posts have counts of their own; "
                "name the photo, with --account NAME and --store FILE"
            )
        location = existing(stores[0] if stores else str(asked.store))
        return forecast_store(location, settings=settings, account=asked.account)
    with progress_bar("forecast") as update:
        return forecast_media(asked, settings=settings, progress=update)


def _written(found: Forecasts, out: Path | None) -> Path | None:
    from postlens.pipelines.forecast_files import write_forecasts

    return write_forecasts(found, out) if out is not None else None


def _print(found: Forecasts, path: Path | None, *, what_if: bool) -> None:
    say = Console(soft_wrap=True, highlight=False)
    for note in found.notes:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"note: {plain(note)}")
    judged: set[str] = set()  # accounts whose own model was told of
    for one in found.posts[:POSTS_TOLD]:
        is_new = one.forecast.actual is None
        for line in _lines(one, own_model=one.creator_id not in judged, what_if=what_if or is_new):
            say.print(line)
        judged.add(one.creator_id)
    if len(found.posts) > POSTS_TOLD:
        say.print(f"and {len(found.posts) - POSTS_TOLD} more posts; all with --out FOLDER or --json")
    for failure in found.failures[:N_REASONS]:
        say.print(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(found.failures) > N_REASONS:
        say.print(f"  and {len(found.failures) - N_REASONS} more failures")
    if path is not None:
        say.print(f"{len(found.posts)} posts, {len(found.failures)} failures: {plain(path)}")


def _lines(one: Forecast, *, own_model: bool, what_if: bool) -> list[str]:
    """What is said of one post."""
    from postlens.pipelines.forecast_words import headline, rounded, told

    name = ", ".join(Path(place).name for place in one.files) or one.post_id
    rank = f"{one.rank}. " if one.rank is not None else ""
    got = f" (got {rounded(one.forecast.actual)})" if one.forecast.actual is not None else ""
    return [
        f"[bold]{rank}{plain(name)}[/bold]",
        plain(f"  {headline(one.forecast)}{got}"),
        *(plain(f"  {line}") for line in told(one, own_model=own_model, what_if=what_if)),
    ]
