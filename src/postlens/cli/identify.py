"""`postlens identify PHOTO...`: who is in photos, by the persons of a store (about 0.3 s each); nothing is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from postlens.cli import EXIT_DONE, EXIT_NOTHING
from postlens.cli.console import plain, wide_table
from postlens.cli.people_tables import print_json
from postlens.cli.place import OUT, ConfigOption, JsonOption, ReadOutOption, SetOption, StoreOption, opened

if TYPE_CHECKING:
    from postlens.pipelines.identify import IdentifiedPhoto


def identify(
    photos: Annotated[list[str], typer.Argument(help="Photos; every face in them is answered.")],
    strict: Annotated[bool, typer.Option("--strict", help="Ask for more likeness: fewer false matches.")] = False,
    as_json: JsonOption = False,
    store: StoreOption = None,
    out: ReadOutOption = OUT,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> int:
    """Say who is in photos, or nobody, with similarity, distance and the rate of false matches at the threshold.

    Each person is one vector, the quality-weighted mean of the tracks; hidden persons are nobody. Exit code 1 if no
    photo has a face.
    """
    from postlens.pipelines.identify import identify as identify_photos

    with opened(store, out, config, settings, read_only=True) as place:
        found = identify_photos(place.store, photos, strict=strict, settings=place.settings)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return EXIT_DONE if any(photo.faces for photo in found) else EXIT_NOTHING


def _print(found: list[IdentifiedPhoto]) -> None:
    say = Console(soft_wrap=True, highlight=False).print
    table = wide_table("photo", "face at", "who", "similarity", "distance", "quality", keep=("similarity", "distance"))
    for photo in found:
        for face in photo.faces:
            left, top, right, bottom = (round(value) for value in face.xyxy_px)
            table.add_row(
                plain(photo.path),
                f"{left},{top} to {right},{bottom}",
                plain(face.name or face.person_id or "nobody"),
                "" if face.similarity is None else f"{face.similarity:.2f}",
                "" if face.distance is None else f"{face.distance:.2f}",
                f"{face.quality:.2f}",
            )
    say(table)
    for photo in found:
        if photo.failure is not None:
            say(f"  failed: {plain(photo.failure.message)}")
    answers = [face for photo in found for face in photo.faces]
    if answers:
        one = answers[0]
        say(
            f"threshold {one.threshold:.2f}: false matches {one.false_match_rate:.1e} of comparisons with a stranger,"
            f" {one.gallery_false_match_rate:.1e} that a stranger is taken for any of {one.n_persons} persons"
        )
