"""Files of drawn posts to their place beside the subset's tables: left where they are, linked or copied."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from postlens.errors import MediaNotFoundError, UsageError
from postlens.media.probe import display_name
from postlens.sources.influencer_files import DatasetFiles
from postlens.sources.influencer_tables import MappedPost, Tables, row_failure
from postlens.types import Failure

Placement = Literal["where", "link", "copy"]
_STEP: Final = 100  # posts between two reports of progress


@dataclass(slots=True)
class PlacedFiles:
    """Which files of the drawn posts are there, by case-folded username."""

    n_images: Counter[str] = field(default_factory=Counter)
    n_missing: Counter[str] = field(default_factory=Counter)
    n_missing_metadata: int = 0
    failures: list[Failure] = field(default_factory=list)  # one for each post with missing images


def place_files(
    tables: Tables,
    out: Path,
    posts: Sequence[MappedPost],
    *,
    how: Placement,
    progress: Callable[[int, int], None] | None = None,
) -> PlacedFiles:
    """Put the files of the posts into `out`, in the folders and under the names that they have in the dataset.

    Files that are there already stay if they are the same (hard link) or of the same size (copy).

    Raises:
        UsageError: `out` cannot be written, holds files of another kind of draw, or is the dataset's own folder though
            files shall be linked or copied; hard links over two file systems.
    """
    placer = _Placer(tables.folder, out, how)
    files, placed = DatasetFiles.of(tables.folder), PlacedFiles()
    for n_done, post in enumerate(posts, 1):
        _place_post(post, files, placer, placed, tables)
        if progress is not None and (n_done % _STEP == 0 or n_done == len(posts)):
            progress(n_done, len(posts))
    return placed


def _place_post(post: MappedPost, files: DatasetFiles, placer: _Placer, placed: PlacedFiles, tables: Tables) -> None:
    found = {name: files.image(post, name) for name in post.images}
    missing = [name for name, path in found.items() if path is None]
    key = post.username.casefold()
    placed.n_images[key] += len(found) - len(missing)
    placed.n_missing[key] += len(missing)
    if missing:
        text = f"expected all images of the post, got {len(found) - len(missing)} of {len(found)}; add {missing[0]}"
        placed.failures.append(row_failure(tables.mapping, post.row, text, error=MediaNotFoundError))
    metadata = files.metadata_of(post)
    placed.n_missing_metadata += metadata is None
    for path in (*found.values(), metadata):
        if path is not None:
            placer.place(path)


class _Placer:
    """Puts files of one folder into another."""

    def __init__(self, folder: Path, out: Path, how: Placement) -> None:
        self._folder, self._out, self._how = folder, out, how
        self._ready: set[Path] = set()  # folders and links in `out` that were looked at
        self._same = folder.resolve() == out.resolve()
        if self._same and how != "where":
            raise UsageError(f"{out} is the dataset's own folder; name another one to {how} the files to")
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(out, error) from error

    def place(self, path: Path) -> None:
        """Put one file of the folder at the same place in `out`."""
        if self._same:
            return
        inner = path.relative_to(self._folder)
        try:
            if self._how == "where":
                self._point(inner)
            else:
                self._bring(path, inner)
        except OSError as error:
            raise _unwritable(self._out, error) from error

    def _point(self, inner: Path) -> None:
        """A link to the file's top folder, or to the file where it lies directly in the dataset's folder."""
        link = self._out / inner.parts[0]
        if link in self._ready:
            return
        target = (self._folder / inner.parts[0]).resolve()
        if link.is_symlink():
            link.unlink()
        elif link.exists():
            raise UsageError(
                f"{display_name(link)}: expected nothing or a link there, got files of a draw with --copy or --link; "
                "give that option again or name another folder"
            )
        link.symlink_to(target)
        self._ready.add(link)

    def _bring(self, path: Path, inner: Path) -> None:
        top = self._out / inner.parts[0]
        if top not in self._ready and top.is_symlink():  # of an earlier draw: writing would go into the dataset
            top.unlink()
        self._ready.add(top)
        target = self._out / inner
        target.parent.mkdir(parents=True, exist_ok=True)
        if self._how == "link":
            _hard_link(path, target)
        elif not target.is_file() or target.stat().st_size != path.stat().st_size:
            _copy(path, target)


def _hard_link(path: Path, target: Path) -> None:
    source = path.resolve()
    if target.exists() and target.samefile(source):
        return
    target.unlink(missing_ok=True)
    try:
        target.hardlink_to(source)
    except OSError as error:
        if error.errno in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise UsageError(
                f"cannot hard-link {display_name(path)} to {display_name(target)} ({error.strerror}); "
                "use --copy, or a folder on the same file system"
            ) from error
        raise


def _copy(path: Path, target: Path) -> None:
    """Beside the target first, so that a stopped run leaves no half file under the name."""
    beside = target.with_name(f".{os.getpid()}.part")
    try:
        shutil.copyfile(path, beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _unwritable(out: Path, error: OSError) -> UsageError:
    return UsageError(f"expected a folder that can be written at {display_name(out)}, got: {error.strerror}")
