"""RGB images to faces: boxes, landmarks, quality and identity templates.

MTCNN's last stage throws out the detector's candidates that are no faces (a mouth, a logo, a paw); those that stay are
levelled by the mesh net and get a template.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from postlens.types import Faces, FloatArray, Image
from postlens.vision import align
from postlens.vision.detector import CandidateFinder, Candidates, whole_boxes
from postlens.vision.encoder import normalize
from postlens.vision.quality import face_quality
from postlens.vision.session import Session
from postlens.vision.zoo import open_model

# Of one image, best first: two for each face of a crowd of 100. Higher verifies more of what is no face (0.1 ms each),
# lower loses the faces of crowds: at 64, 60 faces of a group were cut to 50.
MAX_CANDIDATES = 200
BATCH_SIZE = 8  # faces per run of a network: bounds memory
VERIFIER_ZOOM = 1.05  # side of the verifier's crop / longer side of the face box, as MTCNN boxes are cut
# The verifier's probability. Lower lets in paws, logos and food (a hit in 5 of 200 photos of food and rooms at .7, in 2
# at .9), higher loses small and turned faces (benchmarks/results/face_detection.csv).
MIN_CERTAINTY = 0.9
MAX_INSIDE = 0.5  # share of a box that lies in a better one: more is a part of that face, less may be a neighbour
# What a mesh without a face flag leaves of the quality, chosen by eye: its alignment is then a guess. Higher lets such
# faces weigh more in a track's template; at 0 a track of none but such faces has no quality.
MIN_TRUST = 0.2


@dataclass(frozen=True, slots=True)
class View:
    """One look of the template net at a face: the chip's width / dlib's, and whether it is mirrored."""

    size: float = 1.0
    mirrored: bool = False


# The template is the mean over views, 3.4 ms each (benchmarks/results/face_chips.csv). QUICK is for videos, where a
# track averages over frames anyway; CAREFUL for questions about single photos: more pairs of one person are accepted.
QUICK = (View(0.9), View(1.0, mirrored=True))
CAREFUL = (View(0.9), View(0.9, mirrored=True), View(1.1), View(1.1, mirrored=True))


@dataclass(frozen=True, slots=True)
class Meshes:
    """Levelled faces: points (N, 468, 3) in image pixels (z in the same scale) and the net's face flag (N,)."""

    points_px: FloatArray
    flag: FloatArray


class FaceDetector:
    """Holds the four face models; make one per worker thread."""

    def __init__(self, finder: CandidateFinder | None = None, *, views: Sequence[View] = QUICK) -> None:
        self._finder, self._views = finder or CandidateFinder(), tuple(views)
        self._verifier = open_model("face_verifier")
        self._mesh = open_model("face_mesh")
        self._template = open_model("face_template")

    def detect(self, image: Image, *, scale: float = 1.0, frame: int = 0, pts_s: float = 0.0) -> Faces:
        """The faces of an image uint8 (H, W, 3), most certain first, with templates (without where there are no views).

        `scale` is the image's size / the original's (`FrameBatch.scale`): boxes and landmarks come back in original
        pixels. `template` (N, 128) is what the net gives; `templates.identity_vectors` turns it into what is compared.
        """
        found = _faces_among(self.candidates(image))
        if not len(found):
            return Faces.none(len(align.LANDMARKS))
        faces = self._described(image, found, self._meshes(image, found), scale=scale)
        return replace(faces, frame=np.full(len(found), frame, np.int64), pts_s=np.full(len(found), pts_s, np.float32))

    def glance(self, image: Image) -> bool:
        """Whether there is a face, at a third of the cost of `detect` and blind to small ones."""
        return len(_faces_among(self.candidates(image, n_passes=1))) > 0

    def follow(self, image: Image, faces: Faces, *, scale: float = 1.0) -> Faces | None:
        """Known faces (in original pixels) at their places in another picture of the shot, without a search.

        The mesh net finds a face that moved by up to about a quarter of its box; None where the verifier does not see a
        face at each of the new places.
        """
        boxes, points = faces.xyxy_px * np.float32(scale), faces.landmarks_px * np.float32(scale)
        meshes = self._meshes(image, Candidates(xyxy_px=boxes, score=faces.score, points_px=points))
        now = np.stack([align.landmarks(mesh) for mesh in meshes.points_px])
        moved = _moved(boxes, points, now)
        score = self._probabilities(image, moved)
        if (score < MIN_CERTAINTY).any() or len(whole_boxes(moved, max_inside=MAX_INSIDE)) < len(moved):
            return None
        return self._described(image, Candidates(xyxy_px=moved, score=score, points_px=now), meshes, scale=scale)

    def _described(self, image: Image, found: Candidates, meshes: Meshes, *, scale: float) -> Faces:
        """Boxes and meshes to faces with quality and template, of frame 0 at 0 s."""
        chips = [align.crop(image, align.chip_matrix(mesh), size_px=align.CHIP_PX) for mesh in meshes.points_px]
        points = np.stack([align.landmarks(mesh) for mesh in meshes.points_px])
        limits = np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        return Faces(
            xyxy_px=np.clip(found.xyxy_px, 0, limits) / np.float32(scale),
            score=found.score,
            landmarks_px=points / np.float32(scale),
            quality=_qualities(chips, meshes, points, found.score),
            frame=np.zeros(len(found), np.int64),
            pts_s=np.zeros(len(found), np.float32),
            template=self._templates(image, meshes) if self._views else None,
        )

    def candidates(self, image: Image, *, n_passes: int | None = None) -> Candidates:
        """What may be a face, before any is thrown out: score (N,) is the verifier's probability, best first."""
        found = self._finder.find(image, n_passes=n_passes)[:MAX_CANDIDATES]
        if not len(found):
            return found
        prob = self._probabilities(image, found.xyxy_px)
        order = np.argsort(-prob * found.score, kind="stable")
        return replace(found[order], score=prob[order])

    def _probabilities(self, image: Image, boxes: FloatArray) -> FloatArray:
        """The verifier's probability (N,) that there is a face in each box (N, 4)."""
        return _run(self._verifier, [_verifier_crop(image, box) for box in boxes])["face_prob"]

    def _meshes(self, image: Image, found: Candidates) -> Meshes:
        """Mesh points in image pixels from levelled crops."""
        matrices = [
            align.mesh_matrix(box, points[:2]) for box, points in zip(found.xyxy_px, found.points_px, strict=True)
        ]
        outputs = _run(self._mesh, [align.crop(image, matrix, size_px=align.MESH_PX) for matrix in matrices])
        local = outputs["mesh"].reshape(-1, 468, 3)
        points = [_to_image(mesh, matrix) for mesh, matrix in zip(local, matrices, strict=True)]
        return Meshes(np.stack(points), outputs["face_flag"][:, 0])

    def _templates(self, image: Image, meshes: Meshes) -> FloatArray:
        """Mean of the templates of each face's views: (N, 128)."""
        chips = [_view(image, mesh, view) for view in self._views for mesh in meshes.points_px]
        found = _run(self._template, chips)["template"]
        of_views = found.reshape(len(self._views), -1, found.shape[1])
        return np.asarray(of_views.mean(axis=0), np.float32)


def _view(image: Image, mesh: FloatArray, view: View) -> Image:
    """dlib's chip of a face, the image's edges repeated where it leaves the image."""
    chip = align.crop_repeating(image, align.chip_matrix(mesh, size=view.size), size_px=align.CHIP_PX)
    return chip[:, ::-1] if view.mirrored else chip


def _moved(boxes: FloatArray, before: FloatArray, after: FloatArray) -> FloatArray:
    """Boxes (N, 4) shifted and scaled as their landmarks (N, K, 2) went."""
    shift = (after - before).mean(axis=1)
    ratio = [align.face_scale(new) / max(align.face_scale(old), 1.0) for old, new in zip(before, after, strict=True)]
    centre, half = (boxes[:, :2] + boxes[:, 2:]) / 2 + shift, (boxes[:, 2:] - boxes[:, :2]) / 2
    half = half * np.array(ratio, np.float32)[:, None]
    return np.concatenate([centre - half, centre + half], axis=1).astype(np.float32)


def _faces_among(candidates: Candidates) -> Candidates:
    certain = candidates[np.flatnonzero(candidates.score >= MIN_CERTAINTY)]
    return certain[whole_boxes(certain.xyxy_px, max_inside=MAX_INSIDE)]


def _run(session: Session, crops: list[Image]) -> dict[str, FloatArray]:
    """A model over crops of its input size, a few at a time; no more of them than a batch are floats at once."""
    batches = [crops[start : start + BATCH_SIZE] for start in range(0, len(crops), BATCH_SIZE)]
    parts = [session.run({"image": np.stack([normalize(crop, session.spec) for crop in batch])}) for batch in batches]
    return {name: np.concatenate([part[name] for part in parts]) for name in session.spec.outputs}


def _to_image(mesh: FloatArray, matrix: align.Matrix) -> FloatArray:
    """Mesh points (468, 3) from crop to image pixels, the depth in the same scale."""
    depth = mesh[:, 2:] * np.hypot(matrix[0, 0], matrix[1, 0])
    return np.concatenate([align.apply(matrix, mesh[:, :2]), depth], axis=1).astype(np.float32)


def _verifier_crop(image: Image, box: NDArray[np.floating]) -> Image:
    centre, side = (box[:2] + box[2:]) / 2, VERIFIER_ZOOM * float(max(box[2] - box[0], box[3] - box[1]))
    return align.crop(image, align.square_matrix(centre, side, 0.0, size_px=48), size_px=48)


def _qualities(chips: list[Image], meshes: Meshes, points: FloatArray, score: FloatArray) -> FloatArray:
    trust = score * np.maximum(meshes.flag, MIN_TRUST)
    rows = zip(chips, meshes.points_px, points, trust, strict=True)
    return np.array(
        [
            face_quality(chip, mesh, scale_px=align.face_scale(marks), trust=float(part))
            for chip, mesh, marks, part in rows
        ],
        np.float32,
    )
