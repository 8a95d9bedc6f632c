"""Links between files to links between posts: a post repeats an earlier one if most of its files copy files of it.

A post of one file is a copy as its file is. Of several files more than half have to be copies of files of one earlier
post: so two carousels with the same cover are two posts, a photo taken out of a carousel repeats the carousel, and a
carousel that has a photo posted before among new ones repeats nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postlens.tasks.people.compare import Reason, Verdict

MOST = 0.5  # of a post's files: it repeats a post if more of them do. Lower calls a shared cover a copy
SAME = Verdict("bytes", 1.0)
REASONS: tuple[Reason, ...] = ("bytes", "frames", "look")  # from the surest


class Duplicate(NamedTuple):
    """A copy and the first of its group."""

    later_id: str
    first_id: str
    reason: Reason  # of several files the least sure
    score: float  # see `Verdict`; of several files the mean, 0 for those that are no copies


class Link(NamedTuple):
    """A file to the earliest that it copies."""

    earlier: str  # sha256
    verdict: Verdict


def link_posts(posts: Sequence[tuple[str, Sequence[str]]], links: Mapping[str, Link]) -> tuple[Duplicate, ...]:
    """Each post, the first to be kept first, that repeats an earlier one: linked to the first of all.

    Args:
        posts: ids and the sha256 of their files.
        links: of the files, see `link_files`; each leads to a file that comes earlier.
    """
    first_of, seen = _Firsts(links), set[str]()
    holders: dict[str, list[int]] = defaultdict(list)  # first file of a group to posts
    found: dict[int, Duplicate] = {}
    for number, (post_id, files) in enumerate(posts):
        groups = [first_of(one) for one in files]
        shared = Counter(holder for group in groups for holder in holders[group])
        first = min((post for post, n in shared.items() if n > MOST * len(files)), default=None)
        if first is None:
            kept = number
        else:
            copied = [file for file, group in zip(files, groups, strict=True) if first in holders[group]]
            verdicts = [SAME if one in seen else links[one].verdict for one in copied]
            reason = max((one.reason for one in verdicts), key=REASONS.index)
            found[number] = Duplicate(post_id, posts[first][0], reason, sum(one.score for one in verdicts) / len(files))
            kept = first
        for group in dict.fromkeys(groups):
            if kept not in holders[group]:
                holders[group].append(kept)
        seen.update(files)
    return tuple(found.values())


class _Firsts:
    """The first file of the group of each."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        self._links = links
        self._first: dict[str, str] = {}

    def __call__(self, sha256: str) -> str:
        chain = [sha256]
        while chain[-1] not in self._first and chain[-1] in self._links:
            chain.append(self._links[chain[-1]].earlier)
        first = self._first.get(chain[-1], chain[-1])
        self._first |= dict.fromkeys(chain, first)
        return first
