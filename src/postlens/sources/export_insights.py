"""What an Instagram export says besides posts: figures of posts (insights), the account's name, who follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from postlens.errors import RowError, SourceError
from postlens.media.probe import display_name
from postlens.sources.cell_numbers import parse_count
from postlens.sources.cell_times import parse_time
from postlens.sources.columns import find_columns, normalise
from postlens.sources.export_files import load_list, mend
from postlens.sources.protocol import clean_handle, failure
from postlens.types import METRICS, Failure

# Figures that are none of METRICS, by what their names are without case and spaces: several spellings of the exports.
_OTHERS: Final = {
    "impressions": "impressions",
    "impressionen": "impressions",
    "reach": "reach",
    "accountsreached": "reach",
    "erreichtekonten": "reach",
    "profilevisits": "profile_visits",
    "follows": "follows",
}


@dataclass(frozen=True, slots=True)
class Insight:
    """Figures of one post."""

    origin: str
    uri: str | None
    published_at: datetime | None
    figures: Mapping[str, float]


@dataclass(slots=True)
class Insights:
    """Figures that wait for their posts."""

    entries: list[Insight] = field(default_factory=list)
    _used: set[str] = field(default_factory=set)  # origins
    _by_uri: dict[str, Insight] = field(default_factory=dict)
    _by_time: dict[datetime, Insight] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = Counter(entry.published_at for entry in self.entries)
        for entry in self.entries:
            if entry.uri is not None:
                self._by_uri.setdefault(entry.uri, entry)
            if entry.published_at is not None and times[entry.published_at] == 1:
                self._by_time[entry.published_at] = entry

    def take(self, uris: Sequence[str], published_at: datetime | None) -> Mapping[str, float]:
        """Figures of the post with one of these files, else of the only one of that second; none if there is none."""
        found = next((self._by_uri[uri] for uri in uris if uri in self._by_uri), None)
        if found is None and published_at is not None:
            found = self._by_time.get(published_at)
        if found is None or found.origin in self._used:
            return {}
        self._used.add(found.origin)
        return found.figures

    def unused(self) -> Iterator[Failure]:
        """Figures whose post did not come."""
        for entry in self.entries:
            if entry.origin not in self._used:
                text = (
                    "expected a post with this file or time in the lists of posts, got none; its figures are left out"
                )
                yield failure(entry.origin, RowError(f"{entry.origin}: {text}"))


def read_insights(paths: Sequence[Path]) -> tuple[Insights, list[Failure]]:
    """The figures in the lists of insights, and what cannot be read of them."""
    entries: list[Insight] = []
    failures: list[Failure] = []
    for path in paths:
        name = display_name(path)
        try:
            found = load_list(path)
        except SourceError as error:
            failures.append(failure(name, error))
            continue
        for at, entry in enumerate(found, 1):
            origin, problems = f"{name}, post {at}", list[str]()
            if isinstance(entry, dict):
                entries.append(_insight(entry, origin, problems))
            else:
                problems.append(f"expected an object, got {type(entry).__name__}; it is left out")
            failures += [failure(origin, RowError(f"{origin}: {display_name(text)}")) for text in problems]
    return Insights(entries), failures


def _insight(entry: Mapping[str, Any], origin: str, problems: list[str]) -> Insight:
    cells = _strings(entry)
    media = next((one for one in _inner(entry, "media_map_data").values() if isinstance(one, dict)), {})
    at = media.get("creation_timestamp") or _timestamp(cells)
    try:
        published_at = parse_time(at) if at else None
    except ValueError as error:
        published_at = None
        problems.append(f"time: {error}; the figures are kept if the file is known")
    uri = media.get("uri")
    return Insight(origin, uri if isinstance(uri, str) else None, published_at, _figures(cells, problems))


def _strings(entry: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Cells of `string_map_data` by their names, which are in the language of the account."""
    found = _inner(entry, "string_map_data")
    return {mend(name): cell for name, cell in found.items() if isinstance(cell, dict)}


def _inner(entry: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = entry.get(key)
    return found if isinstance(found, dict) else {}


def _timestamp(cells: Mapping[str, Mapping[str, Any]]) -> Any:
    return next((cell["timestamp"] for cell in cells.values() if cell.get("timestamp")), None)


def _figures(cells: Mapping[str, Mapping[str, Any]], problems: list[str]) -> dict[str, float]:
    names = list(cells)
    known = {names[at]: ours for ours, at in find_columns(names, {}).items() if ours in METRICS}
    known |= {name: _OTHERS[plain] for name in names if (plain := normalise(name)) in _OTHERS}
    found = {}
    for name, ours in known.items():
        try:
            count = parse_count(cells[name].get("value"), whole=True)
        except ValueError as error:
            problems.append(f"{name}: {error}, got {str(cells[name].get('value'))[:40]!r}; the post is kept without it")
            continue
        if count is not None:
            found[ours] = count
    return found


def read_username(paths: Sequence[Path]) -> tuple[str | None, list[Failure]]:
    """The account's name."""
    for path in paths:
        name = display_name(path)
        try:
            entries = load_list(path)
        except SourceError as error:
            return None, [failure(name, error)]
        for entry in entries:
            cells = _strings(entry) if isinstance(entry, dict) else {}
            at = find_columns(list(cells), {}).get("creator")
            value = list(cells.values())[at].get("value") if at is not None else None
            if isinstance(value, str) and value.strip():
                return clean_handle(mend(value)), []
    return None, []


def count_entries(paths: Sequence[Path]) -> tuple[float | None, list[Failure]]:
    """How many entries lists have together: one for each follower; None without lists, or where one cannot be read."""
    try:
        counts = [len(load_list(path)) for path in paths]
    except SourceError as error:
        return None, [failure(str(error).partition(": ")[0], error)]
    return (float(sum(counts)), []) if counts else (None, [])
