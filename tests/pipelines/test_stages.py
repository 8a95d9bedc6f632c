"""What holds for every registered stage, and what they bring out together."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from postlens.media.hashing import sha256_file
from postlens.pipelines.process import Processor
from postlens.pipelines.run import Runner
from postlens.pipelines.stage import MediaBatch
from postlens.pipelines.stages import FACE_PX, all_stages, best_rows
from postlens.store import Store
from postlens.store.dump import dump
from postlens.store.features import read_features
from postlens.types import ATTRIBUTES, EMOTIONS, Faces, MediaFeatures
from postlens.vision.encoder import ENCODER
from postlens.vision.search import join_faces
from postlens.vision.zoo import load_spec

from ..test_types import faces
from .fakes import NOW, picture, settings

STAGES = all_stages()
ENCODER_FINGERPRINT = load_spec(ENCODER).fingerprint
every_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


class Newer:
    """A stage whose version was raised without a change of what it brings out."""

    def __init__(self, stage) -> None:
        self.name, self.needs, self.fingerprint = stage.name, stage.needs, stage.fingerprint
        self.version = stage.version + "-new"
        self._stage = stage

    def setup(self) -> None:
        self._stage.setup()

    def __call__(self, batch: MediaBatch) -> MediaBatch:
        return self._stage(batch)


@pytest.fixture(scope="module")
def paths(sample_campaign, tmp_path_factory) -> dict[str, str]:
    """A picture without a face, a portrait, and a video of a portrait."""
    root, media = tmp_path_factory.mktemp("stages"), sample_campaign / "media" / "sample.portraits"
    found = [picture(root / "plain.png", seed=1), media / "flight-suit.jpg", media / "glasses.mp4"]
    return {sha256_file(path): str(path) for path in found}


def process(location: Path, stages, paths: dict[str, str]) -> None:
    with Store.open(location) as store, Runner(stages, settings()) as runner:
        result = Processor(store, runner, encoder=ENCODER_FINGERPRINT).run(paths, now=NOW)
    assert result.failures == []


@pytest.fixture(scope="module")
def filled(paths, tmp_path_factory) -> Path:
    """A store with all facts of them."""
    location = tmp_path_factory.mktemp("store") / "postlens.db"
    process(location, STAGES, paths)
    return location


@pytest.fixture(scope="module")
def found(filled, paths) -> dict[str, MediaFeatures]:
    """Their features by file name."""
    with Store.open(filled, read_only=True) as store, store.read() as conn:
        features = read_features(conn, list(paths), fingerprint=ENCODER_FINGERPRINT)
    return {Path(paths[sha256]).name: one for sha256, one in features.items()}


def test_names_are_unique():
    assert len({stage.name for stage in STAGES}) == len(STAGES)


@every_stage
def test_a_stage_says_name_version_and_fingerprint(stage):
    assert all(isinstance(value, str) and value for value in (stage.name, stage.version, stage.fingerprint))
    assert type(stage).__doc__


@every_stage
def test_a_stage_needs_only_what_comes_before_it(stage):
    before = [one.name for one in STAGES[: STAGES.index(stage)]]
    assert set(stage.needs) <= set(before)


def test_making_the_stages_again_gives_the_same_keys():
    keys = [(stage.name, stage.version, stage.fingerprint) for stage in STAGES]
    assert keys == [(stage.name, stage.version, stage.fingerprint) for stage in all_stages()]


@every_stage
def test_redoing_one_stage_from_stored_facts_brings_the_same_facts(stage, filled, paths, tmp_path):
    shutil.copy(filled, tmp_path / "postlens.db")
    process(tmp_path / "postlens.db", tuple(Newer(one) if one is stage else one for one in STAGES), paths)
    assert facts(tmp_path / "postlens.db") == facts(filled)


def facts(location: Path) -> dict[str, list[object]]:
    with Store.open(location, read_only=True) as store, store.read() as conn:
        return {name: rows for name, rows in dump(conn).items() if name != "ledger"}


def test_every_file_has_embeddings_hashes_measures_and_a_thumbnail(found):
    for features in found.values():
        n_frames = len(features.pts_s)
        assert features.embeddings.vectors.shape == (n_frames, 1280)
        assert len(features.hashes) == n_frames
        assert features.measures
        assert features.thumbnail.startswith(b"\xff\xd8")
    assert len(found["glasses.mp4"].pts_s) > 1


def test_faces_have_all_their_columns(found):
    for name in ("flight-suit.jpg", "glasses.mp4"):
        own = found[name].faces
        assert own.template.shape[0] == own.track_id.shape[0] == len(own) > 0
        assert own.expression.shape == (len(own), len(EMOTIONS))
        assert own.attributes.shape == (len(own), len(ATTRIBUTES))
        assert np.allclose(own.expression.sum(axis=1), 1, atol=1e-3)
        assert ((own.attributes >= 0) & (own.attributes <= 1)).all()


def test_boxes_lie_in_the_original_picture(found):
    media, own = found["flight-suit.jpg"].media, found["flight-suit.jpg"].faces
    centres = (own.xyxy_px[:, :2] + own.xyxy_px[:, 2:]) / 2
    assert ((centres > 0) & (centres < [media.width_px, media.height_px])).all()


def test_a_picture_without_a_face_has_none(found):
    assert found["plain.png"].faces is None
    assert found["plain.png"].tracks is None


def test_one_face_followed_through_a_video_is_one_track_with_one_thumbnail(found):
    own = found["glasses.mp4"]
    assert len(own.tracks) == len(set(own.faces.track_id.tolist()))
    assert len(own.tracks) < len(own.faces)
    assert sum(bool(jpeg) for jpeg in own.faces.thumbnails) == len(own.tracks)


def test_thumbnails_of_faces_are_small_squares(found):
    (jpeg,) = [jpeg for jpeg in found["flight-suit.jpg"].faces.thumbnails if jpeg]
    with PillowImage.open(io.BytesIO(jpeg)) as image:
        assert image.size == (FACE_PX, FACE_PX)


def test_attributes_hold_for_all_faces_of_a_track(found):
    own = found["glasses.mp4"].faces
    for track in set(own.track_id.tolist()):
        rows = own.attributes[own.track_id == track]
        assert (rows == rows[0]).all()


def test_joining_no_faces_gives_none():
    assert len(join_faces([])) == len(join_faces([Faces.none(), Faces.none()])) == 0


def test_joined_faces_keep_their_order_and_columns():
    joined = join_faces([faces(2), Faces.none(), faces(3)])
    assert len(joined) == 5
    assert np.array_equal(joined.xyxy_px[2:], faces(3).xyxy_px)
    assert joined.attributes.shape == (5, 6)


@pytest.mark.parametrize("order", [1, -1])
def test_a_column_that_some_faces_lack_is_left_out(order):
    """A stage may have failed for one of a post's files."""
    parts = [faces(2), replace(faces(1), expression=None)][::order]
    joined = join_faces(parts)
    assert (len(joined), joined.expression) == (3, None)
    assert joined.attributes.shape == (3, 6)


def test_the_best_face_of_a_track_is_the_one_of_highest_quality():
    own = replace(faces(4), track_id=np.array([0, 1, 0, 1]), quality=np.array([0.1, 0.9, 0.5, 0.9], np.float32))
    assert best_rows(own) == {1: 1, 0: 2}
