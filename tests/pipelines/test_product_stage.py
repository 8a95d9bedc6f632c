"""A product model over pixels: a stage of its own that looks once, and whose readings are stored beside all else."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from PIL import Image

from postlens.config import Settings
from postlens.media.hashing import sha256_file
from postlens.pipelines.analyze import Request, Summary, analyze
from postlens.pipelines.folder import STORE_FILE
from postlens.pipelines.stages import all_stages
from postlens.store import Store
from postlens.store.readings import read_readings
from postlens.tasks.products.items import Label
from postlens.tasks.products.model import Reads, load_product_models, write_product_card
from postlens.types import WHOLE, Readings

from ..runs import write_colour_net
from .fakes import settings

LABELS = ("red", "green", "blue")


def write_pixel_run(folder: Path, *, reads: Reads = "image", order: str = "RGB") -> Path:
    """A run of two nets whose labels are the mean colours of what they look at."""
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        write_colour_net(folder, name, labels=LABELS, channel_order=order)
    labels = [Label(name, name, reads, 0.5, wearable=True, optional=False) for name in LABELS]
    write_product_card(folder, reads=reads, takes="pixels", nets=["one.toml", "two.toml"], labels=labels)
    return folder


@pytest.fixture
def posts(tmp_path, sample_campaign) -> Path:
    """A red picture without a face, and a portrait, of one creator."""
    folder = tmp_path / "posts" / "ada"
    folder.mkdir(parents=True)
    Image.new("RGB", (64, 48), (255, 0, 0)).save(folder / "red.png")
    shutil.copy(sample_campaign / "media" / "sample.portraits" / "flight-suit.jpg", folder / "portrait.jpg")
    return folder.parent


def look(posts: Path, out: Path, *runs: Path) -> Summary:
    found = analyze(Request((str(posts),), out), settings=own_settings(*runs))
    assert found.failures == ()
    return found


def own_settings(*runs: Path) -> Settings:
    return settings(product_models=runs)


def readings(posts: Path, out: Path, run: Path) -> dict[str, Readings]:
    """By the file's stem."""
    names = {sha256_file(path): path.stem for path in (posts / "ada").iterdir()}
    (model,) = load_product_models([run])
    with Store.open(str(out / STORE_FILE)) as store, store.read() as conn:
        return {names[sha256]: one for sha256, one in read_readings(conn, None, model.fingerprint).items()}


def test_a_model_of_images_reads_each_file_as_a_whole(posts, tmp_path):
    out, run = tmp_path / "out", write_pixel_run(tmp_path / "run")
    look(posts, out, run)
    found = readings(posts, out, run)
    assert {name: one.rows.tolist() for name, one in found.items()} == {"red": [WHOLE], "portrait": [WHOLE]}
    assert found["red"].probs[0] == pytest.approx((1, 0, 0), abs=0.01)


def test_a_model_of_faces_reads_the_head_of_each_face(posts, tmp_path):
    out, run = tmp_path / "out", write_pixel_run(tmp_path / "run", reads="face")
    look(posts, out, run)
    found = readings(posts, out, run)
    assert {name: one.rows.tolist() for name, one in found.items()} == {"portrait": [0]}
    assert ((found["portrait"].probs > 0.05) & (found["portrait"].probs < 0.95)).all()


def test_another_model_looks_at_media_again_for_itself_alone(posts, tmp_path):
    out, first = tmp_path / "out", write_pixel_run(tmp_path / "first")
    second = write_pixel_run(tmp_path / "second", order="BGR")
    look(posts, out, first)
    added = look(posts, out, first, second)
    ran = {part for part, seconds in added.stage_seconds.items() if seconds > 0.001} - {"decode"}
    (model,) = load_product_models([second])
    assert ran == {f"products:{model.fingerprint}"}
    assert look(posts, out, first).n_done == look(posts, out, second).n_done == 0
    assert readings(posts, out, first)["red"].probs[0] == pytest.approx((1, 0, 0), abs=0.01)
    assert readings(posts, out, second)["red"].probs[0] == pytest.approx((0, 0, 1), abs=0.01)


def test_the_same_model_named_twice_is_one_stage(tmp_path):
    models = load_product_models([write_pixel_run(tmp_path / "run")] * 2)
    names = [stage.name for stage in all_stages(product_models=models)]
    assert len(names) == len(set(names)) == len(all_stages()) + 1


def test_a_video_is_read_as_the_mean_of_its_frames(tmp_path, sample_campaign):
    folder, out = tmp_path / "posts" / "ada", tmp_path / "out"
    folder.mkdir(parents=True)
    shutil.copy(sample_campaign / "media" / "sample.portraits" / "glasses.mp4", folder)
    run = write_pixel_run(tmp_path / "run")
    look(folder.parent, out, run)
    (found,) = readings(folder.parent, out, run).values()
    assert found.rows.tolist() == [WHOLE]
    assert found.probs.shape == (1, 3)


def test_analysing_again_with_a_face_model_changes_nothing(posts, tmp_path):
    out, run = tmp_path / "out", write_pixel_run(tmp_path / "run", reads="face")
    look(posts, out)
    assert look(posts, out, run).n_done == 2
    assert look(posts, out, run).n_done == 0
