"""``ledger init``: a new ledger, with the keys of its first authors where none are given."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

import click

from ledger import keys
from ledger.assembly import create
from ledger.cli.common import CommandFailed, read_as, read_document, settings_with_log
from ledger.errors import Conflict, FormatError, LedgerError, ValueRefused
from ledger.importers.signing import MEMBERS, OFFICES
from ledger.records.amending import amended
from ledger.records.charter import Charter, default_charter
from ledger.records.entry import Author
from ledger.settings import Settings
from ledger.tlog.keys import require_name
from ledger.tlog.note import ED25519, generate_key, parse_vkey
from schemas.statements import Role
from schemas.values import Wire

MAX_ORIGIN: Final = 100
"""Characters. With the longest name of an author a vkey then still fits into its field."""


class _AuthorsFile(Wire, frozen=True):
    authors: tuple[Author, ...]


@click.command("init")
@click.option(
    "--origin",
    required=True,
    metavar="NAME",
    help="The log's name for ever, a host and a path without scheme: ledger.example.org/apsci",
)
@click.option(
    "--authors",
    "authors_file",
    metavar="FILE.toml",
    type=click.Path(path_type=Path),
    help="The first authors: [[authors]] tables with name, role, title, vkey. Without it this"
    " machine makes a key for each office.",
)
@click.option(
    "--charter",
    "charter_file",
    metavar="FILE.toml",
    type=click.Path(path_type=Path),
    help="Rules of the first charter that are not the consortium's: embargo_days (1 to 90),"
    " egress_ceiling_bytes, gpu_total, [artifact_ceilings], [quotas] and the rest that `ledger"
    " charter show` prints.",
)
@click.option(
    "--council-threshold",
    type=click.IntRange(1, 33),
    metavar="K",
    help="How many of the council have to sign a change of the charter or the council. Default: 1.",
)
@click.option("--demo", is_flag=True, help="Make keys for seven member labs too, named as a demo.")
def init(
    origin: str,
    authors_file: Path | None,
    charter_file: Path | None,
    council_threshold: int | None,
    *,
    demo: bool,
) -> None:
    """Make a new ledger: its keys, its database and entry 0.

    Refuses where any of it exists already, and takes back what it made where it fails.
    """
    settings = settings_with_log()
    if authors_file is not None and demo:
        raise CommandFailed("--demo makes keys and --authors names some: give one of the two")
    _check_origin(origin)
    charter = _read_charter(charter_file, council_threshold)
    with undoing(settings) as made:
        if authors_file is not None:
            authors = _read_authors(authors_file, origin)
        else:
            authors = _make_authors(settings, origin, demo=demo, made=made)
        _check_threshold(charter, authors)
        vkey = create(settings, origin=origin, authors=authors, charter=charter)
    click.echo(f"created: {origin}, with {len(authors)} authors, in {settings.data_dir}")
    click.echo(f"log key: {vkey}")
    click.echo(f"keys: {settings.key_dir}; back them up, the ledger cannot be written without")
    if authors_file is None:
        folder = settings.key_dir / keys.AUTHORS
        click.echo(
            f"author keys: {folder}/*.key; hand each to its author and delete it here:"
            f" who holds one can speak in that author's name"
        )
    click.echo("next: ledger serve")


def _check_origin(origin: str) -> None:
    """Refuse a name that the log could not keep, or would regret: it is never changed again."""
    try:
        require_name(origin)
    except FormatError as error:
        raise CommandFailed(f"--origin: {error}") from None
    if not origin.isprintable():
        raise CommandFailed(f"--origin: {origin!a} has a character that cannot be printed")
    if "://" in origin or origin != origin.strip("/"):
        raise CommandFailed(
            f"--origin: {origin} is to be a host and a path, without scheme or slash at its ends"
        )
    if len(origin) > MAX_ORIGIN:
        raise CommandFailed(
            f"--origin: {len(origin)} characters, where {MAX_ORIGIN} are the most: the keys of"
            f" authors bear it too"
        )


def _read_charter(path: Path | None, threshold: int | None) -> Charter:
    """The consortium's rules with those of the file put in, and the threshold that was given."""
    written = read_document(path) if path is not None else {}
    if threshold is not None:
        if "council_threshold" in written:
            raise CommandFailed(f"--council-threshold: {path} has one already")
        written["council_threshold"] = threshold
    try:
        return amended(default_charter(), written, council=1)
    except ValueRefused as error:
        raise CommandFailed(f"{path}: {error}") from None


def _check_threshold(charter: Charter, authors: tuple[Author, ...]) -> None:
    council = {author.name for author in authors if author.role is Role.COUNCIL}
    if charter.signers_needed(len(council)) > len(council):
        raise CommandFailed(
            f"council_threshold: {charter.council_threshold}, where the council has"
            f" {len(council)} authors: nobody could change the charter"
        )


def _read_authors(path: Path, origin: str) -> tuple[Author, ...]:
    authors = read_as(path, _AuthorsFile).authors
    for number, author in enumerate(authors):
        where = f"{path}: authors[{number}]"
        try:
            key = parse_vkey(author.vkey)
        except LedgerError as error:
            raise CommandFailed(f"{where}.vkey: {error}") from None
        if key.name != f"{origin}/{author.name}" or key.type != ED25519:
            raise CommandFailed(
                f"{where}.vkey: it is named {key.name}; the key of {author.name} in this log is"
                f" an Ed25519 key named {origin}/{author.name}"
            )
    if not any(author.role is Role.COUNCIL for author in authors):
        raise CommandFailed(f"{path}: no author is of role council, so none could ever be added")
    return authors


def _make_authors(
    settings: Settings, origin: str, *, demo: bool, made: list[Path]
) -> tuple[Author, ...]:
    wanted = [(role.value, role, title) for role, title in OFFICES.items()]
    if demo:
        # Nothing that these keys sign is the labs' own: every page says so with the title.
        wanted += [(name, Role.MEMBER, f"{title} (demo key)") for name, title in MEMBERS.items()]
    folder = settings.key_dir / keys.AUTHORS
    if folder.exists():
        raise Conflict(f"{folder} exists already: this folder belongs to a ledger")
    authors = []
    for name, role, title in wanted:
        signer, vkey = generate_key(f"{origin}/{name}", os.urandom(32))
        path = keys.author_key_path(settings.key_dir, name)
        keys.write_signer(path, signer)
        made.append(path)
        authors.append(Author(name=name, role=role, title=title, vkey=vkey))
    return tuple(authors)


@contextmanager
def undoing(settings: Settings) -> Iterator[list[Path]]:
    """Collect files that are made; if the body raises, remove them, and folders it left empty.

    The folders are locked meanwhile: what was not there before is then this process's own, and not
    what another ``init`` has just made.
    """
    made: list[Path] = []
    folders = [settings.data_dir, settings.key_dir]
    if settings.sqlite_file is not None:
        folders.append(settings.sqlite_file.parent)
    new_folders = [each for folder in folders for each in _missing(folder)]
    try:
        with ExitStack() as locks:
            for folder in dict.fromkeys(folders):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                locks.enter_context(_locked(folder))
            database = settings.sqlite_file
            ends = ("", ".writer", "-wal", "-shm") if database is not None else ()
            beside = [database.with_name(database.name + end) for end in ends] if database else []
            new_files = [path for path in beside if not path.exists()]
            log_key = settings.key_dir / keys.LOG_KEY
            had_key = log_key.exists()
            try:
                yield made
            except BaseException:
                # Where the log's key was made and kept, the log is there too, and all of it stays.
                if had_key or not log_key.exists():
                    for path in (*made, *new_files):
                        path.unlink(missing_ok=True)
                raise
    except BaseException:
        for folder in (settings.key_dir / keys.AUTHORS, *new_folders):
            with suppress(OSError):  # it never came to be, or holds what is not ours
                folder.rmdir()
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Conflict(f"another `ledger init` is at work in {folder}") from None
    finally:
        os.close(descriptor)


def _missing(folder: Path) -> list[Path]:
    """Those of ``folder`` and what it lies in that do not exist, innermost first."""
    return [each for each in (folder, *folder.parents) if not each.exists()]
