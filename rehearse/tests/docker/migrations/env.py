"""Runs each migration in a transaction of its own, on the database that DATABASE_URL names."""

import logging
import os
import sys

from alembic import context
from sqlalchemy import create_engine

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")

with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
