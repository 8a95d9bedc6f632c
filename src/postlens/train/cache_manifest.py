"""What a training cache holds: its manifest, and the journal of a build that is not finished."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from postlens.errors import CacheError
from postlens.media.probe import display_name
from postlens.types import Failure

MANIFEST: Final = "manifest.json"
JOURNAL: Final = "journal.jsonl"
VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class CacheForm:
    """How the pictures of a cache are made and kept; a cache has one form."""

    size_px: int  # side of the square that a model takes
    margin_px: int  # by which the side of a stored picture is larger
    compressed: bool
    rows_per_shard: int
    decode_side_px: int  # photos are decoded at the smallest scale whose longest side is at least this
    preprocessing: str = "decode at reduced scale, EXIF orientation, centre square, bicubic antialiased"

    @property
    def side_px(self) -> int:
        """Side of a stored picture."""
        return self.size_px + self.margin_px


class CachedRow(NamedTuple):
    """One picture of a cache."""

    path: str
    label: str
    group: str
    sha256: str  # of the file that it was made from
    place: int  # among the files of its shard, readable or not


@dataclass(frozen=True, slots=True)
class Shard:
    """A file of pictures, and the files that it was made from."""

    key: str  # hash of the paths, sizes and times of change of those files
    file: str | None  # None where no picture could be read
    sha256: str
    n_bytes: int
    rows: tuple[CachedRow, ...]
    failures: tuple[Failure, ...]

    @classmethod
    def read(cls, values: dict[str, Any]) -> Shard:
        """A shard out of JSON."""
        rows = tuple(CachedRow(*row) for row in values["rows"])
        failures = tuple(Failure(**failure) for failure in values["failures"])
        return cls(**(values | {"rows": rows, "failures": failures}))


@dataclass(frozen=True, slots=True)
class CacheManifest:
    """All that is known of a finished cache."""

    form: CacheForm
    classes: tuple[str, ...]
    shards: tuple[Shard, ...]
    failures: tuple[Failure, ...]  # of the listing; those of decoding are with the shards
    n_written: int = field(default=0, compare=False)  # shards made by the run that returned this; the others were kept

    @property
    def fingerprint(self) -> str:
        """16 hex digits that change with any source file's path, size or time of change, and with the form."""
        text = json.dumps([asdict(self.form), [shard.key for shard in self.shards]])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def rows(self) -> tuple[CachedRow, ...]:
        """All pictures in order."""
        return tuple(row for shard in self.shards for row in shard.rows)

    @property
    def all_failures(self) -> tuple[Failure, ...]:
        """Of the listing, then of decoding."""
        return self.failures + tuple(failure for shard in self.shards for failure in shard.failures)

    @property
    def n_bytes(self) -> int:
        """Of all shard files."""
        return sum(shard.n_bytes for shard in self.shards)


def write_manifest(manifest: CacheManifest, folder: Path) -> None:
    """Write it whole or not at all."""
    values = {"version": VERSION, "fingerprint": manifest.fingerprint, **asdict(manifest)}
    del values["n_written"]
    partial = folder / f"{MANIFEST}.tmp"
    partial.write_text(json.dumps(values, ensure_ascii=True), encoding="utf-8")
    partial.replace(folder / MANIFEST)


def read_manifest(folder: Path) -> CacheManifest:
    """The manifest of a finished cache. Raises `CacheError`, which says whether the cache is unfinished or absent."""
    path = folder / MANIFEST
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["version"] != VERSION:
            raise CacheError(
                f"{display_name(path)}: expected version {VERSION}, got {values['version']}; delete the folder and "
                "run `postlens preprocess` again"
            )
        return CacheManifest(
            form=CacheForm(**values["form"]),
            classes=tuple(values["classes"]),
            shards=tuple(Shard.read(shard) for shard in values["shards"]),
            failures=tuple(Failure(**failure) for failure in values["failures"]),
        )
    except FileNotFoundError as error:
        state = "one that is not finished" if (folder / JOURNAL).is_file() else "none"
        raise CacheError(
            f"{display_name(folder)}: expected a training cache, got {state}; run `postlens preprocess` on it"
        ) from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheError(
            f"{display_name(path)}: expected the manifest of a training cache, got damaged data ({error!r}); "
            "run `postlens preprocess` into a new folder"
        ) from error


# --- journal --------------------------------------------------------------------------------------------------------


def journal_line(values: Any) -> str:
    """One line of the journal: first the form, then each shard as it is finished."""
    return json.dumps(asdict(values), ensure_ascii=True) + "\n"


def read_journal(folder: Path) -> tuple[CacheForm | None, list[Shard]]:
    """The form and the shards of a build that was stopped, up to a line cut off by the kill; the rest is redone."""
    path = folder / JOURNAL
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    form, shards = None, []
    try:
        for line in text.splitlines():
            if form is None:
                form = CacheForm(**json.loads(line))
            else:
                shards.append(Shard.read(json.loads(line)))
    except (ValueError, KeyError, TypeError):
        return form, shards
    return form, shards
