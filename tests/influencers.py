"""A tiny dataset in the influencer layout, with drawn pictures that a tiny net can tell apart (about 0.2 s).

The layout is that of the Instagram Influencer Dataset (Kim et al. 2020) as it is published: the mapping names
`1188….info` and `['1188….jpg']`, and the files lie at `info/<username>-1188….info` and `image/<username>-1188….jpg`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from postlens.types import NICHES

INFLUENCERS, MAPPING = "influencers.txt", "JSON-Image_files_mapping.txt"
INFLUENCERS_HEAD = "Username\tCategory\t#Followers\t#Followees\t#Posts\n" + "=" * 48 + "\n"
MAPPING_HEAD = "influencer_name\tJSON_PostMetadata_file_name\tImage_file_name\n"
FIRST_ID = 1_188_140_434_601_337_000  # as long as Instagram's own
FIRST_SECOND = 1_500_000_000  # 2017-07-14
COLOURS = (
    (220, 40, 40),
    (40, 200, 60),
    (50, 70, 230),
    (230, 210, 40),
    (200, 50, 210),
    (40, 210, 220),
    (245, 140, 30),
    (120, 70, 30),
    (235, 235, 235),
)  # one per niche, in the order of NICHES


def draw(category: str, *, rng: np.random.Generator, size_px: int = 96) -> Image.Image:
    """A picture of a category: its own colour and shape at a random place, on a dark noisy ground."""
    number = NICHES.index(category) if category in NICHES else sum(category.encode())
    ground = rng.integers(0, 60, (size_px, size_px, 3), dtype=np.uint8)
    picture = Image.fromarray(ground)
    low, high = int(0.4 * size_px), int(0.7 * size_px)
    width, height = (int(n) for n in rng.integers(low, high, 2))
    left, top = int(rng.integers(0, size_px - width)), int(rng.integers(0, size_px - height))
    box, pen = (left, top, left + width, top + height), ImageDraw.Draw(picture)
    colour = COLOURS[number % len(COLOURS)]
    if number % 3 == 0:
        pen.ellipse(box, fill=colour)
    elif number % 3 == 1:
        pen.rectangle(box, fill=colour)
    else:
        pen.polygon([(left, box[3]), (box[2], box[3]), ((left + box[2]) // 2, top)], fill=colour)
    return picture


def media_json(post_id: int, *, username: str, likes: int, caption: str, taken_at_s: int) -> dict[str, Any]:
    """Metadata of a post in the form of Instagram's GraphQL media."""
    return {
        "__typename": "GraphImage",
        "id": str(post_id),
        "shortcode": f"B{post_id % 10**9:x}",
        "owner": {"username": username},
        "taken_at_timestamp": taken_at_s,
        "edge_media_to_caption": {"edges": [{"node": {"text": caption}}]},
        "edge_media_preview_like": {"count": likes},
        "edge_media_to_comment": {"count": likes // 20},
        "is_video": False,
    }


def write_influencers(
    folder: Path,
    *,
    n_per_category: int = 3,
    posts: int = 4,
    categories: Sequence[str] = NICHES,
    seed: int = 0,
    on_topic: float = 1.0,
    size_px: int = 96,
) -> Path:
    """Write the dataset and return its folder; every post has one JPEG and one metadata file.

    Usernames are `<category>_<number>`; post ids differ over all accounts and rise in the order of the mapping.

    Args:
        folder: created where it is missing.
        n_per_category: influencers of each category.
        posts: per influencer.
        categories: written into influencers.txt as they stand.
        on_topic: probability that a post shows its account's category rather than another one.
        size_px: side of the square pictures.
    """
    rng = np.random.default_rng(seed)
    for name in ("image", "info"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    accounts, rows, post_id = [], [], FIRST_ID
    for category in categories:
        for number in range(n_per_category):
            username, followers = f"{category}_{number}", int(10 ** rng.uniform(3, 6))
            accounts.append(f"{username}\t{category}\t{followers}\t{100 + number}\t{posts}\n")
            for _ in range(posts):
                post_id += 1
                topic = (
                    category if rng.random() < on_topic else str(rng.choice([c for c in categories if c != category]))
                )
                _write_post(
                    folder, post_id, username=username, topic=topic, followers=followers, rng=rng, size_px=size_px
                )
                rows.append(f"{username}\t{post_id}.info\t['{post_id}.jpg']\n")
    (folder / INFLUENCERS).write_text(INFLUENCERS_HEAD + "".join(accounts), encoding="utf-8")
    (folder / MAPPING).write_text(MAPPING_HEAD + "".join(rows), encoding="utf-8")
    return folder


def _write_post(
    folder: Path, post_id: int, *, username: str, topic: str, followers: int, rng: np.random.Generator, size_px: int
) -> None:
    draw(topic, rng=rng, size_px=size_px).save(folder / "image" / f"{username}-{post_id}.jpg", quality=90)
    likes = int(followers * rng.uniform(0.01, 0.1))
    taken_at_s = FIRST_SECOND + 86_400 * (post_id - FIRST_ID)
    media = media_json(post_id, username=username, likes=likes, caption=f"A {topic} post", taken_at_s=taken_at_s)
    (folder / "info" / f"{username}-{post_id}.info").write_text(json.dumps(media), encoding="utf-8")
