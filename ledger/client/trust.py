"""Which log is believed: one key, and the last checkpoint that it signed for us, kept in a file.

The file is what shows a log that was rewritten: the next checkpoint must contain the tree of the
last. Whoever can write the file can make a client believe another log.
"""

import os
import tempfile
import warnings
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import FormatError, LedgerError, SettingsError, SignatureError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import ED25519, VerifierKey, format_vkey, parse_vkey

MAX_STATE: Final = 1 << 20


class TrustedOnFirstUse(UserWarning):
    """The log's key was taken from the server itself: believed from now on, and never proved."""


class _State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    vkey: str
    checkpoint: str | None = None


class Memory:
    """The log's key and the last checkpoint seen, in the file at ``path``.

    ``given`` is the vkey that the caller trusts. Without one the file's is taken, and without a
    file the one that ``ask`` brings, with a warning. ``after`` gives a key and those that followed
    it, each named by the one before. Raises SettingsError where file and caller name keys of which
    neither followed the other, or the file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        given: str | None,
        ask: Callable[[], str],
        url: str,
        after: Callable[[VerifierKey], Sequence[VerifierKey]] = lambda key: (key,),
    ) -> None:
        self.path = path
        known = _read(path)
        if given is None and known is None:
            self.key = _log_key(ask(), what=f"what {url}/log/vkey gives")
            warnings.warn(
                f"no key was given for {url}: believing {format_vkey(self.key)} from now on, as"
                f" kept in {path}. Compare it with another source, and pass it as vkey=",
                TrustedOnFirstUse,
                stacklevel=3,
            )
        elif given is not None:
            self.key = _log_key(given, what="vkey")
        else:
            assert known is not None
            self.key = _log_key(known.vkey, what=f"the key in {path}")
        self.keys: tuple[VerifierKey, ...] = (self.key,)
        """Whose signatures are believed: the key's, and those of the keys that led to it."""
        self._before: VerifierKey | None = None
        if known is not None and known.vkey != format_vkey(self.key):
            self._settle(_log_key(known.vkey, what=f"the key in {path}"), after)
        known_key = self._before or self.key
        if known is not None and known.vkey != format_vkey(known_key):
            raise SettingsError(
                f"{path} remembers the log {known.vkey}, and vkey is {format_vkey(self.key)}:"
                " give each log a state file of its own"
            )
        self.note: bytes | None = None
        """The last checkpoint's signed note."""
        self.last: Checkpoint | None = None
        if known is not None and known.checkpoint is not None:
            self.note = known.checkpoint.encode()
            try:
                self.last = open_checkpoint(self.note, [known_key])
            except LedgerError as error:
                raise SettingsError(f"{path} has been damaged: {error}") from None

    def _settle(
        self, kept: VerifierKey, after: Callable[[VerifierKey], Sequence[VerifierKey]]
    ) -> None:
        """Take the newer one of the file's key and the one given, where one led to the other."""
        try:
            since = tuple(after(self.key))
            if kept in since:
                self.keys, self.key = since[: since.index(kept) + 1], kept
            elif self.key in (chain := tuple(after(kept))):
                self.keys, self._before = chain[: chain.index(self.key) + 1], kept
        except (SignatureError, FormatError):
            return

    def follow(self, keys: Sequence[VerifierKey]) -> None:
        """Believe the last of ``keys``, which begin with the one known, and none before it."""
        self.keys, self.key = (*self.keys, *keys[1:]), keys[-1]

    def keep(self, checkpoint: Checkpoint, note: bytes) -> None:
        """Remember a checkpoint that continues the last one; the file is replaced whole."""
        self.last, self.note = checkpoint, note
        state = _State(vkey=format_vkey(self.key), checkpoint=note.decode())
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".state-")
            with os.fdopen(handle, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(state)) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except OSError as error:
            raise SettingsError(f"{self.path} cannot be written: {error.strerror}") from None


def default_path(url: str) -> Path:
    """Where the state of the ledger at ``url`` is kept unless the caller says where."""
    home = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(home) / "apsci-ledger" / f"{sha256(url.encode()).hexdigest()[:16]}.json"


def _read(path: Path) -> _State | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_STATE)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return msgspec.json.decode(data, type=_State)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise SettingsError(f"{path} is not a state file of the client") from None


def _log_key(text: str, *, what: str) -> VerifierKey:
    try:
        key = parse_vkey(text.strip())
    except FormatError as error:
        raise SettingsError(f"{what} is not a log's key: {error}") from None
    if key.type != ED25519:
        raise SettingsError(f"{what} has the type {key.type:#04x}; a log's Ed25519 key has 0x01")
    return key
