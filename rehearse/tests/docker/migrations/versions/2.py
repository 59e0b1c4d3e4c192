"""an email for each user"""

from alembic import op

revision = "2"
down_revision = "1"


def upgrade():
    op.execute("ALTER TABLE users ADD COLUMN email text")
