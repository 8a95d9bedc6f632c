"""Aligned faces to one number in [0, 1]: how far an identity template made from this face can be trusted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, Image
from postlens.vision.align import CHIN, FOREHEAD, LEFT_EAR, RIGHT_EAR

# Ramps from 0 to 1. Chosen from the spread over mixed photos; recipes/face_templates.py shows that the error between
# photos of one person falls as the product rises.
SIZE_PX = (10.0, 40.0)  # distance between the eyes in the decoded image
SHARPNESS = (1.0, 2.5)  # log10 of the Laplacian's variance on the 150 px chip, luma 0..255
TURN_DEG = (60.0, 15.0)  # larger of yaw and pitch
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def face_quality(chip: Image, mesh: NDArray[np.floating], *, scale_px: float, trust: float) -> float:
    """Geometric mean of size, sharpness, frontality and trust in the detection.

    `chip` is the (150, 150, 3) aligned face, `mesh` its (468, 3) points, `scale_px` the distance between the eyes in
    the image, `trust` how certain detection and alignment are, in [0, 1].
    """
    yaw, pitch = head_turn(mesh)
    parts = [
        _ramp(scale_px, SIZE_PX),
        _ramp(sharpness(chip), SHARPNESS),
        _ramp(max(abs(yaw), abs(pitch)), TURN_DEG),
        trust,
    ]
    return float(np.prod(parts) ** (1 / len(parts)))


def head_turn(mesh: NDArray[np.floating]) -> tuple[float, float]:
    """Yaw and pitch in degrees from the mesh's depth: 0, 0 looks into the camera."""
    across, down = mesh[LEFT_EAR] - mesh[RIGHT_EAR], mesh[CHIN] - mesh[FOREHEAD]
    yaw = np.arctan2(across[2], np.hypot(*across[:2]))
    pitch = np.arctan2(down[2], np.hypot(*down[:2]))
    return float(np.degrees(yaw)), float(np.degrees(pitch))


def sharpness(chip: Image) -> float:
    """log10 of the variance of the four-neighbour Laplacian of luma (Pech-Pacheco et al. 2000)."""
    luma: FloatArray = chip.astype(np.float32) @ LUMA
    centre = luma[1:-1, 1:-1]
    edges = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * centre
    return float(np.log10(edges.var() + 1e-3))


def _ramp(value: float, ends: tuple[float, float]) -> float:
    return float(np.clip((value - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0))
