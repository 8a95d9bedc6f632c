"""What holds for every forecast, whatever the probabilities, thresholds and table are."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.tasks.reactions import predict
from postlens.tasks.reactions.emoji import EmojiRule, EmojiTable
from postlens.tasks.reactions.sequences import plain
from postlens.tasks.reactions.summary import summarise
from postlens.types import EMOTIONS, ReactionForecast

QUICK = settings(deadline=None, max_examples=60)  # no deadline: machines under load stall
EMOJI = st.sampled_from(["😀", "😂", "😢", "🎉", "❤️", "👍", "👍🏽", "😍", "🤯"])
RULES = st.builds(EmojiRule, allowed=st.lists(EMOJI).map(tuple), blocked=st.lists(EMOJI).map(tuple))
TABLES = st.fixed_dictionaries(dict.fromkeys(EMOTIONS, RULES)).map(lambda rules: EmojiTable(version=1, rules=rules))
TONES = st.sampled_from(["👍", "👍🏽", "👍🏿", "🙏", "🙏🏻"])
TONED_RULES = st.builds(EmojiRule, allowed=st.lists(TONES).map(tuple), blocked=st.lists(TONES).map(tuple))
TONED = st.fixed_dictionaries(dict.fromkeys(EMOTIONS, TONED_RULES)).map(lambda own: EmojiTable(version=1, rules=own))
PROBS = st.lists(st.floats(0, 1, width=32), min_size=8, max_size=8)
THRESHOLDS = st.one_of(st.floats(0, 1), st.fixed_dictionaries(dict.fromkeys(EMOTIONS, st.floats(0, 1))))


def forecast(probs, thresholds, **more) -> ReactionForecast:
    return predict("p", None, None, model_probs=np.array(probs, np.float32), thresholds=thresholds, **more)


@QUICK
@given(PROBS, THRESHOLDS, TABLES)
def test_no_emoji_is_offered_that_any_emotion_found_blocks(probs, thresholds, table) -> None:
    found = forecast(probs, thresholds, table=table)
    refused = {plain(emoji) for name in found.emotions for emoji in table.rules[name].blocked}
    assert not refused & {plain(emoji) for emoji in found.allowed}


@QUICK
@given(PROBS, st.floats(0, 1, width=32))
def test_nothing_detected_leaves_the_highest_emotion_alone_marked_as_unsure(probs, threshold) -> None:
    found = forecast(probs, threshold)
    over = [name for name in EMOTIONS if found.probs[name] >= threshold]
    assert found.low_confidence is (not over)
    assert sorted(found.emotions) == sorted(over or found.emotions[:1])
    assert found.probs[found.emotions[0]] == max(found.probs.values())
    assert len(found.emotions) == max(1, len(over))


@QUICK
@given(PROBS, THRESHOLDS)
def test_emotions_stand_in_the_order_of_their_probabilities(probs, thresholds) -> None:
    found = forecast(probs, thresholds)
    shown = [found.probs[name] for name in found.emotions]
    assert shown == sorted(shown, reverse=True)


@QUICK
@given(st.lists(st.tuples(PROBS, st.floats(0, 1)), max_size=6), st.randoms())
def test_a_summary_does_not_depend_on_the_order_of_posts(posts, random) -> None:
    found = [replace(forecast(*one), subject_id=str(i)) for i, one in enumerate(posts)]
    first = summarise(found)
    random.shuffle(found)
    assert summarise(found) == first
    assert first.n_posts == len(posts) == sum(n for _, n in first.emotions)
    assert not {emoji for emoji, _ in first.never_blocked} & {emoji for emoji, _ in first.blocked}


@QUICK
@given(st.lists(st.tuples(PROBS, st.floats(0, 1), TONED), max_size=6))
def test_a_block_in_any_skin_tone_rules_out_all_of_them(posts) -> None:
    summary = summarise(forecast(probs, limit, table=table) for probs, limit, table in posts)
    refused = {plain(emoji) for emoji, _ in summary.blocked}
    assert not refused & {plain(emoji) for emoji, _ in summary.never_blocked}


def test_an_emoji_that_one_post_blocks_in_another_tone_is_not_listed_as_never_ruled_out() -> None:
    rules = dict.fromkeys(EMOTIONS, EmojiRule(allowed=(), blocked=()))
    rules |= {"happy": EmojiRule(("👍🏽", "🎉"), ()), "sad": EmojiRule((), ("👍",))}
    table = EmojiTable(version=1, rules=rules)
    posts = (forecast([float(name == own) for name in EMOTIONS], 0.5, table=table) for own in ("happy", "sad"))
    assert summarise(posts).never_blocked == (("🎉", 1),)


def test_a_summary_of_nothing_has_no_emotion() -> None:
    none = summarise([])
    assert (none.emotion, none.always_allowed, none.n_posts) == (None, (), 0)
    assert all(not getattr(none, one.name) for one in fields(none))
