"""`postlens people list|show|...`: who is who, and your corrections (each about 2 s, most of it new outputs)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli import forget as forgetting
from postlens.cli.console import plain
from postlens.cli.people_tables import (
    decisions_table,
    people_table,
    print_json,
    print_person,
    proposals_table,
    tracks_table,
)
from postlens.cli.place import (
    OUT,
    ConfigOption,
    JsonOption,
    OutOption,
    Place,
    ReadOutOption,
    SetOption,
    StoreOption,
    opened,
    refresh,
)
from postlens.errors import UsageError

if TYPE_CHECKING:
    from postlens.pipelines.people import Decided

app = typer.Typer(
    help="Who is who: list persons, give names, join, divide, hide, and take it back. A person is given by id, by the"
    " start of it, or by name.",
    rich_markup_mode=None,
)

Who = Annotated[str, typer.Argument(help="A person's id, the start of it, or a name.")]

# --- reading ---------------------------------------------------------------------------------------------------------


@app.command("list")
def list_people(
    waiting: Annotated[bool, typer.Option("--waiting", help="Tracks that show nobody yet, instead.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    out: ReadOutOption = OUT,
) -> None:
    """All persons, those in the most posts first; hidden ones too."""
    from postlens.pipelines import people_list

    say = Console(highlight=False)
    with opened(store, out, None, None, read_only=True) as place:
        if waiting:
            tracks = people_list.list_waiting(place.store)
            print_json(tracks) if as_json else say.print(tracks_table(tracks))
            return
        rows = people_list.list_people(place.store)
        print_json(rows) if as_json else say.print(people_table(rows))
        for note in people_list.notes(place.store):
            Console(stderr=True).print(note)


@app.command("show")
def show(
    person: Who,
    faces: Annotated[Path | None, typer.Option(help="Write the picture of each track's best face here.")] = None,
    as_json: JsonOption = False,
    store: StoreOption = None,
    out: ReadOutOption = OUT,
) -> None:
    """A person's tracks: where they are seen, how well they fit, how good they are."""
    from postlens.pipelines import people_list

    with opened(store, out, None, None, read_only=True) as place:
        found = people_list.show_person(place.store, person)
        print_json(found) if as_json else print_person(found)
        if faces is not None:
            paths = people_list.write_faces(place.store, found.tracks, faces)
            Console(stderr=True, soft_wrap=True).print(f"{len(paths)} faces: {plain(faces)}")


@app.command("suggest")
def suggest(
    as_json: JsonOption = False,
    store: StoreOption = None,
    out: ReadOutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Persons that may be one, and persons that may be several, with the command that says so; nothing is changed."""
    from postlens.pipelines import people_list

    with opened(store, out, config, settings, read_only=True) as place:
        found = people_list.suggestions(place.store, settings=place.settings)
        names = {row.person_id: row.name or row.person_id for row in people_list.list_people(place.store)}
    if as_json:
        print_json(found)
    else:
        Console(highlight=False).print(proposals_table(found, names) if found else "nothing to join or to divide")


@app.command("log")
def log(as_json: JsonOption = False, store: StoreOption = None, out: ReadOutOption = OUT) -> None:
    """Your decisions, the latest first, with the numbers that `people undo` takes."""
    from postlens.pipelines import people_list

    with opened(store, out, None, None, read_only=True) as place:
        found = people_list.list_decisions(place.store)
    print_json(found) if as_json else Console(highlight=False).print(decisions_table(found))


# --- corrections -----------------------------------------------------------------------------------------------------


def _decide(
    what: Callable[[Place], Decided],
    done: str,
    store: str | None,
    out: Path,
    config: Path | None,
    settings: list[str] | None,
) -> int:
    """Make a decision, tell its number, and write the outputs anew."""
    with opened(store, out, config, settings) as place:
        decided = what(place)
        say = Console(soft_wrap=True, highlight=False).print
        say(f"decision {decided.number}: {plain(done)}{f' ({decided.person_id})' if decided.person_id else ''}")
        for note in decided.notes:
            say(f"  {plain(note)}")
        return refresh(place, out)


@app.command("name")
def name(
    person: Who,
    new_name: Annotated[str, typer.Argument(metavar="NAME", help="The name; nobody else of the store has it.")],
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Give a person a name. The person keeps id and name whatever is analyzed later."""
    from postlens.pipelines.people import name_person

    return _decide(
        lambda at: name_person(at.store, person, new_name, settings=at.settings, now=at.now),
        f"{person} is {new_name}",
        store, out, config, settings,
    )  # fmt: skip


@app.command("merge")
def merge(
    persons: Annotated[list[str], typer.Argument(help="Two persons or more: ids, starts of ids, names.")],
    new_name: Annotated[str | None, typer.Option("--name", help="The name that stays, or a new one.")] = None,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Say that persons are one. The one with a name stays, else the one with the most tracks."""
    from postlens.pipelines.people import merge_people

    return _decide(
        lambda at: merge_people(at.store, persons, name=new_name, settings=at.settings, now=at.now),
        f"{' and '.join(persons)} are one person",
        store, out, config, settings,
    )  # fmt: skip


@app.command("split")
def split(
    person: Who,
    tracks: Annotated[
        list[str] | None, typer.Argument(help="Tracks of the person that show somebody else, from `people show`.")
    ] = None,
    post: Annotated[
        list[str] | None, typer.Option(help="All tracks of the person in this post or file; POST@SECONDS: one of them.")
    ] = None,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Say that tracks of a person show somebody else; the rest stays together, with id and name."""
    from postlens.pipelines.people import split_person

    references = [*(tracks or ()), *(post or ())]
    if not references:
        raise UsageError("expected tracks to split off, got none; `postlens people show` lists them")
    return _decide(
        lambda at: split_person(at.store, person, references, settings=at.settings, now=at.now),
        f"{len(references)} of {person} show somebody else",
        store, out, config, settings,
    )  # fmt: skip


@app.command("assign")
def assign(
    track: Annotated[str, typer.Argument(help="A track, or where it is seen: POST, FILE, POST@SECONDS, FILE@SECONDS.")],
    person: Annotated[str, typer.Argument(help="The person it shows; new: a person of its own.")],
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Say whom a track shows."""
    from postlens.pipelines.people import assign_track

    return _decide(
        lambda at: assign_track(at.store, track, person, settings=at.settings, now=at.now),
        f"{track} shows {person}",
        store, out, config, settings,
    )  # fmt: skip


@app.command("hide")
def hide(
    person: Who,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Leave a person out of all outputs and answers; nothing is deleted (`people forget` does that)."""
    from postlens.pipelines.people import hide_person

    return _decide(
        lambda at: hide_person(at.store, person, settings=at.settings, now=at.now),
        f"{person} is hidden",
        store, out, config, settings,
    )  # fmt: skip


@app.command("unhide")
def unhide(
    person: Who,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Show a hidden person again."""
    from postlens.pipelines.people import hide_person

    return _decide(
        lambda at: hide_person(at.store, person, hidden=False, settings=at.settings, now=at.now),
        f"{person} is shown",
        store, out, config, settings,
    )  # fmt: skip


@app.command("undo")
def undo(
    number: Annotated[int | None, typer.Argument(help="Number of a decision. Default: the last one.")] = None,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Take a decision back. Later ones about the same persons or tracks go first: it is refused until then."""
    from postlens.pipelines import decide

    with opened(store, out, config, settings) as place:
        decision = decide.undo(place.store, number, settings=place.settings, now=place.now)
        Console(highlight=False).print(f"decision {decision.number} ({decision.verb}) is taken back")
        return refresh(place, out)


app.command("forget")(forgetting.forget)
