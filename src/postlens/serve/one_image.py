"""One image to the five answers, in words for people; nothing of the image is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from postlens.config import Settings
from postlens.errors import PostlensError, UnsupportedMediaError
from postlens.media.hashing import sha256_file
from postlens.media.probe import kind_of
from postlens.pipelines.answers import Answerer
from postlens.pipelines.loose import analyze_loose
from postlens.pipelines.plan import WorkItem
from postlens.pipelines.run import Runner
from postlens.pipelines.stages import all_stages
from postlens.store import Store
from postlens.tasks.products.model import load_product_models
from postlens.types import NichePrediction, PostAnalysis, ReactionForecast

N_OTHERS = 2  # further niches that are told


class Answers(NamedTuple):
    """What is said of one image: a sentence or two for each question."""

    niche: str
    people: str
    product: str
    engagement: str
    reactions: str


Answer = Callable[[str | None], Answers]
QUESTIONS: Final = Answers(
    niche="What is it about?",
    people="Who is in it?",
    product="Which product fits?",
    engagement="How will it do?",
    reactions="Which emoji fit?",
)
NO_FACE: Final = "No face was found."
NO_NAMES: Final = "Who it is shows only among the posts of a campaign: postlens analyze."
NO_HISTORY: Final = "Unknown: a forecast needs earlier posts of the account with their counts: postlens forecast."
NOTHING: Final = "Nothing could be read."


@contextmanager
def answering(settings: Settings) -> Iterator[Answer]:
    """A function of an image's path, to be called from any thread; `None`, no image, has empty answers.

    Raises `SettingsError`, `ModelError` where the settings or the models cannot be used.
    """
    with TemporaryDirectory(prefix="postlens-") as folder, ThreadPoolExecutor(1, "postlens-demo") as thread:
        looker = thread.submit(Looker, settings, Path(folder)).result()  # its models are for one thread

        def answer(path: str | None) -> Answers:
            return _every("") if path is None else thread.submit(looker.look, path).result()

        try:
            yield answer
        finally:
            thread.submit(looker.close).result()


class Looker:
    """Opened models, and a store that stays empty."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        """Raises `SettingsError`, `ModelError` where the settings or the models cannot be used."""
        self._answerer = Answerer(settings)
        stages = all_stages(
            self._answerer.niche_model.encoder_card,
            product_models=load_product_models(settings.product_models),
            reaction_model=self._answerer.reactor.model,
        )
        self._runner = Runner(stages, settings)
        self._stages = frozenset(stage.name for stage in stages)
        self._store = Store.open(folder / "postlens.db")

    def close(self) -> None:
        """Close the store."""
        self._runner.close()
        self._store.close()

    def look(self, path: str) -> Answers:
        """The five answers about an image; where it cannot be read, each says why."""
        name = Path(path).name
        try:
            if kind_of(path) != "image":
                raise UnsupportedMediaError(f"{name}: expected an image, got a video; use postlens analyze")
            (outcome,) = self._runner.look([WorkItem(sha256_file(path), path, "image", self._stages)])
        except PostlensError as error:
            return _every(str(error).replace(path, name))
        if outcome.features is None or outcome.failures:
            return _every("; ".join(one.message.replace(path, name) for one in outcome.failures) or NOTHING)
        with self._store.read() as conn:
            return told(analyze_loose(outcome.features, self._answerer, conn, name=name))


def _every(text: str) -> Answers:
    return Answers(*[text] * len(Answers._fields))


# --- in words ---------------------------------------------------------------------------------------------------------


def told(post: PostAnalysis) -> Answers:
    """The answers about a post."""
    return Answers(
        niche=_niche(post.niche),
        people=_people(post),
        product=_product(post),
        engagement=_engagement(post),
        reactions=_reactions(post.reaction),
    )


def _niche(found: NichePrediction | None) -> str:
    if found is None:
        return NOTHING
    others = sorted(found.probs.items(), key=lambda one: -one[1])[1 : 1 + N_OTHERS]
    then = ", ".join(f"{name} ({share:.0%})" for name, share in others)
    return f"{found.label} ({found.confidence:.0%}).{_doubt(unsure=found.low_confidence)} Then {then}."


def _people(post: PostAnalysis) -> str:
    n_faces = sum(len(faces) for faces in post.faces)
    if not n_faces:
        return NO_FACE
    return f"{'One face' if n_faces == 1 else f'{n_faces} faces'}. {NO_NAMES}"


def _product(post: PostAnalysis) -> str:
    found = post.recommendation
    if found is None:
        return NOTHING
    return found.reason if found.product is None else f"{found.product.title}. {found.reason}"


def _engagement(post: PostAnalysis) -> str:
    found = post.forecast
    if found is None or found.median is None or found.lower is None or found.upper is None:
        return NO_HISTORY
    return f"{found.median:,.0f} {found.metric} ({found.lower:,.0f} to {found.upper:,.0f})."


def _reactions(found: ReactionForecast | None) -> str:
    if found is None:
        return NOTHING
    fit, not_fit = (" ".join(emoji) or "none" for emoji in (found.allowed, found.blocked))
    return f"{fit}\nNot: {not_fit}\nIt conveys: {', '.join(found.emotions)}.{_doubt(unsure=found.low_confidence)}"


def _doubt(*, unsure: bool) -> str:
    return " Not sure." if unsure else ""
