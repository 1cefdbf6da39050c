"""``ledger export``: all that the log shows at one size, as files; and whether files are sound."""

from contextlib import closing
from pathlib import Path

import click

from ledger.assembly import Ledger
from ledger.assembly.bulk import logged_manifests
from ledger.assembly.questions import EXTRAS
from ledger.assembly.standard import shown_size
from ledger.cli.common import (
    CommandFailed,
    Disproved,
    Progress,
    open_store,
    settings_with_log,
)
from ledger.errors import LedgerError, WriterLocked
from ledger.exports import ExportFailed, export, sets
from ledger.exports.partial import SUMS
from ledger.settings import Settings
from ledger.storage.store import Store


@click.command("export")
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder that holds the sets of files; over LEDGER_EXPORT_DIR.",
)
@click.option(
    "--at", "size", type=click.IntRange(min=1), help="A published tree size; default: the newest."
)
@click.option(
    "--check",
    "checked",
    type=click.Path(path_type=Path, file_okay=False),
    help="Compare a set with its SHA256SUMS instead of making one.",
)
def export_command(folder: Path | None, size: int | None, checked: Path | None) -> None:
    """Write the entries, the tables and the proofs of one published tree into a folder of its own.

    Reads one snapshot, beside any server. A set that is there is kept, one that was interrupted is
    taken up where it was left, and none appears before it is whole. `--check` exits with 1 where a
    file is not what it was.

    The digest of SHA256SUMS becomes an entry of the log. On SQLite the server is the one writer:
    beside one, it reads the files in its LEDGER_EXPORT_DIR with its next sweep and logs them.
    """
    if checked is not None:
        if folder is not None or size is not None:
            raise click.UsageError("--check goes with neither --to nor --at")
        _check(checked)
        return
    settings = settings_with_log()
    folder = (folder or settings.export_dir).absolute()
    with closing(open_store(settings)) as store:
        name = _make(settings, store, folder, shown_size(settings, store, size))
        made = sets.read_set(folder / name)
        click.echo(f"{folder / name}: {len(made.files)} files, {made.bytes} bytes")
        click.echo(f"{made.tree_size} entries, root {made.root}")
        click.echo(f"SHA-256 of {SUMS}: {made.manifest}")
        _log_manifest(settings, store, folder, name)


def _make(settings: Settings, store: Store, folder: Path, size: int | None) -> str:
    shown = _Shown()
    try:
        return export(
            store,
            folder,
            public_url=settings.public_url,
            size=size,
            progress=shown,
            extras=EXTRAS,
        )
    except OSError as error:
        where = error.filename or folder
        raise ExportFailed(
            f"{where}: {error.strerror}; nothing was published, and the next run goes on from here"
        ) from None
    finally:
        shown.finish()


def _log_manifest(settings: Settings, store: Store, folder: Path, name: str) -> None:
    """Have the log remember what was made, by this process or by the server that may write.

    Raises CommandFailed where the log holds another digest for the set.
    """
    bulk = None
    why = "another process is logging it"
    try:
        ledger = Ledger(settings.model_copy(update={"export_dir": folder}))
        try:
            bulk = ledger.bulk
            bulk.log_manifests()
        finally:
            ledger.close()
    except WriterLocked as error:
        why = _left_to_the_server(settings, folder, error)
    except (LedgerError, OSError) as error:
        why = str(error)
    if bulk is not None and name in bulk.refused:
        raise CommandFailed(f"not in the log: {bulk.refused[name]}")
    logged = logged_manifests(store, [name]).get(sets.manifest_name(name))
    if logged is None:
        click.echo(f"not in the log yet: {why}")
    else:
        click.echo(f"its manifest is entry {logged.index} of the log")


def _left_to_the_server(settings: Settings, folder: Path, error: WriterLocked) -> str:
    if folder != settings.export_dir.absolute():
        return (
            f"{error}; a server logs what lies in its LEDGER_EXPORT_DIR,"
            f" {settings.export_dir.absolute()}"
        )
    return (
        f"the server that is writing this ledger logs it with its next sweep, within"
        f" {settings.sweep_seconds} s"
    )


def _check(folder: Path) -> None:
    try:
        found = list(sets.check(folder))
    except OSError as error:
        raise CommandFailed(f"{error.filename or folder}: {error.strerror}") from None
    for line in found:
        click.echo(line)
    if found:
        raise Disproved(f"{folder} is not what was published: {len(found)} differences")
    made = sets.read_set(folder.resolve())
    click.echo(f"sound: {len(made.files)} files of {made.tree_size} entries")
    click.echo(f"SHA-256 of {SUMS}: {made.manifest}")


class _Shown:
    """A counter for each file on a terminal; in a log, a line for each says that it is made."""

    def __init__(self) -> None:
        self._what = ""
        self._progress = Progress("")

    def __call__(self, what: str, done: int, total: int) -> None:
        if what != self._what:
            self.finish()
            self._what, self._progress = what, Progress(what)
        self._progress(done, total)

    def finish(self) -> None:
        self._progress.finish()
