"""Detected emotions to the emoji that may and may not be offered, by a table that the user can replace."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

from postlens.config import read_toml
from postlens.errors import SettingsError, UnknownNameError
from postlens.tasks.reactions.sequences import is_emoji, plain
from postlens.types import EMOTIONS

Policy = Literal["strict", "union"]
DEFAULT_TABLE = Path(__file__).with_name("emoji.toml")
ENGLISH = "en"
_FIELDS = ("allowed", "blocked", "labels")
_COMMENT = re.compile(r"""("(?:\\.|[^"\\])*"|'[^']*')|#.*""")  # or a text, which may hold a #
_HEADER = re.compile(r"\s*\[[^\[\]]+\]\s*$")


@dataclass(frozen=True, slots=True)
class EmojiRule:
    """What one emotion allows and blocks, in the table's order, and its name by language code."""

    allowed: tuple[str, ...]
    blocked: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EmojiTable:
    """One rule per emotion. Raises `SettingsError` when an emotion lacks one."""

    version: int
    rules: Mapping[str, EmojiRule]

    def __post_init__(self) -> None:
        if missing := [name for name in EMOTIONS if name not in self.rules]:
            raise SettingsError(f"expected a rule for each of {list(EMOTIONS)}, missing {missing}; add them")

    @property
    def languages(self) -> tuple[str, ...]:
        """Codes of the languages in which every emotion has a name, English first."""
        known = set.intersection(*(set(rule.labels) for rule in self.rules.values()))
        return tuple(sorted(known, key=lambda code: (code != ENGLISH, code)))

    def labels(self, language: str = ENGLISH) -> dict[str, str]:
        """Emotion to its name in a language; English is always known, by the emotions themselves at least.

        Raises `UnknownNameError` for a language in which an emotion has no name.
        """
        if language not in (ENGLISH, *self.languages):
            raise UnknownNameError(
                f"expected a language out of {', '.join(self.languages) or ENGLISH}, got {language!r}; "
                "add it to the labels of every emotion in the emoji table"
            )
        return {name: rule.labels.get(language, name) for name, rule in self.rules.items()}


def choose_emoji(
    emotions: Collection[str], table: EmojiTable, *, policy: Policy = "strict"
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(allowed, blocked) for the detected emotions, whatever their order, in the table's order and without repeats.

    `strict`: the union of what they allow, minus all that any of them blocks. `union`: the plain union; an emoji can
    then be both allowed and blocked. Raises `UnknownNameError` for an emotion or a policy that there is not.
    """
    if unknown := set(emotions) - set(EMOTIONS):
        raise UnknownNameError(f"expected emotions out of {list(EMOTIONS)}, got {sorted(unknown)}")
    if policy not in get_args(Policy):
        raise UnknownNameError(f"expected a policy out of {list(get_args(Policy))}, got {policy!r}")
    rules = [table.rules[name] for name in EMOTIONS if name in emotions]
    blocked = _unique(emoji for rule in rules for emoji in rule.blocked)
    allowed = _unique(emoji for rule in rules for emoji in rule.allowed)
    return (_without(allowed, blocked) if policy == "strict" else allowed), blocked


def _without(allowed: tuple[str, ...], blocked: tuple[str, ...]) -> tuple[str, ...]:
    refused = {plain(emoji) for emoji in blocked}
    return tuple(emoji for emoji in allowed if plain(emoji) not in refused)


def _unique(items: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(items))


# --- reading a table ------------------------------------------------------------------------------------------------


def load_table(path: Path | None = None) -> EmojiTable:
    """The table in a TOML file, the packaged one by default.

    Raises `SettingsError` with file, line and reason: no TOML, an unknown or missing emotion, a text that is no emoji,
    an emoji both allowed and blocked by one emotion.
    """
    return _load(path or DEFAULT_TABLE)


@lru_cache(maxsize=1)
def default_table() -> EmojiTable:
    """The packaged table, read once."""
    return load_table()


def _load(path: Path) -> EmojiTable:
    try:
        values, text = read_toml(path), path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot read the emoji table ({error}); give a UTF-8 TOML file") from error
    except ValueError as error:  # of wrong syntax its message ends in "(at line 3, column 5)"
        raise SettingsError(f"{path}: no valid TOML: {error}; correct that") from error
    return _Reader(path, text).table(values)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Checks a parsed table; knows the text, to name the line that is wrong."""

    path: Path
    text: str

    def table(self, values: Mapping[str, Any]) -> EmojiTable:
        version = values.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise self.error("version", f"expected a whole number as version, got {version!r}")
        if unknown := [name for name in values if name not in (*EMOTIONS, "version")]:
            raise self.error(unknown[0], f"unknown emotion {unknown[0]!r}, expected one out of {list(EMOTIONS)}")
        if missing := [name for name in EMOTIONS if name not in values]:
            raise self.error(None, f"no rule for {missing}; add [{missing[0]}] with allowed and blocked")
        return EmojiTable(version=version, rules={name: self.rule(name, values[name]) for name in EMOTIONS})

    def rule(self, emotion: str, values: Any) -> EmojiRule:
        if not isinstance(values, dict):
            raise self.error(emotion, f"expected a table [{emotion}], got {values!r}")
        if unknown := [key for key in values if key not in _FIELDS]:
            raise self.error(
                emotion, f"unknown key {unknown[0]!r} in [{emotion}], expected {list(_FIELDS)}", unknown[0]
            )
        allowed, blocked = (self.emoji(emotion, key, values.get(key)) for key in ("allowed", "blocked"))
        if both := sorted(set(map(plain, allowed)) & set(map(plain, blocked))):
            raise self.error(emotion, f"{both[0]} is both allowed and blocked by {emotion}; keep one", "blocked")
        return EmojiRule(allowed=allowed, blocked=blocked, labels=self.labels(emotion, values.get("labels", {})))

    def emoji(self, emotion: str, key: str, items: Any) -> tuple[str, ...]:
        if not isinstance(items, list):
            raise self.error(emotion, f"expected a list of emoji as {key} of {emotion}, got {items!r}", key)
        for item in items:
            if not isinstance(item, str) or not is_emoji(item):
                raise self.error(
                    emotion,
                    f"{item!r} in {key} of {emotion} is no emoji (a sign such as ❤ needs U+FE0F after it)",
                    key,
                    item,
                )
        return _unique(items)

    def labels(self, emotion: str, values: Any) -> dict[str, str]:
        section = f"{emotion}.labels"
        if not isinstance(values, dict):
            raise self.error(emotion, f"expected texts by language in [{section}], got {values!r}", "labels")
        for language, label in values.items():
            if not isinstance(label, str):
                raise self.error(section, f"expected a text as {language} in [{section}], got {label!r}", language)
        return values

    def error(self, section: str | None, reason: str, key: str | None = None, item: object = None) -> SettingsError:
        """The error with the line of the section, of the key in it, or of the item in the key's list."""
        return SettingsError(f"{self.path}, line {self._line(section, key, item)}: {reason}")

    def _line(self, section: str | None, key: str | None, item: object) -> int:
        lines = [_COMMENT.sub(r"\1", line) for line in self.text.splitlines()]
        name = re.escape(section) if section else "(?!)"
        header = re.compile(rf"\s*(\[\s*)?[\"']?{name}[\"']?\s*[\].=]")
        at = next((i for i, line in enumerate(lines) if header.match(line)), 0)
        others = (i for i in range(at + 1, len(lines)) if _HEADER.match(lines[i]) and not header.match(lines[i]))
        end = next(others, len(lines))
        for pattern in _patterns(key, item):
            at = next((i for i in range(at, end) if re.search(pattern, lines[i])), at)
        return at + 1


def _patterns(key: str | None, item: object) -> list[str]:
    """What a key, and then an item of its list, look like in a line."""
    found = [] if key is None else [rf"(?:^|[{{,.])\s*[\"']?{re.escape(key)}[\"']?\s*[=.\]]"]
    text = re.escape(str(item))
    if item is not None:
        found.append(rf"[\"']{text}[\"']" if isinstance(item, str) else rf"(?<!\w){text}(?!\w)")
    return found
