"""A session loads only what its card describes, and takes only what its model can read."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from postlens.errors import ModelError, ModelIntegrityError, ShapeError
from postlens.vision.session import Session
from postlens.vision.zoo import WEIGHTS, load_spec

NAME = "face_verifier"
SPEC = load_spec(NAME)


@pytest.fixture(scope="module")
def session() -> Session:
    return Session(SPEC, WEIGHTS / SPEC.file)


def test_tampered_file_is_refused_with_both_hashes(tmp_path: Path) -> None:
    data = bytearray((WEIGHTS / SPEC.file).read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / SPEC.file
    path.write_bytes(data)
    with pytest.raises(ModelIntegrityError, match=rf"{SPEC.file}: expected sha256 {SPEC.sha256}, got .*reinstall"):
        Session(SPEC, path)


def test_missing_file_says_to_reinstall(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reinstall postlens"):
        Session(SPEC, tmp_path / SPEC.file)


def test_card_with_other_outputs_is_refused() -> None:
    with pytest.raises(ModelError, match="expected outputs"):
        Session(replace(SPEC, outputs=("age",)), WEIGHTS / SPEC.file)


def test_absent_provider_is_an_error_not_a_fallback() -> None:
    with pytest.raises(ModelError, match="CUDAExecutionProvider"):
        Session(SPEC, WEIGHTS / SPEC.file, providers=("CUDAExecutionProvider",))


def test_session_runs_on_the_provider_asked_for(session: Session) -> None:
    assert session.providers[0] == "CPUExecutionProvider"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"picture": np.zeros((1, 3, 48, 48), np.float32)}, "expected inputs"),
        ({"image": np.zeros((1, 3, 48, 47), np.float32)}, "must have shape"),
        ({"image": np.zeros((3, 48, 48), np.float32)}, "must have shape"),
    ],
)
def test_wrong_input_is_a_shape_error(session: Session, inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        session.run(inputs)


@pytest.mark.parametrize("n", [0, 1, 5])
def test_batch_may_have_any_length(session: Session, n: int) -> None:
    outputs = session.run({"image": np.zeros((n, 3, 48, 48), np.float32)})
    assert outputs["face_prob"].shape == (n,) and outputs["landmarks"].shape == (n, 10)
