"""Settings from postlens.toml, environment and flags, in that order of rising weight.

The only reader of `postlens.toml`, and with `serve/settings.py` (`POSTLENS_SERVE_PORT=9000`) of environment variables
(`POSTLENS_WORKERS=4`). Every setting knows where its value came from: `Settings.load().origins()`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError
from pydantic_settings import BaseSettings, EnvSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from postlens.errors import SettingsError

DEFAULT_FILE = "postlens.toml"
ENV_PREFIX = "POSTLENS_"
# Relative ones in a file are relative to that file.
_PATHS = (
    "catalog",
    "emoji_table",
    "niche_model",
    "product_models",
    "reaction_model",
    "engagement_model",
    "engagement_ranker",
)
Origin = str  # "default", "postlens.toml", "environment", "flag"


def _names(value: Any) -> Any:
    """`"a, b"` to `("a", "b")`, each once; other values are left for the check of their type."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return value
    return tuple(dict.fromkeys(name.strip() for name in value if name.strip()))


class Settings(BaseSettings):
    """Every knob of postlens, each with its unit, default and the effect of moving it."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix=ENV_PREFIX)

    workers: int = Field(
        default_factory=lambda: len(os.sched_getaffinity(0)),
        ge=1,
        le=256,
        description="Worker threads, each with its own models (about 120 MiB each). Default: usable cores.",
    )
    commit_every: int = Field(
        16, ge=1, le=4096, description="Media files per transaction. More: faster; fewer: less to redo after a crash."
    )
    image_max_side_px: int = Field(
        640,
        ge=160,
        le=8192,
        description="Photos are decoded at the smallest scale whose longest side is at least this."
        " More: smaller faces found, slower.",
    )
    video_max_side_px: int = Field(
        640, ge=160, le=8192, description="Longest side at which video frames are looked at."
    )
    video_rate_hz: float = Field(1.0, gt=0, le=30, description="Frames looked at per second of video.")
    video_max_frames: int = Field(
        120, ge=1, le=10_000, description="Most frames of one video, spread evenly over it (0.7 MiB each)."
    )
    video_min_frames: int = Field(
        8,
        ge=1,
        le=1000,
        description="Fewest frames of a short video, if it has as many. More: copies of shorter clips.",
    )
    max_pixels: int = Field(
        89_478_485, ge=1, le=1_000_000_000, description="Larger images are refused before decoding (Pillow's limit)."
    )
    allow_download: bool = Field(False, description="Fetch the URLs in tables. Off: each URL is a failure row.")
    download_max_mib: float = Field(200, gt=0, description="Largest download.")
    download_timeout_s: float = Field(60, gt=0, description="Longest time for one download.")
    match_threshold: float | None = Field(
        None, gt=0, description="Largest template distance of one person. Default: the template card's."
    )
    niche_threshold: float | None = Field(
        None, ge=0, le=1, description="A less certain niche becomes `other`. Default: the niche card's."
    )
    niche_model: Path | None = Field(
        None,
        description="Folder of a run of `postlens train niche`, whose model answers niche. Default: the shipped one."
        " A run with an encoder of its own looks at every frame a second time: a quarter more time for one of the"
        " shipped size.",
    )
    reaction_threshold: float | None = Field(
        None, ge=0, le=1, description="One threshold for all emotions. Default: each emotion's own, on the card."
    )
    reaction_policy: Literal["strict", "union"] = Field(
        "strict", description="strict: an emoji blocked by any detected emotion is not allowed."
    )
    reaction_model: Path | None = Field(
        None,
        description="Folder of a run of `postlens train reactions`, whose net answers reactions instead of scene and"
        " faces. It looks at every image, and at 8 frames of a video, a second time. Default: what ships.",
    )
    product_policy: Literal["matching", "missing"] = Field(
        "matching", description="matching: recommend for what is worn; missing: for what is not."
    )
    product_models: Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_names)] = Field(
        (),
        description="Folders of runs of `postlens train products`, whose labels are added to hat, beard, moustache,"
        " stubble, eyeglasses and sunglasses; of a label that several answer the last counts. As text: commas between.",
    )
    product_order: Literal["similar", "rotate", "listed"] = Field(
        "similar",
        description="Of several products for one label. similar: the one whose image is nearest to the deciding images,"
        " where products have images; rotate: spread over the subjects; listed: the catalog's order.",
    )
    audience: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (),
        description="Only products for any of these audiences, in the catalog's words, or for everybody. Empty: all."
        " As text: commas between.",
    )
    metric: Literal["views", "likes", "comments", "shares", "saves", "score"] = Field(
        "likes", description="The count that is forecast."
    )
    engagement_model: Path | None = Field(
        None,
        description="Folder of a run of `postlens train engagement`, whose model forecasts. Default: the shipped one.",
    )
    engagement_ranker: Path | None = Field(
        None,
        description="Folder of a run of `postlens train engagement --model images`, whose model orders new photos that"
        " have the same forecast, or none. Default: the shipped one.",
    )
    engagement_method: Literal["auto", "accounts", "account", "median"] = Field(
        "auto",
        description="What forecasts. accounts: the model of many accounts; account: one fitted to the account's own"
        " posts; median: the account's median; auto: the account's own where it was shown to be better than its median,"
        " else the model of many accounts.",
    )
    people_weighting: Literal["post", "screen_time"] = Field(
        "post",
        description="What a person's mean weighs posts by. screen_time: by the seconds that show the person; photos"
        " then count for nothing.",
    )
    metric_columns: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_names)] = Field(
        (),
        description="Further columns of tables that hold figures, to be kept under their own names beside views, likes,"
        " comments, shares, saves and score. As text: names with commas between.",
    )
    catalog: Path | None = Field(
        None,
        description="Product catalog (CSV, TSV, TOML, XLSX), used instead of the store's. Default: the products of the"
        " store (`postlens catalog add`) if it has any, else the bundled example.",
    )
    emoji_table: Path | None = Field(None, description="Emotion to emoji table (TOML). Default: the bundled one.")

    _origins: dict[str, Origin] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` passes in: it merges the sources itself, to know each value's origin."""
        return (init_settings,)

    @classmethod
    def load(cls, *, config: Path | None = None, flags: dict[str, Any] | None = None) -> Settings:
        """Merge file, environment and flags (absent flags are None).

        Raises:
            SettingsError: a named file is missing, a key is unknown, or a value cannot be used.
        """
        values, origins = _merge(config, flags or {})
        try:
            settings = cls(**values)
        except ValidationError as error:
            raise SettingsError(_explain(error, origins)) from error
        settings._origins.update(origins)
        return settings

    def origins(self) -> dict[str, Origin]:
        """Setting name to where its value came from."""
        return {name: self._origins.get(name, "default") for name in type(self).model_fields}


def _merge(config: Path | None, flags: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Origin]]:
    """Values and their origins, later sources over earlier ones."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
    layers = (
        (str(config or DEFAULT_FILE), _read_file(config)),
        ("environment", EnvSettingsSource(Settings)()),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    )
    for origin, layer in layers:
        values.update(layer)
        origins.update(dict.fromkeys(layer, origin))
    return values, origins


def read_toml(path: Path, *, encoding: str = "utf-8") -> dict[str, Any]:
    """The tables of a TOML file; the one reader, since tomllib lets more errors through than it documents.

    Raises `OSError` when it cannot be read, and `ValueError` for all else that is wrong with it: `UnicodeDecodeError`,
    `TOMLDecodeError`, lists nested beyond the interpreter's depth, an integer that Python does not write.
    """
    try:
        values = tomllib.loads(path.read_text(encoding=encoding))
        repr(values)  # hexadecimal integers are read at any length, and fail only in a message
    except RecursionError as error:
        raise ValueError("lists or tables are nested too deeply") from error
    return values


def _read_file(config: Path | None) -> dict[str, Any]:
    path = config or Path(DEFAULT_FILE)
    if config is None and not path.exists():
        return {}
    try:
        values = read_toml(path)
    except (OSError, ValueError) as error:
        raise SettingsError(f"expected a readable TOML file of settings at {path}, got: {error}") from error
    for name in values:
        if name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(sorted(Settings.model_fields))}"
            raise SettingsError(f"{path} has an unknown setting {name!r}{hint}")
    return {name: _beside(path, value) if name in _PATHS else value for name, value in values.items()}


def _beside(path: Path, value: Any) -> Any:
    """A path in a file, or several, from the file's folder; what is no text is left for the check of its type."""
    if isinstance(value, list):
        return [_beside(path, one) for one in value]
    return str(path.parent / value) if isinstance(value, str) else value


def _explain(error: ValidationError, origins: dict[str, Origin]) -> str:
    """One sentence per wrong value: which, from where, what is wrong."""
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        lines.append(f"{name} (from {origins.get(name, 'default')}): {problem['msg']}, got {problem['input']!r}")
    return "; ".join(lines)
