"""What several commands share: settings, files that people write, and how things are printed."""

import json
import logging
import os
import sys
import tomllib
import unicodedata
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from ledger import journal, keys
from ledger.assembly import Ledger, system_clock
from ledger.errors import LedgerError, NotFound
from ledger.metering.tasks import FOLDER, noting
from ledger.records.wire import convert
from ledger.settings import Settings, load_settings
from ledger.storage.store import Store
from ledger.tlog.note import Signer

T = TypeVar("T")

log = logging.getLogger("ledger")

LOG_FORMAT: Final = "LEDGER_LOG_FORMAT"
MAX_DOCUMENT: Final = 1 << 20
"""The largest file with a statement, authors or a charter that is read, in bytes."""


class CommandFailed(LedgerError):
    """A command could not do what it was asked to; the message says why and what to do."""


class Disproved(LedgerError):
    """What was to be verified is not what it claims to be: exit status 1."""


def settings_with_log(**overrides: object) -> Settings:
    """The settings, after pointing log lines at standard error. Raises SettingsError."""
    settings = load_settings(**overrides)
    journal.start(settings.log_level, settings.log_format)
    return settings


def start_log(level: str) -> None:
    """Start the log of a command that reads no settings. Raises CommandFailed for no such format.

    It is what the environment says that it is, as everywhere else.
    """
    match os.environ.get(LOG_FORMAT, "plain"):
        case "plain" | "json" as form:
            journal.start(level, form)
        case other:
            raise CommandFailed(f"{LOG_FORMAT} is plain or json, not {other[:40]!a}")


def noted(settings: Settings, task: str) -> AbstractContextManager[None]:
    """Keep how a task ends for whoever scrapes /metrics, where somebody does."""
    if settings.metrics is None:
        return nullcontext()
    return noting(settings.data_dir / "metrics" / FOLDER, task, now=system_clock())


def say(text: str) -> None:
    """Print a line of a command that goes on running: where programs read the log, in it."""
    if journal.is_json():
        log.info(text)
    else:
        click.echo(text)
        sys.stdout.flush()


def printable(text: str) -> str:
    """``text`` without what steers a terminal: controls and marks of direction as U+FFFD.

    What a server or a member said is printed through this, an error's words too: an escape sequence
    in a title could otherwise rewrite the verdict above it.
    """
    return "".join(
        each if each.isprintable() or unicodedata.category(each) == "Zs" else "\ufffd"
        for each in text
    )


def open_for_reading(settings: Settings) -> Ledger:
    """The ledger, without keys and beside any server. Raises NotFound where there is none."""
    require_database(settings)
    return Ledger(settings, writer=False)


def open_for_writing(settings: Settings) -> Ledger:
    """The ledger with its keys. Raises WriterLocked where a server has it on SQLite.

    Raises ForkRefused where the mirror or a witness holds a newer history, or another one.
    """
    from ledger.assembly.elsewhere import require_newest  # noqa: PLC0415 - brings an S3 client along

    require_database(settings)
    return Ledger(settings, before_signing=require_newest)


def require_database(settings: Settings) -> None:
    """Raise NotFound where no ledger is, before anything makes an empty SQLite file there."""
    file = settings.sqlite_file
    if file is not None and not file.is_file():
        raise NotFound(f"there is no ledger at {file}: run `ledger init`, or set LEDGER_DATA_DIR")


def open_store(settings: Settings) -> Store:
    """The database alone. Raises NotFound where it holds no ledger."""
    require_database(settings)
    with ExitStack() as undo:
        store = Store(settings.database_url)
        undo.callback(store.close)
        if store.is_empty():
            raise NotFound("this database holds no ledger yet: run `ledger init`")
        undo.pop_all()
    return store


def read_document(path: Path) -> dict[str, Any]:
    """What a .json or .toml file says. Raises CommandFailed for anything but one object."""
    if path.suffix not in _READERS:
        raise CommandFailed(f"{path}: the name has to end in .json or .toml")
    text = read_text(path)
    try:
        value = _READERS[path.suffix](text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError) as error:
        kind = path.suffix.removeprefix(".").upper()
        raise CommandFailed(f"{path} is not {kind}: {_first_line(error)}") from None
    except RecursionError:
        raise CommandFailed(f"{path}: nested too deep") from None
    except ValueError as error:
        raise CommandFailed(f"{path}: {_first_line(error)}") from None
    if not isinstance(value, dict):
        raise CommandFailed(f"{path}: one object is needed, and this is another value")
    return value


def read_as(path: Path, shape: type[T]) -> T:
    """A .json or .toml file as ``shape``. Raises CommandFailed naming the file and the field."""
    value = read_document(path)
    try:
        return convert(value, shape, at="")
    except LedgerError as error:
        raise CommandFailed(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise CommandFailed(f"{path}: {_first_line(error)}") from None


def read_text(path: Path) -> str:
    """The UTF-8 text of a file of at most 1 MiB. Raises CommandFailed."""
    try:
        return read_bytes(path, limit=MAX_DOCUMENT).decode("utf-8")
    except UnicodeDecodeError as error:
        raise CommandFailed(f"{path} is not UTF-8 text (byte {error.start})") from None


def read_bytes(path: Path, *, limit: int) -> bytes:
    """A file's bytes. Raises CommandFailed where it cannot be read or exceeds ``limit`` bytes."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from None
    if len(data) > limit:
        raise CommandFailed(f"{path} is larger than {limit} bytes, the most that is read")
    return data


def read_author_key(path: Path) -> Signer:
    """The private key in an author's key file. Raises KeyFileError."""
    return keys.read_signer(path)


class Progress:
    """A counter on standard error while something long runs: only where a person watches."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._shown = -1
        self._watched = sys.stderr.isatty()

    def __call__(self, done: int, total: int) -> None:
        """Show how far it is, each percent once."""
        percent = 100 * done // total if total else 100
        if self._watched and percent != self._shown:
            self._shown = percent
            text = f"{self._what}: {percent:3d} % ({done:,} of {total:,})"
            click.echo(f"\r{text}", nl=False, err=True)

    def finish(self) -> None:
        """End the line, so that the next one has its own."""
        if self._shown >= 0:
            click.echo(err=True)
        self._shown = -1


def _read_json(text: str) -> Any:  # noqa: ANN401 - any JSON value
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key[:40]!a} stands twice in one object")
        found[key] = value
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not a number of JSON")


def _first_line(error: Exception) -> str:
    return str(error).split("\n", 1)[0]


_READERS: Final[Mapping[str, Callable[[str], Any]]] = {".json": _read_json, ".toml": tomllib.loads}
