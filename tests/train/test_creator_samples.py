"""The sheet of sample creators: whom it shows, which posts of theirs, and what becomes of pictures that are gone."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from postlens.train.bags import bags_by_creator
from postlens.train.creator import make_net
from postlens.train.creator_samples import TILE_PX, draw_samples, pick, reader, weights_of
from postlens.train.report import Scored

from ..influencers import write_influencers
from .creators import LABELS, drawn_posts, tiny_recipe

N_POSTS = 6


def answered(truth, answers, probs=None):
    """A part's answers, each with probability .8 unless given."""
    truth, answers = np.asarray(truth), np.asarray(answers)
    found = np.full((len(truth), len(LABELS)), 0.1)
    found[np.arange(len(truth)), answers] = 0.8 if probs is None else probs
    return Scored("test", np.arange(len(truth)), truth, found, answers, {})


@pytest.fixture
def posts(tmp_path):
    """Two creators of each label, whose posts have drawn pictures."""
    folder = write_influencers(tmp_path / "data", n_per_category=2, posts=N_POSTS, categories=LABELS)
    found = drawn_posts(n_creators=2, n_posts=N_POSTS)
    return replace(found, paths=tuple(str(path) for path in sorted((folder / "image").iterdir())))


def draw(posts, out, *, answers=(0, 1, 1, 1, 2, 0)):
    net, bags = make_net(posts, tiny_recipe()), bags_by_creator(posts)
    one = answered(bags.labels, answers)
    draw_samples(one, out, net=net, bags=bags, posts=posts, most_posts=4, rng=np.random.default_rng(0))
    return out / "prediction_samples.png"


def test_creators_are_drawn_with_their_posts(posts, tmp_path):
    with Image.open(draw(posts, tmp_path)) as sheet:
        assert sheet.format == "PNG"
        assert min(sheet.size) > 400
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 1000


def test_some_pictures_that_are_gone_leave_the_sheet(posts, tmp_path):
    for path in posts.paths[1:]:
        Path(path).unlink()
    assert reader(posts)(0).shape == (TILE_PX, TILE_PX, 3)
    assert reader(posts)(1) is None
    every = replace(posts, paths=(posts.paths[0],) * 12 + ("",) * 24)
    assert draw(every, tmp_path).is_file()


@pytest.mark.parametrize(
    ("paths", "told"),
    [(None, "the features name no pictures"), (("",) * 36, "name no pictures"), (("gone.jpg",) * 36, "none of the 24")],
)
def test_without_any_picture_no_sheet_is_written_and_the_log_tells(posts, tmp_path, caplog, paths, told):
    caplog.set_level(logging.INFO, logger="postlens.train")
    assert not draw(replace(posts, paths=paths), tmp_path).exists()
    assert told in caplog.text


def test_the_weights_of_a_creators_posts_are_those_of_the_answer(posts):
    net = make_net(posts, tiny_recipe())
    weights = weights_of(net, posts, np.arange(5))
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(weights_of(net, posts, np.arange(5)[::-1].copy()), weights[::-1], rtol=1e-4)


@pytest.mark.parametrize(("n_right", "n_wrong", "shown"), [(20, 0, 0), (20, 3, 3), (20, 30, 6), (2, 30, 10), (0, 4, 4)])
def test_the_surest_wrong_answers_come_first_and_right_ones_have_half_of_the_places(n_right, n_wrong, shown):
    truth = np.arange(n_right + n_wrong) % 3
    answers = np.where(np.arange(len(truth)) < n_right, truth, (truth + 1) % 3)
    probs = np.linspace(0.5, 0.9, len(truth))
    chosen = pick(answered(truth, answers, probs), rng=np.random.default_rng(0))
    assert chosen[:shown] == list(range(len(truth) - 1, len(truth) - 1 - shown, -1))
    assert all(at < n_right for at in chosen[shown:])
    assert len(chosen) == min(12, len(truth))
