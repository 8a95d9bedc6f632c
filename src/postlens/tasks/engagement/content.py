"""One post to numbers about what it shows and says, whatever its account; NaN where something is not known."""

from __future__ import annotations

import math
import re
import unicodedata

from postlens.tasks.engagement.records import PostFacts
from postlens.types import as_utc

DAY_S = 86_400.0
MEASURES = ("brightness", "contrast", "saturation", "colourfulness", "symmetry")  # sharpness depends on the pixel size
# Words that at least 120 of 26,837 automatic descriptions hold, but for those that say no more than another one.
ALT_WORDS = (
    *("person", "people", "closeup", "outdoor", "indoor", "standing", "food", "text", "child", "dog", "sitting"),
    *("sky", "nature", "shoes", "tree", "water", "plant", "ocean", "table", "cloud", "drink", "flower", "sunglasses"),
    *("mountain", "hat", "stripes", "phone", "beard", "selfie", "room", "car", "night", "baby", "dessert", "wedding"),
)
NICHES = ("beauty", "family", "fashion", "fitness", "food", "interior", "other", "pet", "travel")
# What is compared with the account's earlier posts: the numbers that vary most within accounts.
DIFFERENCES = (
    *("log_caption_length", "n_hashtags", "n_tagged", "has_location", "n_people", "n_alt_words", "alt_closeup"),
    *("alt_outdoor", "aspect", "brightness", "saturation"),
)
ALT_NO_WORDS = "no photo description"  # what the platform writes when it recognised nothing
_HASHTAG = re.compile(r"#\w+")
_MENTION = re.compile(r"@\w+")
_WORD = re.compile(r"[a-z]+")
_PEOPLE = re.compile(r"(\d+) (?:person|people)")

Numbers = dict[str, float]


def content_numbers(post: PostFacts) -> Numbers:
    """Everything that is known of the post but its account and its counts, by name; what is not known is left out."""
    return (
        _caption(post)
        | _tags(post)
        | _picture(post)
        | _faces(post)
        | _niches(post)
        | _alt(post.alt_text)
        | {"age_days": plain_or_nan(age_days(post))}
    )


def compared_numbers(post: PostFacts) -> list[float]:
    """The values of DIFFERENCES, in their order; NaN where something is not known."""
    found = _caption_length(post) | _tags(post) | _picture(post) | _seen(post.alt_text)[0]
    return [found.get(name, math.nan) for name in DIFFERENCES]


def age_days(post: PostFacts) -> float | None:
    """How long the post had been out when it was counted; None where not known, as with dates in the future."""
    if post.published_at is None or post.observed_at is None:
        return None
    days = (as_utc(post.observed_at) - as_utc(post.published_at)).total_seconds() / DAY_S
    return days if days >= 0 else None


def _caption(post: PostFacts) -> Numbers:
    if post.caption is None:
        return _caption_length(post)
    return _caption_length(post) | {"n_mentions": float(len(_MENTION.findall(post.caption)))} | _signs(post.caption)


def _caption_length(post: PostFacts) -> Numbers:
    if post.caption is None:
        return {"log_caption_length": log_or_nan(post.caption_length), "n_hashtags": plain_or_nan(post.n_hashtags)}
    n_hashtags = len(_HASHTAG.findall(post.caption))
    return {"log_caption_length": math.log1p(len(post.caption)), "n_hashtags": float(n_hashtags)}


def _signs(text: str) -> Numbers:
    """Which characters the caption is made of: emoji and other symbols, letters beyond ASCII, questions, calls."""
    n_letters = sum(c.isalpha() for c in text)
    return {
        "n_emoji": float(sum(ord(c) > 0x2000 and unicodedata.category(c) == "So" for c in text)),
        "foreign_letters": sum(c.isalpha() and not c.isascii() for c in text) / n_letters if n_letters else 0.0,
        "n_questions": float(text.count("?")),
        "n_exclamations": float(text.count("!")),
    }


def _tags(post: PostFacts) -> Numbers:
    return {
        "n_tagged": plain_or_nan(post.n_tagged),
        "has_location": plain_or_nan(post.has_location),
        "is_carousel": plain_or_nan(post.is_carousel),
    }


def _picture(post: PostFacts) -> Numbers:
    measures = post.measures or {}
    found = {name: float(measures[name]) for name in MEASURES if name in measures}
    if post.media is not None:
        found["aspect"] = post.media.width_px / post.media.height_px
    return found | {"valence": plain_or_nan(post.valence)}


def _faces(post: PostFacts) -> Numbers:
    return {"n_faces": plain_or_nan(post.n_faces), "largest_face": plain_or_nan(post.largest_face)}


def _niches(post: PostFacts) -> Numbers:
    return _one_hot("niche", post.niche) | _one_hot("account_niche", post.niche_of_account)


def _one_hot(prefix: str, label: str | None) -> Numbers:
    """Labels that were not trained on are all zero; an absent one is absent."""
    return {} if label is None else {f"{prefix}_{name}": float(name == label) for name in NICHES}


def _alt(text: str | None) -> Numbers:
    """Words of the automatic description; all zero where it recognised nothing, absent where there is none."""
    found, words = _seen(text)
    return found if text is None else {f"alt_{word}": float(word in words) for word in ALT_WORDS} | found


def _seen(text: str | None) -> tuple[Numbers, frozenset[str]]:
    """What is compared of the description, and its words."""
    if text is None:
        return {}, frozenset()
    lower = text.lower()
    words = frozenset(_WORD.findall(lower.split(":", 1)[-1])) if ALT_NO_WORDS not in lower else frozenset()
    counted = _PEOPLE.search(lower)
    n_people = float(counted[1]) if counted else float("people" in words)
    found = {"n_people": n_people, "n_alt_words": float(len(words))}
    return found | {f"alt_{word}": float(word in words) for word in ("closeup", "outdoor")}, words


def log_or_nan(value: float | None) -> float:
    """log(1 + value), negative ones as 0; NaN where it is not known."""
    return math.nan if value is None else math.log1p(max(value, 0.0))


def plain_or_nan(value: float | None) -> float:
    """The number itself; NaN where it is not known."""
    return math.nan if value is None else float(value)
