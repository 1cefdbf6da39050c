"""The command line ``ledger``: which commands there are, and what becomes of what they raise.

Exit status 0: done. 1: something was found to be damaged or untrue (``fsck``, ``verify-proof``, and
an answer whose receipt does not verify). 2: it could not be done or checked. 130: interrupted.
Every error is one line on standard error that begins with ``ledger:``.
"""

import logging
import os
import sys
from collections.abc import Sequence
from typing import Final

import click
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ledger.cli.authoring import keys_group, open_command, registry, submit
from ledger.cli.common import Disproved
from ledger.cli.create import init
from ledger.cli.looking import migrate, settings_command, status
from ledger.cli.receipts import verify_proof_command
from ledger.cli.repairing import fsck, rebuild_command
from ledger.cli.replaying import import_trace_command
from ledger.cli.running import publish_due, serve, worker
from ledger.errors import LedgerError
from ledger.settings import mask_password

DONE: Final = 0
FOUND: Final = 1
FAILED: Final = 2
INTERRUPTED: Final = 130

log = logging.getLogger("ledger")


class _InOrder(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="apsci-ledger", message="%(version)s")
def cli() -> None:
    """The public transparency ledger: every job in a signed log, opened on a provable deadline.

    A ledger lives in LEDGER_DATA_DIR (default: ledger-data in the working folder). `ledger
    settings` lists all that can be set. Start with `ledger init`, then `ledger serve`.
    """


for command in (
    init,
    serve,
    worker,
    status,
    publish_due,
    submit,
    open_command,
    registry,
    keys_group,
    verify_proof_command,
    fsck,
    rebuild_command,
    import_trace_command,
    migrate,
    settings_command,
):
    cli.add_command(command)


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit status. Prints what went wrong, in one line."""
    try:
        with cli.make_context("ledger", list(arguments)) as context:
            cli.invoke(context)
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has had enough. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001 - a stranger gets one line, whatever happened
        for line in _words(error).strip().splitlines() or ["failed"]:
            click.echo(f"ledger: {line}", err=True)
        return FOUND if isinstance(error, Disproved) else FAILED
    return DONE


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


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
