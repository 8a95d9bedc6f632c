"""A trained net to ONNX files with cards: `encoder` (images to features) and `head` (features to answers).

A net whose backbone is still the shipped encoder gets a head alone, which then reads the vectors that are stored
already. The projection, where there is one, is part of the head: stored vectors stay as wide as the backbone makes
them, and the wider ones are computed from those.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from postlens.errors import ModelError
from postlens.train.backbones import load_backbone
from postlens.train.calibrate import Calibration
from postlens.train.module import NicheNet
from postlens.train.recipe import Recipe
from postlens.types import FloatArray, ModelSpec
from postlens.vision.cards import file_sha256, known, write_card
from postlens.vision.encoder import ENCODER
from postlens.vision.session import Session
from postlens.vision.zoo import load_spec

ENCODER_FILE, HEAD_FILE = "encoder.onnx", "head.onnx"
OPSET = 18  # what torch writes without converting; onnxruntime reads it since 1.14
# Largest difference between ONNX and torch, relative to the largest output. float32 kernels differ by 1e-6 to 1e-5;
# above 1e-3 an operation means something else in the exported file.
PARITY = 1e-3
PROBE_ROWS = (1, 3)  # sizes of the batches compared: neither is the one exported with
LICENCE = (
    "FILL IN: the licence of this model, given the terms of its training images and of the weights it started from"
)
PAPER = "fine-tuning in phases (the recipe beside this card); temperature scaling: Guo et al. 2017, arXiv:1706.04599"


@dataclass(frozen=True, slots=True)
class About:
    """What the cards say of a training beside the files themselves."""

    source: str
    limits: str
    trained_on: tuple[str, ...] = ()
    train_manifests: tuple[str, ...] = ()  # sha256 of the manifests trained on
    metrics: Mapping[str, Any] = field(default_factory=dict)  # of the head; entries that are None are left out


@dataclass(frozen=True, slots=True)
class Exported:
    """The cards of what was written."""

    encoder: ModelSpec  # of the run, or the shipped one where the backbone is untouched
    head: ModelSpec
    own_encoder: bool  # whether `encoder` was written


def export_net(
    net: NicheNet, out: Path, *, recipe: Recipe, classes: Sequence[str], calibration: Calibration, about: About
) -> Exported:
    """Write `head.onnx`, and `encoder.onnx` if the backbone is not the shipped one, each with its card (TOML).

    The head divides its logits by the temperature; its card holds the thresholds. The net itself is left as it is,
    wherever it lies. Files of an earlier export to the folder are replaced or removed.

    Raises:
        ModelError: torch cannot export the net, or the files do not compute what it does.
    """
    net = copy.deepcopy(net).cpu().float().eval()
    own = not is_shipped(net, recipe)
    if own:
        encoder = _export_encoder(net, out, recipe=recipe, about=about)
    else:
        encoder = load_spec(ENCODER)
        for name in (ENCODER_FILE, "encoder.toml"):
            (out / name).unlink(missing_ok=True)
    head = _export_head(net, out, encoder=encoder, classes=classes, calibration=calibration, about=about)
    return Exported(encoder, head, own)


def is_shipped(net: NicheNet, recipe: Recipe) -> bool:
    """Whether the backbone computes what the shipped encoder does: its weights and preprocessing are untouched."""
    spec = load_spec(ENCODER)
    same_input = (recipe.input_size, recipe.mean, recipe.std) == (spec.input_size, spec.mean, spec.std)
    if recipe.weights != "shipped" or not same_input:
        return False
    first = load_backbone(recipe).state_dict()
    now = net.backbone.state_dict()
    return all(torch.equal(value, now[name].to(value)) for name, value in first.items())


class _Encoder(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    def __init__(self, net: NicheNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        return self.net.features(image)


class _Head(nn.Module):  # type: ignore[misc]
    def __init__(self, net: NicheNet, temperature: float) -> None:
        super().__init__()
        self.net = net
        self.temperature = temperature
        self.projects = not isinstance(net.projection, nn.Identity)

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        projected = self.net.project(features)
        logits = self.net.head(projected) / self.temperature
        answers = (logits, torch.softmax(logits, dim=1))
        return (*answers, projected) if self.projects else answers


def _export_encoder(net: NicheNet, out: Path, *, recipe: Recipe, about: About) -> ModelSpec:
    spec = ModelSpec(
        name="encoder",
        version="1",
        task="encode",
        file=ENCODER_FILE,
        sha256="",
        licence=LICENCE,
        source=about.source,
        paper=PAPER,
        input_size=recipe.input_size,
        mean=recipe.mean,
        std=recipe.std,
        interpolation=recipe.interpolation,
        channel_order="RGB",
        outputs=("features",),
        dim=net.width,
        limits=about.limits,
        trained_on=about.trained_on,
        train_manifests=about.train_manifests,
    )
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (recipe.mean, recipe.std))
    pixels = np.random.default_rng(0).integers(0, 256, (max(PROBE_ROWS), *recipe.input_size))
    return write_model(_Encoder(net), spec, out, input_name="image", probe=((pixels - mean) / std).astype(np.float32))


def _export_head(
    net: NicheNet, out: Path, *, encoder: ModelSpec, classes: Sequence[str], calibration: Calibration, about: About
) -> ModelSpec:
    module = _Head(net, calibration.temperature)
    spec = ModelSpec(
        name="head",
        version="1",
        task="niche",
        file=HEAD_FILE,
        sha256="",
        licence=LICENCE,
        source=about.source,
        paper=PAPER,
        input_size=(net.width,),
        outputs=("logits", "probs", "projected") if module.projects else ("logits", "probs"),
        dim=net.feature_dim if module.projects else None,
        labels=tuple(classes),
        thresholds=dict(calibration.thresholds),
        metrics=known(about.metrics),
        limits=about.limits,
        trained_on=about.trained_on,
        train_manifests=about.train_manifests,
        upstream=(encoder.fingerprint,),
    )
    features = np.random.default_rng(0).uniform(0, 2, (max(PROBE_ROWS), net.width))  # as pooled activations are
    return write_model(module, spec, out, input_name="features", probe=features.astype(np.float32))


def write_model(module: nn.Module, spec: ModelSpec, out: Path, *, input_name: str, probe: FloatArray) -> ModelSpec:
    """Export, compare with torch, write the card; a file that does not compute the same is removed."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / spec.file
    path.write_bytes(_graph(module, spec, input_name=input_name, probe=probe))
    spec = replace(spec, sha256=file_sha256(path))
    difference = largest_difference(module, Session(spec, path), input_name=input_name, probe=probe)
    if not difference <= PARITY:
        path.unlink()
        raise ModelError(
            f"{spec.file}: expected what torch computes within {PARITY}, got a relative difference of "
            f"{difference:.2g}; another backbone, or another version of torch or onnxscript, may export right"
        )
    parity = {"max_relative_difference": float(f"{difference:.1e}"), "against": "torch forward, float32"}
    spec = replace(spec, metrics={**spec.metrics, "parity": parity})
    write_card(spec, path.with_suffix(".toml"))
    return spec


def _graph(module: nn.Module, spec: ModelSpec, *, input_name: str, probe: FloatArray) -> bytes:
    """The ONNX file's bytes: any number of rows, and no word about the machine it was made on."""
    options = {"opset_version": OPSET, "dynamo": True, "external_data": False, "verbose": False}
    names = {"input_names": [input_name], "output_names": list(spec.outputs)}
    rows = {input_name: {0: torch.export.Dim("n")}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own parts; what comes out is compared below
            program = torch.onnx.export(
                module.eval(), (torch.from_numpy(probe[:2]),), dynamic_shapes=rows, **names, **options
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{spec.file}: torch cannot export this net ({reason}); choose another backbone") from error
    model = program.model_proto
    _forget_origin(model)
    return bytes(model.SerializeToString(deterministic=True))


def _forget_origin(model: Any) -> None:
    """Drop stack traces and names of source files, which torch writes beside every node."""
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")


def largest_difference(module: nn.Module, session: Session, *, input_name: str, probe: FloatArray) -> float:
    """Between a module and its exported file, relative to the largest value of each output; NaN counts as 1."""
    worst = 0.0
    for n in PROBE_ROWS:
        with torch.inference_mode():
            found = module(torch.from_numpy(probe[:n]))
        wanted = found if isinstance(found, tuple) else (found,)
        got = session.run({input_name: probe[:n]})
        for name, value in zip(session.spec.outputs, wanted, strict=True):
            want = value.numpy()
            gap = np.abs(got[name] - want).max() / max(float(np.abs(want).max()), 1e-12)
            worst = max(worst, float(np.nan_to_num(gap, nan=1.0)))
    return worst
