"""Persons, tracks, proposals and decisions to tables on the terminal or JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.console import Console

from postlens.cli.console import plain, wide_table

if TYPE_CHECKING:
    from rich.table import Table

    from postlens.pipelines.people_list import PersonDetail, PersonRow
    from postlens.store.decisions import Decision
    from postlens.store.person_tracks import TrackPlace
    from postlens.tasks.people.suggest import Proposal

N_WORDS = 20  # of a user, shown for a person; all are in --json


def people_table(rows: Sequence[PersonRow]) -> Table:
    """A line for each person; `given`: photos of an enrolled person, `worst`: how alike its least alike track is."""
    table = wide_table(
        "person",
        "name",
        "posts",
        "tracks",
        "given",
        "seconds",
        "worst",
        "",
        keep=("person", "posts", "tracks", "given"),
    )
    for row in rows:
        table.add_row(
            row.person_id,
            plain(row.name or ""),
            str(row.n_posts),
            str(row.n_tracks),
            str(row.n_enrolled or ""),
            f"{row.seconds:.1f}",
            _ratio(row.similarity),
            "hidden" if row.hidden else "",
        )
    return table


def tracks_table(tracks: Sequence[TrackPlace]) -> Table:
    """A line for each track; the id is what `people split` and `people assign` take."""
    table = wide_table("track", "post", "file", "seconds", "alike", "quality", "", keep=("track", "seconds", "quality"))
    for one in tracks:
        table.add_row(
            one.short_id,
            plain("\n".join(one.post_ids)),
            plain("\n".join(name.rpartition("/")[2] for name in one.files)),
            f"{one.start_s:.1f}-{one.end_s:.1f}" if one.end_s > one.start_s else f"{one.start_s:.1f}",
            _ratio(one.similarity),
            _ratio(one.quality),
            one.known or "",
        )
    return table


def print_person(found: PersonDetail) -> None:
    """A person's line, tracks, and the user's words about them."""
    say = Console(soft_wrap=False, highlight=False)
    say.print(people_table([found.row]))
    say.print(tracks_table(found.tracks))
    words = [(*pair, "one person") for pair in found.linked] + [(*pair, "two persons") for pair in found.apart]
    for first, second, word in words[:N_WORDS]:
        say.print(f"you said: {_short(first)} and {_short(second)} are {word}", soft_wrap=True)
    if len(words) > N_WORDS:
        say.print(f"and {len(words) - N_WORDS} more such words")


def proposals_table(proposals: Sequence[Proposal], names: dict[str, str]) -> Table:
    """A line for each proposal, with the command that follows it."""
    table = wide_table("", "persons", "strength", "distance", "why", "do", keep=("strength", "distance"))
    for one in proposals:
        table.add_row(
            one.kind,
            plain("\n".join(names.get(person, person) for person in one.persons)),
            f"{one.strength:.2f}",
            f"{one.distance:.2f}",
            plain(one.reason),
            plain(_command(one)),
        )
    return table


def _command(one: Proposal) -> str:
    words = one.persons if one.kind == "merge" else (*one.persons, *map(_short, one.tracks))
    return f"postlens people {one.kind} {' '.join(words)}"


def decisions_table(decisions: Sequence[Decision]) -> Table:
    """A line for each decision."""
    table = wide_table("number", "what", "said", "when", "", keep=("number", "when"))
    for one in decisions:
        said = ", ".join(f"{key} {_text(value)}" for key, value in one.payload["said"].items() if value is not None)
        undone = "taken back" if one.undone_at else ""
        table.add_row(str(one.number), one.verb, plain(said), f"{one.created_at:%Y-%m-%d %H:%M}", undone)
    return table


def print_json(value: Any) -> None:
    """Records as JSON."""
    rows = [asdict(one) for one in value] if isinstance(value, list | tuple) else asdict(value)
    print(json.dumps(rows, indent=1, default=str))


def _text(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _short(track_id: str) -> str:
    from postlens.store.person_tracks import SHORT_DIGITS

    sha256, _, number = track_id.rpartition(":")
    return f"{sha256[:SHORT_DIGITS]}:{number}"


def _ratio(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
