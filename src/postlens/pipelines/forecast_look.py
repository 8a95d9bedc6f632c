"""Sources to posts in a store whose media was looked at for forecasts alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from postlens.pipelines.answers import Answerer
from postlens.pipelines.ingest import Ingest
from postlens.pipelines.process import Processor
from postlens.pipelines.recommend import make_folder
from postlens.pipelines.run import Runner
from postlens.pipelines.stages import all_stages
from postlens.sources import open_source
from postlens.store import Store
from postlens.types import Failure

Progress = Callable[[int, int], None]
STAGES = ("encode", "measure", "detect", "expression")  # whose features a forecast reads


def look(
    store: Store,
    sources: Sequence[str],
    answerer: Answerer,
    downloads: Path,
    progress: Progress | None,
    *,
    now: datetime,
    account: str | None = None,
    mapping: Mapping[str, str] | None = None,
) -> tuple[list[str], tuple[Failure, ...]]:
    """Read the sources into the store and look at their media; ids of the posts, and failures."""
    settings = answerer.settings
    columns = settings.metric_columns
    found = chain.from_iterable(
        [open_source(one, creator=account, mapping=mapping, kind=None, metric_columns=columns) for one in sources]
    )
    ingested = Ingest(store, settings=settings, downloads=downloads, now=now).run(found)
    stages = [
        stage for stage in all_stages(answerer.niche_model.encoder_card) if _is_read(stage.name, kept=not account)
    ]
    with Runner(stages, settings) as runner:
        done = Processor(store, runner, encoder=answerer.encoder_fingerprint).run(
            ingested.paths, now=now, progress=progress
        )
    return list(ingested.post_ids), (*ingested.failures, *ingested.at_every_place(done.failures))


def _is_read(stage: str, *, kept: bool) -> bool:
    """Whether forecasts need the stage; in a store that is kept, all of what `conclude` knows copies by, too."""
    return stage in STAGES or stage.startswith("encode:") or (kept and stage in ("hash", "track"))


@contextmanager
def place(out: Path | None) -> Iterator[Path]:
    """The output folder, or one that is gone afterwards."""
    if out is not None:
        make_folder(out)
        yield out
        return
    with TemporaryDirectory(prefix="postlens-") as folder:
        yield Path(folder)
