"""`postlens react IMAGE...`: emotions of each image and the emoji that fit (about 25 photos/s on one core)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import N_REASONS, plain, progress_bar
from postlens.cli.place import OUT, ConfigOption, JsonOption, SetOption
from postlens.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from postlens.config import Settings
    from postlens.pipelines.react import Reacted, Reactions
    from postlens.types import Failure, ReactionForecast


def react(
    sources: Annotated[
        list[str] | None, typer.Argument(help="What `analyze` reads, or a store: then no media is looked at.")
    ] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Write reactions.csv and reactions.jsonl into --out.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of --batch, with what was found in postlens.db. Default: postlens-out."),
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="Store to keep what was found in. Without sources: answer all posts in it.")
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(help="One threshold for all emotions, e.g. 0.35. Default: each emotion's own.")
    ] = None,
    policy: Annotated[
        str | None, typer.Option(help="strict: without what any emotion found blocks (default); union: all.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Emoji table (TOML). Default: setting emoji_table.")] = None,
    language: Annotated[str, typer.Option(help="Language of the emotions' names, as the emoji table has them.")] = "en",
    tta: Annotated[
        bool, typer.Option("--tta", help="Read each scene in four views: mirrored and two zooms. Slower.")
    ] = False,
    creator: Annotated[
        str | None, typer.Option(help="Of a store: this creator only. Of media: all posts are by this creator.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Say which emotions images convey, and which emoji may and may not be offered.

    Exit code 0 if any image could be answered, 1 if none, 2 for wrong usage.
    """
    from postlens.cli.analyze import pairs
    from postlens.config import Settings

    if out is not None and not batch:
        raise UsageError("--out is the folder of --batch; add --batch, or --store FILE to keep what was found")
    flags: dict[str, Any] = {"reaction_threshold": threshold, "reaction_policy": policy, "emoji_table": table}
    given = {name: value for name, value in flags.items() if value is not None}
    loaded = Settings.load(config=config, flags=pairs(settings, "--set") | given)
    asked = Asked(tuple(sources or ()), (out or OUT) if batch else None, store, creator, tta)
    return _answered(asked, loaded, language=language, as_json=as_json)


@dataclass(frozen=True, slots=True)
class Asked:
    """What to answer, and where it is kept."""

    sources: tuple[str, ...]
    out: Path | None  # of --batch
    store: str | None
    creator: str | None
    tta: bool


def _answered(asked: Asked, settings: Settings, *, language: str, as_json: bool) -> int:
    from postlens.pipelines.react_files import as_dicts, write_reactions
    from postlens.tasks.reactions.emoji import load_table

    labels = load_table(settings.emoji_table).labels(language)
    found = _reactions(asked, settings)
    paths = write_reactions(found, asked.out, labels=labels) if asked.out is not None else ()
    for note in found.notes:
        Console(stderr=True, soft_wrap=True, highlight=False).print(f"note: {plain(note)}")
    if as_json:
        typer.echo(json.dumps(list(as_dicts(found, labels)), indent=1))
    elif paths:
        _summarise(found, paths)
    else:
        _print(found, labels)
    return EXIT_DONE if found.posts else EXIT_NOTHING


def _reactions(asked: Asked, settings: Settings) -> Reactions:
    from postlens.cli.place import existing
    from postlens.pipelines.predict import is_store
    from postlens.pipelines.react import react_media, react_store

    stores = [source for source in asked.sources if is_store(source)]
    if stores and (len(asked.sources) > 1 or asked.store):
        raise UsageError("expected one store, without --store, or media only")
    if stores or (asked.store and not asked.sources):
        location = existing(stores[0] if stores else str(asked.store))
        return react_store(location, settings=settings, out=asked.out, creator=asked.creator, tta=asked.tta)
    with progress_bar("react") as update:
        return react_media(
            asked.sources,
            settings=settings,
            out=asked.out,
            store=asked.store,
            creator=asked.creator,
            tta=asked.tta,
            progress=update,
        )


def _print(found: Reactions, labels: Mapping[str, str]) -> None:
    say = Console(soft_wrap=True, highlight=False)
    for one in found.posts:
        for line in _lines(one, labels):
            say.print(line)
    _print_failures(found.failures, say)


def _lines(one: Reacted, labels: Mapping[str, str]) -> list[str]:
    """What is said of one post."""
    forecast = one.forecast
    every = sorted(forecast.probs, key=lambda name: (name not in forecast.emotions, -forecast.probs[name]))
    probs = ", ".join(f"{labels[name]} {forecast.probs[name]:.2f}" for name in every)
    names = ", ".join(labels[name] for name in forecast.emotions)
    low = " (low confidence: below its threshold)" if forecast.low_confidence else ""
    return [
        f"[bold]{plain(', '.join(Path(place).name for place in one.files) or one.post.post_id)}[/bold]",
        plain(f"  emotions    {names}{low}"),
        plain(f"  all         {probs}"),
        plain(f"  allowed     {' '.join(forecast.allowed) or '-'}"),
        plain(f"  blocked     {' '.join(forecast.blocked) or '-'}"),
        plain(f"  decided by  {_decided(forecast)}"),
    ]


def _decided(forecast: ReactionForecast) -> str:
    """Which reader decided, and what there was to read."""
    from postlens.tasks.reactions.summary import READERS

    faces = "no face that could be read" if not forecast.n_faces else "1 face" if forecast.n_faces == 1 else ""
    seen = faces or f"{forecast.n_faces} faces"
    alone = " alone" if forecast.reader in ("scene", "faces") else ""
    scene = "" if forecast.valence is None else f"; valence {forecast.valence:.1f}, arousal {forecast.arousal:.1f}"
    return f"{READERS[forecast.decided_by]}{alone} ({seen}{scene})"


def _summarise(found: Reactions, paths: Sequence[Path]) -> None:
    say = Console(soft_wrap=True, highlight=False)
    _print_failures(found.failures, say)
    low = sum(one.forecast.low_confidence for one in found.posts)
    files = ", ".join(plain(path) for path in paths)
    say.print(f"{len(found.posts)} posts, {low} of low confidence, {len(found.failures)} failures: {files}")


def _print_failures(failures: Sequence[Failure], say: Console) -> None:
    for failure in failures[:N_REASONS]:
        say.print(f"  failed: {plain(failure.subject)}: {failure.error}: {plain(failure.message)}")
    if len(failures) > N_REASONS:
        say.print(f"  and {len(failures) - N_REASONS} more failures")
