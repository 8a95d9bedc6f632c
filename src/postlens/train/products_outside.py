"""A trained model to how often it calls its labels on photos unlike those it was trained on: the sample campaign's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from postlens.media.probe import IMAGE_SUFFIXES
from postlens.tasks.products.model import Reads
from postlens.train.products_fit import Float
from postlens.train.products_table import ProductImages
from postlens.train.products_vectors import Reader
from postlens.types import FloatArray

SAMPLES = Path(__file__).resolve().parents[1] / "sample_campaign" / "media"  # persons, cats, rooms, places
# Share of the sample photos called from which a label is told of. Higher: labels that call a good part of anything pass
# unsaid; lower: labels that these photos happen to show, a chair or a cat, are told of, too.
WARN_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class Outside:
    """How often labels are called on the sample photos."""

    n: int  # photos, or of labels of faces those with a face
    called: Mapping[str, float]  # label to the share of them that is called

    @property
    def warning(self) -> str:
        """One sentence about the labels that are called often; "" without any."""
        often = [f"{name} in {share:.0%}" for name, share in self.called.items() if share >= WARN_SHARE]
        if not often:
            return ""
        return (
            f"calls {', '.join(often)} of {self.n} photos unlike yours (persons, cats, rooms, places): unless they"
            " show it, train again with photos of the kind you will read in the folder `none`"
        )


def measure_outside(
    predict: Callable[[FloatArray], Float], reads: Reads, *, labels: Sequence[str], thresholds: Sequence[float]
) -> Outside:
    """The share of the sample photos whose probability (`predict` of vectors (N, D)) reaches each label's threshold."""
    vectors = sample_vectors(reads)
    shares = (predict(vectors) >= np.asarray(thresholds)).mean(axis=0)
    return Outside(len(vectors), dict(zip(labels, shares.round(4).tolist(), strict=True)))


@cache
def sample_vectors(reads: Reads) -> FloatArray:
    """(N, D) vectors of the sample photos, read as images to be trained on are; once in a process, 2 to 5 s."""
    paths = tuple(str(path) for path in sorted(SAMPLES.rglob("*")) if path.suffix.lower() in IMAGE_SUFFIXES)
    n = len(paths)
    images = ProductImages(paths, ("",) * n, np.zeros((n, 0), np.float32), ("",) * n, np.zeros(n, bool), labels=())
    return Reader().read(images, reads)[1].vectors
