"""`postlens enroll NAME PHOTO...`: photos of a person whom you name (about 0.3 s a photo, and new outputs)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli.console import plain, wide_table
from postlens.cli.place import OUT, ConfigOption, OutOption, SetOption, StoreOption, opened, refresh

if TYPE_CHECKING:
    from postlens.pipelines.enrol import Enrolled


def enroll(
    name: Annotated[str, typer.Argument(help="The person's name; photos of a known person are added.")],
    photos: Annotated[list[str], typer.Argument(help="Photos of one face each.")],
    largest: Annotated[bool, typer.Option("--largest", help="Of several faces in a photo, take the largest.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also photos that do not look like each other.")] = False,
    store: StoreOption = None,
    out: OutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Make a person known by photos, so that posts that show it carry the name, and `identify` knows it.

    The store is made if there is none. Photos are kept as templates and small pictures of the face, not as posts. A
    photo without a face, with several, or with a poor one is refused with the reason. Exit code 1 if none can be used.
    """
    from postlens.pipelines.enrol import enroll as enroll_photos

    with opened(store, out, config, settings, create=True) as place:
        done = enroll_photos(
            place.store, name, photos, largest_only=largest, force=force, settings=place.settings, now=place.now
        )
        _print(name, done)
        return refresh(place, out)


def _print(name: str, done: Enrolled) -> None:
    say = Console(soft_wrap=True, highlight=False).print
    table = wide_table("photo", "quality", "from the others", "", keep=("quality",))
    for one in done.faces:
        distance = "" if one.distance is None else f"{one.distance:.2f}"
        border = "found with a border" if one.photo.border else ""
        table.add_row(plain(one.photo.path), f"{one.quality:.2f}", distance, border)
    say(table)
    for failure in done.failures:
        say(f"  not used: {plain(failure.message)}")
    say(f"decision {done.number}: {plain(name)} ({done.person_id}), {done.n_joined} tracks of posts are this person's")
