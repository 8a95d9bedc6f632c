"""RGB images to face boxes with six key points: BlazeFace at two scales.

The network is fully convolutional, so it runs on the image's own aspect ratio: once small, where large faces have the
size it was trained for, and once larger for small faces. Boxes and key points are decoded as in Bazarevsky et al. 2019
(arXiv:1907.05047); overlapping boxes are averaged by score, as there, instead of keeping the best one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from postlens.types import FloatArray, Image
from postlens.vision.boxes import box_iou
from postlens.vision.encoder import normalize
from postlens.vision.zoo import open_model

DETECTOR = "face_detector"
STRIDES = ((16, 2, "fine"), (32, 6, "coarse"))  # cell size in px, anchors per cell, name of the output
# Long side of the image in px, and the grey border around it. Without a border, faces that fill the picture are missed
# (found in 81 % instead of 99 % of the identity photos, benchmarks/results/face_detection.csv); the second pass finds
# small ones.
PASSES = ((160, 48), (384, 0))
# Of a candidate, by convention: MediaPipe asks as much of BlazeFace. Higher leaves the verifier fewer candidates and
# loses small and turned faces; lower costs time, and lets through more of what the verifier takes for a face.
MIN_SCORE = 0.5
MERGE_IOU = 0.3  # boxes of one face overlap by more, neighbours in a group photo by less (the paper's value)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Boxes of one image in its pixels: xyxy (N, 4), score (N,) in [0, 1], six key points (N, 6, 2)."""

    xyxy_px: FloatArray
    score: FloatArray
    points_px: FloatArray

    def __len__(self) -> int:
        return len(self.score)

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> Candidates:
        return Candidates(xyxy_px=self.xyxy_px[rows], score=self.score[rows], points_px=self.points_px[rows])


class CandidateFinder:
    """Holds the detector's session; make one per worker thread."""

    def __init__(self, *, passes: tuple[tuple[int, int], ...] = PASSES, min_score: float = MIN_SCORE) -> None:
        self._session = open_model(DETECTOR)
        self._passes = passes
        self._min_score = min_score

    def find(self, image: Image, *, n_passes: int | None = None) -> Candidates:
        """Candidates of an image uint8 (H, W, 3) with score >= `min_score`, best first; boxes may leave the image.

        A face that both passes see comes twice: which box fits it better is for the caller's verifier to say.
        `n_passes` leaves out the later passes: at 1 small faces are missed.
        """
        passes = self._passes[:n_passes]
        base = _shrunk(image, max(side for side, _ in passes))
        found = [self._pass(base, side, border) for side, border in passes]
        rows, score = np.concatenate([f[0] for f in found]), np.concatenate([f[1] for f in found])
        order = np.argsort(-score, kind="stable")
        rows, score = rows[order] * (max(image.shape[:2]) / max(base.shape[:2])), score[order]
        return Candidates(xyxy_px=rows[:, :4], score=score, points_px=rows[:, 4:].reshape(-1, 6, 2))

    def _pass(self, image: Image, long_side_px: int, border_px: int) -> tuple[FloatArray, FloatArray]:
        """One scale, overlaps merged: rows of x0 y0 x1 y1 and six points in image pixels, and scores."""
        canvas, zoom = _fitted(image, long_side_px, border_px=border_px)
        outputs = self._session.run({"image": normalize(canvas, self._session.spec)[None]})
        rows, scores = [], []
        for stride, n_anchors, name in STRIDES:
            prob = 1 / (1 + np.exp(-np.clip(outputs[f"scores_{name}"][0, :, 0], -50, 50)))
            keep = np.flatnonzero(prob >= self._min_score)
            centres = _anchors(canvas.shape[:2], stride, n_anchors)[keep]
            rows.append((_decoded(outputs[f"boxes_{name}"][0, keep], centres) - border_px) / zoom)
            scores.append(prob[keep])
        return _merged(np.concatenate(rows), np.concatenate(scores))


def _shrunk(image: Image, long_side_px: int) -> Image:
    """The image resized to the long side, antialiased."""
    from PIL import Image as Pil

    height, width = image.shape[:2]
    zoom = long_side_px / max(height, width)
    size = max(1, round(width * zoom)), max(1, round(height * zoom))
    if size == (width, height):
        return image
    return np.asarray(Pil.fromarray(image).resize(size, Pil.Resampling.BILINEAR, reducing_gap=2.0))


def _fitted(image: Image, long_side_px: int, *, border_px: int) -> tuple[Image, float]:
    """The image at the long side, on a grey canvas of whole 32 px cells with a border, and the zoom applied."""
    small = _shrunk(image, long_side_px)
    cells = [-(-(side + 2 * border_px) // 32) * 32 for side in small.shape[:2]]
    canvas = np.full((*cells, 3), 127, np.uint8)
    canvas[border_px : border_px + small.shape[0], border_px : border_px + small.shape[1]] = small
    return canvas, long_side_px / max(image.shape[:2])


def _anchors(shape: tuple[int, ...], stride: int, n_anchors: int) -> FloatArray:
    """Centres (N, 2) as x, y in canvas pixels, cell by cell, each repeated for its anchors."""
    rows, columns = shape[0] // stride, shape[1] // stride
    y, x = np.mgrid[:rows, :columns].astype(np.float32)
    centres = (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5) * stride
    return np.repeat(centres, n_anchors, axis=0)


def _decoded(raw: FloatArray, centres: FloatArray) -> FloatArray:
    """Raw rows (centre offset, size, six offsets; canvas pixels) to x0 y0 x1 y1 and six points."""
    middle, half = raw[:, :2] + centres, raw[:, 2:4] / 2
    points = (raw[:, 4:].reshape(-1, 6, 2) + centres[:, None]).reshape(-1, 12)
    return np.concatenate([middle - half, middle + half, points], axis=1)


def _merged(rows: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Score-weighted averages of overlapping rows, under the best score of each group."""
    order = np.argsort(-score, kind="stable")
    kept_rows, kept_scores = [], []
    while len(order):
        same = box_iou(rows[order[:1], :4], rows[order, :4])[0] > MERGE_IOU
        same[0] = True
        group = order[same]
        kept_rows.append(np.average(rows[group], axis=0, weights=score[group]))
        kept_scores.append(score[order[0]])
        order = order[~same]
    return np.asarray(kept_rows, np.float32).reshape(-1, 16), np.asarray(kept_scores, np.float32)


def whole_boxes(boxes: NDArray[np.floating], *, max_inside: float) -> NDArray[np.int64]:
    """Rows of boxes (N, 4), best first, without those that show a better box's face again.

    A box repeats a better one when the smaller of the two lies in the other by more than `max_inside`: a part of the
    face, or the same face seen too wide.
    """
    kept: list[int] = []
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    for row, box in enumerate(boxes):
        low, high = np.maximum(box[:2], boxes[kept, :2]), np.minimum(box[2:], boxes[kept, 2:])
        overlap = np.prod(np.maximum(high - low, 0), axis=1)
        if not (overlap > max_inside * np.minimum(areas[row], areas[kept])).any():
            kept.append(row)
    return np.array(kept, np.int64)
