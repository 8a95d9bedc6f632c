"""Places on the server to what a page calls them: names of files, never their folders."""

from __future__ import annotations

import re
from pathlib import PurePath
from urllib.parse import quote, urlsplit

from postlens.media.probe import display_name
from postlens.types import Failure

# An absolute path in a sentence, up to its last separator: its folders are cut, its last name stays.
_FOLDERS = re.compile(r"(?<![\w:/.])(?:[A-Za-z]:[\\/]|/)(?:[^/\\\n'\":,;]+[/\\])+")

_PARTS = re.compile(r"(; |: (?=`)|, or )")  # what joins the parts of a sentence of an error
_COMMANDS = re.compile(r"`(?:postlens|people|catalog|clean)\b[^`]*`|(?<![\w-])--[a-z]")


def file_name(place: str) -> str:
    """The last name of a path, or of an address without what follows `?`."""
    name = PurePath(urlsplit(place).path).name if "://" in place else PurePath(place).name
    return display_name(name or place)


def without_folders(text: str, *, place: str = "") -> str:
    """A sentence in which paths of the server have lost their folders; `place` is one that it may name."""
    folder = str(PurePath(place).parent)
    if PurePath(place).is_absolute() and folder != "/":
        text = text.replace(f"{folder}/", "")
    return display_name(_FOLDERS.sub("", text))


def failed_file(failure: Failure) -> str:
    """What failed, as the user knows it: `posts.csv, row 3`."""
    subject = failure.subject
    return file_name(subject) if "://" in subject or "/" not in subject else without_folders(subject, place=subject)


def failed_why(failure: Failure) -> str:
    """What happened, without the server's folders."""
    return without_folders(failure.message, place=failure.subject)


def for_pages(text: str) -> str:
    """A sentence without the parts that speak to the command line; who reads pages has none."""
    parts = _PARTS.split(text)  # parts with what stands before each
    kept = [
        (sign, part) for sign, part in zip(["", *parts[1::2]], parts[::2], strict=True) if not _COMMANDS.search(part)
    ]
    return "".join(sign + part for sign, part in kept).removeprefix("; ") or text


def path_part(value: str) -> str:
    """An id as one part of an address."""
    return quote(value.encode("utf-8", "replace"), safe=":@")
