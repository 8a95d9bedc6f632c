"""Media or a store to the categories of creators and posts, and those to `predictions.json` and a table of scores.

As `analyze`, but niche alone: nothing is looked for in the media that niche does not read. The store is the same, so
that a later `analyze` with the same folder adds what is missing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from postlens.config import Settings
from postlens.errors import UnknownNameError, UsageError
from postlens.pipelines.answers import Answerer
from postlens.pipelines.exports import FORMULA_SIGNS, replace_bytes
from postlens.pipelines.folder import DOWNLOADS, remember_folder
from postlens.pipelines.ingest import Ingest
from postlens.pipelines.process import Processor
from postlens.pipelines.run import Runner
from postlens.pipelines.stage import Stage
from postlens.pipelines.stages import all_stages
from postlens.sources import open_source
from postlens.store import Store
from postlens.store.posts import read_creators
from postlens.tasks.niche.influencer import Categories, as_category
from postlens.tasks.niche.model import NicheModel
from postlens.types import Creator, Failure, NichePrediction
from postlens.vision.encoder import ENCODER
from postlens.vision.zoo import load_spec

PREDICTIONS, SCORES = "predictions.json", "confidence_scores.csv"
SCORE_HEADER = ("kind", "id", "question", "label", "prob")  # as `analyze` writes them
N_DECIDING = 10  # posts listed for a creator; the report of `analyze` shows the first six
FACE_MODEL, FACE_STAGES = "niche_faces", ("detect", "expression")
STORE_SCHEMES = ("sqlite:", "postgresql:", "postgresql+", "postgres:")
DATABASES = (".db", ".sqlite", ".sqlite3")

Progress = Callable[[int, int], None]


def is_store(source: str) -> bool:
    """Whether a source is a store: a database's file or URL, not media or a table."""
    return source.startswith(STORE_SCHEMES) or (Path(source).suffix in DATABASES and Path(source).is_file())


def predict_media(
    sources: Sequence[str],
    out: Path,
    *,
    settings: Settings,
    creator: str | None = None,
    progress: Progress | None = None,
    now: datetime | None = None,
) -> tuple[Categories, tuple[Failure, ...]]:
    """Look at the media that the store in `out` has no features of; the categories of all its creators, and failures.

    Raises:
        UsageError: an unknown kind of source, or a folder that cannot be written.
        StoreError: the store cannot be used.
    """
    at = now or datetime.now(UTC)
    found = chain.from_iterable([open_source(source, creator=creator, mapping={}, kind=None) for source in sources])
    answerer = Answerer(settings)
    stages = niche_stages(answerer.niche_model)
    _make_folder(out)
    with Store.open(out / "postlens.db") as store, Runner(stages, settings) as runner:
        remember_folder(store, out)
        ingested = Ingest(store, settings=settings, downloads=out / DOWNLOADS, now=at).run(found)
        processed = Processor(store, runner, encoder=load_spec(ENCODER).fingerprint).run(
            ingested.paths, now=at, progress=progress
        )
        failures = (*ingested.failures, *ingested.at_every_place(processed.failures))
        return _categories(store, answerer), failures


def niche_stages(model: NicheModel) -> list[Stage]:
    """The stages whose features niche reads: the encoders and, where a model of faces answers too, those of faces."""
    reads_faces = any(spec.name == FACE_MODEL for spec in model.specs)
    return [
        stage
        for stage in all_stages(model.encoder_card)
        if stage.name.startswith("encode") or (reads_faces and stage.name in FACE_STAGES)
    ]


def predict_store(location: str, *, settings: Settings, creator: str | None = None) -> Categories:
    """The categories of the creators in a store, or of one of them, from the vectors that are there.

    Raises:
        UnknownNameError: no such creator.
        StoreError: the store cannot be used.
    """
    answerer = Answerer(settings)
    with Store.open(location, read_only=True) as store:
        return _categories(store, answerer, creator=creator)


def predict_stored_creator(location: str, creator: str, *, settings: Settings | None = None) -> dict[str, Any]:
    """`{"predicted_category", "confidence", "top_predictions"}` of a creator in a store, by id or handle.

    Raises:
        UnknownNameError: no such creator, or no post of it has a vector.
        StoreError: the store cannot be used.
    """
    found = predict_store(location, settings=settings or Settings.load(), creator=creator)
    if not found.creators:
        raise UnknownNameError(
            f"expected vectors of posts of {creator} in the store, got none; analyze its media first"
        )
    return as_category(found.creators[0])


def _categories(store: Store, answerer: Answerer, *, creator: str | None = None) -> Categories:
    creators: list[NichePrediction] = []
    posts: list[tuple[str, NichePrediction]] = []
    without: list[str] = []
    with store.read() as conn:
        for one in named_creators(read_creators(conn), creator):
            niche, niches = answerer.niches(answerer.read_facts(conn, one, products=False))
            if niche is None:
                without.append(one.creator_id)
            else:
                creators.append(niche)
            posts += [(one.creator_id, found) for found in niches.values()]
    models = {spec.name: f"{spec.version} {spec.fingerprint}" for spec in answerer.niche_model.specs}
    return Categories(tuple(creators), tuple(posts), models, tuple(without))


def named_creators(creators: Sequence[Creator], name: str | None) -> list[Creator]:
    """Those of the id or handle; all without a name. Raises `UnknownNameError` where there is none."""
    found = [one for one in creators if name is None or name.removeprefix("@") in (one.creator_id, one.handle)]
    if name is not None and not found:
        some = ", ".join(one.handle for one in creators[:5])
        raise UnknownNameError(f"expected a creator of the store (such as {some}), got {name!r}")
    return found


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"expected an output folder that can be written at {out}, got: {error.strerror}") from error


# --- files ----------------------------------------------------------------------------------------------------------


def write_categories(found: Categories, out: Path, *, now: datetime | None = None) -> tuple[Path, Path]:
    """Write `predictions.json` and `confidence_scores.csv`, each whole or not at all.

    Raises `UsageError` where the folder cannot be written.
    """
    _make_folder(out)
    values = {
        "created_at": (now or datetime.now(UTC)).isoformat(),
        "models": dict(found.models),
        "creators": {one.subject_id: _creator(one) for one in found.creators},
        "posts": {one.subject_id: {"creator": creator, **as_category(one)} for creator, one in found.posts},
        "without_vectors": list(found.without),
    }
    try:
        replace_bytes(out / PREDICTIONS, (json.dumps(values, indent=1, allow_nan=False) + "\n").encode())
        replace_bytes(out / SCORES, _scores(found))
    except OSError as error:
        raise UsageError(f"expected an output folder that can be written at {out}, got: {error.strerror}") from error
    return out / PREDICTIONS, out / SCORES


def _creator(niche: NichePrediction) -> dict[str, Any]:
    deciding = [[post_id, round(weight, 4)] for post_id, weight in niche.attention[:N_DECIDING]]
    return {**as_category(niche), "n_posts": niche.n_posts, "deciding_posts": deciding}


def _scores(found: Categories) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(SCORE_HEADER)
    writer.writerows(_rows("creator", [(one.subject_id, one.probs) for one in found.creators]))
    writer.writerows(_rows("post", [(one.subject_id, one.probs) for _, one in found.posts]))
    return text.getvalue().encode("utf-8", "replace")


def _rows(kind: str, answers: Sequence[tuple[str, Mapping[str, float]]]) -> Iterator[tuple[str, str, str, str, str]]:
    for key, probs in answers:
        shown = f"'{key}" if key.startswith(FORMULA_SIGNS) else key
        for label, prob in probs.items():
            yield kind, shown, "niche", label, f"{prob:.4f}"
