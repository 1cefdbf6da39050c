"""The roles of the writer and of the reader, where whoever migrates may make roles.

What they may do is granted after the last revision, whichever that is: see ``storage.roles``.
Roles belong to the whole server, so another ledger's migration may be making them right now.
"""

from alembic import context, op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None

ROLES = ("ledger_writer", "ledger_reader")


def upgrade() -> None:
    """Make them on PostgreSQL; SQLite has no roles. Nobody can log in as them."""
    if context.get_context().dialect.name == "sqlite":
        return
    for role in ROLES:
        op.execute(
            f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN"
            " duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; END $$"
        )


def downgrade() -> None:
    """Leave them: other ledgers on this server may use them."""
