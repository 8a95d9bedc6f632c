"""Photos and their likes to the reference network, in a run folder: `postlens train engagement --model cnn`.

It is the baseline of pictures alone: what it reaches, any use of pictures must beat. The folder holds what every
training of the loop leaves (recipe.toml, command.txt, history.csv, the weights, last.ckpt), the model as cnn.onnx with
cnn.toml, and scores, plots and report.html. 1,000 photos take 4 s an epoch on one core.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from postlens.tasks.engagement.evaluate import Outcomes
from postlens.train.engagement_cnn_recipe import CnnSettings
from postlens.train.engagement_learner import NumberLearner, NumberMaterial
from postlens.train.engagement_photos import Photos, PhotoSquares, with_turns
from postlens.train.engagement_split import split_posts
from postlens.train.export import LICENCE, write_model
from postlens.train.fit import Machine
from postlens.train.history import Row, write_history
from postlens.train.module import NicheNet
from postlens.train.phased import PhasedRun
from postlens.train.predict import predict_logits
from postlens.train.run_folder import RunFolder
from postlens.train.splits import Split
from postlens.types import IntArray, ModelSpec

CNN = "cnn"  # name of the files
TAILS = (0.05, 0.95)  # of the validation errors: the interval, 90 %
LARGEST_LOG = 30.0  # beyond any count of likes; the exponential of more would overflow in the exported file
log = logging.getLogger("postlens.train")
Float = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CnnResult:
    """What a training came to."""

    net: NicheNet
    history: tuple[Row, ...]
    split: Split
    held_out: str  # in words
    outcomes: Outcomes  # of the test
    val_loss: float  # of the epoch that was kept, in the target's unit squared


def fit_cnn(
    photos: Photos,
    settings: CnnSettings,
    *,
    out: Path,
    machine: Machine | None = None,
    resume: bool = False,
    command: str = "",
    parts: tuple[Split, str] | None = None,
) -> CnnResult:
    """Train on four fifths of the photos (a tenth of these validates) and forecast the last fifth.

    The network reads pixels and learns from likes alone. Its interval is its forecast and the 5 % and 95 % quantiles
    of its errors on the validation photos, on the log scale.

    parts: what is held out and how it is told; default: `engagement_split.split_posts`.

    Raises:
        NotEnoughDataError: too few photos.
        UsageError: the folder holds another run, or settings do not fit.
        DivergedError: the loss is no number.
    """
    recipe = settings.recipe
    split, held_out = parts or split_posts(photos.account, rng=np.random.default_rng(settings.seed))
    material = _material(photos, split, settings)
    run = PhasedRun(RunFolder(out), recipe, material, machine or Machine(progress=False), NumberLearner)
    history = run.resume() if resume and run.folder.recipe.exists() else run.begin(command)
    with run.folder.logging():
        net, history = run.fit(history, loggers=())
    write_history(history, run.folder.history)
    if settings.keep == "last":
        _load_last(net, run.folder)
    logs = _forecast(run, net, np.concatenate([split.val, split.test]), settings)
    n_val = len(split.val)
    truth = np.log1p(photos.likes.astype(np.float64))
    tails = np.quantile(truth[split.val] - logs[:n_val], TAILS)
    outcomes = _outcomes(photos, split.test, truth, logs[n_val:], tails)
    return CnnResult(net, tuple(history), split, held_out, outcomes, _kept_loss(history, settings))


def _load_last(net: NicheNet, folder: RunFolder) -> None:
    """The weights after the last epoch, which the loop keeps to resume from, instead of the best ones."""
    state = torch.load(folder.last, map_location="cpu", weights_only=True)["state_dict"]
    net.load_state_dict({name.removeprefix("net."): value for name, value in state.items()})


def _kept_loss(history: Sequence[Row], settings: CnnSettings) -> float:
    losses = [float(row["val_loss"]) for row in history]
    return losses[-1] if settings.keep == "last" else min(losses)


def _material(photos: Photos, split: Split, settings: CnnSettings) -> NumberMaterial:
    """With copies of the training photos alone, where they are turned."""
    n, copies = len(photos), 4 if settings.turned else 1
    target = np.log1p(photos.likes) if settings.target == "log_likes" else photos.likes
    truth = np.tile(target.astype(np.float32), copies)
    train = with_turns(split.train, n=n) if settings.turned else split.train
    pictures = PhotoSquares(photos.pixels, settings.turned)
    digest = hashlib.sha256(pictures.fingerprint.encode() + truth.tobytes() + train.tobytes()).hexdigest()[:16]
    return NumberMaterial(pictures, truth, Split(train, split.val, split.test), digest)


def _forecast(run: PhasedRun, net: NicheNet, rows: IntArray, settings: CnnSettings) -> Float:
    """(M,) log(1 + likes) of the rows."""
    found = predict_logits(
        net, run.material.pictures, rows, recipe=run.recipe, loading=run.loading, device=run.machine.device
    )[:, 0].astype(np.float64)
    return np.maximum(found, 0.0) if settings.target == "log_likes" else np.log1p(np.maximum(found, 0.0))


def _outcomes(photos: Photos, rows: IntArray, truth: Float, logs: Float, tails: Float) -> Outcomes:
    """The network knows nothing of the account: its forecast is also the one to compare the account's posts by."""
    lower, upper = np.minimum(logs, logs + tails[0]), np.maximum(logs, logs + tails[1])
    return Outcomes(
        actual=truth[rows],
        lower=np.maximum(lower, 0.0),
        median=logs,
        upper=upper,
        blind=logs,
        baseline=earlier_medians(photos.account, truth)[rows],
        followers=photos.followers[rows].astype(np.float64),
        account=photos.account[rows].astype(np.float64),
    )


def earlier_medians(account: IntArray, truth: Float) -> Float:
    """(N,) median of the account's earlier rows; NaN for its first."""
    found = np.full(len(truth), np.nan)
    for name in np.unique(account):
        rows = np.flatnonzero(account == name)
        for place in range(1, len(rows)):
            found[rows[place]] = np.median(truth[rows[:place]])
    return found


# --- export ---------------------------------------------------------------------------------------------------------


class _Likes(nn.Module):  # type: ignore[misc]
    """Normalised images to likes, whatever the network learned."""

    def __init__(self, net: NicheNet, *, logs: bool) -> None:
        super().__init__()
        self.net, self.logs = net, logs

    def forward(self, image: Tensor) -> Any:
        found = torch.clamp(self.net(image), min=0.0)
        return torch.expm1(torch.clamp(found, max=LARGEST_LOG)) if self.logs else found


def export_cnn(result: CnnResult, settings: CnnSettings, out: Path, *, told: dict[str, Any]) -> ModelSpec:
    """Write cnn.onnx, images (N, 3, 64, 64) in 0..1 to `likes` (N, 1), with its card; compared with torch.

    told: limits, trained_on and metrics of the card. Raises `ModelError` when the file computes something else.
    """
    recipe = settings.recipe
    net = result.net.cpu().float().eval()
    spec = ModelSpec(
        name=CNN,
        version="1",
        task="engagement",
        file=f"{CNN}.onnx",
        sha256="",
        licence=LICENCE,
        source="postlens train engagement --model cnn: the reference network of likes",
        paper="mean squared error with Adam (Kingma and Ba 2014, arXiv:1412.6980); no normalisation but / 255",
        input_size=recipe.input_size,
        mean=recipe.mean,
        std=recipe.std,
        interpolation=recipe.interpolation,
        channel_order="RGB",
        outputs=("likes",),
        **told,
    )
    probe = np.random.default_rng(0).uniform(0, 1, (3, *recipe.input_size)).astype(np.float32)
    return write_model(_Likes(net, logs=settings.target == "log_likes"), spec, out, input_name="image", probe=probe)
