"""The scene's and the faces' emotions to one forecast: fused probabilities, detected emotions, fitting emoji."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from postlens.errors import SettingsError, ShapeError, UnknownNameError
from postlens.tasks.reactions.emoji import EmojiTable, Policy, choose_emoji, default_table
from postlens.tasks.reactions.features import SceneReading
from postlens.tasks.reactions.fuse import FUSION, Shown, checked_probs, fuse, pool_expressions
from postlens.types import EMOTIONS, Faces, FloatArray, ReactionForecast
from postlens.vision.zoo import open_model

# Where neither the user nor a card has a threshold. The project's default; higher finds fewer emotions and blocks
# fewer emoji.
DEFAULT_THRESHOLD = 0.35

Reader = Literal["scene", "faces", "scene+faces", "model"]
Decider = Literal["scene", "faces", "both", "model"]


def predict(
    subject_id: str,
    scene: SceneReading | None,
    faces: Faces | None,
    *,
    thresholds: float | Mapping[str, float] | None = None,
    table: EmojiTable | None = None,
    policy: Policy = "strict",
    model_probs: ArrayLike | None = None,
) -> ReactionForecast:
    """The emotions of one image or video and the emoji that fit.

    Emotions at or above their threshold are detected; when there is none, the most probable one stands in and
    `low_confidence` is set.

    Args:
        subject_id: of the image, video or post.
        scene: as `read_scene` has it; `None` where no frame was encoded.
        faces: with `expression` (N, 8), any number of frames. Without faces, or before their expressions were read,
            the scene answers alone and `reader` says so.
        thresholds: one for all emotions, or by emotion; by default, and for emotions left out, those of the
            fusion's card.
        table: of emoji; default: the packaged one.
        policy: as `choose_emoji`.
        model_probs: (8,) of a net of `postlens train reactions`, which then answers instead; give its
            thresholds too, DEFAULT_THRESHOLD is taken else.

    Raises:
        ShapeError: other shapes, values outside [0, 1], or nothing to answer from.
        SettingsError: a threshold outside [0, 1].
        UnknownNameError: an unknown emotion.
    """
    shown = pool_expressions(faces)
    probs, reader = _answer(scene, shown, model_probs)
    limits = _limits(thresholds, reader)
    emotions = detected(probs, limits)
    allowed, blocked = choose_emoji(emotions, table or default_table(), policy=policy)
    return ReactionForecast(
        subject_id=subject_id,
        probs={name: float(p) for name, p in zip(EMOTIONS, probs, strict=True)},
        emotions=emotions,
        allowed=allowed,
        blocked=blocked,
        reader=reader,
        low_confidence=float(probs[EMOTIONS.index(emotions[0])]) < limits[emotions[0]],
        valence=None if scene is None else scene.valence,
        arousal=None if scene is None else scene.arousal,
        n_faces=0 if shown is None else shown.n_faces,
        decided_by=_decider(reader, emotions[0], scene, shown),
        thresholds=limits,
    )


def detected(probs: FloatArray, thresholds: Mapping[str, float]) -> tuple[str, ...]:
    """Emotions at or above their thresholds, most probable first; the most probable one when there is none."""
    order = [EMOTIONS[i] for i in np.argsort(-probs, kind="stable")]
    found = tuple(name for name in order if float(probs[EMOTIONS.index(name)]) >= thresholds[name])
    return found or (order[0],)


def _answer(
    scene: SceneReading | None, shown: Shown | None, model_probs: ArrayLike | None
) -> tuple[FloatArray, Reader]:
    """Eight probabilities, and what they were read from."""
    if model_probs is not None:
        return checked_probs(model_probs, "model_probs", (len(EMOTIONS),)), "model"
    if scene is None and shown is None:
        raise ShapeError("expected a scene, faces with expressions or model_probs, got none; read one of them first")
    reader: Reader = "faces" if scene is None else "scene" if shown is None else "scene+faces"
    return fuse(scene, shown), reader


def _decider(reader: Reader, emotion: str, scene: SceneReading | None, shown: Shown | None) -> Decider:
    """Which reader alone would name the emotion; where neither would, the one that finds it more probable."""
    if reader == "model" or scene is None or shown is None:
        return "model" if reader == "model" else "faces" if scene is None else "scene"
    row = EMOTIONS.index(emotion)
    by_scene, by_faces = _names(scene.probs, row), _names(shown.probs, row)
    if by_scene == by_faces:
        return "both" if by_scene else "scene" if scene.probs[row] >= shown.probs[row] else "faces"
    return "scene" if by_scene else "faces"


def _names(probs: FloatArray, row: int) -> bool:
    """Whether the reader finds this emotion more probable than any other."""
    return bool(probs[row] > np.delete(probs, row).max())


def _limits(thresholds: float | Mapping[str, float] | None, reader: Reader) -> dict[str, float]:
    """A threshold for each emotion: the given ones, else those of the fusion's card, else the default."""
    if thresholds is not None and not isinstance(thresholds, Mapping):
        thresholds = dict.fromkeys(EMOTIONS, float(thresholds))
    given = dict(thresholds or {})
    if unknown := sorted(set(given) - set(EMOTIONS)):
        raise UnknownNameError(f"expected thresholds for emotions out of {list(EMOTIONS)}, got {unknown}")
    if wrong := {name: value for name, value in given.items() if not 0 <= value <= 1}:
        raise SettingsError(f"expected reaction thresholds between 0 and 1, got {wrong}")
    own = {} if reader == "model" else open_model(FUSION).spec.thresholds
    return {name: float(given.get(name, own.get(name, DEFAULT_THRESHOLD))) for name in EMOTIONS}
