"""The one place that signs checkpoints, and its memory of the last one.

The memory is a file beside the key, outside the database. A note is in it, synchronised to disk,
before its signature leaves; and nothing is signed that is not proved to extend it. So a database
restored from an old backup, or edited, or two databases on one key cannot make it sign a second
history. An attacker who can write this file but not read the key gains nothing but a refusal.
"""

import errno
import fcntl
import hashlib
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.errors import (
    ForkRefused,
    FormatError,
    LogUnavailable,
    NotFound,
    ProofError,
    SecondHistory,
    SignatureError,
)
from ledger.sequencer.stopped import StopMark
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from ledger.tlog.hashing import EMPTY_ROOT, MAX_TREE_SIZE
from ledger.tlog.keys import MLDSA44, signature_line_bytes
from ledger.tlog.merkle import verify_consistency
from ledger.tlog.note import Signer as NoteSigner
from ledger.tlog.note import open_note, parse_note, sign_note

SLOT_BYTES: Final = 4096
_LENGTH_BYTES: Final = 4
_DIGEST_BYTES: Final = 32
ED25519_BYTES: Final = 64
"""What follows the key ID in a line of type 0x01."""

_Slots = tuple[list[tuple[int, int, bytes]], int]
_Seen = tuple[bytes, _Slots]

Prover = Callable[[int], Sequence[bytes]]
"""The consistency proof from an old tree size to the size that is to be signed."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed checkpoint and its note, verbatim."""

    checkpoint: Checkpoint
    note: bytes


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
        body = size.to_bytes(8, "big") + note
        rest = len(body).to_bytes(_LENGTH_BYTES, "big") + body
        if _DIGEST_BYTES + len(rest) > SLOT_BYTES:
            raise FormatError(f"a note of {len(note)} bytes is too long to remember")
        data = (hashlib.sha256(rest).digest() + rest).ljust(SLOT_BYTES, b"\0")
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
                whole.append((int.from_bytes(body[:8], "big"), slot, body[8:]))
        self.seen = data, (whole, empty)
        return whole, empty


def _write_whole(descriptor: int, data: bytes, offset: int) -> None:
    """Write all of ``data``; a disk that is full may take a part of it without an error."""
    if os.pwrite(descriptor, data, offset) != len(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class CheckpointSigner:
    """Signs tree heads of one origin, each only if it provably extends the last.

    ``beside`` are the log's keys before and after ``key`` that sign too, while one follows the
    other; ``former`` are the IDs of all keys that ever spoke for it. One memory serves them all:
    what one of them has signed binds the next. ``second`` is a key of type 0x06 whose line stands
    under theirs; it states the time of ``clock``, unix seconds. Raises LogUnavailable for a key
    that is not this log's.
    """

    def __init__(
        self,
        key: NoteSigner,
        memory: SignerMemory,
        *,
        second: NoteSigner | None = None,
        beside: Sequence[NoteSigner] = (),
        former: Collection[int] = (),
        clock: Callable[[], int] = lambda: 0,
    ) -> None:
        if second is not None:
            _check_second((key, *beside), second)
        own = (key, *beside)
        self._keys = own if second is None else (*own, second)
        self.vkeys = frozenset(each.vkey for each in own)
        """The log's keys that sign here now."""
        self.key = key.verifier
        self._clock = clock
        self.memory = memory
        self.origin = key.name
        self.verifiers = tuple(each.verifier for each in own)
        """The same: what one of them signed, this log has signed."""
        self._known_ids = {each.key_id for each in own}.union(former)
        self._last: Signed | None = None
        # What a write that failed has left is in the page cache, and perhaps not on the disk.
        self._synced: bytes | None = None

    def stop(self, found: SecondHistory) -> None:
        """Sign nothing from now on, in any process, until the mark is cleared by recovery."""
        with self.memory.locked():
            self.memory.mark.set(found)

    def stopped_by(self) -> SecondHistory | None:
        """Why nothing is signed until recovery; None where the signer was not stopped."""
        return self.memory.mark.found()

    def exclusive(self) -> "Exclusive":
        """The right to sign, held against every other writer on this machine.

        Whoever signs publishes it before the block ends, or lets an error end it.
        Raises SecondHistory where the signer was stopped.
        """
        return Exclusive(self)

    def take(self, memory: OpenMemory) -> "Pen":
        """The pen of a memory that was just locked. Raises as ``exclusive`` says."""
        self.memory.mark.require_none()
        last = self._read(memory.recall())
        return Pen(self._keys, memory, last, clock=self._clock, synced=self._synced)

    def give_back(self, pen: "Pen", memory: OpenMemory) -> None:
        """Keep what the pen has signed; what it has signed was published."""
        self._last = pen.last
        self._synced = pen.synced
        if pen.signed is not None:
            memory.settle(pen.signed.note)

    def _read(self, note: bytes | None) -> Signed | None:
        if note is None:
            return None
        if self._last is not None and self._last.note == note:
            return self._last
        try:
            opened = open_note(note, self.verifiers)
            self._require_known(note)
            return Signed(parse_checkpoint(opened.text), note)
        except (SignatureError, FormatError) as error:
            raise ForkRefused(
                f"the signer's memory holds a note that this key has not signed ({error}): "
                f"it belongs to another key; restore the one that was kept with this key"
            ) from None

    def _require_known(self, note: bytes) -> None:
        """Raise ForkRefused where a key has signed that this process knows nothing of."""
        for line in parse_note(note).signatures:
            is_log_key = line.name == self.origin and len(line.blob) == ED25519_BYTES
            if is_log_key and line.key_id not in self._known_ids:
                raise ForkRefused(
                    f"the log's key {line.key_id:08x} has signed, and this process does not have"
                    f" it: the key was rotated while it ran; start it again"
                )


class Exclusive:
    """The time in which a signer is held: a context manager, for one ``with`` block."""

    __slots__ = ("_memory", "_open", "_pen", "_signer")

    def __init__(self, signer: CheckpointSigner) -> None:
        self._signer = signer
        self._memory = signer.memory

    def __enter__(self) -> "Pen":
        self._open = self._memory.open()
        try:
            self._pen = self._signer.take(self._open)
        except BaseException:
            self._memory.close(self._open, keeps=False)
            raise
        return self._pen

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        keeps = False
        try:
            if kind is None:
                self._signer.give_back(self._pen, self._open)
                keeps = True
        finally:
            self._memory.close(self._open, keeps=keeps)


def _check_second(own: Sequence[NoteSigner], second: NoteSigner) -> None:
    key = own[0]
    if second.type != MLDSA44 or second.name != key.name:
        raise LogUnavailable(
            f"the second key is {second!r}, and not an ML-DSA-44 key named {key.name}"
        )
    # The longest checkpoint there can be has to fit into the memory: the log would stop at it.
    longest = len(format_checkpoint(Checkpoint(key.name, MAX_TREE_SIZE, EMPTY_ROOT)).encode()) + 1
    longest += sum(signature_line_bytes(each.verifier) for each in (*own, second))
    if _DIGEST_BYTES + _LENGTH_BYTES + 8 + longest > SLOT_BYTES:
        raise LogUnavailable(
            f"the name {key.name} is too long for two signatures: a note may have {longest} bytes,"
            f" and the signer's memory has {SLOT_BYTES - _DIGEST_BYTES - _LENGTH_BYTES - 8}"
        )


class Pen:
    """The signer while no one else can sign."""

    def __init__(
        self,
        keys: Sequence[NoteSigner],
        memory: OpenMemory,
        last: Signed | None,
        *,
        clock: Callable[[], int],
        synced: bytes | None,
    ) -> None:
        self._keys = keys
        self._clock = clock
        self._memory = memory
        self.last = last
        self.synced = synced
        self.signed: Signed | None = None
        self._checked: tuple[int, bytes] | None = None

    def check(self, proof: Sequence[bytes], *, size: int, root: bytes) -> None:
        """Check that a tree extends the last one signed, before it is stored.

        What was checked so is not checked again by ``sign``. Raises ProofError.
        """
        assert self.last is not None
        last = self.last.checkpoint
        verify_consistency(
            proof, old_size=last.size, old_root=last.root, new_size=size, new_root=root
        )
        self._checked = size, root

    def sign(self, *, size: int, root: bytes, prove: Prover) -> Signed:
        """The signed checkpoint of ``size`` and ``root``; the remembered one if it is the same.

        ``prove`` gives the consistency proof from the remembered size, checked here by code that
        did not make it. Raises ForkRefused if the tree does not extend the remembered one.
        """
        if self.last is not None:
            last = self.last.checkpoint
            if size == last.size and root == last.root:
                if self.synced != self.last.note:
                    self._memory.remember(self.last.note, size=size)
                    self.synced = self.last.note
                self.signed = self.last
                return self.last
            if self._checked != (size, root):
                self._check_extends(last, size=size, root=root, prove=prove)
        self._checked = None
        checkpoint = Checkpoint(self._keys[0].name, size, root)
        note = sign_note(format_checkpoint(checkpoint), self._keys, time_s=self._clock())
        self._memory.remember(note, size=size)
        self.last = self.signed = Signed(checkpoint, note)
        self.synced = note
        return self.last

    def _check_extends(self, last: Checkpoint, *, size: int, root: bytes, prove: Prover) -> None:
        if size <= last.size:
            raise ForkRefused(
                f"asked to sign size {size} with root {root.hex()}, but size {last.size} with "
                f"root {last.root.hex()} is signed already: the database is older than the "
                f"signer, or another one. Restore the newer database, or refill it from a mirror "
                f"with `ledger recover --from URL|DIR`"
            )
        try:
            verify_consistency(
                prove(last.size),
                old_size=last.size,
                old_root=last.root,
                new_size=size,
                new_root=root,
            )
        except (ProofError, NotFound, FormatError) as error:
            raise ForkRefused(
                f"size {size} does not extend the signed size {last.size}: {error}. The stored "
                f"log was changed: run `ledger fsck`, then restore it from a backup or a mirror"
            ) from None
