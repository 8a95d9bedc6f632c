"""Run folders to product models: what their cards must say, and what the models answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import ModelError, ModelIntegrityError, SettingsError, ShapeError
from postlens.tasks.products.items import Label
from postlens.tasks.products.model import (
    CARD,
    ProductModel,
    load_product_models,
    looks_fingerprint,
    vectors_fingerprint,
    write_product_card,
)
from postlens.vision.cards import read_card, write_card
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

from ...runs import write_model

WIDTH = 3
RING = Label("ring", "jewellery", "face", 0.4, wearable=True, optional=False)
SHOE = Label("shoe", "shoe", "face", 0.6, wearable=False, optional=True)


def write(folder: Path, *, reads: str = "face", upstream: str | None = None, n_nets: int = 1) -> Path:
    """A run with two labels; net i answers sigmoid(i) and sigmoid(-i), whatever it is given."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n_nets):
        weights = {"w": np.zeros((WIDTH, 2), np.float32), "b": np.array([i, -i], np.float32)}
        write_model(
            folder,
            f"head{i}",
            [("Gemm", ["features", "w", "b"], "logits"), ("Sigmoid", ["logits"], "probs")],
            inputs={"features": ["n", WIDTH]},
            outputs={"probs": ["n", 2]},
            weights=weights,
            task="products",
            input_size=(WIDTH,),
            labels=("ring", "shoe"),
            upstream=(upstream or vectors_fingerprint(reads),),
        )
    nets = [f"head{i}.toml" for i in range(n_nets)]
    labels = [replace(one, reads=reads) for one in (RING, SHOE)]
    write_product_card(folder, reads=reads, takes="vectors", nets=nets, labels=labels)
    return folder


def load(folder: Path) -> ProductModel:
    (model,) = load_product_models([folder])
    return model


def change(folder: Path, old: str, new: str) -> Path:
    card = folder / CARD
    text = card.read_text()
    assert old in text
    card.write_text(text.replace(old, new))
    return folder


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    model = load(write(tmp_path / "run"))
    assert model.labels == (RING, SHOE)
    assert (model.reads, model.takes, model.names) == ("face", "vectors", ("ring", "shoe"))


def test_no_folder_is_no_model() -> None:
    assert load_product_models([]) == ()


def test_several_nets_answer_with_their_mean(tmp_path: Path) -> None:
    model = load(write(tmp_path / "run", n_nets=2))
    probs = model.scores(np.ones((4, WIDTH), np.float32))
    assert probs.shape == (4, 2)
    assert probs[0].tolist() == pytest.approx([(0.5 + 0.7311) / 2, (0.5 + 0.2689) / 2], abs=1e-4)
    assert model.scores(np.zeros((0, WIDTH), np.float32)).shape == (0, 2)


def test_vectors_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ShapeError, match=r"shape \(N, 3\), got \(2, 5\)"):
        load(write(tmp_path / "run")).scores(np.zeros((2, 5), np.float32))


def test_a_model_over_pixels_does_not_read_vectors(tmp_path: Path) -> None:
    model = load(change(write(tmp_path / "run", upstream="other"), 'takes = "vectors"', 'takes = "pixels"'))
    with pytest.raises(ShapeError, match="readings"):
        model.scores(np.zeros((2, WIDTH), np.float32))


def test_items_and_thresholds_are_changed_by_hand_without_a_new_fingerprint(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    before = load(folder).fingerprint
    model = load(change(change(folder, "threshold = 0.4", "threshold = 1"), '"jewellery"', '"gifts"'))
    assert (model.labels[0].threshold, model.labels[0].item) == (1.0, "gifts")
    assert model.fingerprint == before


def test_what_a_label_leaves_out_has_a_default(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    text = (folder / CARD).read_text()
    lines = [line for line in text.splitlines() if not line.startswith(("item", "wearable", "optional"))]
    (folder / CARD).write_text("\n".join(lines))
    assert load(folder).labels[1] == Label("shoe", "shoe", "face", 0.6, wearable=True, optional=False)


def test_labels_and_items_are_read_without_case(tmp_path: Path) -> None:
    folder = change(
        change(write(tmp_path / "run"), '[labels."ring"]', '[labels."RING"]'), '"jewellery"', '" Jewellery"'
    )
    net = folder / "head0.toml"
    net.write_text(net.read_text().replace('"ring"', '"Ring"'))
    assert load(folder).labels == (RING, SHOE)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('item = "jewellery"', 'item = "gold, silver"', r"\[labels.ring\]: expected a label's name .* without ; , \|"),
        ('[labels."shoe"]', '[labels."Ring"]', "expected each label once, got several spellings of ring"),
        ('reads = "face"', 'reads = "hand"', "expected reads to be face or image, got 'hand'"),
        ('takes = "vectors"', "", "expected takes to be vectors or pixels, got None"),
        ("threshold = 0.4", "threshold = 1.5", r"\[labels.ring\]: expected threshold to be a number in 0..1, got 1.5"),
        ("threshold = 0.4", "threshold = true", "a number in 0..1, got True"),
        ("threshold = 0.4", "", "a number in 0..1, got None"),
        ("wearable = true", 'wearable = "yes"', "expected wearable to be true or false, got 'yes'"),
        ('item = "jewellery"', "item = 3", "expected item to be text, got 3"),
        ("wearable = true", "colour = 3", "got colour"),
        ('nets = ["head0.toml"]', "nets = []", "expected nets to name cards beside it"),
        ('nets = ["head0.toml"]', 'nets = ["../head0.toml"]', "expected nets to name cards beside it"),
        ("reads =", "reads", "expected a readable TOML file"),
        ("threshold = 0.4", f"threshold = {'1' * 5000}", "expected a readable TOML file, got: Exceeds the limit"),
        ("threshold = 0.4", f"threshold = 0x{'f' * 5000}", "expected a readable TOML file, got: Exceeds the limit"),
        ("threshold = 0.4", f"threshold = {'[' * 50_000}", "expected a readable TOML file, got: .* nested too deeply"),
        ('[labels."shoe"]', '[labels."boot"]', "expected the labels of products.toml in its order"),
    ],
)
def test_a_card_that_cannot_be_used_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    folder = change(write(tmp_path / "run"), old, new)
    with pytest.raises(SettingsError, match=told):
        load(folder)


def test_a_card_without_labels_is_told(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    (folder / CARD).write_text('reads = "face"\ntakes = "vectors"\nnets = ["head0.toml"]\n')
    with pytest.raises(SettingsError, match=r"expected a table \[labels.NAME\]"):
        load(folder)


@pytest.mark.parametrize(("made", "state"), [("nothing", "nothing there"), ("folder", "a folder without it")])
def test_what_is_no_run_is_told(tmp_path: Path, made: str, state: str) -> None:
    if made == "folder":
        (tmp_path / "run").mkdir()
    with pytest.raises(SettingsError, match=f"setting product_models: .*{state}; name the run's folder"):
        load(tmp_path / "run")


def test_a_head_over_other_vectors_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="got one over older; train it again"):
        load(write(tmp_path / "run", upstream="older"))
    folder = change(write(tmp_path / "face"), 'reads = "face"', 'reads = "image"')
    with pytest.raises(SettingsError, match="which this version makes of each image"):
        load(folder)


def test_damaged_and_absent_nets_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    with (folder / "head0.onnx").open("ab") as file:
        file.write(b"more")
    with pytest.raises(ModelIntegrityError, match="train or export again"):
        load(folder)
    (folder / "head0.toml").unlink()
    with pytest.raises(ModelError, match="cannot read the model card"):
        load(folder)


def test_a_net_without_probabilities_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "run")
    card = folder / "head0.toml"
    write_card(replace(read_card(card), outputs=("logits",)), card)
    with pytest.raises(ModelError, match="expected an output probs"):
        load(folder)


def test_faces_are_read_from_looks_and_images_from_the_shipped_encoder() -> None:
    assert vectors_fingerprint("image") == load_spec(ENCODER).fingerprint
    assert vectors_fingerprint("face") == looks_fingerprint() != vectors_fingerprint("image")
