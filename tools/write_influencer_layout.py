"""Labelled photos to made-up accounts in the layout of the Instagram Influencer Dataset.

    .venv/bin/python tools/write_influencer_layout.py --data ../shared/data/niche --out /tmp/made-up    # 20 s

Reads what `postlens.train.labels` reads: a manifest.csv (file, label, source_group) or folders of labels. Writes
influencers.txt, JSON-Image_files_mapping.txt, image/ (links to the photos, or copies), info/ (metadata with made-up
likes and times), and beside them

- splits.csv (group, split): photo sources are divided into train, val and test before accounts are made up, so that
  accounts of two splits share neither photos nor sources;
- topics.csv (username, image, label, source_group): what each photo shows, to score attention weights by.

An account publishes photos of its niche from a few sources, and photos of other niches: in real accounts about one post
in five shows the account's category. Likes do not depend on the topic, so that they give nothing away.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from postlens.errors import NotEnoughDataError, UsageError
from postlens.sources.influencer_tables import FULL, Influencer, MappedPost
from postlens.sources.influencer_writing import influencers_lines, mapping_lines
from postlens.train.labels import LabelledImages, read_labelled_images, split_by_group
from postlens.types import NICHES

ROOT = Path(__file__).resolve().parents[1]
FIRST_ID = 2_100_000_000_000_000_000  # as long as Instagram's media ids, of which it is none
FIRST_SECOND = 1_546_300_800  # 2019-01-01
HOURS = (8, 40)  # between two posts of an account
FOLLOWERS = (3.0, 6.0)  # decimal logarithms: influencers of the dataset have 1,000 and more
LIKE_RATE, LIKE_SPREAD = 0.03, 0.5  # median likes per follower, and the standard deviation of their logarithm
WORDS = (
    "today",
    "morning",
    "weekend",
    "light",
    "again",
    "finally",
    "little",
    "moments",
    "favourite",
    "new",
    "with",
    "love",
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How the accounts are made up."""

    accounts: int = 12  # of each niche, over all splits
    posts: int = 60  # of each account
    on_topic: float = 0.2  # share of an account's posts that show its niche; real accounts: about one in five
    sources: int = 3  # at most so many photo sources for an account's own niche, more only where photos run out
    val: float = 0.15  # share of the photos, by whole sources, and of the accounts
    test: float = 0.15
    seed: int = 0


class Photo(NamedTuple):
    """A labelled photo."""

    path: str
    label: str
    source: str


@dataclass(slots=True)
class Account:
    """A made-up account and its photos, in the order of publication."""

    influencer: Influencer
    split: str
    photos: list[Photo] = field(default_factory=list)


def main() -> None:
    """Write the dataset and say what it holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--copy", action="store_true", help="copy the photos instead of linking to them")
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    words = vars(parser.parse_args())
    data, out, copy = (words.pop(name) for name in ("data", "out", "copy"))
    accounts = write_layout(data, out, Recipe(**words), copy=copy)
    n_posts = sum(len(account.photos) for account in accounts)
    print(f"{len(accounts)} accounts with {n_posts} posts in {out}")
    for account in accounts:
        if len(account.photos) < words["posts"]:
            print(f"short: {account.influencer.username} ({account.split}) has {len(account.photos)} posts")


def write_layout(data: Path, out: Path, recipe: Recipe, *, copy: bool = False) -> list[Account]:
    """Make up accounts of the labelled photos and write them into a folder outside this repository.

    Raises:
        UsageError: the folder lies in the repository, or holds something already.
        SourceError, SplitError: the photos cannot be read or divided, see `read_labelled_images`.
        NotEnoughDataError: a split has no photo of some niche, or no other photos to put beside them.
    """
    if out.resolve().is_relative_to(ROOT) or (out.exists() and any(out.iterdir())):
        raise UsageError(f"expected an empty folder outside {ROOT.name}/, got {out}; name another one")
    rng = np.random.default_rng(recipe.seed)
    images = read_labelled_images(data, classes=NICHES)
    accounts = [account for part in parts(images, recipe, rng=rng) for account in make_up(*part, recipe, rng=rng)]
    write_posts(accounts, out, copy=copy, rng=rng)
    write_csv(out / "splits.csv", ("group", "split"), [(one.influencer.username, one.split) for one in accounts])
    return accounts


# --- making up ------------------------------------------------------------------------------------------------------


def parts(
    images: LabelledImages, recipe: Recipe, *, rng: np.random.Generator
) -> Iterator[tuple[str, range, list[Photo]]]:
    """(split, numbers of its accounts in each niche, its photos): no photo source is in two splits."""
    photos = [Photo(*row) for row in zip(images.paths, labels_of(images), images.groups, strict=True)]
    split = split_by_group(images, val=recipe.val, test=recipe.test, rng=rng)
    start = 0
    for name, share in (("test", recipe.test), ("val", recipe.val), ("train", None)):
        end = recipe.accounts if share is None else start + (max(1, round(share * recipe.accounts)) if share else 0)
        if end > start:
            yield name, range(start, end), [photos[row] for row in split.parts[name]]
        start = end


def labels_of(images: LabelledImages) -> list[str]:
    """The labels as words."""
    return [images.classes[label] for label in images.labels]


def make_up(
    split: str, numbers: range, photos: Sequence[Photo], recipe: Recipe, *, rng: np.random.Generator
) -> Iterator[Account]:
    """The accounts of one split. One whose niche has too few photos gets fewer posts, with the same share on topic."""
    for niche in NICHES:
        own = [photo for photo in photos if photo.label == niche]
        others = [photo for photo in photos if photo.label != niche]
        if not own or not others:
            raise NotEnoughDataError(
                f"expected photos of {niche} and of others in {split}, got {len(own)}, {len(others)}"
            )
        for number in numbers:
            on_topic = own_photos(own, recipe, rng=rng)
            n_others = min(len(others), round(len(on_topic) * (1 / recipe.on_topic - 1)), recipe.posts - len(on_topic))
            off_topic = [others[i] for i in rng.choice(len(others), n_others, replace=False)]
            mixed = [*on_topic, *off_topic]
            followers = int(10 ** rng.uniform(*FOLLOWERS))
            influencer = Influencer(
                f"made_up_{niche}_{number:03d}", niche, followers, int(rng.integers(50, 3000)), len(mixed)
            )
            yield Account(influencer, split, [mixed[i] for i in rng.permutation(len(mixed))])


def own_photos(own: Sequence[Photo], recipe: Recipe, *, rng: np.random.Generator) -> list[Photo]:
    """Photos of the account's niche: of one to `sources` sources drawn at random, of more where those hold too few."""
    wanted, pool = max(1, round(recipe.on_topic * recipe.posts)), list[Photo]()
    sources, few = sorted({photo.source for photo in own}), int(rng.integers(1, recipe.sources + 1))
    for n_taken, i in enumerate(rng.permutation(len(sources))):
        if n_taken >= few and len(pool) >= wanted:
            break
        pool += [photo for photo in own if photo.source == sources[i]]
    return [pool[i] for i in rng.permutation(len(pool))[:wanted]]


# --- writing --------------------------------------------------------------------------------------------------------


def write_posts(accounts: Sequence[Account], out: Path, *, copy: bool, rng: np.random.Generator) -> None:
    """Tables, images and metadata of all accounts; posts are numbered through."""
    for name in ("image", "info"):
        (out / name).mkdir(parents=True, exist_ok=True)
    posts, topics, post_id = [], [], FIRST_ID
    for account in accounts:
        username, seconds = account.influencer.username, FIRST_SECOND
        for photo in account.photos:
            post_id, seconds = post_id + 1, seconds + int(rng.uniform(*HOURS) * 3600)
            name = f"{post_id}{Path(photo.path).suffix.lower()}"
            place_photo(photo.path, out / "image" / f"{username}-{name}", copy=copy)
            media = metadata(post_id, account.influencer, seconds, rng=rng)
            (out / "info" / f"{username}-{post_id}.info").write_text(json.dumps(media), encoding="utf-8")
            posts.append(MappedPost(username, f"{post_id}.info", (name,), len(posts) + 2))
            topics.append((username, name, photo.label, photo.source))
    (out / FULL[0]).write_bytes(b"".join(influencers_lines(account.influencer for account in accounts)))
    (out / FULL[1]).write_bytes(b"".join(mapping_lines(posts)))
    write_csv(out / "topics.csv", ("username", "image", "label", "source_group"), topics)


def place_photo(path: str, place: Path, *, copy: bool) -> None:
    if copy:
        shutil.copyfile(path, place)
    else:
        place.symlink_to(Path(path).resolve())


def metadata(
    post_id: int, influencer: Influencer, taken_at_s: int, *, rng: np.random.Generator
) -> Mapping[str, object]:
    """A post in the form of Instagram's GraphQL media, with likes by the account's followers."""
    likes = int((influencer.followers or 0) * LIKE_RATE * np.exp(rng.normal(0, LIKE_SPREAD)))
    caption = " ".join(rng.choice(WORDS, rng.integers(1, 12)))
    return {
        "__typename": "GraphImage",
        "id": str(post_id),
        "shortcode": f"made-up-{post_id - FIRST_ID}",
        "owner": {"username": influencer.username},
        "taken_at_timestamp": taken_at_s,
        "edge_media_to_caption": {"edges": [{"node": {"text": caption}}]},
        "edge_media_preview_like": {"count": likes},
        "edge_media_to_comment": {"count": int(likes * rng.uniform(0.005, 0.05))},
        "is_video": False,
    }


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table with Unix line ends."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([header, *rows])


if __name__ == "__main__":
    main()
