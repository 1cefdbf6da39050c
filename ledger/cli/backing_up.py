"""``ledger backup``: a checked copy of a SQLite ledger, made beside a running server.

Keys are no part of it, above all not the signer's memory: restored together with an old database,
it would no longer know what was signed since.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import click

from ledger.cli.common import (
    CommandFailed,
    Disproved,
    Progress,
    noted,
    open_store,
    require_database,
    settings_with_log,
)
from ledger.cli.looking import recall
from ledger.cli.repairing import vault_of
from ledger.fsck import Checked, Finding, Findings, check
from ledger.settings import Settings
from ledger.storage.backup import copy_sqlite
from ledger.storage.store import Store

DATABASE: Final = "ledger.db"
BEFORE_ALL_DEADLINES: Final = 0
"""What is overdue is the worker's affair: a copy is no worse for it."""


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path))
def backup_command(folder: Path) -> None:
    """Write the database as it is now to FOLDER/ledger.db, and check the copy as fsck does.

    FOLDER must not exist: it appears whole and checked, or not at all. Exits with 1 where the copy
    is damaged, as the database is then too.

    To restore it, stop the server, move the database and its -wal and -shm files away, and put the
    copy in its place. The key folder stays as it is. Where the signer has signed more than the copy
    holds, nothing starts before `ledger recover --from MIRROR` has brought the rest.
    """
    settings = settings_with_log()
    if settings.sqlite_file is None:
        raise CommandFailed(
            "on PostgreSQL pg_dump and pg_basebackup make backups; README.md says how"
        )
    require_database(settings)
    with noted(settings, "backup"):
        _back_up(settings, folder)


def _back_up(settings: Settings, folder: Path) -> None:
    # Before the copy is made: what the signer has signed by now, the database had before.
    remembered = recall(settings)
    with _appearing(folder.absolute()) as made:
        with closing(open_store(settings)) as store:
            copy_sqlite(store, made / DATABASE)
        result = _checked(settings, made / DATABASE, remembered.note)
    click.echo(f"backed up: {result.size} entries, root {result.root.hex()}, in {folder}")
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo("not in it: the key folder and the artifacts, which are kept apart from it")


def _checked(settings: Settings, copy: Path, remembered: bytes | None) -> Checked:
    """Check every byte of the copy. Raises Disproved once each finding was printed."""
    findings = Findings(_show)
    progress = Progress("checking")
    try:
        with closing(Store(f"sqlite:///{copy}")) as store:
            result = check(
                store,
                findings,
                now=BEFORE_ALL_DEADLINES,
                vault=vault_of(settings),
                remembered=remembered,
                progress=progress,
            )
    finally:
        progress.finish()
    if findings.total:
        raise Disproved(
            f"the copy has {findings.total} findings, so the database has them: nothing was kept;"
            f" keep the backups that there are, and run `ledger fsck`"
        )
    return result


def _show(finding: Finding) -> None:
    click.echo(str(finding))


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A new folder that gets its name once all in it is on the disk, or is gone again."""
    if folder.exists() or folder.is_symlink():
        raise CommandFailed(f"{folder} exists already: a backup gets a folder of its own")
    if not folder.parent.is_dir():
        raise CommandFailed(f"there is no folder {folder.parent}")
    made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        yield made
        for each in (*made.iterdir(), made):
            _sync(each)
        made.rename(folder)
    except BaseException:
        shutil.rmtree(made, ignore_errors=True)
        raise
    _sync(folder.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
