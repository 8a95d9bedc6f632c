"""Held-out creators to a sheet of samples: what was said of each, and the posts on which the answer rests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from postlens.errors import MediaError
from postlens.train.attention import AttentionNet
from postlens.train.bags import Bags, PostFeatures, pad
from postlens.train.creator_learner import WholeBags
from postlens.train.labels import LabelledImages
from postlens.train.outcome import SAMPLES_PICTURE, pick_samples
from postlens.train.pictures import ImageFiles
from postlens.train.plots import CREATOR_POSTS, CreatorSample, plot_creators
from postlens.train.report import Scored
from postlens.types import FloatArray, Image, IntArray

N_CREATORS = 12  # six rows of two: a sheet that fits a screen
TILE_PX = 224  # of a post's picture: more than its 1.25 inch show at 120 dpi
log = logging.getLogger("postlens.train")
Look = Callable[[int], Image | None]


# More arguments than elsewhere: what was answered, by which net, of whose posts; nothing bundles them.
def draw_samples(
    one: Scored,
    out: Path,
    *,
    net: AttentionNet,
    bags: Bags,
    posts: PostFeatures,
    most_posts: int,
    rng: np.random.Generator,
) -> None:
    """Draw up to N_CREATORS creators of a part into the folder; wrong answers first, the surest before others.

    The picture is not written where no image of the posts to show can be read, which is logged.

    Args:
        bags: the part's creators, in the order of the answers.
        most_posts: of a creator, as the answers were made.
    """
    if not any(posts.paths or ()):
        log.info("no %s: the features name no pictures", SAMPLES_PICTURE)
        return
    whole, look = WholeBags(bags, most=most_posts), reader(posts)
    samples = [_sample(one, at, whole[at, 0][0], net=net, posts=posts, look=look) for at in pick(one, rng=rng)]
    if not any(image is not None for sample in samples for image in sample.images):
        n = sum(len(sample.images) for sample in samples)
        log.info("no %s: none of the %d pictures to show can be read where the features name them", SAMPLES_PICTURE, n)
        return
    n_wrong = int((one.answers != one.truth).sum())
    words = f"{one.part}: {n_wrong} of {len(one.answers)} creators wrong; the heaviest posts and their weights"
    plot_creators(samples, out / SAMPLES_PICTURE, title=words)


def pick(one: Scored, *, rng: np.random.Generator, n: int = N_CREATORS) -> list[int]:
    """Positions of up to n answers: the surest wrong ones, then right ones of all labels.

    Each kind has half of the places, and what the other leaves.
    """
    found = pick_samples(one, rng=rng, n=n)
    n_wrong = int((one.answers != one.truth)[found].sum())
    wrong, right = found[:n_wrong], found[n_wrong:]
    wrong = wrong[: max(n // 2, n - len(right))]
    return wrong + right[: n - len(wrong)]


def reader(posts: PostFeatures) -> Look:
    """Row number to the centre square of the post's picture, decoded as for training; None where it cannot be read."""
    paths = posts.paths or ("",) * len(posts)
    files = ImageFiles(LabelledImages(paths, posts.labels, posts.creators, posts.classes), size_px=TILE_PX)

    def look(row: int) -> Image | None:
        try:
            return files.image(row) if paths[row] else None
        except MediaError:
            return None

    return look


def _sample(
    one: Scored, at: int, rows: IntArray, *, net: AttentionNet, posts: PostFeatures, look: Look
) -> CreatorSample:
    answer, weights = int(one.answers[at]), weights_of(net, posts, rows)
    heaviest = np.argsort(-weights, kind="stable")[:CREATOR_POSTS]
    return CreatorSample(
        images=tuple(look(int(rows[i])) for i in heaviest),
        weights=tuple(float(weights[i]) for i in heaviest),
        truth=posts.classes[int(one.truth[at])],
        answer=posts.classes[answer],
        prob=float(one.probs[at, answer]),
    )


def weights_of(net: AttentionNet, posts: PostFeatures, rows: IntArray) -> FloatArray:
    """(n,) weights of one creator's posts, which sum to 1. Leaves the net in eval mode."""
    padded, device = pad(posts, [rows]), next(net.parameters()).device
    arrays = (padded.features, padded.mask, padded.measures)
    bag = [None if values is None else torch.from_numpy(values).to(device) for values in arrays]
    with torch.inference_mode():
        found: FloatArray = net.eval()(*bag)[1][0].float().cpu().numpy()
    return found
