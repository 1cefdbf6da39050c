"""``ledger log-key``: another key for the log, named by the one before it, under the same name."""

import os

import click

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.elsewhere import require_newest
from ledger.assembly.log_keys import (
    begin_rotation,
    named_by,
    read_log_keys,
    retire_previous,
    settle_files,
)
from ledger.assembly.standard import read_standard
from ledger.cli.common import CommandFailed, open_store, require_database, settings_with_log
from ledger.cli.looking import recall
from ledger.reader import Reader
from ledger.settings import Settings
from ledger.tlog.note import parse_note


@click.group("log-key")
def log_key_group() -> None:
    """Show the log's own keys, and let a new one follow the one that speaks for it now.

    The log keeps its name. The old key names the new one in an entry, both sign for as long as
    you like, and then the old one falls silent. What the old one has signed stays verifiable.
    """


@log_key_group.command("show")
def show() -> None:
    """Print every key that ever spoke for this log, and from which entry on."""
    store = open_store(settings_with_log())
    try:
        log = read_log_keys(store)
    finally:
        store.close()
    for vkey, since in log.terms:
        click.echo(f"{vkey}  from entry {since} on")


@log_key_group.command("rotate")
def rotate() -> None:
    """Make a new key and log an entry in which the old one names it; from then on both sign.

    Stop the servers first, and start them again afterwards: on SQLite this is the one writer, and
    on PostgreSQL a server that does not have the new key stops signing. May be stopped anywhere
    and run again. Back up the key folder before and after, and give the new key to the witnesses:
    `ledger witness add-log VKEY`. When everybody has it, run `ledger log-key retire`.
    """
    settings = settings_with_log()
    require_database(settings)
    if settle(settings):
        # The entry may have been stored and not been signed: whoever opens the log signs it.
        Ledger(settings, before_signing=require_newest).close()
        click.echo("a rotation that was cut short is complete now")
        return
    store = open_store(settings)
    try:
        vkey = begin_rotation(settings.key_dir, read_log_keys(store), random=os.urandom)
    finally:
        store.close()
    ledger = Ledger(settings, before_signing=require_newest)
    try:
        succession = named_by(settings.key_dir, ledger.log_keys)
        if succession is not None:
            (done,) = ledger.sequencer.log([succession])
            if isinstance(done, Exception):
                raise done
            click.echo(f"entry {done.index} names the new key")
    finally:
        ledger.close()
    settle(settings)
    click.echo(f"log key: {vkey}")
    click.echo(
        "both keys sign now. Give the new one to the witnesses and to whoever verifies offline,"
        " start the servers again, and end it later with `ledger log-key retire`"
    )


@log_key_group.command("retire")
def retire() -> None:
    """Remove the private key before the current one: from the next start on it signs no more.

    Who trusts the old key still finds the new one, through the entry that the old one signed.
    """
    settings = settings_with_log()
    settle(settings)
    if (settings.key_dir / keys.PREVIOUS_LOG_KEY).exists() and not _has_signed(settings):
        # Whoever opens the log signs what a crash left unsigned.
        Ledger(settings, before_signing=require_newest).close()
        if not _has_signed(settings):
            raise CommandFailed("the new key has signed nothing yet: the old one is kept")
    _require_shown(settings)
    if not retire_previous(settings.key_dir):
        raise CommandFailed(
            f"there is no {settings.key_dir / keys.PREVIOUS_LOG_KEY}: no rotation is under way"
        )
    click.echo("the old key is gone from this machine; start the servers again")


def _has_signed(settings: Settings) -> bool:
    """Whether the key that speaks opens the signer's memory; else only the one before it does."""
    current = keys.read_signer(settings.key_dir / keys.LOG_KEY)
    note = recall(settings).note
    return note is not None and current.key_id in {
        line.key_id for line in parse_note(note).signatures
    }


def _require_shown(settings: Settings) -> None:
    """Check that the new key has signed the tree that the public gets.

    Whose witnesses are still waited for shows an older tree, which the old key alone may have
    signed: nobody could check it by the key that is given out then.
    """
    if not (settings.key_dir / keys.PREVIOUS_LOG_KEY).exists():
        return
    store = open_store(settings)
    try:
        log = read_log_keys(store)
        reader = Reader(store, standard=read_standard(settings, log.chain))
        lines = parse_note(reader.shown().note).signatures
    finally:
        store.close()
    if log.current.key_id not in {line.key_id for line in lines}:
        raise CommandFailed(
            "the public still gets a tree that the new key has not signed, as too few witnesses"
            " have cosigned a newer one: the old key is kept; run this again when they have"
        )


def settle(settings: Settings) -> bool:
    """Bring the key files in line with the log, should a rotation have been cut short."""
    store = open_store(settings)
    try:
        return settle_files(settings.key_dir, read_log_keys(store))
    finally:
        store.close()
