"""What each feature added to a forecast, to a few reasons in words."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

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
    "history": "how its earlier posts did",
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
REST, EARLY = "rest", "early"  # groups of what closes the account: all reasons not told, and an early count
REST_TEXT, EARLY_TEXT = "everything else", "the count of its first hours"
N_REASONS = 4  # told one by one; the rest is small, and told together
LEAST_CHANGE = 0.01  # of the count; smaller ones are not told
LONG_AGO_DAYS = 180.0  # by choice: after a silence as long, it is named as what draws the start away from the usual
FEW_POSTS = 5  # with fewer earlier posts, that is named
_GROUP_OF = {name: group for group, names in GROUPS.items() for name in names}


@dataclass(frozen=True, slots=True)
class Account:
    """How a forecast came about: start times (1 + change) of all reasons is its median."""

    start: float  # the count that reasons start from
    start_text: str  # what it is, beside what is usual for the account
    reasons: tuple[Reason, ...]  # strongest first; at the end what is told together, and an early count


def find_reasons(row: FloatArray, explainer: Explainer, model: Model, *, median: float | None = None) -> Account:
    """The start, the strongest reasons, each as a share of the count, and one for all others.

    row: (F,) in the order of the model's labels, its first the anchor. median: of the forecast where an early count
    made it another than the model's own. The start is what the trees give on average at this anchor: a guess from the
    account's earlier counts, their age and its followers (`anchor`), and not the account's median.
    """
    names = model.spec.labels or FEATURES
    values = dict(zip(names, row.tolist(), strict=True))
    shares = dict(zip(names, explainer.explain(row).tolist(), strict=True))
    first = float(row[0]) + explainer.expected
    start, own = _count(first), _count(first + math.fsum(shares.values()))
    told = _strongest(_by_group(values, shares))
    product = start * math.prod(1 + one.change for one in told)
    rest = (*_closing(REST, REST_TEXT, product, own), *_closing(EARLY, EARLY_TEXT, own, median))
    return Account(start, start_text(values, explainer.expected), (*told, *rest))


def start_text(values: Mapping[str, float], expected: float) -> str:
    """Why the start is not the account's median, by its features; `expected`: what the trees add on average (log)."""
    known = {name: value for name, value in values.items() if not math.isnan(value)}
    if not known.get("n_earlier"):
        return "what accounts of this size usually get"
    step = expected - known.get("above_anchor", 0.0)  # from the median of earlier posts
    if abs(step) < LEAST_CHANGE:
        return "what is usual for the account"
    above = known.get("above_line")
    if above is not None and above * step < 0:
        return f"drawn to what accounts of this size get{_why_drawn(known)}"
    if "days_since_last" in known:
        return "its latest posts count more than its old ones"
    return "all its posts count, its median counts the middle one alone"


def _why_drawn(known: Mapping[str, float]) -> str:
    if known.get("days_since_last", 0.0) >= LONG_AGO_DAYS:
        return ", since its last post is long ago"
    return ", since few earlier posts are known" if math.expm1(known["n_earlier"]) < FEW_POSTS - 0.5 else ""


def _count(log: float) -> float:
    return math.expm1(min(max(log, 0.0), LARGEST_LOG))


def _closing(group: str, text: str, before: float, after: float | None) -> tuple[Reason, ...]:
    """The step from one count to the next; none where it is too small to be told."""
    if after is None or before <= 0 or abs(after / before - 1) < LEAST_CHANGE:
        return ()
    return (Reason(group, text, after / before - 1),)


def _by_group(values: Mapping[str, float], shares: Mapping[str, float]) -> list[tuple[str, str, float]]:
    added: dict[str, float] = defaultdict(float)
    known: dict[str, bool] = defaultdict(bool)
    for name, value in values.items():
        group = _told_as(name)
        added[group] += shares[name]
        known[group] |= not math.isnan(value)
    return _without_unknown(added, known)


def _told_as(name: str) -> str:
    group = _GROUP_OF.get(name.removeprefix("more_"), name)
    return TOLD_AS.get(group, group)


def _without_unknown(added: dict[str, float], known: dict[str, bool]) -> list[tuple[str, str, float]]:
    """(group, text, share on the log scale); groups of which nothing is known are told together."""
    found = [(group, _words(group), share) for group, share in added.items() if known[group]]
    unknown = [group for group in added if not known[group]]
    if unknown:
        listed = ", ".join(_words(group) for group in sorted(unknown, key=lambda one: -abs(added[one]))[:2])
        found.append((UNKNOWN, f"what is not known ({listed})", sum(added[group] for group in unknown)))
    return found


def _strongest(found: list[tuple[str, str, float]]) -> tuple[Reason, ...]:
    reasons = [Reason(group, text, math.expm1(min(share, LARGEST_LOG))) for group, text, share in found]
    reasons.sort(key=lambda one: -abs(math.log1p(one.change)))
    return tuple(one for one in reasons[:N_REASONS] if abs(one.change) >= LEAST_CHANGE)


def _words(group: str) -> str:
    return WORDS.get(group, group.replace("_", " "))
