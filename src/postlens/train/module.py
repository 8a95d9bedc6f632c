"""The net that is trained: a backbone's pooled features, an optional projection, a linear head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class NicheNet(nn.Module):  # type: ignore[misc]  # torch is not read by mypy here
    """Images (N, 3, H, W), normalised by the recipe's mean and std, to logits (N, n_classes).

    `backbone` is a timm net with `num_classes=0`: images to pooled features (N, D). `projection` maps them to
    (N, feature_dim), rectified, or is the identity. `head` is one linear layer behind dropout, so that the exported
    head is `softmax(W x + b)`.
    """

    def __init__(
        self, backbone: nn.Module, *, n_classes: int, feature_dim: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        width = backbone_width(backbone)
        self.backbone = backbone
        self.projection: nn.Module = nn.Identity()
        if feature_dim is not None:
            self.projection = nn.Sequential(nn.Linear(width, feature_dim), nn.ReLU())
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(feature_dim or width, n_classes)

    @property
    def width(self) -> int:
        """D, of the backbone's own features."""
        return backbone_width(self.backbone)

    @property
    def feature_dim(self) -> int:
        """Width of what the head reads."""
        return int(self.head.in_features)

    def features(self, images: Tensor) -> Tensor:
        """Pooled features (N, D) of the backbone."""
        return torch.as_tensor(self.backbone(images))

    def project(self, features: Tensor) -> Tensor:
        """What the head reads (N, feature_dim): the features themselves where there is no projection."""
        return torch.as_tensor(self.projection(features))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (N, n_classes)."""
        return torch.as_tensor(self.head(self.dropout(self.project(self.features(images)))))


def backbone_width(backbone: Any) -> int:
    """Width of a timm net's pooled features; a few nets widen them after the pooling (MobileNetV3)."""
    return int(getattr(backbone, "head_hidden_size", None) or backbone.num_features)


def normalise(images: Tensor, *, mean: Tensor, std: Tensor, channel_order: str) -> Tensor:
    """uint8 RGB (N, 3, H, W) as a net takes them: in its order of channels, (x - mean) / std with (3, 1, 1) each."""
    ordered = images.flip(1) if channel_order == "BGR" else images
    return torch.as_tensor((ordered.float() - mean) / std)
