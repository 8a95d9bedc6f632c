"""What forecasts read of posts and accounts: descriptions of pictures, tags, places, followees, number of posts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns; all that is there stays."""
    op.add_column("posts", sa.Column("alt_text", sa.Text))
    op.add_column("posts", sa.Column("n_tagged", sa.Integer))
    op.add_column("posts", sa.Column("has_location", sa.Boolean))
    op.add_column("snapshots", sa.Column("followees", sa.Double))
    op.add_column("snapshots", sa.Column("n_posts", sa.Double))


def downgrade() -> None:
    """Stores are only brought up to date."""
    raise NotImplementedError("a store is not taken back to an older version; restore a copy instead")
