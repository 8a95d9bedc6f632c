"""Reactions to many posts, of one creator for example, to what they have in common."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postlens.tasks.reactions.sequences import plain
from postlens.types import EMOTIONS, ReactionForecast

# What readers are called where people read; by `ReactionForecast.decided_by`.
READERS = {
    "scene": "the scene",
    "faces": "the faces",
    "both": "scene and faces alike",
    "model": "the trained net",
}


@dataclass(frozen=True, slots=True)
class ReactionSummary:
    """Counts over the posts whose emotions could be read."""

    n_posts: int
    n_low_confidence: int
    emotions: tuple[tuple[str, int], ...]  # first emotion to its posts, most frequent first, then as in EMOTIONS
    decided_by: tuple[tuple[str, int], ...]  # reader to its posts, most frequent first
    allowed: tuple[tuple[str, int], ...]  # emoji to posts that it fits, most first
    blocked: tuple[tuple[str, int], ...]  # emoji to posts that rule it out, most first

    @property
    def emotion(self) -> str | None:
        """The most frequent first emotion; None without posts."""
        return self.emotions[0][0] if self.emotions else None

    @property
    def always_allowed(self) -> tuple[str, ...]:
        """Emoji that fit every post."""
        return tuple(emoji for emoji, n_posts in self.allowed if n_posts == self.n_posts)

    @property
    def never_blocked(self) -> tuple[tuple[str, int], ...]:
        """Emoji that fit some posts and that none rules out in any form, with how many they fit."""
        refused = {plain(emoji) for emoji, _ in self.blocked}
        return tuple((emoji, n_posts) for emoji, n_posts in self.allowed if plain(emoji) not in refused)


def summarise(forecasts: Iterable[ReactionForecast]) -> ReactionSummary:
    """What these posts' reactions have in common; their order does not matter."""
    found = sorted(forecasts, key=lambda one: one.subject_id)
    first = Counter(one.emotions[0] for one in found)
    return ReactionSummary(
        n_posts=len(found),
        n_low_confidence=sum(one.low_confidence for one in found),
        emotions=_ranked([name for name in EMOTIONS if name in first], first),
        decided_by=_ranked(sorted({one.decided_by for one in found}), Counter(one.decided_by for one in found)),
        allowed=_counted([one.allowed for one in found]),
        blocked=_counted([one.blocked for one in found]),
    )


def _counted(parts: Sequence[tuple[str, ...]]) -> tuple[tuple[str, int], ...]:
    counts = Counter(emoji for part in parts for emoji in dict.fromkeys(part))
    return _ranked(list(counts), counts)


def _ranked(names: Sequence[str], counts: Counter[str]) -> tuple[tuple[str, int], ...]:
    """Most first; of equals in the order given."""
    return tuple((name, counts[name]) for name in sorted(names, key=lambda name: -counts[name]))
