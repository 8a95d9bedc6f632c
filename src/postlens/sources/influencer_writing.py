"""Records of accounts and posts to the two tables of the influencer layout, as `influencer_tables` reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from postlens.sources.influencer_tables import INFLUENCERS_HEADER, MAPPING_HEADER, Influencer, MappedPost


def influencers_lines(influencers: Iterable[Influencer]) -> Iterator[bytes]:
    """The lines of influencers.txt, header and rule first; numbers that are not known are empty cells."""
    header = "\t".join(INFLUENCERS_HEADER)
    yield f"{header}\n{'=' * len(header)}\n".encode()
    for influencer in influencers:
        counts = (influencer.followers, influencer.followees, influencer.posts)
        cells = [influencer.username, influencer.category or influencer.written]
        yield _line([*cells, *("" if count is None else str(count) for count in counts)])


def mapping_lines(posts: Iterable[MappedPost]) -> Iterator[bytes]:
    """The lines of the mapping, header first."""
    yield _line(MAPPING_HEADER)
    for post in posts:
        yield _line([post.username, post.metadata or "", f"[{', '.join(map(_quoted, post.images))}]"])


def _line(cells: Iterable[str]) -> bytes:
    return ("\t".join(cells) + "\n").encode("utf-8", "surrogateescape")


def _quoted(name: str) -> str:
    """The name as Python writes a text, but for characters that need no escape in a table."""
    escaped = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
