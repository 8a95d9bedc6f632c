"""Fingerprints of media files to links from copies to the earliest that they copy.

Copies are found in three steps. Nearly equal hashes are compared first, and what they link is left out. The others are
compared with those nearest to them by hashes, mirrored or not, or by embeddings (`neighbours`). A file is linked to the
earliest that it copies, and through that one to the first of all; so two files that each copy a third, but not each
other, stay apart unless the third came first. The order in which files are given does not matter.

What was compared once is kept (`Known`): a later search compares what is new. The links do not depend on it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from postlens.tasks.people.compare import Content, Verdict, compare_all
from postlens.tasks.people.hashes import leaders
from postlens.tasks.people.neighbours import (
    GONE,
    NEAREST,
    NONE,
    PROJECTED,
    HashSearch,
    LookSearch,
    Neighbours,
    Short,
    shortened,
)
from postlens.tasks.people.repeats import Duplicate, Link, link_posts
from postlens.types import MediaKind

BLOCK_PAIRS = 8_192  # pairs whose files are loaded at once: up to 150 MB
KINDS: tuple[MediaKind, ...] = ("image", "video")
ENTRY = np.dtype([("key", "<u8"), ("score", "<i4")])  # of a list: `key_of` the neighbour

T = TypeVar("T")
Lists = tuple[bytes, bytes]  # entries of the nearest: by look, by hashes
PairKey = tuple[str, str]  # sha256, the smaller first
Load = Callable[[Sequence[str]], Mapping[str, Content]]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of media by sha256 from an earlier search."""

    shorts: Mapping[str, Short] = field(default_factory=dict)  # embeddings
    lists: Mapping[str, Lists] = field(default_factory=dict)  # of those that were not linked by nearly equal hashes
    verdicts: Mapping[PairKey, Verdict | None] = field(default_factory=dict)  # other pairs in lists are no copies


def find_duplicates(items: Sequence[Content]) -> tuple[Duplicate, ...]:
    """Every item that copies an earlier one, by order; `(later_id, first_id, reason, score)`.

    The reason and score are those of the earliest item that it copies. Images are compared with images, videos with
    videos.
    """
    items = sorted(items, key=lambda item: (item.order, item.content_id))
    files = {(item.kind, item.sha256): item for item in reversed(items)}
    names = {
        key: f"{key[0]}:{key[1]}" for key in files
    }  # bytes that were read as an image and as a video are two files
    by_name = {name: replace(files[key], sha256=name) for key, name in names.items()}
    ordered = list(dict.fromkeys(names[item.kind, item.sha256] for item in items))
    links, _ = link_files(
        [by_name[name] for name in ordered], Known(), lambda wanted: {one: by_name[one] for one in wanted}
    )
    return link_posts([(item.content_id, [names[item.kind, item.sha256]]) for item in items], links)


def link_files(files: Sequence[Content], known: Known, load: Load) -> tuple[dict[str, Link], Known]:
    """Each file that copies an earlier one, by sha256, to the earliest of them; and what is known now.

    Args:
        files: different files, the first to be kept first; embeddings and sketches may be missing here.
        known: from a search among any of these files and others, as they are now.
        load: files with embeddings and sketches, by sha256.
    """
    links: dict[str, Link] = {}
    shorts = _shorts(files, known, load)
    verdicts: dict[PairKey, Verdict | None] = {}
    lists: dict[str, Lists] = {}
    for kind in KINDS:
        own = [one for one in files if one.kind == kind]
        rank = {one.sha256: at for at, one in enumerate(own)}
        equal = _judged(_nearly_equal(own), known, load)
        links |= _linked(equal, rank)
        pool = sorted((one for one in own if one.sha256 not in links), key=lambda one: one.sha256)
        before, look, hashes = _neighbours(pool, kind, known, shorts)
        keys = [
            (pool[a].sha256, pool[b].sha256)
            for a, b in np.unique(np.concatenate([look.pairs(), hashes.pairs()]), axis=0).tolist()
        ]
        near = _judged(keys, known, load, before=before)
        links |= _linked(near, rank)
        verdicts |= equal | {key: verdict for key, verdict in near.items() if verdict is not None}
        lists |= {one.sha256: found for one, found in zip(pool, _packed(pool, look, hashes), strict=True)}
    return links, Known(shorts, lists, verdicts)


def _shorts(files: Sequence[Content], known: Known, load: Load) -> dict[str, Short]:
    found = {one.sha256: known.shorts[one.sha256] for one in files if one.sha256 in known.shorts}
    for some in _blocks(one.sha256 for one in files if one.sha256 not in found):
        loaded = load(some)
        vectors = {name: one.vectors for name, one in loaded.items() if one.vectors is not None and len(one.vectors)}
        found |= dict.fromkeys(loaded, np.zeros((0, PROJECTED), np.int8))
        if vectors:
            ends = np.cumsum([len(own) for own in vectors.values()])[:-1]
            found |= zip(vectors, np.split(shortened(np.concatenate(list(vectors.values()))), ends), strict=True)
    return found


def _nearly_equal(files: Sequence[Content]) -> list[PairKey]:
    """Files and the first with a hash that is nearly equal."""
    words, owner = [one.words for one in files], np.repeat(np.arange(len(files)), [len(one.words) for one in files])
    leader = leaders(np.concatenate([np.zeros((0, 4), np.uint64), *words]))
    pairs = np.unique(np.stack([owner, owner[leader]], axis=1)[owner != owner[leader]], axis=0)
    return [_key(files[a].sha256, files[b].sha256) for a, b in pairs.tolist()]


def _key(a: str, b: str) -> PairKey:
    return (a, b) if a < b else (b, a)


def _linked(verdicts: Mapping[PairKey, Verdict | None], rank: Mapping[str, int]) -> dict[str, Link]:
    """The later file of each pair of copies to the earliest of those it copies."""
    found: dict[str, Link] = {}
    for pair, verdict in verdicts.items():
        if verdict is not None:
            earlier, later = sorted(pair, key=rank.__getitem__)
            if later not in found or rank[earlier] < rank[found[later].earlier]:
                found[later] = Link(earlier, verdict)
    return found


# --- candidates -----------------------------------------------------------------------------------------------------


def _neighbours(
    pool: Sequence[Content], kind: MediaKind, known: Known, shorts: Mapping[str, Short]
) -> tuple[set[PairKey], Neighbours, Neighbours]:
    """The pairs of the pool that were in lists before, and the lists by look and by hashes now."""
    lists = [known.lists.get(one.sha256) for one in pool]
    new = np.array([one is None for one in lists], bool)
    keys = np.array([key_of(one.sha256) for one in pool], np.uint64)
    n_nearest = NEAREST[kind]
    looks, hashes = (
        _unpacked([None if one is None else one[side] for one in lists], keys, new, n_nearest=n_nearest)
        for side in (0, 1)
    )
    pairs = np.concatenate([looks.pairs(), hashes.pairs()]).tolist()
    before = {(pool[a].sha256, pool[b].sha256) for a, b in pairs}
    return (
        before,
        looks.updated(new, LookSearch.of([shorts[one.sha256] for one in pool], n_nearest)),
        hashes.updated(new, HashSearch.of([one.words for one in pool])),
    )


def key_of(sha256: str) -> int:
    """Eight bytes that stand for a file in lists."""
    return int.from_bytes(hashlib.blake2b(sha256.encode(), digest_size=8).digest(), "little")


def _unpacked(
    lists: Sequence[bytes | None], keys: NDArray[np.uint64], new: NDArray[np.bool_], *, n_nearest: int
) -> Neighbours:
    """Lists as rows of the pool, `keys` its keys; entries that left the pool, or are new in it, are gone."""
    empty = bytes(n_nearest * ENTRY.itemsize)
    entries = np.frombuffer(b"".join(one or empty for one in lists), ENTRY).reshape(len(lists), n_nearest)
    if not len(keys):
        return Neighbours.nothing(0, n_nearest)
    order = np.argsort(keys)
    place = np.minimum(np.searchsorted(keys[order], entries["key"]), len(keys) - 1)
    row = order[place]
    there = (keys[row] == entries["key"]) & ~new[row]
    row = np.where(entries["score"] == 0, NONE, np.where(there, row, GONE))
    return Neighbours(row, entries["score"].astype(np.int64))


def _packed(pool: Sequence[Content], look: Neighbours, hashes: Neighbours) -> Iterator[Lists]:
    keys = np.array([*(key_of(one.sha256) for one in pool), 0], np.uint64)
    columns = []
    for one in (look, hashes):
        entries = np.zeros(one.row.shape, ENTRY)
        entries["key"], entries["score"] = np.where(one.row >= 0, keys[one.row], 0), one.score
        columns.append([row.tobytes() for row in entries])
    return zip(*columns, strict=True)


# --- verdicts -------------------------------------------------------------------------------------------------------


def _judged(
    keys: Sequence[PairKey], known: Known, load: Load, *, before: AbstractSet[PairKey] = frozenset()
) -> dict[PairKey, Verdict | None]:
    """What is known of pairs, or is found by comparing them; those of lists `before` without a verdict differ."""
    new = [key for key in keys if key not in known.verdicts and key not in before]
    found = {key: known.verdicts.get(key) for key in keys}
    for some in _blocks(new, BLOCK_PAIRS):
        files = load(sorted({sha256 for key in some for sha256 in key}))
        found |= zip(some, compare_all([(files[a], files[b]) for a, b in some]), strict=True)
    return found


def _blocks(values: Iterable[T], size: int = BLOCK_PAIRS) -> Iterator[list[T]]:
    rest = iter(values)
    while some := list(islice(rest, size)):
        yield some
