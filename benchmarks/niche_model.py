"""What a trained run costs in `analyze`, and what `extract` does, written to benchmarks/results/niche_model.csv.

    .venv/bin/python benchmarks/niche_model.py ../shared/data/niche      # 3 min on a free core

Processor time of the whole process is counted, so that other work on the machine shifts the figures little; the least
of REPEATS runs is kept. The run's own encoder is the shipped one with another card, so it costs what a net of that size
does; its head is the shipped one. Every STRIDE-th photo of the folder is looked at, each time into a new store.
"""

from __future__ import annotations

import csv
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import postlens
from postlens.config import Settings
from postlens.media.probe import IMAGE_SUFFIXES
from postlens.pipelines.analyze import Request, analyze
from postlens.pipelines.answers import Answerer
from postlens.store import Store
from postlens.store.posts import read_creators
from postlens.tasks.niche.predict import POST_MODEL
from postlens.train.extract import extract
from postlens.types import ModelSpec
from postlens.vision.cards import write_card
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import WEIGHTS, load_spec

RESULTS = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "niche_model.csv"
STRIDE, MOST = 8, 320
REPEATS = 3
ROUNDS = 20  # of answers in one measurement: a single one is shorter than the clock's tick


def write_run(folder: Path, *, own_encoder: bool) -> Path:
    """A run folder made of the shipped models."""
    folder.mkdir()
    encoder = load_spec(ENCODER)
    if own_encoder:
        encoder = _copied(replace(encoder, interpolation=f"{encoder.interpolation}."), ENCODER, "encoder", folder)
    _copied(replace(load_spec(POST_MODEL), upstream=(encoder.fingerprint,)), POST_MODEL, "head", folder)
    return folder


def _copied(spec: ModelSpec, old: str, new: str, folder: Path) -> ModelSpec:
    shutil.copy(WEIGHTS / f"{old}.onnx", folder / f"{new}.onnx")
    named = replace(spec, name=new, file=f"{new}.onnx")
    write_card(named, folder / f"{new}.toml")
    return named


def chosen(root: Path, folder: Path) -> int:
    """Copy every STRIDE-th photo below the root into the folder; how many."""
    found = [path for path in sorted(root.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES][::STRIDE][:MOST]
    folder.mkdir()
    for number, path in enumerate(found):
        shutil.copy(path, folder / f"{number}{path.suffix}")
    return len(found)


def least_ms(work: Callable[[Path], object], n: int) -> float:
    """Least processor time per photo of REPEATS runs, each in a new folder, after a short one to warm up."""
    spent = []
    for _ in range(REPEATS + 1):
        with tempfile.TemporaryDirectory() as folder:
            start = os.times()
            work(Path(folder))
            end = os.times()
        spent.append(end.user + end.system - start.user - start.system)
    return min(spent[1:]) / n * 1e3


def answer_ms(photos: str, n: int) -> float:
    """Least processor time per photo of the niche's own part of `analyze`: heads and pooling, from stored facts."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(workers=1)
        analyze(Request((photos,), Path(folder)), settings=settings)
        answerer, spent = Answerer(settings), []
        with Store.open(f"sqlite:///{folder}/postlens.db") as store, store.read() as conn:
            facts = [answerer.read_facts(conn, creator) for creator in read_creators(conn)]
        for _ in range(REPEATS + 1):
            start = os.times()
            for _ in range(ROUNDS):
                for one in facts:
                    answerer.niches(one)
            end = os.times()
            spent.append(end.user + end.system - start.user - start.system)
    return min(spent[1:]) / ROUNDS / n * 1e3


def main(root: Path) -> None:
    """Measure and write a row per case."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        n = chosen(root, base / "photos")
        runs: dict[str, Path | None] = {
            "analyze, shipped": None,
            "analyze, a run's head": write_run(base / "head", own_encoder=False),
            "analyze, a run's encoder and head": write_run(base / "both", own_encoder=True),
        }
        photos = str(base / "photos")

        def analyzed(run: Path | None) -> Callable[[Path], object]:
            settings = Settings(workers=1, niche_model=run)
            return lambda out: analyze(Request((photos,), out), settings=settings)

        rows = [(case, least_ms(analyzed(run), n)) for case, run in runs.items()]
        rows.append(("of it, niche answers", answer_ms(photos, n)))
        one = Settings(workers=1)
        rows.append(("extract", least_ms(lambda out: extract(photos, out / "features.npz", settings=one), n)))
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case", "ms_per_photo", "photos", "postlens", "machine"])
        writer.writerows([case, round(ms, 2), n, postlens.__version__, platform.machine()] for case, ms in rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
