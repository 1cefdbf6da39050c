"""Why nothing is signed any more: a mark beside the signer's memory, kept until recovery.

A running writer that is shown a second history stops, and must not begin again because somebody, or
a supervisor, started it again. The mark holds the note that proves that history: a checkpoint that
this log's key has signed and this database does not hold. Never made from less than such a note: a
number that a witness names is no proof, and would let anybody who can answer stop the log.

Text of the file, canonical JSON: ``{"note":"<checkpoint>","reason":"…"}``.
"""

import os
from pathlib import Path

from ledger.errors import FormatError, LogUnavailable, SecondHistory
from ledger.records import canonical

MAX_MARK = 16_384


class StopMark:
    """The mark at ``path``. Who writes or clears it holds the signer's memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def require_none(self) -> None:
        """Raise SecondHistory, with the reason and the note, where the mark stands."""
        found = self.found()
        if found is not None:
            raise found

    def found(self) -> SecondHistory | None:
        """What the mark says, None where there is none; one that cannot be read stops as well."""
        # Asked before every signature; whether it exists is a microsecond.
        if not os.path.exists(self._path):  # noqa: PTH110 - a third of what Path's costs
            return None
        try:
            data = self._path.read_bytes()[:MAX_MARK]
            value = canonical.decode(data, limit=MAX_MARK)
            return SecondHistory(str(value["reason"]), note=str(value["note"]).encode())
        except (OSError, FormatError, KeyError, TypeError):
            return SecondHistory(
                f"the mark {self._path.name} stands beside the signer's memory and cannot be read:"
                f" a second history was found, and nothing is signed until `ledger recover`",
                note=b"",
            )

    def set(self, found: SecondHistory) -> None:
        """Put the mark there, on the disk before this returns; the first one stays.

        Raises LogUnavailable where it cannot be written: the caller stops all the same.
        """
        if self._path.exists():
            return
        data = canonical.encode({"note": found.note.decode(), "reason": str(found)})
        put_beside(self._path, data)

    def clear(self) -> None:
        """Take the mark away: the database holds what proved that it was behind."""
        take_away(self._path)


def put_beside(path: Path, data: bytes) -> None:
    """Put ``data`` into the file, whole or not at all, on the disk before this returns.

    Raises LogUnavailable where it cannot be written.
    """
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise LogUnavailable(f"the mark {path.name} cannot be written: {error.strerror}") from None


def take_away(path: Path) -> None:
    """Remove the file, on the disk before this returns; harmless where there is none."""
    path.unlink(missing_ok=True)
    _sync(path.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
