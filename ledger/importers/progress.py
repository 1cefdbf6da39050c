"""What an import remembers beside the keys, so that it can be taken up where it was stopped.

``<folder>/<fingerprint>.secret``  32 bytes that its seeds are derived from, 0600, written once
``<folder>/<fingerprint>.done``    how many of its events are behind, rewritten as it goes

The fingerprint names what is imported and how, so that another file or another start is another
import. Losing the second file, or finding an old one, costs time alone: the statements are made
again, the same ones, and the log answers what it answered before. It is therefore never synced.
Losing the first means that what is still to come is sealed with other seeds.
"""

import re
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.errors import FormatError
from ledger.importers.mapping import ImportRefused
from ledger.keys import read_secret, write_secret
from ledger.records.canonical import decode_base64, encode_base64

SECRET_BYTES: Final = 32


class Progress:
    """The memory of one import. Makes its secret when there is none yet."""

    def __init__(self, folder: Path, fingerprint: str) -> None:
        self._done = folder / f"{fingerprint}.done"
        path = _secret_path(folder, fingerprint)
        try:
            if not path.exists():
                write_secret(path, encode_base64(secrets.token_bytes(SECRET_BYTES)))
            self.secret = decode_base64(read_secret(path))
        except OSError as error:
            raise ImportRefused(f"cannot write to {folder}: {error.strerror}") from None
        except FormatError as error:
            raise ImportRefused(f"{path} is not an import's secret: {error}") from None
        if len(self.secret) != SECRET_BYTES:
            raise ImportRefused(f"{path} is not an import's secret")

    @staticmethod
    def exists(folder: Path, fingerprint: str) -> bool:
        """Whether this import has begun before."""
        return _secret_path(folder, fingerprint).exists()

    def done(self) -> int:
        """How many events are surely behind; 0 where nothing says so."""
        with suppress(OSError, UnicodeDecodeError):
            text = self._done.read_text("ascii")
            if re.fullmatch(r"[0-9]{1,12}\n", text):
                return int(text)
        return 0

    def pass_(self, done: int) -> None:
        """Remember that the first ``done`` events are in the log."""
        fresh = self._done.with_suffix(".new")
        fresh.write_text(f"{done}\n", "ascii")
        fresh.replace(self._done)


def _secret_path(folder: Path, fingerprint: str) -> Path:
    return folder / f"{fingerprint}.secret"
