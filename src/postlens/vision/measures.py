"""Images to simple measures of light, colour, sharpness and symmetry, each a plain number."""

from __future__ import annotations

import numpy as np
from PIL import Image as PillowImage

from postlens.types import FloatArray, Image

MEASURES_VERSION = "1"
SIDE_PX = 256  # measured on a copy with this longest side: sharpness depends on the scale
LUMA = tuple(np.float32(weight) for weight in (0.299, 0.587, 0.114))  # ITU-R BT.601


def measure_image(image: Image) -> dict[str, float]:
    """Measures of one RGB image.

    Returns:
        brightness and contrast (mean and standard deviation of luma, 0..1), saturation (mean of (max-min)/max, 0..1),
        colourfulness (Hasler and Suesstrunk 2003, about 0..110), sharpness (log10 of the Laplacian's variance plus
        1e-6, on luma in 0..1), symmetry (correlation of luma with its left-right mirror, -1..1), aspect (width/height).
    """
    red, green, blue = _planes(image)
    luma = LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue
    high, low = np.maximum(np.maximum(red, green), blue), np.minimum(np.minimum(red, green), blue)
    return {
        "brightness": float(luma.mean()),
        "contrast": float(luma.std()),
        "saturation": float(np.mean((high - low) / np.maximum(high, np.float32(1 / 255)))),
        "colourfulness": _colourfulness(red, green, blue),
        "sharpness": float(np.log10(_laplacian(luma).var() + 1e-6)),
        "symmetry": _symmetry(luma),
        "aspect": image.shape[1] / image.shape[0],
    }


def _planes(image: Image) -> FloatArray:
    """(3, H, W) float32 in 0..1 of the image at SIDE_PX or below."""
    small = PillowImage.fromarray(image)
    small.thumbnail((SIDE_PX, SIDE_PX), PillowImage.Resampling.BOX)
    planes: FloatArray = np.ascontiguousarray(np.asarray(small).transpose(2, 0, 1)).astype(np.float32)
    return planes * np.float32(1 / 255)


def _colourfulness(red: FloatArray, green: FloatArray, blue: FloatArray) -> float:
    """Hasler and Suesstrunk, Measuring colourfulness in natural images, 2003, on its scale of 0..255."""
    red_green = red - green
    yellow_blue = (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return 255 * float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def _laplacian(luma: FloatArray) -> FloatArray:
    """Four-neighbour Laplacian without the border; zeros for images under 3 px."""
    if min(luma.shape) < 3:
        return np.zeros((1, 1), np.float32)
    centre = luma[1:-1, 1:-1]
    around: FloatArray = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:]
    return around - 4 * centre


def _symmetry(luma: FloatArray) -> float:
    """Pearson correlation with the mirror image; 1 for a flat image, which equals its mirror."""
    deviation = luma - luma.mean()
    power = float((deviation**2).sum())
    return 1.0 if power < 1e-6 else float((deviation * deviation[:, ::-1]).sum() / power)
