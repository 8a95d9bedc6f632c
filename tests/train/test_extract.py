"""Images to a file of vectors: every layout, both forms, what the encoder says, and what could not be read."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from postlens.cli.app import run as postlens
from postlens.config import Settings
from postlens.errors import SettingsError, SourceNotFoundError, TableError, UsageError
from postlens.tasks.niche.model import load_niche_model
from postlens.train.cache import build_cache
from postlens.train.extract import Extracted, extract
from postlens.train.feature_file import ImageFeatures, read_features
from postlens.train.labels import read_labelled_images
from postlens.vision.encoder import ENCODER, Encoder
from postlens.vision.zoo import load_spec

from ..influencers import write_influencers
from ..runs import SIZE_PX, write_run

SETTINGS = Settings(workers=2)
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "grey": (51, 51, 51)}


@pytest.fixture
def photos(tmp_path) -> Path:
    """Three photos by two creators, and a file that is no image."""
    folder = tmp_path / "photos"
    for creator, name in (("ada", "red"), ("ada", "blue"), ("bob", "grey")):
        (folder / creator).mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30), COLOURS[name]).save(folder / creator / f"{name}.png")
    (folder / "bob" / "torn.jpg").write_bytes(b"\xff\xd8\xff no photo")
    return folder


def run_on(source: Path, out: Path, **options: object) -> tuple[Extracted, ImageFeatures]:
    found = extract(str(source), out, settings=SETTINGS, **options)
    return found, read_features(str(out))


def by_name(rows: ImageFeatures) -> dict[str, int]:
    return {Path(path).stem: i for i, path in enumerate(rows.paths)}


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_vectors_creators_and_failures_of_a_folder(suffix, photos, tmp_path):
    run = write_run(tmp_path / "run")
    found, rows = run_on(photos, tmp_path / f"features{suffix}", run=run)
    at = by_name(rows)
    assert (found.n, found.dim, len(rows)) == (3, 3, 3)
    assert rows.fingerprint == load_niche_model(run).encoder.fingerprint == found.fingerprint
    assert rows.vectors.dtype == np.float32
    assert rows.vectors[[at["red"], at["grey"]]] == pytest.approx(np.array([[1, 0, 0], [0.2, 0.2, 0.2]]), abs=1e-3)
    assert rows.creators[at["red"]] == rows.creators[at["blue"]] != rows.creators[at["grey"]]
    assert len(set(rows.ids)) == 3
    assert np.isnan(rows.likes).all()


def test_unreadable_images_are_counted_and_listed_until_they_can_be_read(photos, tmp_path):
    out = tmp_path / "features.npz"
    found, _ = run_on(photos, out, run=write_run(tmp_path / "run"))
    assert [Path(one.subject).name for one in found.failures] == ["torn.jpg"]
    with (tmp_path / "features_failures.csv").open(newline="") as file:
        assert [row["error"] for row in csv.DictReader(file)] == ["DecodeError"]
    (photos / "bob" / "torn.jpg").unlink()
    assert run_on(photos, out, run=tmp_path / "run")[0].failures_file is None
    assert not (tmp_path / "features_failures.csv").exists()


def test_the_shipped_encoder_gives_what_analyze_stores(photos, tmp_path):
    found, rows = run_on(photos, tmp_path / "features.npz")
    image = np.asarray(Image.open(photos / "ada" / "red.png"))
    assert (found.dim, rows.fingerprint) == (1280, load_spec(ENCODER).fingerprint)
    assert np.array_equal(rows.vectors[by_name(rows)["red"]], Encoder().embed([image])[0][0])


def test_projected_vectors_bear_the_fingerprint_of_the_head(photos, tmp_path):
    run = write_run(tmp_path / "run", projected=True)
    found, rows = run_on(photos, tmp_path / "features.npz", run=run, projected=True)
    assert (found.dim, rows.vectors.shape) == (6, (3, 6))
    assert rows.fingerprint == load_niche_model(run).head.fingerprint


def test_a_run_without_projection_says_so(photos, tmp_path):
    with pytest.raises(SettingsError, match="learned projection"):
        run_on(photos, tmp_path / "features.npz", run=write_run(tmp_path / "run"), projected=True)
    with pytest.raises(SettingsError, match="learned projection"):
        run_on(photos, tmp_path / "features.npz", projected=True)


def test_a_run_of_any_classes_will_do(photos, tmp_path):
    run = write_run(tmp_path / "run", labels=("cat", "dog"), says="cat")
    assert run_on(photos, tmp_path / "features.npz", run=run)[0].n == 3


def test_labelled_folders_give_labels(photos, tmp_path):
    run = write_run(tmp_path / "run")
    _, rows = run_on(photos, tmp_path / "features.npz", run=run, labelled=True)
    assert sorted(rows.labels) == ["ada", "ada", "bob"]


def test_a_manifest_gives_labels_and_groups(photos, tmp_path):
    (photos / "manifest.csv").write_text("file,label,source_group\nada/red.png,food,shop\nbob/grey.png,pet,zoo\n")
    _, rows = run_on(photos, tmp_path / "features.npz", run=write_run(tmp_path / "run"))
    assert list(zip(rows.labels, rows.creators, strict=True)) == [("food", "shop"), ("pet", "zoo")]


def test_a_cache_gives_the_vectors_of_its_pictures(photos, tmp_path):
    run = write_run(tmp_path / "run")
    images = read_labelled_images(photos)
    build_cache(images, tmp_path / "cache", size_px=SIZE_PX, workers=1)
    _, plain = run_on(photos, tmp_path / "plain.npz", run=run, labelled=True)
    _, cached = run_on(tmp_path / "cache", tmp_path / "cached.npz", run=run)
    assert (cached.paths, cached.labels, cached.creators) == (plain.paths, plain.labels, plain.creators)
    assert np.allclose(cached.vectors, plain.vectors, atol=1e-3)


def test_a_cache_of_too_small_pictures_is_refused(photos, tmp_path):
    build_cache(read_labelled_images(photos), tmp_path / "cache", size_px=8, workers=1)
    with pytest.raises(SettingsError, match="--size 16"):
        run_on(tmp_path / "cache", tmp_path / "features.npz", run=write_run(tmp_path / "run"))


def test_the_influencer_layout_gives_creators_labels_and_facts(tmp_path):
    folder = write_influencers(tmp_path / "data")
    found, rows = run_on(folder, tmp_path / "features.npz", run=write_run(tmp_path / "run"))
    assert found.failures == ()
    assert len(rows) > len(set(rows.creators)) > 1
    assert all(rows.labels)
    assert np.isfinite(rows.likes).all()
    assert np.isfinite(rows.published_at_s).all()


def test_rows_are_the_same_with_any_number_of_workers(tmp_path):
    folder, run = write_influencers(tmp_path / "data"), write_run(tmp_path / "run")
    files = [tmp_path / f"{workers}.npz" for workers in (1, 3)]
    for workers, out in zip((1, 3), files, strict=True):
        extract(str(folder), out, run=run, settings=Settings(workers=workers))
    assert files[0].read_bytes() == files[1].read_bytes()


def test_columns_can_be_read_without_postlens(photos, tmp_path):
    for suffix in (".npz", ".parquet"):
        run_on(photos, tmp_path / f"features{suffix}", run=write_run(tmp_path / "run"))
    with np.load(tmp_path / "features.npz", allow_pickle=False) as file:
        assert {"ids", "paths", "labels", "vectors", "fingerprint"} <= set(file.files)
    frame = pl.read_parquet(tmp_path / "features.parquet")
    assert frame["vectors"].dtype == pl.Array(pl.Float32, 3)
    assert frame["likes"].null_count() == 3


# --- what goes wrong ------------------------------------------------------------------------------------------------


def test_a_stopped_extraction_leaves_the_earlier_file(photos, tmp_path, monkeypatch):
    out = tmp_path / "features.npz"
    run_on(photos, out, run=write_run(tmp_path / "run"))
    before = out.read_bytes()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(str(photos), out, run=tmp_path / "run", settings=SETTINGS, progress=stop)
    assert out.read_bytes() == before
    assert not list(tmp_path.glob(".features*"))


def test_another_kind_of_file_is_wrong_usage(photos, tmp_path):
    with pytest.raises(UsageError, match=r"\.npz or \.parquet"):
        extract(str(photos), tmp_path / "features.csv", settings=SETTINGS)


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_a_damaged_or_missing_file_of_features_is_told(suffix, tmp_path):
    path = tmp_path / f"features{suffix}"
    with pytest.raises(SourceNotFoundError, match="postlens extract"):
        read_features(path)
    path.write_bytes(b"PK\x03\x04 half a file")
    with pytest.raises(TableError, match="postlens extract"):
        read_features(path)


def test_the_verb_tells_what_it_wrote_and_what_failed(photos, tmp_path, capsys):
    run, out = write_run(tmp_path / "run"), tmp_path / "sub" / "features.parquet"
    assert postlens(["extract", str(photos), "--out", str(out), "--model", str(run)]) == 0
    said = capsys.readouterr().out
    assert "3 vectors of 3 numbers" in said
    assert "torn.jpg: DecodeError" in said


def test_the_verb_fails_where_nothing_can_be_read(tmp_path, capsys):
    (tmp_path / "torn.jpg").write_bytes(b"\xff\xd8\xff no photo")
    words = ["extract", str(tmp_path), "--out", str(tmp_path / "features.npz")]
    assert postlens(words) == 1
    assert len(read_features(tmp_path / "features.npz")) == 0


def test_no_torch_is_loaded(photos, tmp_path):
    code = (
        "import sys\nfrom postlens.cli.app import run\n"
        f"assert run(['extract', {str(photos)!r}, '--out', {str(tmp_path / 'f.npz')!r}]) == 0\n"
        "assert not {'torch', 'timm', 'lightning', 'matplotlib'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
