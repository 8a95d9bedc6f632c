"""The tables of the store.

Columns marked `VOLATILE` say when or where a fact was met, not what it is, tables so marked what can be found again:
`dump` leaves them out. A change here needs
a new file in `migrations/versions/` and the new number in `SCHEMA_VERSION`; a test compares both.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

from postlens.store.columns import AnyText, JsonText, UtcTime
from postlens.types import METRICS

SCHEMA_VERSION = "0006"  # the newest file in migrations/versions/
VERSION_TABLE = "postlens_version"

VOLATILE: dict[str, Any] = {"volatile": True}

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _media_key() -> Column[str]:
    """The key column of a table that describes media: its rows go when the media goes."""
    return Column("sha256", Text, ForeignKey("media.sha256", ondelete="CASCADE"), primary_key=True)


# --- posts ----------------------------------------------------------------------------------------------------------

creators = Table(
    "creators",
    metadata,
    Column("creator_id", AnyText, primary_key=True),
    Column("platform", AnyText, nullable=False),
    Column("handle", AnyText, nullable=False),
    Column("display_name", AnyText),
)

posts = Table(
    "posts",
    metadata,
    Column("post_id", AnyText, primary_key=True),
    Column("creator_id", AnyText, ForeignKey("creators.creator_id"), nullable=False, index=True),
    Column("platform", AnyText, nullable=False),
    Column("published_at", UtcTime),
    Column("caption", AnyText),
    Column("label", AnyText),  # as the source says, not predicted
    Column("origin", AnyText, info=VOLATILE),  # file and row it was first read from
    Column("duplicate_of", AnyText, ForeignKey("posts.post_id", ondelete="SET NULL"), index=True),
    Column("duplicate_reason", AnyText),
    Column("duplicate_score", Double),
    Column("seen", Integer, info=VOLATILE),  # running number of first sight; NULL: before it was counted
    Column("alt_text", AnyText),  # the platform's description of the picture
    Column("n_tagged", Integer),  # accounts tagged in the pictures
    Column("has_location", Boolean),
)

post_media = Table(
    "post_media",
    metadata,
    Column("post_id", AnyText, ForeignKey("posts.post_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("sha256", Text, index=True),  # NULL: could not be read so far
    Column("path", AnyText),
    Column("url", AnyText),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("post_id", AnyText, ForeignKey("posts.post_id", ondelete="CASCADE"), primary_key=True),
    Column("observed_at", UtcTime, primary_key=True, info=VOLATILE),
    *(Column(name, Double) for name in METRICS),
    Column("followers", Double),
    Column("other", JsonText),  # further figures by name
    Column("followees", Double),
    Column("n_posts", Double),  # of the creator
)

# --- media and features ---------------------------------------------------------------------------------------------

media = Table(
    "media",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("kind", Text, CheckConstraint("kind IN ('image', 'video')", name="kind"), nullable=False),
    Column("width_px", Integer, nullable=False),
    Column("height_px", Integer, nullable=False),
    Column("n_bytes", BigInteger, nullable=False),
    Column("duration_s", Double),
    Column("frame_rate_hz", Double),
    Column("partial", AnyText),  # why only a part could be decoded
    Column("thumbnail", LargeBinary),  # JPEG
)

files = Table(
    "files",
    metadata,
    Column("path", AnyText, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False, info=VOLATILE),
    Column("sha256", Text, nullable=False, index=True),
)

embeddings = Table(
    "embeddings",
    metadata,
    _media_key(),
    Column("frame", Integer, primary_key=True),
    Column("fingerprint", Text, primary_key=True),  # of the encoder
    Column("pts_s", Double, nullable=False),
    Column("vector", LargeBinary, nullable=False),  # float32
)

measures = Table("measures", metadata, _media_key(), Column("measured", JsonText, nullable=False))

hashes = Table(
    "hashes",
    metadata,
    _media_key(),
    Column("frame", Integer, primary_key=True),
    Column("pts_s", Double, nullable=False),
    Column("bits", LargeBinary, nullable=False),  # 32 bytes
    Column("quality", Integer, nullable=False),
    Column("sketch", LargeBinary),  # small grey picture of the frame, uint8
)

tracks = Table(
    "tracks",
    metadata,
    Column("track_id", Text, primary_key=True),  # "<sha256>:<number>"
    Column("sha256", Text, ForeignKey("media.sha256", ondelete="CASCADE"), nullable=False, index=True),
    Column("start_s", Double, nullable=False),
    Column("end_s", Double, nullable=False),
    Column("n_frames", Integer, nullable=False),
    Column("quality", Double, nullable=False),
    Column("template", LargeBinary, nullable=False),  # float32
)

faces = Table(
    "faces",
    metadata,
    Column("face_id", Text, primary_key=True),  # "<sha256>:<number>"
    Column("sha256", Text, ForeignKey("media.sha256", ondelete="CASCADE"), nullable=False, index=True),
    Column("number", Integer, nullable=False),  # running within the media file
    Column("frame", Integer, nullable=False),
    Column("pts_s", Double, nullable=False),
    Column("box", LargeBinary, nullable=False),  # float32: left, top, right, bottom in px
    Column("score", Double, nullable=False),
    Column("quality", Double, nullable=False),
    Column("landmarks", LargeBinary, nullable=False),  # float32 (K, 2) in px
    Column("template", LargeBinary),  # float32
    Column("track_id", Text, index=True),
    Column("expression", LargeBinary),  # float32, in the order of EMOTIONS
    Column("attributes", LargeBinary),  # float32, in the order of ATTRIBUTES
    Column("thumbnail", LargeBinary),  # JPEG
)

# How the head around a face looks, for heads of attributes that are trained later: of the best face of each track.
looks = Table(
    "looks",
    metadata,
    Column("face_id", Text, ForeignKey("faces.face_id", ondelete="CASCADE"), primary_key=True),
    Column("fingerprint", Text, nullable=False),  # of what made it
    Column("vector", LargeBinary, nullable=False),  # float16
)

# Probabilities that a trained net read out of the pixels, which cannot be derived from a stored vector.
readings = Table(
    "readings",
    metadata,
    _media_key(),
    Column("number", Integer, primary_key=True, autoincrement=False),  # of the face; -1: of the whole image
    Column("fingerprint", Text, primary_key=True),  # of the net
    Column("probs", LargeBinary, nullable=False),  # float32, in the order of the labels on its card
)

# What the search for copies keeps of media it has seen, so that a later one compares what is new. It changes no answer.
copy_states = Table(
    "copy_states",
    metadata,
    _media_key(),
    Column("short", LargeBinary, nullable=False),  # int8, shortened embeddings
    Column("by_look", LargeBinary),  # nearest media; NULL: not looked for, as nearly equal hashes linked it
    Column("by_hash", LargeBinary),
    info=VOLATILE,
)

copy_pairs = Table(
    "copy_pairs",
    metadata,
    Column("sha256_a", Text, ForeignKey("media.sha256", ondelete="CASCADE"), primary_key=True),
    Column("sha256_b", Text, ForeignKey("media.sha256", ondelete="CASCADE"), primary_key=True, index=True),
    Column("reason", Text),  # NULL: compared, and no copies
    Column("score", Double),
    info=VOLATILE,
)

# --- people ---------------------------------------------------------------------------------------------------------

persons = Table(
    "persons",
    metadata,
    Column("person_id", AnyText, primary_key=True),
    Column("name", AnyText),  # given by the user, never guessed
    Column("hidden", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False, info=VOLATILE),
)

person_tracks = Table(
    "person_tracks",
    metadata,
    Column("track_id", Text, ForeignKey("tracks.track_id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", AnyText, ForeignKey("persons.person_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("similarity", Double),
    Column("origin", Text, CheckConstraint("origin IN ('auto', 'user')", name="origin"), nullable=False),
)

constraints = Table(
    "constraints",
    metadata,
    Column("kind", Text, CheckConstraint("kind IN ('must_link', 'cannot_link')", name="kind"), primary_key=True),
    Column("track_a", Text, ForeignKey("tracks.track_id", ondelete="CASCADE"), primary_key=True),
    Column("track_b", Text, ForeignKey("tracks.track_id", ondelete="CASCADE"), primary_key=True, index=True),
    Column("created_at", UtcTime, nullable=False, info=VOLATILE),
)

# Tracks whose identity a user vouches for, by photos of an enrolled person or by giving a name.
gallery = Table(
    "gallery",
    metadata,
    Column("track_id", Text, ForeignKey("tracks.track_id", ondelete="CASCADE"), primary_key=True),
    Column("person_id", AnyText, ForeignKey("persons.person_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", Text, CheckConstraint("kind IN ('enrolled', 'named')", name="kind"), nullable=False),
    Column("created_at", UtcTime, nullable=False, info=VOLATILE),
)

# Tracks that the last assignment of tracks to persons has seen: the others are new.
settled_tracks = Table(
    "settled_tracks",
    metadata,
    Column("track_id", Text, ForeignKey("tracks.track_id", ondelete="CASCADE"), primary_key=True),
)

# What a user did to persons, in order, with what is needed to take it back.
decisions = Table(
    "decisions",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("verb", Text, nullable=False),
    Column("payload", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False, info=VOLATILE),
    Column("undone_at", UtcTime, info=VOLATILE),
)

# What was forgotten, without what would identify it: keys are hashed, and no template is kept.
tombstones = Table(
    "tombstones",
    metadata,
    Column("kind", Text, CheckConstraint("kind IN ('person', 'creator')", name="kind"), primary_key=True),
    Column("key", Text, primary_key=True),  # sha256 of the id
    Column("created_at", UtcTime, nullable=False, info=VOLATILE),
)

forgotten_faces = Table(
    "forgotten_faces",
    metadata,
    Column("sha256", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("pts_s", Double, nullable=False),
    Column("box", LargeBinary, nullable=False),
    Column("guessed", Boolean),  # true: of a copy that moves the frame, any face at the time of a forgotten one
)

# --- products ---------------------------------------------------------------------------------------------------------

products = Table(
    "products",
    metadata,
    Column("product_id", AnyText, primary_key=True),
    Column("position", Integer, nullable=False),  # the order of preference
    Column("title", AnyText, nullable=False),
    Column("labels", JsonText, nullable=False),
    Column("url", AnyText),
    Column("image", AnyText),  # path or URL, as the catalog says
    Column("active", Boolean, nullable=False),
    Column("price", Double),
    Column("currency", AnyText),
    Column("audience", JsonText, nullable=False),
    Column("image_sha256", Text),  # of the file that thumbnail and vector were made of; NULL: it could not be read
    Column("thumbnail", LargeBinary),  # JPEG of its image
    Column("vector", LargeBinary),  # float32, embedding of its image
    Column("fingerprint", Text),  # of the encoder
)

# --- bookkeeping ----------------------------------------------------------------------------------------------------

ledger = Table(
    "ledger",
    metadata,
    Column("input_sha256", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("stage_version", Text, primary_key=True),
    Column("fingerprint", Text, primary_key=True),
    Column("created_at", UtcTime, nullable=False, info=VOLATILE),
    Column("code_version", Text, nullable=False),
)

failures = Table(
    "failures",
    metadata,
    Column("subject", AnyText, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("error", Text, nullable=False),
    Column("message", AnyText, nullable=False),
)

meta = Table(
    "meta",
    metadata,
    Column("key", AnyText, primary_key=True),
    Column("value", AnyText, nullable=False),
)

# --- serving --------------------------------------------------------------------------------------------------------

# Long work that was asked for over HTTP. What it found is in the other tables; a finished job is but a receipt.
jobs = Table(
    "jobs",
    metadata,
    Column("job_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column(
        "state",
        Text,
        CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="state"),
        nullable=False,
        index=True,
    ),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("n_done", Integer, nullable=False),  # media looked at
    Column("n_total", Integer),  # NULL: not known yet
    Column("request", JsonText),  # NULL once it is finished
    Column("result", JsonText),  # what to ask the store for
    Column("problem", JsonText),  # a problem document
    Column("key_id", Text),  # of the key that asked; NULL: keys were off
    Column("attempts", Integer, nullable=False, server_default="0"),  # how often it was begun, and not left in order
    info=VOLATILE,
)

# Who may call the server. Of the secret only its sha256 is kept: 256 random bits need no slow hash.
api_keys = Table(
    "api_keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("digest", Text, nullable=False),
    Column("scopes", JsonText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("revoked_at", UtcTime),
    info=VOLATILE,
)
