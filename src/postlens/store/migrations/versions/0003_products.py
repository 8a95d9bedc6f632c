"""A catalog of products, looks of heads, and what trained nets read out of media."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; all that is there stays."""
    op.create_table(
        "looks",
        sa.Column("face_id", sa.Text, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("vector", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("face_id", name="pk_looks"),
        sa.ForeignKeyConstraint(["face_id"], ["faces.face_id"], name="fk_looks_face_id", ondelete="CASCADE"),
    )
    op.create_table(
        "readings",
        sa.Column("sha256", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False, autoincrement=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("probs", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("sha256", "number", "fingerprint", name="pk_readings"),
        sa.ForeignKeyConstraint(["sha256"], ["media.sha256"], name="fk_readings_sha256", ondelete="CASCADE"),
    )
    op.create_table(
        "products",
        sa.Column("product_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("labels", sa.Text, nullable=False),
        sa.Column("url", sa.Text),
        sa.Column("image", sa.Text),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("price", sa.Double),
        sa.Column("currency", sa.Text),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("image_sha256", sa.Text),
        sa.Column("thumbnail", sa.LargeBinary),
        sa.Column("vector", sa.LargeBinary),
        sa.Column("fingerprint", sa.Text),
        sa.PrimaryKeyConstraint("product_id", name="pk_products"),
    )


def downgrade() -> None:
    """Stores are only brought up to date."""
    raise NotImplementedError("a store is not taken back to an older version; restore a copy instead")
