"""A trained creator net to `creator.onnx` and its card: one bag of any size in, answer and weights of the posts out."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from postlens.errors import ModelError
from postlens.train.attention import AttentionNet
from postlens.train.creator_learner import Creators
from postlens.train.export import LICENCE, OPSET, PARITY, About
from postlens.types import FloatArray, ModelSpec
from postlens.vision.cards import file_sha256, write_card
from postlens.vision.session import Session

CREATOR_FILE = "creator.onnx"
OUTPUTS = ("logits", "probs", "attention")
EXPORT_SIZE, PROBE_SIZES = 5, (1, 7, 40)  # posts in the bags compared: none is the size exported with
PAPER = (
    "attention over a bag: Vaswani et al. 2017, arXiv:1706.03762; gated: Ilse et al. 2018, arXiv:1802.04712; "
    "temperature scaling: Guo et al. 2017, arXiv:1706.04599"
)


def export_creator(net: AttentionNet, out: Path, *, creators: Creators, temperature: float, about: About) -> ModelSpec:
    """Write `creator.onnx` and `creator.toml`; the net itself is left as it is.

    Inputs: `features` (1, N, D), and `measures` (1, N, F), NaN where not known, where the net takes them. Outputs:
    `logits` and `probs` (1, K), `attention` (1, N), which sums to 1. There is no padding, hence no mask.

    Raises `ModelError` when torch cannot export the net, or the file does not compute the same.
    """
    module = OneBag(copy.deepcopy(net).cpu().float().eval(), temperature)
    spec = ModelSpec(
        name="creator",
        version="1",
        task="niche",
        file=CREATOR_FILE,
        sha256="",
        licence=LICENCE,
        source=about.source,
        paper=PAPER,
        input_size=(net.dim,),
        outputs=OUTPUTS,
        labels=creators.posts.classes,
        metrics=_metrics(about, creators),
        limits=about.limits,
        trained_on=about.trained_on,
        train_manifests=about.train_manifests,
        upstream=(creators.posts.fingerprint,),
    )
    out.mkdir(parents=True, exist_ok=True)
    path = out / CREATOR_FILE
    path.write_bytes(graph_of(module, probe_of(net, EXPORT_SIZE)))
    spec = replace(spec, sha256=file_sha256(path))
    difference = largest_difference(net, Session(spec, path), temperature=temperature)
    if not difference <= PARITY:
        path.unlink()
        raise ModelError(
            f"{CREATOR_FILE}: expected what torch computes within {PARITY}, got a relative difference of "
            f"{difference:.2g}; another version of torch or onnxscript may export right"
        )
    parity = {"max_relative_difference": float(f"{difference:.1e}"), "against": "torch forward, float32"}
    spec = replace(spec, metrics={**spec.metrics, "parity": parity})
    write_card(spec, path.with_suffix(".toml"))
    return spec


def _metrics(about: About, creators: Creators) -> dict[str, Any]:
    """Scores that are known, and the names of the measures in their order."""
    known = _known(about.metrics)
    names = creators.posts.measure_names
    return {**known, "measures": list(names)} if creators.posts.measures is not None else known


def _known(values: Any) -> dict[str, Any]:
    """Without what is None, which a card cannot say."""
    nested = {name: _known(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in nested.items() if value is not None}


class OneBag(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    """The net on one bag without padding, its norm folded into the projection: what serving runs."""

    def __init__(self, net: AttentionNet, temperature: float) -> None:
        super().__init__()
        self.narrow, self.project, self.more = _folded(net)
        self.pool, self.head = net.pool, net.head
        self.temperature = temperature

    def forward(self, features: Tensor, measures: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Logits and probabilities (1, K), attention (1, N)."""
        posts = self.project(features if self.narrow is None else self.narrow(features))
        if self.more is not None and measures is not None:
            known = ~torch.isnan(measures)
            values = torch.where(known, measures, torch.zeros_like(measures))
            posts = posts + self.more(torch.cat([values, known.to(values.dtype)], dim=-1))
        weights, pooled = self.pool(torch.relu(posts), None)
        logits = self.head(pooled) / self.temperature
        return logits, torch.softmax(logits, dim=1), weights


def _folded(net: AttentionNet) -> tuple[nn.Linear | None, nn.Linear, nn.Linear | None]:
    """Inner projection, projection with the norm's scale and shift in it, projection of the measures with the scale."""
    norm, embed = net.embed.norm, net.embed
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = norm.bias - norm.running_mean * scale
    narrow, last = (
        (embed.project[0], embed.project[1]) if isinstance(embed.project, nn.Sequential) else (None, embed.project)
    )
    more = None if embed.project_more is None else _linear(embed.project_more.weight * scale[:, None], None)
    return narrow, _linear(last.weight * scale[:, None], shift), more


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def probe_of(net: AttentionNet, n: int) -> dict[str, FloatArray]:
    """Inputs of a bag of n posts, every fourth measure unknown."""
    rng = np.random.default_rng(n)
    inputs = {"features": rng.uniform(0, 2, (1, n, net.dim)).astype(np.float32)}  # as pooled activations are
    if net.n_post_features:
        measures = rng.normal(size=(1, n, net.n_post_features)).astype(np.float32)
        measures.flat[::4] = np.nan
        inputs["measures"] = measures
    return inputs


def graph_of(module: nn.Module, probe: Mapping[str, FloatArray], *, outputs: tuple[str, ...] = OUTPUTS) -> bytes:
    """The ONNX file's bytes: any number of posts, and no word about the machine it was made on."""
    inputs = {name: torch.from_numpy(value) for name, value in probe.items()}
    n = torch.export.Dim("n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of torch about its own parts; what comes out is compared below
            program = torch.onnx.export(
                module, tuple(inputs.values()), dynamic_shapes={name: {1: n} for name in inputs},
                input_names=list(inputs), output_names=list(outputs),
                opset_version=OPSET, dynamo=True, external_data=False, verbose=False,
            )  # fmt: skip
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ModelError(f"{CREATOR_FILE}: torch cannot export this net ({reason})") from error
    model = program.model_proto
    graph = model.graph
    for part in (model, graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        part.ClearField("doc_string")  # stack traces and names of source files
        part.ClearField("metadata_props")
    return bytes(model.SerializeToString(deterministic=True))


def largest_difference(net: AttentionNet, session: Session, *, temperature: float) -> float:
    """Between the net in eval mode and its file, relative to the largest value of each output; NaN counts as 1."""
    net = copy.deepcopy(net).cpu().float().eval()
    worst = 0.0
    for n in PROBE_SIZES:
        inputs = probe_of(net, n)
        tensors = {name: torch.from_numpy(value) for name, value in inputs.items()}
        with torch.inference_mode():
            raw, weights = net(tensors["features"], None, tensors.get("measures"))
        got = session.run(inputs)
        wanted = {"logits": raw / temperature, "probs": torch.softmax(raw / temperature, dim=1), "attention": weights}
        for name, value in wanted.items():
            gap = np.abs(got[name] - value.numpy()).max() / max(float(value.abs().max()), 1e-12)
            worst = max(worst, float(np.nan_to_num(gap, nan=1.0)))
    return worst
