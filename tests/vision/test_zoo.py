"""Every registered model has a complete card, an intact file, and the outputs it promises."""

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import ModelError, ModelIntegrityError, UnknownNameError
from postlens.types import ModelSpec
from postlens.vision.cards import write_card
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS, list_models, load_spec, open_card, open_model

MODELS = list_models()
ENCODER = "efficientnet_lite0"
every_model = pytest.mark.parametrize("spec", MODELS, ids=lambda spec: spec.name)


def _ones(session: Session) -> dict[str, np.ndarray]:
    shapes = {name: [n if isinstance(n, int) else 64 for n in shape[1:]] for name, shape in session.inputs.items()}
    return {name: np.ones((2, *shape), np.float32) for name, shape in shapes.items()}


@every_model
def test_card_says_what_the_model_is(spec: ModelSpec) -> None:
    for name in ("version", "task", "licence", "source", "paper", "limits", "outputs", "metrics"):
        assert getattr(spec, name), f"{spec.name}: {name} is empty"
    assert spec.file == f"{spec.name}.onnx"


@every_model
def test_model_opens_and_gives_finite_outputs_per_row(spec: ModelSpec) -> None:
    session = open_model(spec.name)
    outputs = session.run(_ones(session))
    assert set(outputs) == set(spec.outputs)
    assert all(len(value) == 2 and np.isfinite(value).all() for value in outputs.values())


@every_model
def test_image_model_takes_the_size_on_its_card(spec: ModelSpec) -> None:
    shape = open_model(spec.name).inputs.get("image")
    if shape is None:
        pytest.skip("takes features, not an image")
    fits = [want in (got, None) or isinstance(got, str) for got, want in zip(shape[1:], spec.input_size, strict=True)]
    assert all(fits) and len(spec.mean) == len(spec.std) == spec.input_size[0]


def test_every_weight_file_has_a_card() -> None:
    assert {path.stem for path in WEIGHTS.glob("*.onnx")} == {spec.name for spec in MODELS}


def test_weights_stay_within_45_mb() -> None:
    assert sum(path.stat().st_size for path in WEIGHTS.glob("*.onnx")) <= 45e6


def test_unknown_model_names_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="efficientnet_lite0"):
        load_spec("resnet_of_dreams")


@pytest.mark.usefixtures("real_set_up")
def test_thread_keeps_its_session_and_shares_it_with_nobody() -> None:
    others: list[Session] = []
    thread = threading.Thread(target=lambda: others.append(open_model(ENCODER)))
    thread.start()
    thread.join()
    assert open_model(ENCODER) is open_model(ENCODER)
    assert others[0] is not open_model(ENCODER)


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"mean": (1.0, 1.0, 1.0)}, {"interpolation": "nearest"}, {"channel_order": "BGR"}]
)
def test_fingerprint_moves_with_weights_and_preprocessing(change: dict[str, object]) -> None:
    spec = load_spec(ENCODER)
    assert len(spec.fingerprint) == 16
    assert replace(spec, **change).fingerprint != spec.fingerprint


def test_models_are_read_from_another_folder_too(tmp_path: Path) -> None:
    for suffix in (".onnx", ".toml"):
        (tmp_path / f"face_verifier{suffix}").write_bytes((WEIGHTS / f"face_verifier{suffix}").read_bytes())
    assert [spec.name for spec in list_models(tmp_path)] == ["face_verifier"]
    assert open_model("face_verifier", folder=tmp_path) is not open_model("face_verifier")


def copied(name: str, folder: Path) -> Path:
    """A shipped model in another folder; its card."""
    for suffix in (".onnx", ".toml"):
        (folder / f"{name}{suffix}").write_bytes((WEIGHTS / f"{name}{suffix}").read_bytes())
    return folder / f"{name}.toml"


def test_a_card_anywhere_is_opened_once_and_again_when_it_changes(tmp_path: Path) -> None:
    card = copied("scene_affect", tmp_path)
    first = open_card(card)
    assert open_card(card) is first
    write_card(replace(first.spec, limits="told anew"), card)
    assert open_card(card).spec.limits == "told anew"


def test_a_card_elsewhere_tells_to_train_again_and_not_to_reinstall(tmp_path: Path) -> None:
    card = copied("scene_affect", tmp_path)
    (tmp_path / "scene_affect.onnx").write_bytes(b"cut off")
    with pytest.raises(ModelIntegrityError, match="train or export again"):
        open_card(card)
    card.write_bytes(b"\xff")
    with pytest.raises(ModelError, match="train or export again"):
        open_card(card)
