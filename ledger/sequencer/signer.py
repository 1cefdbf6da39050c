"""The one place that signs checkpoints.

A note is in the signer's memory, synchronised to disk, before its signature leaves; and nothing is
signed that is not proved to extend what is remembered. So a database restored from an old backup,
or edited, or two databases on one key cannot make it sign a second history. An attacker who can
write the memory but not read the key gains nothing but a refusal.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
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
from ledger.sequencer.memory import LONGEST_NOTE, OpenMemory, SignerMemory
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, parse_checkpoint
from ledger.tlog.hashing import EMPTY_ROOT, MAX_TREE_SIZE
from ledger.tlog.keys import MLDSA44, signature_line_bytes
from ledger.tlog.merkle import verify_consistency
from ledger.tlog.note import Signer as NoteSigner
from ledger.tlog.note import open_note, parse_note, sign_note

ED25519_BYTES: Final = 64
"""What follows the key ID in a line of type 0x01."""

Prover = Callable[[int], Sequence[bytes]]
"""The consistency proof from an old tree size to the size that is to be signed."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed checkpoint and its note, verbatim."""

    checkpoint: Checkpoint
    note: bytes


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
    if longest > LONGEST_NOTE:
        raise LogUnavailable(
            f"the name {key.name} is too long for two signatures: a note may have {longest} bytes,"
            f" and the signer's memory has {LONGEST_NOTE}"
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
