"""Runs the revisions over the connection that the caller opened."""

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

from ledger.settings import load_settings
from ledger.storage import tables  # noqa: F401 - fills SQLModel.metadata, which autogenerate compares
from ledger.storage.engine import open_engine


def _run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata)
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    _run(given)
else:
    # `alembic` on the command line, for the developer who writes a revision.
    with open_engine(load_settings().database_url).connect() as own:
        _run(own)
        own.commit()
