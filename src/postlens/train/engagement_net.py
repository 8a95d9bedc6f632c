"""The convolutions of the reference network of likes: two layers without padding, each followed by pooling.

With a projection of 128, dropout 0.2 and one output (`train.module.NicheNet`) they are the published network: 3x3
convolutions of 32 and 64 filters, ReLU, 2x2 max pooling, dense 128, dense 1, on 64x64x3: 1,625,281 weights
(64 -> 62 -> 31 -> 29 -> 14; 14 * 14 * 64 = 12,544 features).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

REFERENCE = "reference_cnn"  # begins the backbone's name in a recipe; the filters of the first layer follow
N_FILTERS = 32  # the second layer has twice as many
N_PARAMETERS = 1_625_281  # with N_FILTERS, 128 and 1
GRID = 14  # cells of a side after both poolings


def reference_name(n_filters: int = N_FILTERS) -> str:
    """As `Recipe.backbone` names the network."""
    return f"{REFERENCE}_{n_filters}"


def is_reference(backbone: str) -> bool:
    """Whether the name is of such a network."""
    head, _, tail = backbone.rpartition("_")
    return head == REFERENCE and tail.isdecimal() and int(tail) > 0


class ReferenceConvolutions(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    """Images (N, 3, 64, 64) to features (N, 14 * 14 * 2 * n_filters)."""

    def __init__(self, n_filters: int = N_FILTERS) -> None:
        super().__init__()
        self.num_features = GRID * GRID * 2 * n_filters
        self.layers = nn.Sequential(
            *(nn.Conv2d(3, n_filters, 3), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(n_filters, 2 * n_filters, 3), nn.ReLU(), nn.MaxPool2d(2)),
            nn.Flatten(),
        )

    @classmethod
    def named(cls, backbone: str) -> ReferenceConvolutions:
        """By its name in a recipe."""
        return cls(int(backbone.rpartition("_")[2]))

    def forward(self, images: Tensor) -> Any:
        """Pooled features."""
        return self.layers(images)
