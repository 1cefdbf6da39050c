"""``ledger fsck`` and ``ledger rebuild``: is all sound, and the projections made anew."""

import os

import click

from ledger import keys
from ledger.artifacts import check_artifacts, open_objects
from ledger.assembly import system_clock
from ledger.cli.common import (
    CommandFailed,
    Progress,
    noted,
    open_store,
    printable,
    require_database,
    settings_with_log,
)
from ledger.cli.looking import Remembered, recall
from ledger.errors import FormatError, LedgerError
from ledger.fsck import Checked, Finding, Findings, JudgeMissing, check, second_root
from ledger.rebuild import rebuild
from ledger.records.deadline import parse_time
from ledger.settings import Settings
from ledger.storage.store import StorageFailed, Store
from ledger.vault import Vault

DAMAGED = 1


@click.command("fsck")
@click.option(
    "--second-opinion",
    is_flag=True,
    help="Have merkletools, where it is installed, recompute the root independently.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="Leave out author signatures, old checkpoints' signatures, openings and projections.",
)
@click.option(
    "--now",
    "moment",
    metavar="TIME",
    help="Judge what is overdue as of this time instead of the clock's, as for a replayed trace.",
)
@click.pass_context
def fsck(context: click.Context, *, second_opinion: bool, quick: bool, moment: str | None) -> None:
    """Check every stored byte against the entries: one line for each thing that is wrong.

    Hashes, tiles, roots at every published size, checkpoints, the signer's memory, signatures,
    commitments, openings, deadlines, projections, counters of what has left, artifacts. Reads one
    snapshot and writes nothing, so it may run beside a server. Exits with 1 where anything is
    wrong, with 2 where it could not check.
    """
    settings = settings_with_log()
    with noted(settings, "fsck"):
        _fsck(context, settings, second_opinion=second_opinion, quick=quick, moment=moment)


def _fsck(
    context: click.Context,
    settings: Settings,
    *,
    second_opinion: bool,
    quick: bool,
    moment: str | None,
) -> None:
    now = system_clock() if moment is None else _time("--now", moment)
    # Before the database is read: what the signer has signed by now, the database had before.
    remembered = recall(settings)
    findings = Findings(_show)
    vault = vault_of(settings)
    store = open_store(settings)
    progress = Progress("checking")
    if remembered.is_here and remembered.trouble is not None:
        findings.add(
            "signer memory", remembered.trouble, "no server logs anything until it is back"
        )
    try:
        result = check(
            store,
            findings,
            now=now,
            vault=vault,
            remembered=remembered.note,
            published=remembered.published,
            quick=quick,
            progress=progress,
        )
        progress.finish()
        if not quick:
            _check_artifacts(settings, store, vault, findings)
        if second_opinion:
            _ask_another(store, result, findings, progress)
    except StorageFailed as error:
        findings.add("database", str(error), "restore it from a backup or a mirror")
        context.exit(DAMAGED)
    finally:
        progress.finish()
        store.close()
    if _is_emptied(remembered, settings, result):
        findings.add(
            "signer memory",
            f"it is empty, but size {result.published} is published",
            "restore it from where the key's backup is; no server starts until it is back",
        )
    if not remembered.is_here:
        click.echo(f"note: the signer's memory: {remembered.trouble}")
    for note in result.notes:
        click.echo(f"note: {note}")
    for sort, count in findings.hidden().items():
        click.echo(f"{sort}: {count} more")
    if findings.total:
        click.echo(f"{findings.total} findings in {result.size} entries")
        context.exit(DAMAGED)
    how = "quickly checked" if quick else "checked"
    click.echo(f"sound: {result.size} entries {how}, root {result.root.hex()}")


def _is_emptied(remembered: Remembered, settings: Settings, result: Checked) -> bool:
    """Whether the signer's memory holds nothing of what is published.

    It is read once more: a new log may have been signed for the first time since.
    """
    if not remembered.is_here or remembered.trouble is not None or remembered.note is not None:
        return False
    return bool(result.published) and recall(settings).note is None


@click.command("rebuild")
def rebuild_command() -> None:
    """Empty the tables that pages are made from and fold every entry into them again.

    One transaction: it is done or nothing has changed. On SQLite the server has to be stopped; on
    PostgreSQL nothing is appended meanwhile, and readers see the old rows until it is done.
    """
    settings = settings_with_log()
    require_database(settings)
    store = open_store(settings)
    progress = Progress("folding")
    try:
        store.acquire_writer()
        store.migrate()
        size = rebuild(store, progress=progress)
    finally:
        progress.finish()
        store.close()
    click.echo(f"rebuilt the projections from {size} entries")


def _time(option: str, text: str) -> int:
    try:
        return parse_time(text)
    except FormatError as error:
        raise CommandFailed(f"{option}: {error}") from None


def _ask_another(store: Store, result: Checked, findings: Findings, progress: Progress) -> None:
    try:
        root = second_root(store, size=result.size, progress=progress)
    except JudgeMissing as error:
        # What was found is what counts; without it, that nobody else looked.
        if not findings.total:
            raise
        click.echo(f"note: {error}")
        return
    if root == result.root:
        click.echo(f"second opinion: merkletools finds the root {root.hex()} too")
        return
    findings.add(
        "second opinion",
        f"merkletools finds the root {root.hex()}, the head says {result.root.hex()}",
        "restore the log from a backup or a mirror",
    )


def _check_artifacts(
    settings: Settings, store: Store, vault: Vault | None, findings: Findings
) -> None:
    objects = open_objects(settings.artifacts, incoming=settings.data_dir / "incoming")
    for odd in check_artifacts(store, objects, vault):
        findings.add(odd.sort, odd.message, odd.remedy, index=odd.index)


def _show(finding: Finding) -> None:
    click.echo(printable(str(finding)))


def vault_of(settings: Settings) -> Vault | None:
    """What opens openings; None, and a line that says why, where its key is not here."""
    path = settings.key_dir / keys.OPENINGS_KEY
    try:
        return Vault(keys.read_openings_key(path), random=os.urandom)
    except LedgerError as error:
        click.echo(f"note: {error}")
        return None
