"""What the signer remembers: the last note that was signed, in a file beside the key.

It is outside the database, so that no older database can make the log forget what it has signed. A
write goes to one of two slots and is synchronised to disk; the other one is whole meanwhile.
"""

import errno
import fcntl
import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.errors import FormatError, LogUnavailable
from ledger.sequencer.stopped import StopMark

SLOT_BYTES: Final = 4096
_DIGEST_BYTES: Final = 32
_LENGTH_BYTES: Final = 4
_SIZE_BYTES: Final = 8
LONGEST_NOTE: Final = SLOT_BYTES - _DIGEST_BYTES - _LENGTH_BYTES - _SIZE_BYTES
"""Bytes of a note that a slot can hold."""

_Slots = tuple[list[tuple[int, int, bytes]], int]
_Seen = tuple[bytes, _Slots]


class SignerMemory:
    """The last note that was signed, in a file of two slots of which one is always whole.

    A slot: SHA-256 of the rest, the note's length (4 bytes, big-endian), the note, zeros. A write
    goes to the older slot, so a crash in the middle of it leaves the newer one. Behind the slots:
    SHA-256 of the last note that was published too, and of the one published before it, for
    ``ledger fsck`` alone.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = os.fspath(path)
        self.mark = StopMark(path.with_name("signer.stopped"))
        self._seen: _Seen | None = None

    def create(self) -> None:
        """Make an empty memory for a new log. Raises LogUnavailable where one exists."""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise LogUnavailable(f"the signer's memory {self._path.name} exists already") from None
        try:
            _write_whole(descriptor, bytes(2 * SLOT_BYTES), 0)
            os.fsync(descriptor)
        except BaseException:
            self._path.unlink()
            raise
        finally:
            os.close(descriptor)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def beside(self, name: str) -> Path:
        """Where a file of this name lies beside the memory."""
        return self._path.with_name(name)

    def locked(self) -> "LockedMemory":
        """Exclusive use of the memory, among all threads and processes of this machine.

        Raises LogUnavailable where the file is missing: a signer without its memory could be
        made to sign a second history, so it signs nothing.
        """
        return LockedMemory(self)

    def open(self) -> "OpenMemory":
        """Open and lock the file, as ``locked`` does; ``close`` lets go of it."""
        try:
            descriptor = os.open(self._name, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise LogUnavailable(
                f"the signer's memory {self._path.name} cannot be opened ({error.strerror}): "
                f"restore it from where the key's backup is; without it nothing is signed"
            ) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except BaseException:
            os.close(descriptor)
            raise
        return OpenMemory(descriptor, seen=self._seen)

    def close(self, memory: "OpenMemory", *, keeps: bool) -> None:
        """Unlock it; what was seen in it is kept in mind where nothing went wrong."""
        memory.close()
        if keeps:
            self._seen = memory.seen


class LockedMemory:
    """The time in which a memory is locked: a context manager, for one ``with`` block.

    A class, as ``Exclusive`` is: every batch opens both, and generators cost several times as much.
    """

    __slots__ = ("_memory", "_open")

    def __init__(self, memory: SignerMemory) -> None:
        self._memory = memory

    def __enter__(self) -> "OpenMemory":
        self._open = self._memory.open()
        return self._open

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._memory.close(self._open, keeps=kind is None)


class OpenMemory:
    """The memory while it is locked."""

    def __init__(self, descriptor: int, *, seen: "_Seen | None" = None) -> None:
        self._descriptor = descriptor
        self._data: bytes | None = None
        self.seen = seen
        """The two slots when they were looked through last, and what was found in them."""

    def close(self) -> None:
        """Let go of the file, and so of its lock."""
        os.close(self._descriptor)

    def recall(self) -> bytes | None:
        """The last remembered note; None if none was ever signed."""
        newest = self._newest()
        return newest[1] if newest else None

    def go_back(self, note: bytes, *, size: int) -> None:
        """Put ``note`` in both slots, on the disk before this returns: nothing else is remembered.

        For recovery alone, which has to know why. A crash in the middle leaves the newest note that
        was remembered before, or ``note``.
        """
        newest = self._newest()
        last = newest[0] if newest else 0
        data = _slot(note, size=size)
        self._data = self.seen = None
        for slot in (1 - last, last):
            _write_whole(self._descriptor, data, slot * SLOT_BYTES)
            os.fsync(self._descriptor)

    def published(self) -> list[bytes]:
        """Which of the remembered notes were seen published: they have to be in the database."""
        both = os.pread(self._descriptor, 2 * _DIGEST_BYTES, 2 * SLOT_BYTES)
        marks = both[:_DIGEST_BYTES], both[_DIGEST_BYTES:]
        return [note for *_, note in self._slots()[0] if hashlib.sha256(note).digest() in marks]

    def settle(self, note: bytes) -> None:
        """Keep in mind that ``note`` is published.

        Not waited for on disk, and left out where it cannot be written: a note without its mark
        is one that the next start may publish again.
        """
        mark = hashlib.sha256(note).digest()
        with suppress(OSError):
            before = os.pread(self._descriptor, _DIGEST_BYTES, 2 * SLOT_BYTES)
            if before != mark:
                os.pwrite(self._descriptor, mark + before, 2 * SLOT_BYTES)

    def remember(self, note: bytes, *, size: int) -> None:
        """Put ``note`` in the older slot and synchronise it to disk."""
        newest = self._newest()
        slot = 1 - newest[0] if newest else 0
        data = _slot(note, size=size)
        old, self._data = self._data, None
        _write_whole(self._descriptor, data, slot * SLOT_BYTES)
        os.fdatasync(self._descriptor)
        whole, empty = self.seen[1] if self.seen else ([], 0)
        if old is not None and len(whole) == 2:
            # What the next look finds, if nobody else writes until then.
            both = data + old[SLOT_BYTES:] if slot == 0 else old[:SLOT_BYTES] + data
            kept = [each for each in whole if each[1] != slot]
            self.seen = both, ([*kept, (size, slot, note)], empty)

    def _newest(self) -> tuple[int, bytes] | None:
        whole, empty = self._slots()
        if not whole:
            # One torn slot beside an empty one is a first write that a crash cut short: nothing
            # was ever signed. Anything else was whole once.
            if empty:
                return None
            raise LogUnavailable(
                "both slots of the signer's memory are damaged: restore the file from where the "
                "key's backup is; without it nothing is signed"
            )
        _, slot, note = max(whole)
        return slot, note

    def _slots(self) -> tuple[list[tuple[int, int, bytes]], int]:
        """(size, slot, note) of each slot that is whole, and how many are empty."""
        if self._data is None:
            self._data = os.pread(self._descriptor, 2 * SLOT_BYTES, 0)
        data = self._data
        if self.seen is not None and self.seen[0] == data:
            return self.seen[1]
        whole: list[tuple[int, int, bytes]] = []
        empty = 0
        for slot in (0, 1):
            block = data[slot * SLOT_BYTES : (slot + 1) * SLOT_BYTES]
            digest, rest = block[:_DIGEST_BYTES], block[_DIGEST_BYTES:]
            length = int.from_bytes(rest[:_LENGTH_BYTES], "big")
            body = rest[_LENGTH_BYTES : _LENGTH_BYTES + length]
            if not any(block):
                empty += 1
            elif hashlib.sha256(rest[: _LENGTH_BYTES + length]).digest() == digest:
                whole.append((int.from_bytes(body[:_SIZE_BYTES], "big"), slot, body[_SIZE_BYTES:]))
        self.seen = data, (whole, empty)
        return whole, empty


def _slot(note: bytes, *, size: int) -> bytes:
    """What a slot holds of a note. Raises FormatError for one that is too long."""
    if len(note) > LONGEST_NOTE:
        raise FormatError(f"a note of {len(note)} bytes is too long to remember")
    body = size.to_bytes(_SIZE_BYTES, "big") + note
    rest = len(body).to_bytes(_LENGTH_BYTES, "big") + body
    return (hashlib.sha256(rest).digest() + rest).ljust(SLOT_BYTES, b"\0")


def _write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data``; a disk that is full may take a part of it without an error."""
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
