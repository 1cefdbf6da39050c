"""``ledger signals``: the questions that the public record asks, computed by whoever wants to."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

import click
import msgspec

from ledger.assembly.standard import shown_size
from ledger.cli.common import (
    CommandFailed,
    Disproved,
    Progress,
    open_store,
    read_bytes,
    settings_with_log,
)
from ledger.errors import LedgerError
from ledger.exports import sets
from ledger.records.sketch import parse_sketch
from ledger.records.wire import convert
from ledger.signals import compute, encode
from ledger.signals.harvest import Reference
from ledger.signals.sources import ENTRIES, entries_of_file, entries_of_store
from schemas.signals import Signals
from schemas.values import PromptSketch

MAX_SKETCH: Final = 1 << 20
MOST_REFERENCES: Final = 64
MAX_PACKAGE: Final = 1 << 22


@click.command("signals")
@click.option(
    "--bulk",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="A set of bulk files, or the folder that holds the sets; the newest one then.",
)
@click.option("--database", metavar="FILE|URL", help="A ledger's database; default: the settings'.")
@click.option(
    "--at", "size", type=click.IntRange(min=1), help="A published tree size; default: newest."
)
@click.option(
    "--reference",
    "references",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    multiple=True,
    help="A sketch made by `ledger sketch`, of prompts to compare with; may be given again.",
)
@click.option("--summary", is_flag=True, help="A line for each question instead of JSON.")
def signals_command(
    folder: Path | None,
    database: str | None,
    size: int | None,
    references: Sequence[Path],
    summary: bool,
) -> None:
    """Print questions with their evidence, as JSON, from what the log shows and nothing else.

    From a set of bulk files, `ledger signals --bulk DIR` prints the very bytes of that set's
    `signals.json`, unless a reference is given. It reads entries.ndjson.zst and datapackage.json,
    and hashes the entries: where their root is not the one that the set names, the status is 1.

    A row is a question with its evidence, and no verdict; what innocent thing looks the same stands
    beside it.
    """
    if folder is not None and (database is not None or size is not None):
        raise click.UsageError("--bulk goes with neither --database nor --at")
    if len(references) > MOST_REFERENCES:
        raise click.UsageError(f"more than {MOST_REFERENCES} references")
    known = [_reference(path) for path in references]
    found = _of_files(folder, known) if folder else _of_database(database, size, known)
    if summary:
        for each in found.signals:
            click.echo(f"{each.code}: {each.count} of {each.tested} looked at. {each.question}")
        click.echo(f"{found.tree_size} entries, root {found.root}")
        return
    click.echo(encode(found), nl=False)


def _of_files(folder: Path, references: Sequence[Reference]) -> Signals:
    if not any((folder / name).exists() for name in (ENTRIES, sets.PACKAGE)):
        name = sets.latest(folder) or next(iter(sets.names(folder)), None)
        if name is None:
            raise CommandFailed(f"{folder} holds no set of bulk files")
        folder /= name
    made = _package(folder / sets.PACKAGE)
    with _counted(made.tree_size) as told:
        found = compute(entries_of_file(folder / ENTRIES), references=references, progress=told)
    if (found.tree_size, found.root) != (made.tree_size, made.root):
        raise Disproved(
            f"{folder} holds {found.tree_size} entries with root {found.root}, and says that it"
            f" holds {made.tree_size} with root {made.root}"
        )
    return found


class _Package(msgspec.Struct):
    """The part of ``datapackage.json`` that says which tree the files were made from."""

    tree_size: int
    root: str


def _package(path: Path) -> _Package:
    try:
        return msgspec.json.decode(read_bytes(path, limit=MAX_PACKAGE), type=_Package)
    except msgspec.DecodeError:
        raise CommandFailed(f"{path} does not say which tree the files were made from") from None


def _of_database(
    database: str | None, size: int | None, references: Sequence[Reference]
) -> Signals:
    overrides: dict[str, object] = {}
    if database is not None:
        url = database if "://" in database else f"sqlite:///{Path(database).absolute()}"
        overrides["database_url"] = url
    settings = settings_with_log(**overrides)
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store(settings)))
        at = shown_size(settings, store, size)
        snapshot = stack.enter_context(store.snapshot())
        told = stack.enter_context(_counted(at))
        return compute(entries_of_store(snapshot, at), references=references, progress=told)


def _reference(path: Path) -> Reference:
    """A file that ``ledger sketch`` has made. Raises CommandFailed."""
    data = read_bytes(path, limit=MAX_SKETCH)
    try:
        value = msgspec.json.decode(data)
        return Reference(path.name, parse_sketch(convert(value, PromptSketch, at="")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise CommandFailed(f"{path} is not JSON") from None
    except LedgerError as error:
        raise CommandFailed(f"{path} is not a sketch: {error}") from None


@contextmanager
def _counted(size: int) -> Iterator["_Told"]:
    progress = Progress("entries")
    try:
        yield _Told(progress, size)
    finally:
        progress.finish()


class _Told:
    """Shows how many of ``size`` entries are behind."""

    def __init__(self, progress: Progress, size: int) -> None:
        self._progress = progress
        self._size = size

    def __call__(self, done: int) -> None:
        self._progress(done, self._size)
