"""A folder that instaloader filled to posts.

    folder/anna/2023-01-05_12-00-00_UTC.jpg           the picture; of a video the cover, beside the .mp4
    folder/anna/2023-01-05_12-00-00_UTC_1.jpg, _2.jpg the pictures of a carousel
    folder/anna/2023-01-05_12-00-00_UTC.json.xz       metadata, or .json
    folder/anna/2023-01-05_12-00-00_UTC.txt           the caption
    folder/anna/anna_1234567.json.xz                  the profile, with its followers

The metadata holds the post as web pages carry it, in `node`, and often as the app does, in `iphone_struct`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from postlens.errors import MediaNotFoundError, SourceError
from postlens.media.probe import display_name
from postlens.sources.cell_numbers import parse_count
from postlens.sources.cells import parse_caption, without_halves
from postlens.sources.folder import empty
from postlens.sources.instagram_media import PostFacts, facts_of, load_object, media_of
from postlens.sources.instaloader_files import FolderFiles, PostFiles, is_made_by_instaloader, walk_folders
from postlens.sources.json_files import MAX_POST_BYTES, read_json_bytes
from postlens.sources.protocol import Item, Source, SourceOptions, absolute, clean_handle, failure
from postlens.types import UNKNOWN, Failure, MediaRef, SourcePost

PLATFORM: Final = "instagram"
_MAX_CAPTION_BYTES: Final = 1 << 20  # Instagram allows 2,200 characters
_PROFILE, _STORY_ITEM = "Profile", "StoryItem"
_ACCOUNT: Final = {  # what a profile says of the account, in both structures
    "followers": ("edge_followed_by", "follower_count"),
    "followees": ("edge_follow", "following_count"),
    "n_posts": ("edge_owner_to_timeline_media", "media_count"),
}


@dataclass(frozen=True, slots=True)
class Profile:
    """The account of a folder."""

    handle: str | None = None
    followers: float | None = None
    followees: float | None = None
    n_posts: float | None = None


def accepts(spec: str) -> bool:
    """Whether the path is a folder with instaloader's names in it, or in the folders in it."""
    return Path(spec).is_dir() and is_made_by_instaloader(spec)


def read(spec: str, options: SourceOptions) -> Iterator[Item]:
    """A post for each stem with media, by folder and name; posts of a carousel have all pictures in order.

    The creator is the owner that the metadata names, else `options.creator`, else the profile of the folder, else the
    folder's name. Where metadata is missing or broken the caption's file and the time in the name are used, and that is
    a failure (one for a folder without any). Stories gather no likes and are left out, which is a failure for the
    folder; pictures of profiles, covers and files for going on with a download are no posts. Media of other names is
    kept without anything known.
    """
    n_posts = 0
    for folder in walk_folders(absolute(spec)):
        if isinstance(folder, tuple):
            name, error = display_name(folder[0]), folder[1]
            yield failure(name, SourceError(f"{name}: cannot be read ({error.strerror}); check its permissions"))
            continue
        for item in _folder(folder, options):
            n_posts += isinstance(item, SourcePost)
            yield item
    if n_posts == 0:
        yield empty(spec)


def _folder(folder: FolderFiles, options: SourceOptions) -> Iterator[Item]:
    profile, problems = _profile(folder)
    yield from problems
    has_metadata = any(post.metadata for post in (*folder.posts, *folder.others))
    if folder.posts and not has_metadata:
        text = "expected metadata (.json.xz or .json) beside the media, got none; counts stay unknown"
        yield failure(display_name(folder.path), SourceError(f"{display_name(folder.path)}: {text}"))
    fallback = options.creator or profile.handle or clean_handle(display_name(Path(folder.path).name)) or UNKNOWN
    n_stories = 0
    for post in folder.posts:
        facts, kind, problems = _facts(post, told=not has_metadata)
        if post.is_story or kind == _STORY_ITEM:
            n_stories += 1
            continue
        yield _post(post, facts, profile, fallback)
        yield from problems
    if n_stories:
        name = display_name(folder.path)
        text = f"{n_stories} stories are left out: they gather no likes; name the files on their own to look at them"
        yield failure(name, SourceError(f"{name}: {text}"))
    for path in folder.unknown:
        yield SourcePost(handle=fallback, media=(MediaRef(path=path),), platform=PLATFORM, origin=display_name(path))


def _post(files: PostFiles, facts: PostFacts, profile: Profile, fallback: str) -> SourcePost:
    handle = clean_handle(facts.owner or "") or fallback
    own = handle == (profile.handle or handle)  # figures of the folder's account are not those of another
    return SourcePost(
        handle=handle,
        media=tuple(MediaRef(path=path) for path in files.media),
        platform=PLATFORM,
        post_key=facts.media_id,
        caption=facts.caption,
        published_at=facts.published_at,
        metrics=facts.metrics,
        followers=profile.followers if own else None,
        followees=profile.followees if own else None,
        n_posts=profile.n_posts if own else None,
        alt_text=facts.alt_text,
        n_tagged=facts.n_tagged,
        has_location=facts.has_location,
        origin=display_name(files.metadata or files.media[0]),
    )


# --- metadata -------------------------------------------------------------------------------------------------------


def _facts(files: PostFiles, *, told: bool) -> tuple[PostFacts, str | None, list[Failure]]:
    """What is known of a post, what kind of thing its metadata is about, and what cannot be read.

    `told`: that the folder has no metadata was said.
    """
    name, kind, problems = display_name(files.metadata or files.media[0]), None, []
    facts = PostFacts()
    if files.metadata is not None:
        try:
            document = _load(files.metadata)
            facts, kind = both_structures(document), _node_type(document)
            problems = list(facts.problems)
        except (SourceError, ValueError) as error:
            problems.append(f"{str(error).removeprefix(f'{name}: ')} (the post is kept with its caption file and name)")
    elif not told:
        problems.append("expected metadata (.json.xz or .json) beside it, got none; counts stay unknown")
    caption = facts.caption if facts.caption is not None else _caption(files.caption, problems)
    facts = replace(facts, caption=caption, published_at=facts.published_at or files.published_at)
    return facts, kind, [failure(name, SourceError(f"{name}: {display_name(text)}")) for text in problems]


def _load(path: str) -> dict[str, Any]:
    return load_object(read_json_bytes(Path(path), max_bytes=MAX_POST_BYTES))


def _node_type(document: Mapping[str, Any]) -> str | None:
    about = document.get("instaloader")
    return about.get("node_type") if isinstance(about, dict) else None


def both_structures(document: Mapping[str, Any]) -> PostFacts:
    """The facts of a post's metadata: those of the web page's structure, filled up with those of the app's.

    Likes that the page does not show (-1) stay hidden, whatever the app's structure counts.
    """
    node = media_of(document)
    facts = facts_of(node)
    inner = node.get("iphone_struct")
    if not isinstance(inner, dict):
        return facts
    more = facts_of(inner)
    metrics = {**more.metrics, **facts.metrics}
    if "likes" not in facts.metrics and _has_likes(node):
        metrics.pop("likes", None)
    if "likes" not in more.metrics and _has_likes(inner):
        metrics.pop("likes", None)
    names = ("caption", "published_at", "alt_text", "n_tagged", "has_location", "owner", "media_id")
    filled = {name: value for name in names if (value := getattr(facts, name)) is None}
    filled = {name: getattr(more, name) for name in filled}
    return replace(facts, metrics=metrics, problems=(*facts.problems, *more.problems), **filled)


def _has_likes(media: Mapping[str, Any]) -> bool:
    return any(name in media for name in ("edge_media_preview_like", "edge_liked_by", "like_count"))


def _caption(path: str | None, problems: list[str]) -> str | None:
    """The text of a caption's file, or None."""
    if path is None or not Path(path).is_file():
        return None
    try:
        with Path(path).open("rb") as file:
            return parse_caption(without_halves(file.read(_MAX_CAPTION_BYTES).decode("utf-8-sig", "replace")))
    except OSError as error:
        problems.append(f"the caption {Path(path).name} cannot be read ({error.strerror}); check its permissions")
        return None


# --- the account ----------------------------------------------------------------------------------------------------


def _profile(folder: FolderFiles) -> tuple[Profile, list[Failure]]:
    """The account by the folder's profile metadata; metadata of posts without media is told."""
    profile, failures = Profile(), []
    for files in folder.others:
        if files.metadata is None:
            continue  # a text without media: notes
        name = display_name(files.metadata)
        try:
            document = _load(files.metadata)
            kind = _node_type(document)
            if kind == _PROFILE or (kind is None and "username" in media_of(document)):
                profile = _account(media_of(document))
            elif files.published_at is not None and kind in (None, "Post"):
                failures.append(_without_media(name))
        except (SourceError, ValueError) as error:
            text = f"{str(error).removeprefix(f'{name}: ')} (it has no media beside it)"
            failures.append(failure(name, SourceError(f"{name}: {display_name(text)}")))
    return profile, failures


def _without_media(name: str) -> Failure:
    text = "expected a picture or video beside the metadata, got none; the post is left out, download it again"
    return failure(name, MediaNotFoundError(f"{name}: {text}"))


def _account(node: Mapping[str, Any]) -> Profile:
    """What the profile says; figures that cannot be read are left out."""
    inner = node.get("iphone_struct")
    places = (node, inner if isinstance(inner, dict) else {})
    figures = {name: _figure(places, *keys) for name, keys in _ACCOUNT.items()}
    handle = node.get("username")
    return Profile(clean_handle(display_name(str(handle))) if handle else None, **figures)


def _figure(places: tuple[Mapping[str, Any], ...], edge: str, plain: str) -> float | None:
    for place in places:
        for cell in (place.get(edge), place.get(plain)):
            try:
                count = parse_count(cell.get("count") if isinstance(cell, dict) else cell, whole=True)
            except ValueError:
                continue
            if count is not None:
                return count
    return None


SOURCE = Source("instaloader", "a folder that instaloader filled", accepts, read)
