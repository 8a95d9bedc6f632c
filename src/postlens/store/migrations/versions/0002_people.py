"""A user's decisions about persons, known faces, sketches of frames, what is kept of copies, other figures."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables and columns; all that is there stays."""
    op.add_column("posts", sa.Column("seen", sa.Integer))
    op.add_column("snapshots", sa.Column("other", sa.Text))
    op.add_column("hashes", sa.Column("sketch", sa.LargeBinary))
    op.add_column("forgotten_faces", sa.Column("guessed", sa.Boolean))
    op.create_table(
        "settled_tracks",
        sa.Column("track_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_settled_tracks"),
        _of_track("settled_tracks"),
    )
    op.create_table(
        "gallery",
        sa.Column("track_id", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("track_id", name="pk_gallery"),
        _of_track("gallery"),
        sa.ForeignKeyConstraint(["person_id"], ["persons.person_id"], name="fk_gallery_person_id", ondelete="CASCADE"),
        sa.CheckConstraint("kind IN ('enrolled', 'named')", name=op.f("ck_gallery_kind")),
    )
    op.create_index("ix_gallery_person_id", "gallery", ["person_id"])
    op.create_table(
        "decisions",
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("verb", sa.Text, nullable=False),
        sa.Column("payload", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("undone_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("number", name="pk_decisions"),
    )
    op.create_table(
        "copy_states",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("short", sa.LargeBinary, nullable=False),
        sa.Column("by_look", sa.LargeBinary),
        sa.Column("by_hash", sa.LargeBinary),
        sa.PrimaryKeyConstraint("sha256", name="pk_copy_states"),
        _of_media("copy_states", "sha256"),
    )
    op.create_table(
        "copy_pairs",
        sa.Column("sha256_a", sa.Text, nullable=False),
        sa.Column("sha256_b", sa.Text, nullable=False),
        sa.Column("reason", sa.Text),
        sa.Column("score", sa.Double),
        sa.PrimaryKeyConstraint("sha256_a", "sha256_b", name="pk_copy_pairs"),
        _of_media("copy_pairs", "sha256_a"),
        _of_media("copy_pairs", "sha256_b"),
    )
    op.create_index("ix_copy_pairs_sha256_b", "copy_pairs", ["sha256_b"])


def downgrade() -> None:
    """Stores are only brought up to date."""
    raise NotImplementedError("a store is not taken back to an older version; restore a copy instead")


def _of_track(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["track_id"], ["tracks.track_id"], name=f"fk_{table}_track_id", ondelete="CASCADE")


def _of_media(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["media.sha256"], name=f"fk_{table}_{column}", ondelete="CASCADE")
