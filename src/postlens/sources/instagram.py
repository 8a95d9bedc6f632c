"""The Instagram Influencer Dataset's layout, whole or a subset of it, to posts with their category as label.

    folder/influencers.txt                     or smallInfluencers.txt: username, category, followers, followees, posts
    folder/JSON-Image_files_mapping.txt        or smallMappings.txt: username, metadata file, ['image files']
    folder/image/<username>-<image file>       or image/<image file>, or image/<username>/<image file>
    folder/info/<username>-<metadata file>     or in json/, or beside

Ten million posts are read in the memory of the accounts, some 20 MB (benchmarks/influencer_rows.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from postlens.errors import EmptySourceError, MediaNotFoundError, SourceError
from postlens.media.probe import StrPath, display_name
from postlens.sources.influencer_files import DatasetFiles, post_key
from postlens.sources.influencer_tables import (
    Influencer,
    MappedPost,
    Tables,
    find_tables,
    influencers_of,
    mapping_rows,
    parse_post,
    read_influencers,
    read_mapping,
    row_failure,
    stranger,
)
from postlens.sources.instagram_media import PostFacts, parse_media
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, failure
from postlens.types import Failure, MediaRef, SourcePost

__all__ = ["SOURCE", "Influencer", "LocatedPost", "MappedPost", "located_posts", "read_influencers", "read_mapping"]

PLATFORM: Final = "instagram"


@dataclass(frozen=True, slots=True)
class LocatedPost:
    """A post whose account is known and of which at least one image is there."""

    influencer: Influencer
    post: MappedPost
    images: tuple[str, ...]  # absolute paths of those that are there, in the order of the post
    missing: tuple[str, ...]  # names of those that are not


def accepts(spec: str) -> bool:
    """Whether the path is a folder with both tables, or one of the influencers tables beside its mapping."""
    try:
        find_tables(spec)
    except SourceError:
        return False
    return True


def located_posts(folder: StrPath) -> Iterator[LocatedPost | Failure]:
    """The posts of a dataset with their accounts and image files, in the order of the mapping, metadata unread.

    Memory grows with the accounts, not with the posts. Failures are: what `read_influencers` and `read_mapping` find;
    posts of an account that influencers.txt does not name, one for the account; missing images, one for the post. A
    post whose images are all missing is a failure only. Of an account with an unknown category the posts are kept.

    Args:
        folder: the dataset's folder, or one of its two influencers tables to say which pair is meant.

    Raises:
        TableError: no such tables in the folder.
        SourceNotFoundError: a table cannot be opened.
    """
    tables = find_tables(absolute(str(folder)))
    accounts: dict[str, Influencer] = {}
    for item in influencers_of(tables):
        if isinstance(item, Failure):
            yield item
        else:
            accounts[item.username.casefold()] = item
    files = DatasetFiles.of(tables.folder)
    if not files.images:
        yield failure(
            display_name(tables.folder),
            SourceError(f"{display_name(tables.folder)}: expected a folder image/, got none; unpack the images there"),
        )
        return
    yield from _located(tables, accounts, files)


def _located(
    tables: Tables, accounts: Mapping[str, Influencer], files: DatasetFiles
) -> Iterator[LocatedPost | Failure]:
    strangers: set[str] = set()
    for row in mapping_rows(tables):
        if isinstance(row, Failure):
            yield row
            continue
        key = row.username.casefold()
        if key not in accounts:
            if key not in strangers:
                strangers.add(key)
                yield stranger(tables, row.username, row.row)
            continue
        try:
            post = parse_post(row)
        except ValueError as error:
            yield row_failure(tables.mapping, row.row, str(error))
            continue
        yield from _with_files(tables, accounts[key], post, files)


def _with_files(
    tables: Tables, influencer: Influencer, post: MappedPost, files: DatasetFiles
) -> Iterator[LocatedPost | Failure]:
    found = [(name, files.image(post, name)) for name in post.images]
    missing = tuple(name for name, path in found if path is None)
    if missing:
        folder = "the post is left out" if len(missing) == len(found) else "the post is kept with the others"
        text = (
            f"expected {files.images[0].name}/{post.username}-{missing[0]} or {files.images[0].name}/{missing[0]}, "
            f"got neither ({len(missing)} of {len(found)} images missing); copy the files there ({folder})"
        )
        yield row_failure(tables.mapping, post.row, text, error=MediaNotFoundError)
    if len(missing) < len(found):
        yield LocatedPost(influencer, post, tuple(str(path) for _, path in found if path is not None), missing)


# --- the source -----------------------------------------------------------------------------------------------------


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """A post for each row of the mapping with an image that is there; rows of one metadata file are the same post.

    Captions, times, likes, comments and views come from the metadata files, followers from the account. A missing or
    unreadable metadata file is a failure and costs the post only these; where there is neither info/ nor json/ and
    nothing beside, that is one failure for the dataset. When the counts were read is not known (`observed_at`).
    """
    n_posts = 0
    try:
        tables = find_tables(absolute(spec))
        reader = _MetadataReader(tables)
        for item in located_posts(tables.influencers):
            if isinstance(item, Failure):
                yield item
                continue
            n_posts += 1
            facts, failures = reader.read(item.post)
            yield _post(item, facts, tables)
            yield from failures
    except SourceError as error:
        yield failure(display_name(spec), error)
        return
    if n_posts == 0:
        name = display_name(spec)
        yield failure(
            name,
            EmptySourceError(f"{name}: expected posts with images in image/, got none; look at the other failures"),
        )


def _post(located: LocatedPost, facts: PostFacts, tables: Tables) -> SourcePost:
    return SourcePost(
        handle=display_name(located.influencer.username),
        media=tuple(MediaRef(path=path) for path in located.images),
        platform=PLATFORM,
        post_key=None if (key := post_key(located.post)) is None else display_name(key),
        caption=facts.caption,
        published_at=facts.published_at,
        metrics=facts.metrics,
        followers=_number(located.influencer.followers),
        followees=_number(located.influencer.followees),
        n_posts=_number(located.influencer.posts),
        alt_text=facts.alt_text,
        n_tagged=facts.n_tagged,
        has_location=facts.has_location,
        label=located.influencer.category,
        origin=f"{display_name(tables.mapping)}, row {located.post.row}",
    )


def _number(count: int | None) -> float | None:
    return None if count is None else float(count)


class _MetadataReader:
    """Reads metadata files; remembers whether their absence was told."""

    def __init__(self, tables: Tables) -> None:
        self._tables, self._files = tables, DatasetFiles.of(tables.folder)
        self._told = False

    def read(self, post: MappedPost) -> tuple[PostFacts, list[Failure]]:
        """What the metadata file says, and what is wrong with it."""
        path = self._files.metadata_of(post)
        if path is None:
            return PostFacts(), self._absent(post)
        try:
            facts = parse_media(path.read_bytes())
        except (ValueError, OSError) as error:
            problems = [f"cannot be read ({error}); write it anew (the post is kept without caption, time and counts)"]
            facts = PostFacts()
        else:
            problems = list(facts.problems)
        name = display_name(path)
        return facts, [failure(name, SourceError(f"{name}: {display_name(text)}")) for text in problems]

    def _absent(self, post: MappedPost) -> list[Failure]:
        """One failure for the post, or for the dataset where there is no folder of metadata."""
        if self._files.has_metadata_folder:
            got = "an empty cell" if post.metadata is None else f"no file {post.metadata}"
            text = f"expected a metadata file of {post.username} in {self._files.metadata[0].name}/, got {got}"
            return [row_failure(self._tables.mapping, post.row, f"{text}; the post is kept without it")]
        if self._told:
            return []
        self._told = True
        name = display_name(self._tables.folder)
        text = "expected metadata files in info/ or json/, got no such folder; unpack them there"
        return [failure(name, SourceError(f"{name}: {text} (posts are kept without captions, times and counts)"))]


SOURCE = Source("instagram", "the Instagram Influencer Dataset, or a subset that `postlens sample` drew", accepts, read)
