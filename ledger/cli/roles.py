"""``ledger roles``: the SQL that gives a PostgreSQL ledger an owner, a writer and a reader."""

import re

import click

from ledger.cli.common import CommandFailed
from ledger.storage.roles import role_statements


@click.command("roles")
@click.option(
    "--name", default="ledger", show_default=True, help="What the roles' names begin with."
)
def roles_command(name: str) -> None:
    """Print the SQL that makes the roles NAME_owner, NAME_writer and NAME_reader and their rights.

    Migrations make ledger_writer and ledger_reader themselves where they may. For other names, or
    for an owner besides: run by the database's owner, and again after each `ledger migrate`:

        ledger roles | psql -v ON_ERROR_STOP=1 DATABASE-URL

    Then give users of your own these roles: `CREATE USER site PASSWORD '…' IN ROLE ledger_writer`
    for LEDGER_DATABASE_URL of `serve` and `worker`. On the append-only tables the writer can
    insert and select, and nothing else, and it owns no trigger. `migrate`, `rebuild` and `recover`
    are run as the owner. Reads no database and no setting.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise CommandFailed(
            "--name: it takes small letters, digits and _, and begins with a letter"
        )
    for statement in role_statements(name):
        click.echo(f"{statement};")
