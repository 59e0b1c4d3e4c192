"""the table of users"""

from alembic import op

revision = "1"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE users (id bigint PRIMARY KEY, name text)")
    op.execute("INSERT INTO users VALUES (1, 'Ada'), (2, NULL)")
