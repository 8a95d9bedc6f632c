"""A changed store to new outputs in all folders that it knows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from postlens.config import Settings
from postlens.errors import StoreError
from postlens.pipelines.folder import read_state
from postlens.pipelines.outputs import OUTPUTS, place_of, update_outputs
from postlens.store import Store
from postlens.store.meta import read_folders, read_store_id


@dataclass(frozen=True, slots=True)
class Folders:
    """Folders of a store: those whose outputs are its own, and why others are left alone."""

    own: tuple[Path, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of the folders."""

    notes: tuple[str, ...] = ()  # folders that are not there, or not to be touched
    errors: tuple[str, ...] = ()  # folders that could not be written


def find_folders(store: Store, out: Path) -> Folders:
    """`out` and all folders that the store remembers."""
    with store.read() as conn:
        every = dict.fromkeys([out.resolve(), *map(Path, read_folders(conn))])
    reasons = {folder: _reason_to_leave(folder, store=store, chosen=folder == out.resolve()) for folder in every}
    return Folders(
        own=tuple(folder for folder, reason in reasons.items() if reason is None),
        notes=tuple(f"{folder}: {reason}" for folder, reason in reasons.items() if reason),
    )


def refresh_outputs(
    store: Store,
    out: Path,
    *,
    settings: Settings,
    now: datetime,
    folders: Folders | None = None,
    clean: Callable[[Path], None] | None = None,
    force: bool = False,
) -> Refreshed:
    """Write the outputs in `out` and in all folders that the store remembers anew, with these settings.

    A folder without outputs gets none; one of another store is left alone. `folders`: as found before, where the store
    has changed since. `clean` is called on each folder first.
    """
    found = folders or find_folders(store, out)
    errors = []
    for folder in found.own:
        try:
            if clean is not None:
                clean(folder)
            if any((folder / name).is_file() for name in OUTPUTS):
                update_outputs(store, folder, settings=settings, now=now, force=force)
        except (OSError, StoreError) as error:
            errors.append(f"{folder}: {error}")
    return Refreshed(found.notes, tuple(errors))


def _reason_to_leave(folder: Path, *, store: Store, chosen: bool) -> str | None:
    """Why the folder is not touched, `None` if it is to be written, "" where there is nothing to tell."""
    if not folder.is_dir():
        return (
            "" if chosen else "outputs were written there, but it is gone; if it was moved, run again with --out there"
        )
    with store.read() as conn:
        own_id = read_store_id(conn)
    store_id, place, *_ = [*(read_state(folder) or "").split(" "), "", ""]
    if store_id in ("", own_id) and (chosen or place in ("", place_of(store))):
        return None
    if store_id == own_id:
        return "its outputs are of a copy of this store, or the store was moved; run again with --out there, too"
    return "its outputs are of another store and were left as they are"
