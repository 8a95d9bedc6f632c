"""What each feature added to a forecast, to a few reasons in words."""

from __future__ import annotations

import math
from collections import defaultdict

from postlens.tasks.engagement.answer import Reason
from postlens.tasks.engagement.explain import Explainer
from postlens.tasks.engagement.features import FEATURES, GROUPS
from postlens.tasks.engagement.predict import LARGEST_LOG
from postlens.tasks.engagement.records import Model
from postlens.types import FloatArray

# Of `features.GROUPS` to what is told as one; what is not named here is told under its own name.
TOLD_AS = {"anchor": "account", "followers": "account", "caption_text": "caption"}
WORDS = {
    "account": "the size of the account",
    "history": "how its latest posts did",
    "horizon": "how long the post has been out",
    "caption": "the caption and its hashtags",
    "tags": "tagged accounts, place and number of pictures",
    "shape": "the shape of the picture",
    "alt": "what the platform's description names in the picture",
    "measures": "light and colour of the picture",
    "faces": "faces in the picture",
    "niche": "the topic of the picture",
    "account_niche": "the topic of the account",
    "valence": "the mood of the scene",
}
UNKNOWN = "unknown"  # group of what is not known of a post
N_REASONS = 4  # told; the rest is small
LEAST_CHANGE = 0.01  # of the count; smaller ones are not told
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


def find_reasons(row: FloatArray, explainer: Explainer, model: Model) -> tuple[float, tuple[Reason, ...]]:
    """The count that reasons start from, and the strongest reasons, each as a share of the count.

    row: (F,) in the order of the model's labels, its first the anchor. The start is what the trees give on average at
    this anchor. Shares multiply: start times (1 + share) of all reasons, told or not, is the median.
    """
    names = model.spec.labels or FEATURES
    added: dict[str, float] = defaultdict(float)
    known: dict[str, bool] = defaultdict(bool)
    for name, value, share in zip(names, row.tolist(), explainer.explain(row).tolist(), strict=True):
        group = _told_as(name)
        added[group] += share
        known[group] |= not math.isnan(value)
    start = math.expm1(min(max(float(row[0]) + explainer.expected, 0.0), LARGEST_LOG))
    return start, _strongest(_without_unknown(added, known))


def _told_as(name: str) -> str:
    group = _GROUP_OF.get(name.removeprefix("more_"), name)
    return TOLD_AS.get(group, group)


def _without_unknown(added: dict[str, float], known: dict[str, bool]) -> list[tuple[str, str, float]]:
    """(group, text, share on the log scale); groups of which nothing is known are told together."""
    found = [(group, _words(group), share) for group, share in added.items() if known[group]]
    unknown = [group for group in added if not known[group]]
    if unknown:
        listed = ", ".join(_words(group) for group in sorted(unknown, key=lambda one: -abs(added[one]))[:2])
        found.append((UNKNOWN, f"not known: {listed}", sum(added[group] for group in unknown)))
    return found


def _strongest(found: list[tuple[str, str, float]]) -> tuple[Reason, ...]:
    reasons = [Reason(group, text, math.expm1(min(share, LARGEST_LOG))) for group, text, share in found]
    reasons.sort(key=lambda one: -abs(math.log1p(one.change)))
    return tuple(one for one in reasons[:N_REASONS] if abs(one.change) >= LEAST_CHANGE)


def _words(group: str) -> str:
    return WORDS.get(group, group.replace("_", " "))
