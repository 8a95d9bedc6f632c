"""The emoji table and the choice by it."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postlens.errors import SettingsError, UnknownNameError
from postlens.tasks.reactions.emoji import (
    DEFAULT_TABLE,
    EmojiRule,
    EmojiTable,
    choose_emoji,
    default_table,
    load_table,
)
from postlens.tasks.reactions.sequences import is_emoji, plain
from postlens.types import EMOTIONS

QUICK = settings(deadline=None, max_examples=50)  # no deadline: machines under load stall
EMOJI = st.sampled_from(["😀", "😂", "😢", "🎉", "❤️", "👍", "👍🏽", "🤷\u200d♀️", "😍", "🤯"])
RULES = st.builds(EmojiRule, allowed=st.lists(EMOJI).map(tuple), blocked=st.lists(EMOJI).map(tuple))
TABLES = st.fixed_dictionaries(dict.fromkeys(EMOTIONS, RULES)).map(lambda rules: EmojiTable(version=1, rules=rules))
DETECTED = st.sets(st.sampled_from(EMOTIONS))


@QUICK
@given(DETECTED, TABLES)
def test_a_blocked_emoji_never_appears_under_strict(detected: set[str], table: EmojiTable) -> None:
    allowed, blocked = choose_emoji(detected, table)
    assert not {plain(e) for e in allowed} & {plain(e) for name in detected for e in table.rules[name].blocked}
    assert not set(allowed) & set(blocked)


@QUICK
@given(DETECTED, TABLES, st.randoms(), st.sampled_from(["strict", "union"]))
def test_the_order_of_emotions_never_matters(detected, table, random, policy) -> None:
    shuffled = list(detected)
    random.shuffle(shuffled)
    assert choose_emoji(shuffled, table, policy=policy) == choose_emoji(sorted(detected), table, policy=policy)


@QUICK
@given(DETECTED, TABLES)
def test_strict_takes_away_from_the_union_and_adds_nothing(detected: set[str], table: EmojiTable) -> None:
    union, blocked = choose_emoji(detected, table, policy="union")
    strict, _ = choose_emoji(detected, table)
    assert set(union) == {e for name in detected for e in table.rules[name].allowed}
    assert set(strict) <= set(union)
    assert {plain(e) for e in set(union) - set(strict)} <= {plain(e) for e in blocked}


def test_nothing_is_laughed_at_beside_sadness() -> None:
    for first, second in permutations(("happy", "sad")):
        allowed, blocked = choose_emoji((first, second), default_table())
        assert "😂" in blocked and "😂" not in allowed and "💔" in allowed


def test_a_block_holds_for_every_skin_tone() -> None:
    rules = dict(default_table().rules) | {"sad": EmojiRule(allowed=("👍🏽",), blocked=())}
    rules["angry"] = EmojiRule(allowed=(), blocked=("👍",))
    assert choose_emoji(("sad", "angry"), EmojiTable(version=1, rules=rules))[0] == ()


def test_the_packaged_table_names_every_emotion_in_several_languages() -> None:
    table = load_table()
    assert set(table.rules) == set(EMOTIONS)
    assert table.languages == ("en", "de", "es", "fr", "it", "nl", "pt")
    assert all(len(set(table.labels(language).values())) == len(EMOTIONS) for language in table.languages)


def test_the_packaged_table_is_versioned_and_has_what_was_asked_for() -> None:
    table = default_table()
    assert table.version >= 2
    assert table.rules["happy"].allowed == ("😀", "😄", "😁", "😍", "😂", "❤️", "👍", "🎉")
    assert table.rules["disgust"] == EmojiRule(("🤢", "😒", "🙄"), ("😍", "😘", "🥰"), table.rules["disgust"].labels)
    assert table.rules["surprise"].blocked == () == table.rules["other"].blocked


def test_every_emoji_of_the_packaged_table_is_one_and_no_emotion_contradicts_itself() -> None:
    for rule in default_table().rules.values():
        assert all(is_emoji(emoji) for emoji in (*rule.allowed, *rule.blocked))
        assert not set(map(plain, rule.allowed)) & set(map(plain, rule.blocked))


def test_what_surprise_rules_out_is_told_by_what_else_is_found() -> None:
    alone, pleased, shocked = (
        choose_emoji(found, default_table())[1]
        for found in (("surprise",), ("surprise", "happy"), ("surprise", "fear"))
    )
    assert alone == ()
    assert "😭" in pleased and "🎉" in shocked


def test_a_language_without_all_names_is_not_offered() -> None:
    rules = dict(default_table().rules)
    rules["sad"] = EmojiRule((), (), {"de": "traurig"})
    table = EmojiTable(version=1, rules=rules)
    assert table.languages == ("de",)
    assert (table.labels("de")["sad"], table.labels()["sad"]) == ("traurig", "sad")
    with pytest.raises(UnknownNameError, match="expected a language out of de, got 'fr'"):
        table.labels("fr")


@pytest.mark.parametrize("name", ["glad", "Happy", ""])
def test_an_unknown_emotion_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError, match="expected emotions out of"):
        choose_emoji([name], default_table())


def test_an_unknown_policy_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="expected a policy"):
        choose_emoji(["happy"], default_table(), policy="lenient")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["😀", "❤️", "👍🏽", "🤷", "🤷🏽‍♀️", "👨‍👩‍👧", "🏳️‍🌈", "🇩🇪", "1️⃣", "☀️", "🏴󠁧󠁢󠁿", "🫠", "☝🏽", "🅰️"]
)
def test_an_emoji_sequence_is_recognised(text: str) -> None:
    assert is_emoji(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "1",
        ":)",
        "😀😀",
        "😀 ",
        "❤",
        "é",
        "漢",
        "\u200d",
        "🏽" * 2,
        "😀\U000e0067\U000e007f",
        "happy",
        "😀🏽",
        "🕏",
        "\U0001f3ff",
    ],
)
def test_other_text_is_no_emoji(text: str) -> None:
    assert not is_emoji(text)


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("version = 2", 'version = "2"', 'version = "', "whole number"),
        ("version = 2\n", "\n", "# Which", "whole number"),
        ("[sad]\n", "[sorrow]\n", "[sorrow]", "unknown emotion 'sorrow'"),
        ('"😢", "😭", "💔"', '"😢", "sob", "💔"', '"sob"', "'sob' in allowed of sad is no emoji"),
        ('"😢", "😭", "💔"', '"😢", 7, "💔"', "7,", "7 in allowed of sad is no emoji"),
        ('"😢", "😭", "💔"', '"😢", "❤", "💔"', '"❤"', "needs U\\+FE0F"),
        ('["😍", "😘", "🥰"]', '["😍", "🤢"]', '"🤢"]', "both allowed and blocked by disgust"),
        ('blocked = ["😍", "😘", "🥰"]', 'blocked = "😍"', 'blocked = "', "expected a list"),
        ('blocked = ["😍", "😘", "🥰"]', 'bloked = ["😍"]', "bloked", "unknown key 'bloked'"),
        ('de = "Ekel"', "de = 3", "de = 3", "expected a text as de"),
        ("[angry]\n", "[angry\n", "[angry", "no valid TOML"),
    ],
)
def test_a_wrong_table_is_refused_with_line_and_reason(tmp_path: Path, old: str, new: str, at: str, reason: str):
    text = DEFAULT_TABLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "emoji.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    line = next(i for i, row in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if at in row)
    with pytest.raises(SettingsError, match=reason) as error:
        load_table(path)
    assert f"line {line}" in str(error.value) and str(path) in str(error.value)


def test_a_table_without_an_emotion_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "emoji.toml"
    path.write_text("version = 2\n[happy]\nallowed = []\nblocked = []\n", encoding="utf-8")
    with pytest.raises(SettingsError, match="no rule for"):
        load_table(path)


def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot read the emoji table"):
        load_table(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes(b"version = 1 # \xe9")
    with pytest.raises(SettingsError, match="cannot read the emoji table"):
        load_table(tmp_path / "latin.toml")


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        (
            'blocked = ["😍", "😘", "🥰"]',
            '# blocked by whom?\nblocked = "😍"',
            'blocked = "',
            "expected a list of emoji as blocked",
        ),
        ('blocked = ["😍", "😘", "🥰"]', "# none", "[disgust]", "as blocked of disgust, got None"),
        ('["😢", "😭", "💔"', '["😢", # not "sob"\n"sob", "💔"', '"sob", "💔"', "'sob' in allowed of sad is no emoji"),
        ('["😢", "😭", "💔"', '[\n"😢",\n"a", "💔"', '"a", "💔"', "'a' in allowed of sad is no emoji"),
        ('de = "Ekel"', "# the code de\nde = 3", "de = 3", "expected a text as de"),
    ],
)
def test_the_line_that_is_named_is_not_a_comment_nor_of_another_emotion(tmp_path: Path, old, new, at, reason) -> None:
    text = DEFAULT_TABLE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "emoji.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    line = next(i for i, row in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if at in row)
    with pytest.raises(SettingsError, match=reason) as error:
        load_table(path)
    assert f"line {line}:" in str(error.value)


@pytest.mark.parametrize(
    "line", ["version = " + "[" * 9000 + "]" * 9000, f"version = {'1' * 9000}", f"version = 0x{'f' * 9000}"]
)
def test_values_too_deep_or_too_long_are_refused_in_one_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "emoji.toml"
    text = DEFAULT_TABLE.read_text(encoding="utf-8")
    path.write_text(text.replace("version = 2", line), encoding="utf-8")
    with pytest.raises(SettingsError, match="no valid TOML") as error:
        load_table(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)
