"""A run folder of `postlens train niche`, or nothing, to the models that answer niche."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from postlens.errors import ModelError, SettingsError
from postlens.tasks.niche.predict import FACE_MODEL, POST_MODEL, THRESHOLD
from postlens.types import NICHES, ModelSpec
from postlens.vision.cards import read_card
from postlens.vision.encoder import ENCODER, Encoder
from postlens.vision.session import Session
from postlens.vision.zoo import RUN_REMEDY, WEIGHTS, check_file, load_spec, open_card

ENCODER_CARD, HEAD_CARD, CREATOR_CARD = "encoder.toml", "head.toml", "creator.toml"  # in a run folder


@dataclass(frozen=True, slots=True)
class NicheModel:
    """Cards of the models that belong together; making one opens none of them."""

    encoder: ModelSpec
    head: ModelSpec
    head_card: Path
    encoder_card: Path | None = None  # None: the shipped encoder, whose vectors are there anyway
    creator: ModelSpec | None = None
    creator_card: Path | None = None  # None: creators are answered from the posts' answers
    faces: ModelSpec | None = None
    faces_card: Path | None = None  # None: the faces of a post are not looked at

    @property
    def specs(self) -> tuple[ModelSpec, ...]:
        """The cards of all its models."""
        return tuple(spec for spec in (self.encoder, self.head, self.faces, self.creator) if spec is not None)

    def open_encoder(self) -> Encoder:
        """The encoder whose vectors the head reads, for this thread."""
        return Encoder(card=self.encoder_card)

    def open_head(self) -> Session:
        """`features` (N, D) to `logits`, `probs` (N, K) and, with a projection, `projected`; for this thread."""
        return open_card(self.head_card)

    def open_faces(self) -> Session | None:
        """`features` (N, 146) of `features.face_features` to `logits`, `probs` (N, K), if there is such a model."""
        return open_card(self.faces_card) if self.faces_card is not None else None

    def open_creator(self) -> Session | None:
        """The model over a creator's posts, if there is one, for this thread."""
        return open_card(self.creator_card) if self.creator_card is not None else None


def shipped_model() -> NicheModel:
    """The models that come with postlens."""
    return NicheModel(
        load_spec(ENCODER),
        load_spec(POST_MODEL),
        WEIGHTS / f"{POST_MODEL}.toml",
        faces=load_spec(FACE_MODEL),
        faces_card=WEIGHTS / f"{FACE_MODEL}.toml",
    )


def read_run(folder: Path) -> NicheModel:
    """The models of a run, whatever its classes are.

    Raises:
        SettingsError: the folder is not there, or is no finished run.
        ModelError: a card or a file is damaged or absent, or models of different runs were put together.
    """
    if not (folder / HEAD_CARD).is_file():
        state = "a folder without it" if folder.is_dir() else "a file" if folder.exists() else "nothing there"
        raise SettingsError(
            f"expected the folder of a run that `postlens train niche` finished, with {HEAD_CARD} in it, at {folder}, "
            f"got {state}; name the run's folder, or finish the run by --resume"
        )
    head = _checked(folder / HEAD_CARD, needs=("probs",))
    encoder_card = folder / ENCODER_CARD if (folder / ENCODER_CARD).is_file() else None
    encoder = load_spec(ENCODER) if encoder_card is None else _checked(encoder_card, needs=("features",))
    _check_upstream(folder, head, encoder, own=encoder_card is not None)
    creator_card = folder / CREATOR_CARD if (folder / CREATOR_CARD).is_file() else None
    creator = None if creator_card is None else _creator(creator_card, encoder, head)
    return NicheModel(encoder, head, folder / HEAD_CARD, encoder_card, creator, creator_card)


def load_niche_model(folder: Path | None) -> NicheModel:
    """The models that answer niche: those of the run in the folder, or without one those that ship.

    Raises:
        SettingsError: as `read_run`, or its classes are not the nine niches.
        ModelError: as `read_run`.
    """
    if folder is None:
        return shipped_model()
    try:
        found = read_run(folder)
    except SettingsError as error:
        raise SettingsError(f"setting niche_model: {error}") from error
    if found.head.labels != NICHES:
        raise SettingsError(
            f"setting niche_model: expected a model of the nine niches ({', '.join(NICHES)}), got one of "
            f"{', '.join(found.head.labels)} at {folder}; train on images labelled by niche"
        )
    if found.creator is not None and found.creator.labels != NICHES:
        raise SettingsError(
            f"setting niche_model: expected a creator model of the nine niches, got one of "
            f"{', '.join(found.creator.labels)} at {found.creator_card}; train it on creators labelled by niche"
        )
    if THRESHOLD not in found.head.thresholds:
        raise ModelError(f"{found.head_card}: expected a threshold {THRESHOLD}, got none; {RUN_REMEDY}")
    return found


def _checked(card: Path, *, needs: tuple[str, ...]) -> ModelSpec:
    """The card, its file being whole and having the outputs needed."""
    spec = read_card(card, remedy=RUN_REMEDY)
    missing = set(needs) - set(spec.outputs)
    if missing:
        raise ModelError(f"{card}: expected outputs {', '.join(needs)}, got {', '.join(spec.outputs)}; {RUN_REMEDY}")
    check_file(spec, card)
    return spec


def _creator(card: Path, encoder: ModelSpec, head: ModelSpec) -> ModelSpec:
    """The card of a model over the encoder's vectors, or over what the head projects them to."""
    spec = _checked(card, needs=("probs", "attention"))
    known = [encoder.fingerprint, *([head.fingerprint] if "projected" in head.outputs else [])]
    if not set(known) & set(spec.upstream):
        raise ModelError(
            f"{card}: expected a model over vectors of this run ({' or '.join(known)}), got one over "
            f"{' or '.join(spec.upstream)}; train it again on features extracted with this run"
        )
    return spec


def _check_upstream(folder: Path, head: ModelSpec, encoder: ModelSpec, *, own: bool) -> None:
    if encoder.fingerprint in head.upstream:
        return
    wanted = " or ".join(head.upstream)
    if own:
        raise ModelError(
            f"{folder}: expected encoder and head of one run, got a head for vectors of encoder {wanted} and the "
            f"encoder {encoder.fingerprint}; copy both, with their cards, from the same run"
        )
    raise ModelError(
        f"{folder}: expected {ENCODER_CARD} and its file beside {HEAD_CARD}, whose head reads vectors of encoder "
        f"{wanted}, not of the shipped one ({encoder.fingerprint}); copy them from the same run"
    )
