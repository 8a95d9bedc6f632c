"""One image or video, by path or URL, to one post."""

from __future__ import annotations

from collections.abc import Iterator

from postlens.errors import FetchError
from postlens.media.probe import display_name
from postlens.media.urls import normalise_url
from postlens.sources.protocol import Item, Source, SourceOptions, absolute
from postlens.types import UNKNOWN, MediaRef, SourcePost


def is_url(text: str) -> bool:
    """Whether a text is an http(s) address rather than a path."""
    return text.lower().startswith(("http://", "https://"))


def url_ref(text: str) -> MediaRef:
    """A reference to an address, known by its normal form; what is no address keeps its text and fails when fetched."""
    try:
        url = normalise_url(text)
    except FetchError:
        return MediaRef(url=text)
    return MediaRef(url=url, written=text if text != url else None)


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """The one post. Whether the file is an image or a video shows when it is decoded."""
    ref = url_ref(spec) if is_url(spec) else MediaRef(path=absolute(spec))
    yield SourcePost(handle=options.creator or UNKNOWN, media=(ref,), origin=display_name(spec))


SOURCE = Source("single", "one image or video", lambda spec: True, read)
