"""A card read back is the spec that was written."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postlens.errors import ModelError
from postlens.types import ModelSpec
from postlens.vision.cards import read_card, write_card

SPEC = ModelSpec(
    name="toy",
    version="1",
    task="niche",
    file="toy.onnx",
    sha256="0" * 64,
    licence="CC0-1.0",
    source="made here",
    paper="none",
    input_size=(3, 8, 8),
    mean=(0.5, 0.5, 0.5),
    outputs=("probs",),
    labels=("a", "b"),
    thresholds={"a": 0.35},
    metrics={"accuracy": 0.5, "per class": {"a": {"recall": 0.25, "n": 4}}},
    limits="a toy",
)


def test_card_survives_writing_and_reading(tmp_path: Path) -> None:
    write_card(SPEC, tmp_path / "toy.toml")
    assert read_card(tmp_path / "toy.toml") == SPEC


@given(text=st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_any_text_survives(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("card") / "toy.toml"
    write_card(replace(SPEC, limits=text), path)
    assert read_card(path).limits == text


@pytest.mark.parametrize(
    ("content", "message"),
    [("name = 'x'", "missing"), ("name = ", "cannot read"), ("colour = 'red'", "unknown \\['colour'\\]")],
)
def test_bad_card_is_a_model_error(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(content)
    with pytest.raises(ModelError, match=message):
        read_card(path)


def test_absent_card_is_a_model_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="reinstall"):
        read_card(tmp_path / "none.toml")
