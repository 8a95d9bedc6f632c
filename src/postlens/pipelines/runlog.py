"""What a run did, as JSON lines in `run.log`: counts, files and errors; never a face, a vector or a caption."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOGGER = logging.getLogger("postlens")
_FIELDS = "fields"  # of a record: the event's own values


def event(name: str, **fields: object) -> None:
    """Log one event with plain values."""
    LOGGER.info(name, extra={_FIELDS: fields})


class JsonLines(logging.Formatter):
    """A record to one JSON object: time (UTC), level, event, and the event's values."""

    def format(self, record: logging.LogRecord) -> str:
        """One line without a line break."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        values = {"at": at, "level": record.levelname.lower(), "event": record.getMessage()}
        return json.dumps(values | getattr(record, _FIELDS, {}), default=str)


@contextmanager
def run_log(out: Path, *, verbose: bool) -> Iterator[None]:
    """Append the events of a run to `run.log` in the folder, and to standard error when verbose."""
    handlers: list[logging.Handler] = [
        logging.FileHandler(out / "run.log", encoding="utf-8", errors="backslashreplace")
    ]
    if verbose:
        handlers.append(logging.StreamHandler(sys.stderr))
    before = LOGGER.level
    for handler in handlers:
        handler.setFormatter(JsonLines())
        LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.setLevel(before)
        for handler in handlers:
            LOGGER.removeHandler(handler)
            handler.close()
