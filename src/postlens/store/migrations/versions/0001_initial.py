"""All tables of the first version."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

COUNTS = ("views", "likes", "comments", "shares", "saves", "score", "followers")


def upgrade() -> None:
    """Create the tables."""
    _posts()
    _media()
    _faces()
    _people()
    _bookkeeping()


def downgrade() -> None:
    """There is nothing before the first version."""
    raise NotImplementedError("the first version cannot be undone; delete the store instead")


def _posts() -> None:
    op.create_table(
        "creators",
        sa.Column("creator_id", sa.Text, nullable=False),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("handle", sa.Text, nullable=False),
        sa.Column("display_name", sa.Text),
        sa.PrimaryKeyConstraint("creator_id", name="pk_creators"),
    )
    op.create_table(
        "posts",
        sa.Column("post_id", sa.Text, nullable=False),
        sa.Column("creator_id", sa.Text, nullable=False),
        sa.Column("platform", sa.Text, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True)),
        sa.Column("caption", sa.Text),
        sa.Column("label", sa.Text),
        sa.Column("origin", sa.Text),
        sa.Column("duplicate_of", sa.Text),
        sa.Column("duplicate_reason", sa.Text),
        sa.Column("duplicate_score", sa.Double),
        sa.PrimaryKeyConstraint("post_id", name="pk_posts"),
        sa.ForeignKeyConstraint(["creator_id"], ["creators.creator_id"], name="fk_posts_creator_id"),
        sa.ForeignKeyConstraint(["duplicate_of"], ["posts.post_id"], name="fk_posts_duplicate_of", ondelete="SET NULL"),
    )
    op.create_index("ix_posts_creator_id", "posts", ["creator_id"])
    op.create_index("ix_posts_duplicate_of", "posts", ["duplicate_of"])
    op.create_table(
        "post_media",
        sa.Column("post_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("sha256", sa.Text),
        sa.Column("path", sa.Text),
        sa.Column("url", sa.Text),
        sa.PrimaryKeyConstraint("post_id", "position", name="pk_post_media"),
        sa.ForeignKeyConstraint(["post_id"], ["posts.post_id"], name="fk_post_media_post_id", ondelete="CASCADE"),
    )
    op.create_index("ix_post_media_sha256", "post_media", ["sha256"])
    op.create_table(
        "snapshots",
        sa.Column("post_id", sa.Text, nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(name, sa.Double) for name in COUNTS),
        sa.PrimaryKeyConstraint("post_id", "observed_at", name="pk_snapshots"),
        sa.ForeignKeyConstraint(["post_id"], ["posts.post_id"], name="fk_snapshots_post_id", ondelete="CASCADE"),
    )


def _media() -> None:
    op.create_table(
        "media",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("width_px", sa.Integer, nullable=False),
        sa.Column("height_px", sa.Integer, nullable=False),
        sa.Column("n_bytes", sa.BigInteger, nullable=False),
        sa.Column("duration_s", sa.Double),
        sa.Column("frame_rate_hz", sa.Double),
        sa.Column("partial", sa.Text),
        sa.Column("thumbnail", sa.LargeBinary),
        sa.PrimaryKeyConstraint("sha256", name="pk_media"),
        sa.CheckConstraint("kind IN ('image', 'video')", name=op.f("ck_media_kind")),
    )
    op.create_table(
        "files",
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_files"),
    )
    op.create_index("ix_files_sha256", "files", ["sha256"])
    op.create_table(
        "embeddings",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("frame", sa.Integer, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("pts_s", sa.Double, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "frame", "fingerprint", name="pk_embeddings"),
        _of_media("embeddings"),
    )
    op.create_table(
        "measures",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("measured", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("sha256", name="pk_measures"),
        _of_media("measures"),
    )
    op.create_table(
        "hashes",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("frame", sa.Integer, nullable=False),
        sa.Column("pts_s", sa.Double, nullable=False),
        sa.Column("bits", sa.LargeBinary, nullable=False),
        sa.Column("quality", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "frame", name="pk_hashes"),
        _of_media("hashes"),
    )


def _of_media(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["sha256"], ["media.sha256"], name=f"fk_{table}_sha256", ondelete="CASCADE")


def _faces() -> None:
    op.create_table(
        "tracks",
        sa.Column("track_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("start_s", sa.Double, nullable=False),
        sa.Column("end_s", sa.Double, nullable=False),
        sa.Column("n_frames", sa.Integer, nullable=False),
        sa.Column("quality", sa.Double, nullable=False),
        sa.Column("template", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_tracks"),
        _of_media("tracks"),
    )
    op.create_index("ix_tracks_sha256", "tracks", ["sha256"])
    op.create_table(
        "faces",
        sa.Column("face_id", sa.Text, nullable=False),
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("frame", sa.Integer, nullable=False),
        sa.Column("pts_s", sa.Double, nullable=False),
        sa.Column("box", sa.LargeBinary, nullable=False),
        sa.Column("score", sa.Double, nullable=False),
        sa.Column("quality", sa.Double, nullable=False),
        sa.Column("landmarks", sa.LargeBinary, nullable=False),
        sa.Column("template", sa.LargeBinary),
        sa.Column("track_id", sa.Text),
        sa.Column("expression", sa.LargeBinary),
        sa.Column("attributes", sa.LargeBinary),
        sa.Column("thumbnail", sa.LargeBinary),
        sa.PrimaryKeyConstraint("face_id", name="pk_faces"),
        _of_media("faces"),
    )
    op.create_index("ix_faces_sha256", "faces", ["sha256"])
    op.create_index("ix_faces_track_id", "faces", ["track_id"])


def _people() -> None:
    op.create_table(
        "persons",
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text),
        sa.Column("hidden", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_persons"),
    )
    op.create_table(
        "person_tracks",
        sa.Column("track_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("similarity", sa.Double),
        sa.Column("origin", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_person_tracks"),
        _of_track("person_tracks", "track_id"),
        sa.ForeignKeyConstraint(
            ["person_id"], ["persons.person_id"], name="fk_person_tracks_person_id", ondelete="CASCADE"
        ),
        sa.CheckConstraint("origin IN ('auto', 'user')", name=op.f("ck_person_tracks_origin")),
    )
    op.create_index("ix_person_tracks_person_id", "person_tracks", ["person_id"])
    op.create_table(
        "constraints",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("track_a", sa.Text, nullable=False),
        sa.Column("track_b", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "track_a", "track_b", name="pk_constraints"),
        _of_track("constraints", "track_a"),
        _of_track("constraints", "track_b"),
        sa.CheckConstraint("kind IN ('must_link', 'cannot_link')", name=op.f("ck_constraints_kind")),
    )
    op.create_index("ix_constraints_track_b", "constraints", ["track_b"])
    op.create_table(
        "tombstones",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_tombstones"),
        sa.CheckConstraint("kind IN ('person', 'creator')", name=op.f("ck_tombstones_kind")),
    )
    op.create_table(
        "forgotten_faces",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("pts_s", sa.Double, nullable=False),
        sa.Column("box", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "number", name="pk_forgotten_faces"),
    )


def _of_track(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["tracks.track_id"], name=f"fk_{table}_{column}", ondelete="CASCADE")


def _bookkeeping() -> None:
    op.create_table(
        "ledger",
        sa.Column("input_sha256", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("stage_version", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("code_version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("input_sha256", "stage", "stage_version", "fingerprint", name="pk_ledger"),
    )
    op.create_table(
        "failures",
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("error", sa.Text, nullable=False),
        sa.Column("message", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("subject", "stage", name="pk_failures"),
    )
    op.create_table(
        "meta",
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("value", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_meta"),
    )
