"""Settings of the server: where it listens, who may call it, and every limit with its unit and default.

From flags and the environment (`POSTLENS_SERVE_PORT=9000`); what answers is set as for all verbs (`Settings`).
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from postlens.config import Settings
from postlens.errors import SettingsError

MIB = 2**20
LOOPBACK_NAMES = ("localhost",)


def _words(value: Any) -> Any:
    """`"a, b"` to `("a", "b")`."""
    if isinstance(value, str):
        value = value.split(",")
    return tuple(word.strip() for word in value if word.strip()) if isinstance(value, list | tuple) else value


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_words)]


class ServeSettings(BaseSettings):
    """Every knob of the server, each with its unit, default and the effect of moving it."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", env_prefix="POSTLENS_SERVE_", env_ignore_empty=True)

    store: str = Field(description="Store: a file or a URL, as for all verbs.")
    analysis: Settings = Field(
        default_factory=Settings.load, description="What answers: the settings of all verbs, as they load them."
    )
    host: str = Field("127.0.0.1", description="Address to listen at. Another than loopback needs keys.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen at; 0: any free one.")
    keys: bool | None = Field(
        None, description="Whether requests need a key. Default: unless bound to loopback; beyond it they always do."
    )
    hosts: Words = Field(
        (),
        description="Names by which the server is called, checked against the Host header beside those of loopback, so"
        " that no web page reaches it through a name of its own. Default: where keys are needed, any; else none.",
    )
    cors_origins: Words = Field(
        (), description="Origins whose pages may call the API from a browser: https://app.example. Default: none."
    )
    trusted_proxies: Words = Field(
        (), description="Addresses of reverse proxies whose X-Forwarded-For is believed. Default: none."
    )
    allow_urls: bool = Field(
        False, description="Fetch media by URL, from public addresses alone. Off: a URL is refused with 403."
    )
    jobs_folder: Path | None = Field(
        None, description="Where uploads of jobs wait. Default: beside a store that is a file, else must be given."
    )

    max_upload_mib: float = Field(
        256, gt=0, le=4096, description="Largest body of a request. More: longer videos, and more disk in use at once."
    )
    max_image_mib: float = Field(
        32, gt=0, le=1024, description="Largest image. More: larger originals; decoding needs memory for their pixels."
    )
    max_video_s: float = Field(900, gt=0, description="Longest video. More: jobs that hold a worker for longer.")
    max_table_mib: float = Field(
        512,
        gt=0,
        le=16_384,
        description="Most memory for a table's cells once unpacked. More: wider tables, and small files that fill it.",
    )
    max_table_rows: int = Field(
        100_000, ge=1, le=10_000_000, description="Most rows of a table. More: jobs that take longer."
    )
    max_files: int = Field(256, ge=1, le=10_000, description="Most files in one request.")
    max_fields: int = Field(64, ge=1, le=10_000, description="Most form fields beside the files.")
    max_field_kib: float = Field(64, gt=0, le=1024, description="Largest form field.")
    max_json_kib: float = Field(256, gt=0, le=10_240, description="Largest body that is JSON.")

    header_timeout_s: float = Field(
        10, gt=0, description="Longest time for the head of a request; a slow client is cut off after it."
    )
    idle_timeout_s: float = Field(15, gt=0, description="Longest pause between two pieces of a body; then 408.")
    body_timeout_s: float = Field(300, gt=0, description="Longest time for a whole body; then 408.")
    request_timeout_s: float = Field(
        30, gt=0, description="Longest time for an answer once the body is there; then 504, and the work is dropped."
    )
    keep_alive_s: int = Field(10, ge=1, description="How long an idle connection stays open.")
    max_connections: int = Field(
        512, ge=8, description="Most open connections; while there are as many, every request is a plain 503."
    )
    max_connections_per_address: int = Field(
        128,
        ge=1,
        description="Most open connections of one address (of IPv6: a /64), trusted proxies apart; further ones get a"
        " plain 503. More: one client can take more of all; fewer: refusals where many share an address.",
    )

    queue_size: int = Field(
        64, ge=1, le=100_000, description="Most images that wait for a model; then 503 with Retry-After."
    )
    batch_size: int = Field(
        4, ge=1, le=64, description="Most images of several clients in one batch. More: longer waits for the first."
    )
    max_jobs: int = Field(100, ge=1, le=100_000, description="Most jobs that wait; then 503 with Retry-After.")
    job_days: float = Field(7, gt=0, description="Finished jobs are forgotten after so many days.")

    rate_per_s: float = Field(
        50, ge=0, description="Requests a second that one client (key or address) may make in the long run; 0: any."
    )
    rate_burst: int = Field(200, ge=1, description="Requests that one client may make at once.")
    page_size: int = Field(50, ge=1, le=1000, description="Rows of a page unless the request says so.")
    max_page_size: int = Field(500, ge=1, le=10_000, description="Most rows of a page.")

    @classmethod
    def load(cls, **given: Any) -> ServeSettings:
        """From flags (`None`: not given) and the environment.

        Raises:
            SettingsError: a value cannot be used, there is no store, or keys are off beyond loopback.
        """
        try:
            settings = cls(**{name: value for name, value in given.items() if value is not None})
        except ValidationError as error:
            raise SettingsError(_explain(error)) from error
        if settings.keys is False and not settings.is_loopback:
            raise SettingsError(
                f"expected keys to be on where the server listens at {settings.host}, got off; leave --no-keys out, or"
                " listen at 127.0.0.1"
            )
        return settings

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return is_loopback(self.host)

    @property
    def needs_keys(self) -> bool:
        """Whether requests need a key."""
        return not self.is_loopback if self.keys is None else self.keys

    @property
    def max_upload_bytes(self) -> int:
        """Largest body of a request."""
        return int(self.max_upload_mib * MIB)

    @property
    def downloads(self) -> Settings:
        """The settings of answers, with downloads as the server allows them."""
        return self.analysis.model_copy(update={"allow_download": self.allow_urls})


def is_loopback(host: str) -> bool:
    """Whether an address or name is of this machine alone."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() in LOOPBACK_NAMES


def _explain(error: ValidationError) -> str:
    """One sentence for each wrong value."""
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'settings'}: {problem['msg']}, got {problem['input']!r}"
        for problem in error.errors()
    )
