"""The addresses of a post on a big platform to the one by which the post is known.

Only forms that carry the post's id are read. Short links (vm.tiktok.com, fb.watch, instagram.com/share) would have to
be followed to know where they lead, so they stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qsl

Query = dict[str, str]


class _Form(NamedTuple):
    """One form of address: where it is met, and what it becomes."""

    hosts: frozenset[str]
    path: re.Pattern[str]
    make: Callable[[re.Match[str], Query], str | None]


_YOUTUBE: Final = frozenset(
    {"youtube.com", "www.youtube.com", "m.youtube.com", "music.youtube.com", "www.youtube-nocookie.com"}
)
_YOUTU_BE: Final = frozenset({"youtu.be", "www.youtu.be"})
_INSTAGRAM: Final = frozenset({"instagram.com", "www.instagram.com", "m.instagram.com", "instagr.am"})
_TIKTOK: Final = frozenset({"tiktok.com", "www.tiktok.com", "m.tiktok.com"})
_X: Final = frozenset(
    {"x.com", "www.x.com", "mobile.x.com", "twitter.com", "www.twitter.com", "m.twitter.com", "mobile.twitter.com"}
)
_FACEBOOK: Final = frozenset({"facebook.com", "www.facebook.com", "m.facebook.com", "web.facebook.com"})
_HOSTS: Final = _YOUTUBE | _YOUTU_BE | _INSTAGRAM | _TIKTOK | _X | _FACEBOOK

_YOUTUBE_ID: Final = re.compile(r"[\w-]{11}", re.ASCII)
_YOUTUBE_WORDS: Final = frozenset({"videoseries", "live_stream"})  # as long as an id: a list or a channel is embedded
_DIGITS: Final = re.compile(r"\d{5,25}", re.ASCII)


def post_address(host: str, path: str, query: str) -> str | None:
    """The address by which a platform's post is known; `None` where the parts name no post.

    Args:
        host, path, query: of a URL in normal form, the query without its question mark.
    """
    values = dict(reversed(parse_qsl(query)))  # of a name that is there twice the first counts
    for form in _FORMS:
        match = form.path.fullmatch(path) if host in form.hosts else None
        if match is not None:
            return form.make(match, values)
    return None


def is_platform_host(host: str) -> bool:
    """Whether the host is one of a platform whose posts are known here."""
    return host in _HOSTS


def is_post_page(url: str) -> bool:
    """Whether a URL in normal form is the page of a platform's post, which is never the media file itself."""
    host, _, rest = url.removeprefix("https://").removeprefix("http://").partition("/")
    path, _, query = rest.partition("?")
    return post_address(host, f"/{path}", query) is not None


def _youtube_watch(_: re.Match[str], query: Query) -> str | None:
    found = query.get("v", "")
    return f"https://www.youtube.com/watch?v={found}" if _YOUTUBE_ID.fullmatch(found) else None


def _youtube(match: re.Match[str], _: Query) -> str | None:
    return f"https://www.youtube.com/watch?v={match['id']}" if match["id"] not in _YOUTUBE_WORDS else None


def _instagram(match: re.Match[str], query: Query) -> str:
    """Posts, reels and long videos share their codes; `img_index` chooses a picture of several."""
    picture = query.get("img_index", "1")
    chosen = f"?img_index={picture}" if picture.isascii() and picture.isdigit() and int(picture[:9]) > 1 else ""
    return f"https://www.instagram.com/p/{match['id']}/{chosen}"


def _tiktok(match: re.Match[str], _: Query) -> str:
    return f"https://www.tiktok.com/@{match['user'].lower()}/{match['kind']}/{match['id']}"


def _x(match: re.Match[str], _: Query) -> str:
    """The name before `status` plays no part; `photo/2` or `video/2` chooses one of several."""
    chosen = f"/{match['kind']}/{match['number']}" if match["number"] not in (None, "1") else ""
    return f"https://x.com/i/status/{match['id']}{chosen}"


def _facebook_watch(_: re.Match[str], query: Query) -> str | None:
    found = query.get("v", "")
    return f"https://www.facebook.com/watch/?v={found}" if _DIGITS.fullmatch(found) else None


def _facebook(match: re.Match[str], _: Query) -> str:
    return f"https://www.facebook.com/watch/?v={match['id']}"


def _facebook_reel(match: re.Match[str], _: Query) -> str:
    return f"https://www.facebook.com/reel/{match['id']}"


def _form(hosts: frozenset[str], path: str, make: Callable[[re.Match[str], Query], str | None]) -> _Form:
    return _Form(hosts, re.compile(path, re.ASCII), make)


_FORMS: Final = (
    _form(_YOUTUBE, r"/watch/?", _youtube_watch),
    _form(_YOUTUBE, r"/(?:shorts|embed|live|v)/(?P<id>[\w-]{11})/?", _youtube),
    _form(_YOUTU_BE, r"/(?P<id>[\w-]{11})/?", _youtube),
    _form(_INSTAGRAM, r"(?!/share/)(?:/[\w.]+)?/(?:p|reel|reels|tv)/(?P<id>[\w-]{5,64})(?:/|/embed/?)?", _instagram),
    _form(_TIKTOK, r"/@(?P<user>[\w.]+)/(?P<kind>video|photo)/(?P<id>\d{5,25})/?", _tiktok),
    _form(
        _X,
        r"/(?:\w+|i/web)/status(?:es)?/(?P<id>\d{1,25})(?:/(?P<kind>photo|video)/(?P<number>[1-9]))?/?",
        _x,
    ),
    _form(_FACEBOOK, r"/(?:watch/?|video\.php)", _facebook_watch),
    _form(_FACEBOOK, r"(?!/share/)/[\w.]+/videos/(?:[^/]+/)?(?P<id>\d{5,25})/?", _facebook),
    _form(_FACEBOOK, r"/reel/(?P<id>\d{5,25})/?", _facebook_reel),
)
