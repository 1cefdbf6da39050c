"""Key files: one key a file, readable by its owner alone, never in the database.

    log.key        the log's signing key, in signed-note form: PRIVATE+KEY+<origin>+…
    log.next.key   the key that is to follow it (ledger log-key rotate), until it has
    log.previous.key  the one before it, which signs too until `ledger log-key retire`
    log.mldsa.key  its ML-DSA-44 key, where LEDGER_MLDSA asks for a second line
    openings.key   32 bytes, base64: what the openings at rest are encrypted with
    signer.memory  the last checkpoint that was signed (ledger.sequencer.memory)
    signer.stopped why nothing is signed any more, where a second history was found
    authors/*.key  the keys of authors, where this machine holds any

Reads and writes files; computes nothing, and no message here ever holds a key.
"""

import os
from base64 import b64encode
from pathlib import Path
from typing import Final

from ledger.errors import FormatError, LedgerError
from ledger.tlog.note import Signer, format_skey, parse_skey
from ledger.tlog.spelling import decode_base64

LOG_KEY: Final = "log.key"
NEXT_LOG_KEY: Final = "log.next.key"
PREVIOUS_LOG_KEY: Final = "log.previous.key"
LOG_MLDSA_KEY: Final = "log.mldsa.key"
OPENINGS_KEY: Final = "openings.key"
SIGNER_MEMORY: Final = "signer.memory"
AUTHORS: Final = "authors"
MAX_KEY_FILE: Final = 1_024
OTHERS: Final = 0o077
EVERYBODY: Final = 0o007
CREDENTIALS: Final = "CREDENTIALS_DIRECTORY"


class KeyFileError(LedgerError):
    """A key file that is missing, unreadable, readable by others, or not a key."""


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner can read. Raises KeyFileError where it exists."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeyFileError(f"{path} exists already: a key is never overwritten") from None
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as file:
            file.write(text.encode("ascii") + b"\n")
        os.fsync(descriptor)
    except BaseException:
        path.unlink()  # half a key would keep a whole one from being written
        raise
    finally:
        os.close(descriptor)


def read_secret(path: Path) -> str:
    """The one line of a key file. Raises KeyFileError, also where others could read it.

    Where there is no such file a credential of its name is read, which systemd hands to a service
    (`LoadCredential=`): the key then lies where root alone can read it.
    """
    path, others = _with_others(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_KEY_FILE + 1)
    except OSError as error:
        raise KeyFileError(f"cannot read the key file {path}: {error.strerror}") from None
    if mode & others:
        raise KeyFileError(f"{path} can be read by others: run chmod 600 on it")
    if len(data) > MAX_KEY_FILE or not data.isascii():
        raise KeyFileError(f"{path} is not a key file")
    return data.decode("ascii").removesuffix("\n")


def _with_others(path: Path) -> tuple[Path, int]:
    """Where a key file is, and the bits of its mode that nobody else may have."""
    given = os.environ.get(CREDENTIALS)
    if given is None:
        return path, OTHERS
    credential = Path(given) / path.name
    if path != credential and (path.exists() or not credential.exists()):
        return path, OTHERS
    # systemd lets the service's user in by an access list, whose mask stands in the group's bits.
    return credential, EVERYBODY


def write_signer(path: Path, signer: Signer) -> None:
    """Write a signing key to a new file."""
    write_secret(path, format_skey(signer))


def read_signer(path: Path) -> Signer:
    """The signing key in a file. Raises KeyFileError."""
    try:
        return parse_skey(read_secret(path))
    except FormatError as error:
        raise KeyFileError(f"{path} is not a signing key: {error}") from None


def write_openings_key(path: Path, key: bytes) -> None:
    """Write the key of the openings to a new file."""
    write_secret(path, b64encode(key).decode("ascii"))


def read_openings_key(path: Path) -> bytes:
    """The key of the openings, 32 bytes. Raises KeyFileError."""
    try:
        return decode_base64(read_secret(path), what="the openings key")
    except FormatError:
        raise KeyFileError(f"{path} is not an openings key") from None


def author_key_path(key_dir: Path, author: str) -> Path:
    """Where the key of an author lies on this machine, if it does."""
    return key_dir / AUTHORS / f"{author}.key"
