"""Face candidates to levelled crops: the mesh net's crop and dlib's chip.

All coordinates are continuous: pixel (0, 0) covers [0, 1) x [0, 1). A crop is described by its corners' placement, a
similarity transform written as a 2 x 3 matrix from crop to image coordinates.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, Image

Matrix = NDArray[np.float64]

# Points of the 468-point mesh (MediaPipe's numbering); right and left are the person's.
RIGHT_EYE = (33, 133)  # outer, inner corner
LEFT_EYE = (263, 362)
NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, FOREHEAD, CHIN = 168, 1, 2, 10, 152
MOUTH = (61, 291)  # corners
RIGHT_EAR, LEFT_EAR = 234, 454  # in front of the ears
LANDMARKS = ("right_eye", "left_eye", "nose", "mouth", "right_ear", "left_ear")

# Where mesh points lie in dlib's chip (a unit square, padding of .25 included): means over frontal faces levelled by
# dlib's own five points (get_face_chip_details), made symmetric; recipes/face_chips.py prints them to .001. Nine points
# in place of five hold the chip steadier on turned faces (benchmarks/results/face_chips.csv).
CHIP_MESH_POINTS = (*RIGHT_EYE, *LEFT_EYE, NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, *MOUTH)
CHIP_POINTS = np.array(
    [
        [0.2437, 0.3166],
        [0.4014, 0.3209],
        [0.7563, 0.3166],
        [0.5986, 0.3209],
        [0.5, 0.2893],
        [0.5, 0.5309],
        [0.5, 0.5669],
        [0.3434, 0.6926],
        [0.6566, 0.6926],
    ],
    np.float64,
)
CHIP_PX = 150

MESH_PX = 192
MESH_ZOOM = 1.5  # side of the mesh crop / longer side of the face box, as the mesh net was trained

# Mean distance from eyes to mouth is 1.04 times that between the eyes in CelebA's alignment.
EYE_MOUTH_RATIO = 1.04


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> Matrix:
    """The rotation, uniform scale and shift (2, 3) that map source (K, 2) onto target best in least squares.

    Umeyama 1991, without reflection, in complex form: target = a * source + b.
    """
    z, w = source @ [1, 1j], target @ [1, 1j]
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred).real
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def square_matrix(centre: NDArray[np.floating], side: float, angle_rad: float, *, size_px: int) -> Matrix:
    """Crop-to-image matrix of a square of `side` image pixels, turned by `angle_rad` (positive: clockwise)."""
    k = side / size_px
    turn = k * np.array([[np.cos(angle_rad), -np.sin(angle_rad)], [np.sin(angle_rad), np.cos(angle_rad)]])
    return np.column_stack([turn, centre - turn @ [size_px / 2, size_px / 2]])


def apply(matrix: Matrix, points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Points (..., 2) through a 2 x 3 matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def crop(image: Image, matrix: Matrix, *, size_px: int) -> Image:
    """The square (size_px, size_px, 3) that `matrix` (crop to image) describes; black outside the image.

    Bilinear, after a box reduction by whole factors where the crop is coarser than the image.
    """
    from PIL import Image as Pil

    factor = max(1, int(np.hypot(matrix[0, 0], matrix[1, 0])))
    corners = apply(matrix, np.array([[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]]))
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2 * factor, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2 * factor, image.shape[1::-1])
    if (high <= low).any():
        return np.zeros((size_px, size_px, 3), np.uint8)
    part = Pil.fromarray(image[low[1] : high[1], low[0] : high[0]])
    part = part.reduce(factor) if factor > 1 else part
    local = np.column_stack([matrix[:, :2], matrix[:, 2] - low]) / factor
    data = tuple(local.ravel().tolist())
    warped = part.transform((size_px, size_px), Pil.Transform.AFFINE, data, Pil.Resampling.BILINEAR)
    return np.asarray(warped)


def crop_repeating(image: Image, matrix: Matrix, *, size_px: int) -> Image:
    """As `crop`, with the image's edge pixels repeated where the square leaves it."""
    corners = apply(matrix, np.array([[0, 0], [size_px, 0], [0, size_px], [size_px, size_px]], np.float64))
    height, width = image.shape[:2]
    margin = 2 * max(1, int(np.hypot(matrix[0, 0], matrix[1, 0])))
    low = np.floor(corners.min(axis=0)).astype(int) - margin
    high = np.ceil(corners.max(axis=0)).astype(int) + margin
    inside = low.min() >= 0 and high[0] <= width and high[1] <= height
    rows = np.clip(np.arange(low[1], high[1]), 0, height - 1)
    columns = np.clip(np.arange(low[0], high[0]), 0, width - 1)
    part = image[low[1] : high[1], low[0] : high[0]] if inside else image[rows[:, None], columns]
    return crop(part, np.column_stack([matrix[:, :2], matrix[:, 2] - low]), size_px=size_px)


def mesh_matrix(box: NDArray[np.floating], eyes: NDArray[np.floating]) -> Matrix:
    """The mesh net's crop: MESH_ZOOM times the box (4,), the eyes (2, 2; the person's right first) level."""
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    side = MESH_ZOOM * max(box[2] - box[0], box[3] - box[1])
    return square_matrix(centre, side, level_angle(eyes), size_px=MESH_PX)


def level_angle(eyes: NDArray[np.floating]) -> float:
    """The angle of the line from the person's right to left eye, in radians."""
    dx, dy = eyes[1] - eyes[0]
    return float(np.arctan2(dy, dx))


def landmarks(mesh: NDArray[np.floating]) -> FloatArray:
    """Six landmarks (6, 2) in the order of LANDMARKS from mesh points (468, >=2)."""
    xy = mesh[:, :2]
    pairs = [xy[list(pair)].mean(axis=0) for pair in (RIGHT_EYE, LEFT_EYE, (NOSE_TIP,), MOUTH)]
    return np.stack([*pairs, xy[RIGHT_EAR], xy[LEFT_EAR]]).astype(np.float32)


def chip_matrix(mesh: NDArray[np.floating], *, size: float = 1.0) -> Matrix:
    """dlib's face chip (CHIP_PX square) from mesh points in image pixels; `size` times as wide, about its centre."""
    matrix = similarity(CHIP_POINTS * CHIP_PX, mesh[list(CHIP_MESH_POINTS), :2])
    centre = apply(matrix, np.full(2, CHIP_PX / 2))
    turn = size * matrix[:, :2]
    return np.column_stack([turn, centre - turn @ np.full(2, CHIP_PX / 2)])


def face_scale(points: NDArray[np.floating]) -> float:
    """Distance between the eyes in pixels, held up by the eye-mouth distance when the head is turned."""
    eyes = points[:2].mean(axis=0)
    between = float(np.hypot(*(points[1] - points[0])))
    return max(between, float(np.hypot(*(points[3] - eyes))) / EYE_MOUTH_RATIO)
