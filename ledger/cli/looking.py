"""``ledger status``, ``ledger settings``, ``ledger migrate``: what there is, and in what state."""

from dataclasses import dataclass

import click

from ledger import keys
from ledger.assembly import system_clock
from ledger.assembly.log_keys import read_log_keys
from ledger.assembly.standard import read_standard
from ledger.cli.common import open_store, require_database, settings_with_log
from ledger.cli.witnesses import summary, told, witnesses_of
from ledger.errors import LedgerError
from ledger.records.deadline import format_time
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings, describe_settings, load_settings
from ledger.storage.revisions import revision
from ledger.storage.shapes import Head
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint
from ledger.tlog.note import parse_note
from ledger.tlog.standard import Standard


@dataclass(frozen=True, slots=True)
class Remembered:
    """What the signer's memory holds: a note, nothing yet, or a reason why it cannot be read.

    ``published`` are the notes in it that were seen published. ``is_here`` is False where there is
    no such file, as on a machine that does not sign: what is here and cannot be read is damaged.
    """

    note: bytes | None
    trouble: str | None = None
    published: tuple[bytes, ...] = ()
    is_here: bool = True

    def checkpoint(self) -> Checkpoint | None:
        """The remembered checkpoint, its signature not verified."""
        return None if self.note is None else parse_checkpoint(parse_note(self.note).text)


def recall(settings: Settings) -> Remembered:
    """Read the signer's memory; never raises, since only a signer needs it."""
    path = settings.key_dir / keys.SIGNER_MEMORY
    try:
        if not path.exists():
            return Remembered(None, f"there is no {path} here", is_here=False)
    except OSError as error:
        return Remembered(None, f"{path} cannot be looked for: {error.strerror}", is_here=False)
    try:
        with SignerMemory(path).locked() as memory:
            return Remembered(memory.recall(), published=tuple(memory.published()))
    except LedgerError as error:
        return Remembered(None, str(error))
    except OSError as error:
        return Remembered(None, f"{path.name} cannot be read: {error.strerror}")


@click.command("status")
def status() -> None:
    """Say what the log holds, what opens next, and whether signer and database agree.

    Reads alone: it takes no lock that a server would wait for.
    """
    settings = settings_with_log()
    # The signer is read first: what it has signed by now, the database has had before.
    remembered = recall(settings)
    store = open_store(settings)
    try:
        standard = read_standard(settings, read_log_keys(store).chain)
        with store.snapshot() as reads:
            _report(store, reads, settings, remembered, standard)
    finally:
        store.close()


def _report(
    store: Store,
    reads: Snapshot,
    settings: Settings,
    remembered: Remembered,
    standard: Standard | None,
) -> None:
    head = reads.head()
    newest = reads.newest_checkpoint()
    origin = parse_checkpoint(parse_note(newest.note).text).origin if newest else "not signed yet"
    now = system_clock()
    deadline = reads.next_deadline()
    sealed = reads.count_sealed(size=head.size)
    overdue = reads.count_sealed(size=head.size, due_until=now)
    lines = {
        "origin": origin,
        "database": settings.shown()["LEDGER_DATABASE_URL"],
        "schema": revision(store.engine) or "none",
        "size": str(head.size),
        "root": head.root.hex(),
        "last entry": format_time(head.logged_at),
        "checkpoint": _checkpoint(head, newest.size if newest else None),
        "signer": _signer(head, remembered),
        "sealed": str(sealed),
        "opened": str(reads.count_disclosures(size=head.size)),
        "next deadline": "none" if deadline is None else format_time(deadline),
        "overdue": f"{overdue}; run `ledger publish-due` or start the worker" if overdue else "0",
    }
    for name, text in lines.items():
        click.echo(f"{name + ':':15}{text}")
    if standard is not None:
        for line in (*summary(reads, standard), *map(told, witnesses_of(reads, standard))):
            click.echo(f"{'witnesses:':15}{line}")


def _checkpoint(head: Head, size: int | None) -> str:
    if size == head.size:
        return f"size {size}, published"
    return f"size {size or 0}; {head.size - (size or 0)} entries are stored and not signed yet"


def _signer(head: Head, remembered: Remembered) -> str:
    if remembered.trouble is not None:
        return f"not known: {remembered.trouble}"
    try:
        last = remembered.checkpoint()
    except LedgerError as error:
        return f"not known: {error}"
    if last is None:
        return "has signed nothing yet"
    if last.size == head.size and last.root == head.root:
        return f"agrees with the database at size {last.size}"
    if last.size < head.size:
        return f"has signed size {last.size}; the rest is signed when a server starts"
    return (
        f"DISAGREES: it has signed size {last.size} with root {last.root.hex()}, which this"
        f" database does not have. Restore the newer database, or refill it from a mirror with"
        f" `ledger recover --from URL|DIR`"
    )


@click.command("settings")
def settings_command() -> None:
    """List every setting: its value here, what it may be and what it is for.

    A setting is an environment variable, or its name in small letters without LEDGER_ in the TOML
    file. Passwords are masked.
    """
    values = load_settings().shown()
    for setting in describe_settings():
        value = values.get(setting.variable)
        click.echo(setting.variable + (f" = {value}" if value is not None else ""))
        click.echo(f"    {setting.doc}")
        click.echo(f"    allowed: {setting.allowed}; default: {setting.default}")


@click.command("migrate")
def migrate() -> None:
    """Bring the database to this version's schema; `ledger serve` does it at its start."""
    settings = settings_with_log()
    require_database(settings)
    store = Store(settings.database_url)
    try:
        before, after = store.migrate()
    finally:
        store.close()
    if before == after:
        click.echo(f"the schema is at revision {after} already")
    else:
        click.echo(f"the schema went from revision {before or 'none'} to {after}")
