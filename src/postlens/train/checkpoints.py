"""Weights between nets and files: safetensors written, safetensors and .pth checkpoints read. Never pickled objects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from postlens.errors import ModelError
from postlens.train.module import NicheNet

ARCHITECTURE = "architecture"  # key of the file's metadata: timm's name of the backbone
_WRAPPERS = ("state_dict_ema", "state_dict", "model_ema", "model", "net")  # keys that training scripts nest weights in
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")  # of weights saved out of a wrapper
_DENSE = ("pre_logits", "classifier")  # of a VGG, in timm's files and in torchvision's: where the net is without them
_N_TOLD = 3  # keys named in a message

State = Mapping[str, Tensor]


def save_net(net: nn.Module, path: Path, *, architecture: str) -> None:
    """Write all weights of the net as safetensors, whole or not at all: into a file beside, which is then moved."""
    from safetensors.torch import save_file

    state = {name: value.detach().cpu().contiguous() for name, value in net.state_dict().items()}
    partial = path.with_suffix(".partial")
    partial.touch()
    mode = partial.stat().st_mode  # of any new file here; that of safetensors is readable by its owner alone
    save_file(state, partial, metadata={"format": "pt", ARCHITECTURE: architecture})
    partial.chmod(mode)
    partial.replace(path)


def load_net(net: NicheNet, path: Path) -> None:
    """Fill the net, in place, with weights that `save_net` wrote. Raises `ModelError` when they are of another net."""
    state, architecture = read_weights(path)
    _fit(net, state, f"{path} (architecture {architecture or 'not named'})", "this net")


def load_weights(backbone: nn.Module, path: Path, *, architecture: str) -> None:
    """Fill a timm net without classifier, in place, from a checkpoint of the same architecture.

    Takes timm's own files, and those of `postlens train niche`. A classifier in the file is left out: timm's by the
    name on the net's card, ours by being outside of `backbone.`.

    Raises:
        ModelError: the file cannot be read, or is of another architecture; both are named, with what differs.
    """
    state, named = read_weights(path)
    state = _without_classifier(_strip(state), backbone)
    _fit(backbone, state, f"{path} (architecture {named or 'not named'})", architecture)


def read_weights(path: Path) -> tuple[dict[str, Tensor], str | None]:
    """Tensors by name, and the architecture that the file names, if any.

    `.safetensors`, or what `torch.save` wrote, of which only tensors and plain containers are read (weights_only).
    Raises `ModelError` for a file that is absent, damaged, or holds other objects.
    """
    from safetensors import SafetensorError

    try:
        return _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    except (OSError, SafetensorError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error) or "nothing in it that can be read"
        raise ModelError(f"{path}: expected a readable checkpoint (.safetensors or .pth), got: {reason}") from error


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], str | None]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        return {name: file.get_tensor(name) for name in file.keys()}, metadata.get(ARCHITECTURE)  # noqa: SIM118


def _read_torch(path: Path) -> tuple[dict[str, Tensor], str | None]:
    from pickle import UnpicklingError

    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise ValueError(f"it holds more than weights, which is not loaded ({str(error).splitlines()[0]})") from error
    if not isinstance(values, Mapping):
        raise ValueError(f"expected a mapping of names to weights, found {type(values).__name__}")
    named = values.get("arch")
    inner = next((values[key] for key in _WRAPPERS if isinstance(values.get(key), Mapping)), values)
    return {str(k): v for k, v in inner.items() if isinstance(v, Tensor)}, named if isinstance(named, str) else None


def _strip(state: State) -> dict[str, Tensor]:
    """Names without the prefixes of wrappers; beside a `backbone.` everything else is a head of ours."""
    names = list(state)
    if any(name.startswith("backbone.") for name in names):
        return _strip({n.removeprefix("backbone."): v for n, v in state.items() if n.startswith("backbone.")})
    for prefix in _PREFIXES:
        if names and all(name.startswith(prefix) for name in names):
            return _strip({name.removeprefix(prefix): value for name, value in state.items()})
    return dict(state)


def _without_classifier(state: State, backbone: Any) -> dict[str, Tensor]:
    card = getattr(backbone, "pretrained_cfg", None) or {}
    layers = card.get("classifier") or ()
    layers = (layers,) if isinstance(layers, str) else tuple(layers)
    ours = set(backbone.state_dict())
    dropped = tuple(f"{layer}." for layer in (*layers, *_DENSE))
    return {name: value for name, value in state.items() if name in ours or not name.startswith(dropped)}


def _fit(net: nn.Module, state: State, origin: str, expected: str) -> None:
    """Load, or raise `ModelError` with what is missing, not expected, or of another shape."""
    ours = net.state_dict()
    missing, extra = sorted(ours.keys() - state.keys()), sorted(state.keys() - ours.keys())
    missing = [name for name in missing if not name.endswith("num_batches_tracked")]
    shapes = [
        f"{name} {tuple(ours[name].shape)} there {tuple(state[name].shape)}"
        for name in ours.keys() & state.keys()
        if ours[name].shape != state[name].shape
    ]
    told = {"missing": missing, "not expected": extra, "other shapes": sorted(shapes)}
    if any(told.values()):
        text = "; ".join(f"{len(names)} {what} ({_few(names)})" for what, names in told.items() if names)
        raise ModelError(
            f"expected weights of {expected}, got {origin}: {text}; name its own backbone, or other weights"
        )
    net.load_state_dict(dict(state), strict=False)


def _few(names: list[str]) -> str:
    return ", ".join(names[:_N_TOLD]) + (", ..." if len(names) > _N_TOLD else "")
