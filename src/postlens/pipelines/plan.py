"""Media and ledger to work: which stages are stale for which file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from postlens.pipelines.stage import Stage
from postlens.types import MediaKind


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One media file with the stages to run on it."""

    sha256: str
    path: str
    kind: MediaKind
    stages: frozenset[str]


def with_dependents(stale: Set[str], stages: Sequence[Stage]) -> frozenset[str]:
    """The stale stages and every stage that needs one of them; stages are in order of need."""
    found = set(stale)
    for stage in stages:
        if found.intersection(stage.needs):
            found.add(stage.name)
    return frozenset(found)


def stale_stages(missing: Mapping[str, Set[str]], stages: Sequence[Stage]) -> dict[str, frozenset[str]]:
    """sha256 to the stages to run, from what the ledger lacks; files that lack nothing are left out."""
    return {sha256: with_dependents(names, stages) for sha256, names in missing.items() if names}
