"""The scene's and the faces' emotions to one forecast: fused probabilities, detected emotions, fitting emoji."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from postlens.errors import SettingsError, ShapeError, UnknownNameError
from postlens.tasks.reactions.emoji import EmojiTable, Policy, choose_emoji, default_table
from postlens.types import EMOTIONS, Faces, FloatArray, ReactionForecast

# An emotion counts from this probability on. The project's default; higher finds fewer emotions and blocks fewer emoji.
# At 0.35 at most two of eight probabilities that sum to 1 can count.
DEFAULT_THRESHOLD = 0.35
# Share of the faces in the fused logits at full quality; the scene has the rest. Of .1 to .9 the least log loss on the
# 47 OASIS photos with faces, themes held out (docs/log/reactions.md); flat from .3 to .6. Higher trusts expressions
# more where they contradict the scene.
FACE_SHARE = 0.5
FLOOR = 1e-4  # keeps a reader that is sure from vetoing the other: no logit is below log(FLOOR)


def predict(
    subject_id: str,
    scene_probs: ArrayLike,
    faces: Faces | None,
    *,
    thresholds: float | Mapping[str, float] = DEFAULT_THRESHOLD,
    table: EmojiTable | None = None,
    policy: Policy = "strict",
) -> ReactionForecast:
    """The emotions of one image or video and the emoji that fit.

    scene_probs (8,): probabilities in the order of EMOTIONS (of a video: the mean over its frames). faces: with
    `expression` (N, 8), any number of frames; without faces, or before their expressions were read, the scene decides
    alone and `reader` says so. thresholds: one for all, or by emotion (the default for those left out).

    Emotions at or above their threshold are detected; when there is none, the most probable one stands in and
    `low_confidence` is set. Raises `ShapeError` for other shapes or values outside [0, 1], `SettingsError` for a
    threshold outside [0, 1], `UnknownNameError` for an unknown emotion.
    """
    scene = _checked(scene_probs, "scene_probs", (len(EMOTIONS),))
    shown = average_expression(faces) if faces is not None else None
    probs = scene if shown is None else fuse(scene, shown[0], weight=shown[1])
    limits = _limits(thresholds)
    emotions = detected(probs, limits)
    sure = bool(probs[EMOTIONS.index(emotions[0])] >= limits[emotions[0]])
    allowed, blocked = choose_emoji(emotions, table or default_table(), policy=policy)
    return ReactionForecast(
        subject_id=subject_id,
        probs={name: float(p) for name, p in zip(EMOTIONS, probs, strict=True)},
        emotions=emotions,
        allowed=allowed,
        blocked=blocked,
        reader="scene" if shown is None else "scene+faces",
        low_confidence=not sure,
    )


def average_expression(faces: Faces) -> tuple[FloatArray, float] | None:
    """Mean expression (8,) over all faces and frames, and how far to trust it in [0, 1]; `None` without expressions.

    A face counts by the side of its box times its quality: a portrait outweighs passers-by, a sharp frontal frame a
    blurred one. The trust is the best quality among them. Faces of quality 0 count for nothing.
    """
    if faces.expression is None or not len(faces):
        return None
    probs = _checked(faces.expression, "faces.expression", (len(faces), len(EMOTIONS)))
    sides = np.clip(faces.xyxy_px[:, 2:] - faces.xyxy_px[:, :2], 0, None)
    quality = np.clip(faces.quality, 0, 1)
    weights = np.sqrt(sides.prod(axis=1)) * quality
    if not weights.sum() > 0:
        return None
    return np.average(probs, axis=0, weights=weights).astype(np.float32), float(quality[weights > 0].max())


def fuse(scene: FloatArray, expression: FloatArray, *, weight: float = 1.0) -> FloatArray:
    """One distribution (8,) from two: their weighted geometric mean, renormalised.

    A logarithmic opinion pool (Genest and Zidek 1986): logits are averaged with weight FACE_SHARE x `weight` for the
    expression and the rest for the scene, so agreement sharpens less than multiplying would, and neither reader can
    veto the other.
    """
    share = FACE_SHARE * weight
    logits = (1 - share) * np.log(np.maximum(scene, FLOOR)) + share * np.log(np.maximum(expression, FLOOR))
    fused = np.exp(logits - logits.max())
    return np.asarray(fused / fused.sum(), np.float32)


def detected(probs: FloatArray, thresholds: Mapping[str, float]) -> tuple[str, ...]:
    """Emotions at or above their thresholds, most probable first; the most probable one when there is none."""
    order = [EMOTIONS[i] for i in np.argsort(-probs, kind="stable")]
    found = tuple(name for name in order if probs[EMOTIONS.index(name)] >= thresholds[name])
    return found or (order[0],)


def _limits(thresholds: float | Mapping[str, float]) -> dict[str, float]:
    given = thresholds if isinstance(thresholds, Mapping) else dict.fromkeys(EMOTIONS, thresholds)
    if unknown := sorted(set(given) - set(EMOTIONS)):
        raise UnknownNameError(f"expected thresholds for emotions out of {list(EMOTIONS)}, got {unknown}")
    if wrong := {name: value for name, value in given.items() if not 0 <= value <= 1}:
        raise SettingsError(f"expected reaction thresholds between 0 and 1, got {wrong}")
    return {name: float(given.get(name, DEFAULT_THRESHOLD)) for name in EMOTIONS}


def _checked(values: ArrayLike, name: str, shape: tuple[int, ...]) -> FloatArray:
    array = np.asarray(values, np.float32)
    if array.shape != shape:
        raise ShapeError(f"{name} must have shape {shape} in the order of EMOTIONS, got {array.shape}")
    if not ((array >= 0) & (array <= 1 + 1e-4)).all():
        raise ShapeError(f"{name} must be probabilities between 0 and 1; run them through their head first")
    return array
