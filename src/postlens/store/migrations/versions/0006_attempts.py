"""How often a job was begun."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; jobs that are there count as never begun."""
    op.add_column("jobs", sa.Column("attempts", sa.Integer, nullable=False, server_default="0"))


def downgrade() -> None:
    """Stores are only brought up to date."""
    raise NotImplementedError("a store is not taken back to an older version; restore a copy instead")
