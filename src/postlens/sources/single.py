"""One image or video, by path or URL, to one post."""

from __future__ import annotations

from collections.abc import Iterator

from postlens.media.probe import display_name
from postlens.sources.protocol import Item, Source, SourceOptions, absolute
from postlens.types import UNKNOWN, MediaRef, SourcePost


def is_url(text: str) -> bool:
    """Whether a text is an http(s) address rather than a path."""
    return text.lower().startswith(("http://", "https://"))


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """The one post. Whether the file is an image or a video shows when it is decoded."""
    ref = MediaRef(url=spec) if is_url(spec) else MediaRef(path=absolute(spec))
    yield SourcePost(handle=options.creator or UNKNOWN, media=(ref,), origin=display_name(spec))


SOURCE = Source("single", "one image or video", lambda spec: True, read)
