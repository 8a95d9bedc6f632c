"""A trained net of emotions to ONNX and TorchScript, both compared with torch, and to a card beside them."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from postlens.errors import ModelError
from postlens.tasks.reactions.model import NET
from postlens.train.export import LICENCE, PARITY, PROBE_ROWS, write_model
from postlens.train.module import NicheNet
from postlens.train.reactions_calibrate import EmotionCalibration
from postlens.train.recipe import Recipe
from postlens.types import FloatArray, ModelSpec
from postlens.vision.cards import file_sha256, known, write_card

PAPER = (
    "several emotions by binary cross-entropy or the recipe's loss (the recipe beside this card); temperature: Guo et "
    "al. 2017, arXiv:1706.04599"
)


def export_reactions(
    net: NicheNet,
    out: Path,
    *,
    recipe: Recipe,
    labels: Sequence[str],
    calibration: EmotionCalibration,
    told: Mapping[str, Any],
) -> ModelSpec:
    """Write `reactions.onnx`, `reactions.pt` (TorchScript) and `reactions.toml`; the net itself is left as it is.

    Both files take normalised images (N, 3, H, W) and give `logits`, divided by the temperature, and `probs` (N, K).
    The card is that of the ONNX file, with the thresholds; the TorchScript file and its sha256 stand under metrics.

    Args:
        labels: the emotions of the outputs, in their order.
        told: source, limits, trained_on, train_manifests and metrics of the card.

    Raises `ModelError` when torch cannot export the net, or a file does not compute what it does.
    """
    module = _Probs(copy.deepcopy(net).cpu().float().eval(), calibration.temperature)
    metrics = {
        **known(told["metrics"]),
        "temperature": round(calibration.temperature, 4),
        "calibrated_on": calibration.n,
    }
    spec = ModelSpec(
        name=NET,
        version="1",
        task="reactions",
        file=f"{NET}.onnx",
        sha256="",
        licence=LICENCE,
        paper=PAPER,
        input_size=recipe.input_size,
        mean=recipe.mean,
        std=recipe.std,
        interpolation=recipe.interpolation,
        channel_order=recipe.channel_order,
        outputs=("logits", "probs"),
        labels=tuple(labels),
        thresholds={name: float(value) for name, value in calibration.thresholds.items()},
        **{**told, "metrics": metrics},
    )
    probe = _probe(recipe)
    written = write_model(module, spec, out, input_name="image", probe=probe)
    script = write_torchscript(module, out / f"{NET}.pt", probe=probe)
    written = replace(written, metrics={**written.metrics, "torchscript": script})
    write_card(written, out / f"{NET}.toml")
    return written


class _Probs(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    def __init__(self, net: NicheNet, temperature: float) -> None:
        super().__init__()
        self.net = net
        self.temperature = temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.net(image) / self.temperature
        return logits, torch.sigmoid(logits)


def write_torchscript(module: nn.Module, path: Path, *, probe: FloatArray) -> dict[str, Any]:
    """Trace the module, save it, and compare what is loaded again with it: file, sha256 and largest difference.

    Raises `ModelError` for a net that cannot be traced, or whose file does not compute the same; the file is removed.
    """
    images = torch.from_numpy(probe)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch would rather have torch.export, which the ONNX file comes from
            torch.jit.trace(module, images[:2], check_trace=False).save(str(path))
            loaded = torch.jit.load(str(path))
            difference = max(_difference(module, loaded, images[:n]) for n in PROBE_ROWS)
    except RuntimeError as error:
        path.unlink(missing_ok=True)
        raise ModelError(f"{path.name}: torch cannot trace this net ({error}); choose another backbone") from error
    if not difference <= PARITY:
        path.unlink()
        raise ModelError(
            f"{path.name}: expected what torch computes within {PARITY}, got a relative difference of "
            f"{difference:.2g}; the net decides by its data, which a trace cannot hold: choose another backbone"
        )
    told = {"max_relative_difference": float(f"{difference:.1e}"), "against": "torch forward, float32"}
    return {"file": path.name, "sha256": file_sha256(path), "parity": told}


def _difference(module: nn.Module, loaded: Any, images: Tensor) -> float:
    """Relative to the largest value of each output; NaN counts as 1."""
    with torch.inference_mode():
        pairs = zip(module(images), loaded(images), strict=True)
        gaps = [float((got - want).abs().max() / want.abs().max().clamp(min=1e-12)) for want, got in pairs]
    return max(float(np.nan_to_num(gap, nan=1.0)) for gap in gaps)


def _probe(recipe: Recipe) -> FloatArray:
    """Noise as the net takes it."""
    mean, std = (np.array(values, np.float32)[:, None, None] for values in (recipe.mean, recipe.std))
    pixels = np.random.default_rng(0).integers(0, 256, (max(PROBE_ROWS), *recipe.input_size))
    return np.asarray((pixels - mean) / std, np.float32)
