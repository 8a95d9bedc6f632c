"""Where a training's curves go: TensorBoard always, Weights & Biases and MLflow when asked for."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from postlens.errors import MissingExtraError, UnknownNameError

TENSORBOARD = "tensorboard"
PROJECT = "postlens"  # under which W&B and MLflow file the runs


def make_loggers(names: Iterable[str], out: Path) -> list[Any]:
    """Lightning's loggers: TensorBoard under `out/tensorboard`, and those named: "wandb", "mlflow".

    W&B sends the curves to its server as its own settings say; MLflow writes where it is set
    up to, else to `out/mlflow.db`. Neither is used unless named.

    Raises:
        UnknownNameError: a name that is none of these.
        MissingExtraError: the library is not installed.
    """
    extra = [name for name in dict.fromkeys(names) if name != TENSORBOARD]
    return [_tensorboard(out), *(_other(name, out) for name in extra)]


def log_row(loggers: Sequence[Any], row: Mapping[str, Any]) -> None:
    """Give a row of the history to every logger; its epoch is the step. Does nothing but in the first process."""
    numbers = {name: value for name, value in row.items() if isinstance(value, int | float)}
    for logger in loggers:
        logger.log_metrics(numbers, step=int(row["epoch"]))
        logger.save()


def close_loggers(loggers: Sequence[Any], *, status: str) -> None:
    """Flush and close; status is "success" or "failed"."""
    for logger in loggers:
        logger.finalize(status)


def _tensorboard(out: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(out, name=None, version=TENSORBOARD)


def _wandb(out: Path) -> Any:
    from lightning.pytorch.loggers import WandbLogger

    return WandbLogger(name=out.name, save_dir=out, project=PROJECT)


def _mlflow(out: Path) -> Any:
    from lightning.pytorch.loggers import MLFlowLogger

    mlflow = importlib.import_module("mlflow")
    place = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else f"sqlite:///{out.resolve() / 'mlflow.db'}"
    return MLFlowLogger(experiment_name=PROJECT, run_name=out.name, tracking_uri=place)


_OTHERS: Mapping[str, Callable[[Path], Any]] = {"wandb": _wandb, "mlflow": _mlflow}


def _other(name: str, out: Path) -> Any:
    if name not in _OTHERS:
        raise UnknownNameError(f"expected a logger out of [{TENSORBOARD}, {', '.join(_OTHERS)}], got {name!r}")
    if importlib.util.find_spec(name) is None:
        raise MissingExtraError(name, needed_for=f"--logger {name}", package=name)
    return _OTHERS[name](out)
