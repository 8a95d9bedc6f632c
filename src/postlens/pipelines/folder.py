"""An output folder: the state of the store that its outputs show, and what else in it names a creator."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from pathlib import Path, PurePath

from postlens.errors import FetchError
from postlens.media.probe import display_name
from postlens.media.urls import normalise_url
from postlens.pipelines.exports import remove_leftovers, replace_bytes
from postlens.store import Store
from postlens.store.forget import Traces
from postlens.store.meta import write_folder

STORE_FILE = "postlens.db"
DOWNLOADS = ".downloads"  # hidden, so that no folder source that holds the output folder takes them for posts
STATE = ".postlens-state"  # beside the outputs, since several stores may write to one folder
LOG = "run.log"
RECOMMENDATIONS, RECOMMENDATIONS_TABLE = "recommendations.json", "recommendations.csv"  # of `postlens recommend`
REACTIONS_TABLE, REACTIONS_LINES = "reactions.csv", "reactions.jsonl"  # of `postlens react --batch`
FORECASTS_TABLE = "forecasts.csv"  # of `postlens forecast`
FEATURES_TABLE, PIXELS_TEXT = "features.parquet", "X_feature_vector_data.txt"  # of `postlens features`
PICTURES = "pictures"  # the folder of its pictures, which show faces
CLEAN_BOOK, CLEAN_TABLE, DUPLICATES = "clean.xlsx", "clean.csv", "duplicates.csv"  # of `postlens clean`


def read_state(out: Path) -> str | None:
    """What the outputs in the folder show, `None` where they are not known to be whole.

    The text is "store id, place of the store, revision, settings", the last three as numbers, separated by spaces.
    """
    try:
        return (out / STATE).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return None


def write_state(out: Path, state: str) -> None:
    """Say, after the last of them is written, what the outputs show."""
    replace_bytes(out / STATE, state.encode("ascii"))


def spoil_state(out: Path) -> None:
    """Say that the outputs may not show all that the store has, and still whose they are."""
    state = read_state(out)
    if state is not None:
        write_state(out, " ".join([*state.split(" ")[:2], "-", "-"]))


def remove_state(out: Path) -> None:
    """Say, before the first of them changes, that the outputs are not whole."""
    (out / STATE).unlink(missing_ok=True)


def remember_folder(store: Store, out: Path) -> None:
    """The folder, so that `forget` finds what is written there; and that `analyze` has to write its outputs anew."""
    with store.write() as conn:
        write_folder(conn, str(out.resolve()))
    spoil_state(out)


# --- forgetting ------------------------------------------------------------------------------------------------------

_ENVELOPE = ("at", "level", "event")  # keys of a log line that no source has a word in


def remove_downloads(out: Path, urls: Collection[str]) -> int:
    """Delete what was downloaded from these URLs; returns how many files. Raises `OSError` where one cannot be."""
    stems = _stems(urls)
    folder = out / DOWNLOADS
    found = [path for path in folder.iterdir() if path.stem in stems] if folder.is_dir() else []
    for path in found:
        path.unlink()
    return len(found)


def remove_clean_tables(out: Path) -> int:
    """Delete what `postlens clean` wrote, which holds whole rows of tables; returns how many files.

    Running it again writes them without what was forgotten. Raises `OSError` where one cannot be deleted.
    """
    found = [out / name for name in (CLEAN_BOOK, CLEAN_TABLE, DUPLICATES) if (out / name).is_file()]
    for path in found:
        path.unlink()
    return len(found)


def remove_recommendations(out: Path) -> int:
    """Delete what `postlens recommend` wrote, which shows faces and names files; returns how many files.

    Running it again writes them without what was forgotten. Raises `OSError` where one cannot be deleted.
    """
    n_files = _remove_files(out, (RECOMMENDATIONS, RECOMMENDATIONS_TABLE))
    pictures = (out / PICTURES).iterdir() if (out / PICTURES).is_dir() else ()
    for path in [path for path in pictures if is_own_picture(path.name)]:
        path.unlink()
        n_files += 1
    return n_files


def remove_reactions(out: Path) -> int:
    """Delete what `postlens react --batch` wrote, which names files; returns how many files.

    Running it again writes them without what was forgotten. Raises `OSError` where one cannot be deleted.
    """
    return _remove_files(out, (REACTIONS_TABLE, REACTIONS_LINES))


def remove_forecasts(out: Path) -> int:
    """Delete what `postlens forecast` wrote, which names files and posts; as `remove_reactions`."""
    return _remove_files(out, (FORECASTS_TABLE,))


def remove_features(out: Path) -> int:
    """Delete what `postlens features` wrote, which holds photos and names files; as `remove_reactions`."""
    return _remove_files(out, (FEATURES_TABLE, PIXELS_TEXT))


def _remove_files(out: Path, names: Sequence[str]) -> int:
    """Delete files of these names, finished or not; returns how many of them were finished."""
    if out.is_dir():
        remove_leftovers(out, names)
    found = [out / name for name in names if (out / name).is_file()]
    for path in found:
        path.unlink()
    return len(found)


def is_own_picture(name: str) -> bool:
    """Whether `postlens recommend` makes pictures of such names, finished or not; others are left alone."""
    return re.fullmatch(r"\.?(creator|post)-.*[0-9a-f]{8}-(crop|result)\.jpg(\.\d+)?", name) is not None


def _stems(urls: Collection[str]) -> set[str]:
    """Names, without suffix, that `media.fetch.fetch` gives to what these URLs bring, and those it gave before."""
    return {
        hashlib.sha256(form.encode("utf-8", "surrogateescape")).hexdigest()[:32] for url in urls for form in _forms(url)
    }


def _forms(url: str) -> Iterator[str]:
    yield url  # downloads were named after the URL as it is written until there was a normal form
    with suppress(FetchError):
        yield normalise_url(url)


def remove_log_lines(out: Path, traces: Traces) -> int:
    """Delete the lines of `run.log` that name a creator, its posts or files; returns how many.

    A line goes when it holds the id or handle as a whole word, so that a handle like "data" takes more lines with it
    than its own. Raises `OSError` where the log cannot be written.
    """
    path = out / LOG
    lines = path.read_bytes().splitlines(keepends=True) if path.is_file() else []
    words = re.compile("|".join(rf"(?<!\w){re.escape(word)}(?!\w)" for word in sorted(traces.words)))
    names = {*traces.names, *map(display_name, traces.names)}
    stems = _stems(traces.urls)
    kept = [
        line
        for line in lines
        if not any(text in names or words.search(text) or PurePath(text).stem in stems for text in _texts(line))
    ]
    if len(kept) < len(lines):
        replace_bytes(path, b"".join(kept))
    return len(lines) - len(kept)


def _texts(line: bytes) -> Iterator[str]:
    """All texts in the values of a log line; the line itself where a killed run left half of one."""
    text = line.decode("utf-8", "backslashreplace")
    try:
        values = json.loads(text)
    except ValueError:
        yield text
        return
    waiting = [value for key, value in values.items() if key not in _ENVELOPE] if isinstance(values, dict) else [values]
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list):
            waiting += value.values() if isinstance(value, dict) else value
