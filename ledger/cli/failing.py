"""What a command says of an error: lines for a stranger, whatever happened.

Imported when something has gone wrong and not before.
"""

import logging

import click
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ledger import journal
from ledger.cli.common import Disproved, printable
from ledger.errors import LedgerError
from ledger.settings import mask_password

log = logging.getLogger("ledger")


def tell(error: Exception) -> bool:
    """Say what went wrong, where the log goes; whether it is that something was disproved."""
    for line in _words(error).strip().splitlines() or ["failed"]:
        if journal.is_json():
            log.critical(line)
        else:
            click.echo(f"ledger: {printable(line)}", err=True)
    return isinstance(error, Disproved)


def _words(error: Exception) -> str:
    """What there is to say about an error, a line each."""
    match error:
        case click.ClickException():
            words = error.format_message()
        case LedgerError():
            words = str(error)
        case DBAPIError():
            # The statement's parameters stand in str(error); the driver's own words are without.
            words = f"the database refuses: {mask_password(' '.join(str(error.orig).split()))}"
        case SQLAlchemyError():
            words = f"the database refuses: {type(error).__name__}"
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            words = f"{where}{error.strerror or error}"
        case _:
            log.debug("the command failed", exc_info=error)
            words = (
                f"an error in the ledger itself, {type(error).__name__};"
                f" LEDGER_LOG_LEVEL=debug shows where"
            )
    return words
