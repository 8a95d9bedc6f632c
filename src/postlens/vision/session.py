"""A card and its ONNX file to named numpy outputs: the only importer of onnxruntime.

Sessions are single-threaded: a batch is spread over cores by giving each worker its own session. On two cores,
sessions with spinning thread pools were measured four times slower.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from postlens.errors import ModelError, ModelIntegrityError, ShapeError
from postlens.types import ModelSpec

PROVIDERS = ("CPUExecutionProvider",)
REMEDY = "reinstall postlens"  # for files that ship


class Session:
    """One model, ready to run in the thread that made it."""

    def __init__(
        self, spec: ModelSpec, path: Path, *, providers: tuple[str, ...] = PROVIDERS, remedy: str = REMEDY
    ) -> None:
        """Check the file against the card and load it; errors end with the remedy.

        Raises `ModelIntegrityError` when the sha256 differs, `ModelError` when the file is absent, a provider is not
        there, or the file's outputs are not those of the card.
        """
        data = read_checked(spec, path, remedy=remedy)
        self.spec = spec
        self._session = _create(data, path, providers)
        self._inputs = {item.name: tuple(item.shape) for item in self._session.get_inputs()}
        self._outputs = tuple(item.name for item in self._session.get_outputs())
        if set(self._outputs) != set(spec.outputs):
            raise ModelError(f"{path}: expected outputs {sorted(spec.outputs)}, got {sorted(self._outputs)}")

    @property
    def providers(self) -> tuple[str, ...]:
        """The execution providers in use, in onnxruntime's order."""
        return tuple(self._session.get_providers())

    @property
    def inputs(self) -> Mapping[str, tuple[int | str, ...]]:
        """Input names and shapes; a name in a shape stands for any length."""
        return self._inputs

    @property
    def metadata(self) -> Mapping[str, str]:
        """What was written into the file beside the graph, by name."""
        return dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Outputs by name. Raises `ShapeError` unless every input is given in the shape that the model takes."""
        self._check(inputs)
        values = self._session.run(self._outputs, dict(inputs))
        return dict(zip(self._outputs, values, strict=True))

    def _check(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        if inputs.keys() != self._inputs.keys():
            raise ShapeError(f"{self.spec.name}: expected inputs {sorted(self._inputs)}, got {sorted(inputs)}")
        for name, want in self._inputs.items():
            got = np.shape(inputs[name])
            fixed = len(want) == len(got) and all(g == w for w, g in zip(want, got, strict=True) if isinstance(w, int))
            if not fixed:
                raise ShapeError(f"{self.spec.name}: {name} must have shape {want}, got {got}")


def read_checked(spec: ModelSpec, path: Path, *, remedy: str = REMEDY) -> bytes:
    """The model file's bytes. Raises `ModelIntegrityError` when they are not those of the card, `ModelError`."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot read the weights of {spec.name} ({error}); {remedy}") from error
    got = hashlib.sha256(data).hexdigest()
    if got != spec.sha256:
        raise ModelIntegrityError(f"{path}: expected sha256 {spec.sha256}, got {got}; {remedy}")
    return data


def _create(data: bytes, path: Path, providers: tuple[str, ...]) -> Any:
    import onnxruntime

    missing = set(providers) - set(onnxruntime.get_available_providers())
    if missing:
        raise ModelError(f"{path}: execution provider {sorted(missing)} is not in this build of onnxruntime")
    session = onnxruntime.InferenceSession(data, _options(onnxruntime), providers=list(providers))
    if session.get_providers()[0] != providers[0]:
        raise ModelError(f"{path}: expected provider {providers[0]}, got {session.get_providers()[0]}")
    return session


def _options(onnxruntime: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # uint8 weights are a storage form here: folded to float32 once, at load, instead of at every run (2x faster).
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    return options
