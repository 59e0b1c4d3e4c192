"""every user must have a name, which not all of them have"""

from alembic import op

revision = "3"
down_revision = "2"


def upgrade():
    op.execute("ALTER TABLE users ADD COLUMN born date")
    op.execute("ALTER TABLE users ALTER COLUMN name SET NOT NULL")
