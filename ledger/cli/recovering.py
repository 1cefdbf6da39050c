"""``ledger recover``: a database that is empty, or behind the signer, refilled from a mirror."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from ledger import keys
from ledger.assembly.giving_up import GIVEN_UP, confirmed, forget, require_held_back
from ledger.assembly.house import system_clock
from ledger.assembly.log_keys import read_log_keys
from ledger.assembly.recovering import (
    Openings,
    Recovered,
    lift_stop,
    recover,
    restore_openings,
)
from ledger.assembly.standard import read_standard
from ledger.cli.common import CommandFailed, settings_with_log
from ledger.cli.looking import recall
from ledger.cli.pulling import Shown
from ledger.errors import Conflict
from ledger.mirrors import files_at
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import VerifierKey, parse_note, parse_vkey
from ledger.vault import Vault


@click.command("recover")
@click.option(
    "--from",
    "source",
    required=True,
    metavar="URL|DIR",
    help="A mirror of this log, or another server that has it.",
)
@click.option("--vkey", metavar="VKEY", help="The log's key, where its key file is not here.")
@click.option(
    "--openings",
    "old",
    metavar="FILE|DATABASE-URL",
    help="The old database, as far as it can be read: what opens the records still sealed.",
)
@click.option(
    "--give-up-unwitnessed",
    "gives_up",
    is_flag=True,
    help="With LEDGER_WITNESS_MODE=strict: let the signer forget what it signed beyond the mirror,"
    " once the quorum says that it holds nothing newer.",
)
def recover_command(source: str, vkey: str | None, old: str | None, *, gives_up: bool) -> None:
    """Fill the database with the entries of a mirror, up to its checkpoint.

    Every entry is hashed up to a checkpoint that this log's key signed, and has to continue what
    the database and the signer's memory hold: a mirror that is shorter or says something else is
    refused, and nothing is written. A damaged database is moved away first, and named with
    --openings. May be stopped and run again; a server must not run on SQLite meanwhile.

    A mirror does not hold what is still sealed. A record whose opening is in no database and in no
    backup can be opened by nobody but its author: it stays listed, and becomes overdue.

    Where answers wait for the witnesses, the last tree may have been signed and never cosigned. No
    mirror has it; when its database is lost too, --give-up-unwitnessed goes on from the mirror's.
    Stop every server of this log first.
    """
    settings = settings_with_log()
    if gives_up and settings.witness_mode != "strict":
        raise CommandFailed("--give-up-unwitnessed needs LEDGER_WITNESS_MODE=strict")
    key = _key(settings, vkey)
    remembered = recall(settings)
    if remembered.trouble is not None:
        click.echo(f"note: the signer's memory: {remembered.trouble}", err=True)
    shown = Shown()
    files = files_at(source)
    if settings.sqlite_file is not None:
        settings.sqlite_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        with _opened(old) as other, _opened(settings.database_url) as store:
            assert store is not None
            store.acquire_writer()
            done = recover(
                store,
                files,
                key=key,
                remembered=remembered.note,
                published=remembered.published,
                gives_up=gives_up,
                progress=shown,
            )
            if done.apart:
                _give_up(settings, store, done, remembered.note, key)
            openings = restore_openings(store, other, _vault(settings), progress=shown)
            lifted = _lift_stop(settings, store, key)
    except Conflict as error:
        if settings.witness_mode != "strict" or gives_up:
            raise
        raise CommandFailed(
            f"{error}. What the signer has signed and no quorum has cosigned is in no mirror:"
            " --give-up-unwitnessed asks the witnesses whether it may be forgotten"
        ) from None
    finally:
        shown.finish()
        files.close()
    click.echo(
        f"{done.checkpoint.size} entries, {done.old_size} before, root {done.checkpoint.root.hex()}"
    )
    for note in done.apart:
        size = parse_checkpoint(parse_note(note).text).size
        click.echo(f"given up: a tree of {size} entries that no quorum holds; see {GIVEN_UP}")
    if lifted:
        click.echo("what stopped the writer is in the database now: it may begin again")
    _say(openings)


def _give_up(
    settings: Settings,
    store: Store,
    done: Recovered,
    remembered: bytes | None,
    key: VerifierKey,
) -> None:
    chain = read_log_keys(store).chain
    standard = read_standard(settings, chain)
    assert standard is not None  # without a policy no mode but open is taken
    memory = SignerMemory(settings.key_dir / keys.SIGNER_MEMORY)
    require_held_back(memory, store, standard, keys=[*chain, key])
    note = confirmed(settings, store, standard, key=key, clock=system_clock)
    forget(memory, done.apart, note=note, remembered=remembered)


def _lift_stop(settings: Settings, store: Store, key: VerifierKey) -> bool:
    path = settings.key_dir / keys.SIGNER_MEMORY
    beside = [settings.key_dir / each for each in (keys.NEXT_LOG_KEY, keys.PREVIOUS_LOG_KEY)]
    known = [key, *(keys.read_signer(each).verifier for each in beside if each.exists())]
    return path.exists() and lift_stop(store, SignerMemory(path), keys=known)


def _say(openings: Openings) -> None:
    if openings.restored:
        click.echo(f"{openings.restored} openings were taken over from the old database")
    if openings.missing:
        places = ", ".join(map(str, openings.first_missing))
        more = ", …" if openings.missing > len(openings.first_missing) else ""
        click.echo(
            f"{openings.missing} records have no opening here (entries {places}{more}): a mirror"
            " does not hold what is sealed or withheld. Run this again with --openings and the old"
            " database or its backup; without them only the authors can open these records, and"
            " they become overdue"
        )
    else:
        click.echo(f"all {openings.sealed} sealed records have their openings")
    click.echo("now run `ledger fsck`")


def _key(settings: Settings, vkey: str | None) -> VerifierKey:
    """The key whose log this is: given, or of the key file. Both have to be the same."""
    path = settings.key_dir / keys.LOG_KEY
    own = keys.read_signer(path).vkey if path.exists() else None
    if own is None and vkey is None:
        raise CommandFailed(
            f"there is no key of this log at {path}: set LEDGER_KEY_DIR, or give its --vkey"
        )
    if own is not None and vkey is not None and own != vkey:
        raise CommandFailed(f"the key at {path} is {own}, and not the one that --vkey names")
    return parse_vkey(vkey or own or "")


def _vault(settings: Settings) -> Vault | None:
    path = settings.key_dir / keys.OPENINGS_KEY
    if not path.exists():
        click.echo(f"note: there is no {path} here: nothing that is sealed can be opened", err=True)
        return None
    return Vault(keys.read_openings_key(path), random=os.urandom)


@contextmanager
def _opened(place: str | None) -> Iterator[Store | None]:
    if place is None:
        yield None
        return
    if "://" not in place:
        if not Path(place).is_file():
            raise CommandFailed(f"there is no database at {place[:200]}")
        place = f"sqlite:///{Path(place).absolute()}"
    store = Store(place)
    try:
        yield store
    finally:
        store.close()
