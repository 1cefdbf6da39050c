"""From what is stored to a published note: read back, hash, sign, publish.

Also where a crash came between: what is stored and unsigned is signed, what is signed and not
published is published. What is signed is what can be read back: a bit that flips between hashing
and storing would otherwise be signed for ever.
"""

from ledger.errors import ForkRefused
from ledger.sequencer.signer import CheckpointSigner, Pen, Signed
from ledger.storage.shapes import Head, NewBatch, StoredCheckpoint
from ledger.storage.snapshot import ROWS_AT_ONCE, Snapshot
from ledger.storage.store import Store
from ledger.storage.tree import nodes_of
from ledger.tlog.merkle import Extension, consistency_path, leaf_hash


class Signing:
    """What becomes of a committed batch of one store, under a signer that is held."""

    def __init__(self, store: Store, signer: CheckpointSigner) -> None:
        self._store = store
        self._signer = signer

    def sign(self, pen: Pen, extension: Extension, batch: NewBatch) -> Signed:
        """Hash the stored bytes once more, sign, publish. Raises ForkRefused and signs nothing."""
        with self._store.publishing() as publishing:
            stored = publishing.entry_bytes(extension.old_size, extension.new_size)
            if [leaf_hash(data) for data in stored] != [entry.leaf_hash for entry in batch.entries]:
                raise ForkRefused(
                    f"the entries from {extension.old_size} on read back other than they were "
                    f"written: nothing is signed; check memory and disk, then run `ledger fsck`"
                )
            signed = pen.sign(
                size=extension.new_size,
                root=extension.root,
                prove=lambda _old_size: extension.consistency_proof(),
            )
            publishing.publish(_stored(signed, logged_at=batch.head.logged_at))
        return signed

    def catch_up(self, pen: Pen) -> None:
        """Sign and publish the head if a crash left it so. Raises ForkRefused as ``sign`` does."""
        with self._store.snapshot() as reads:
            head = reads.head()
            newest = reads.newest_checkpoint()
            if newest is not None and newest.size == head.size and is_last(pen, head):
                return
            if pen.last is None and newest is not None:
                raise ForkRefused(
                    f"the signer's memory is empty, but size {newest.size} is published: restore "
                    f"the file from where the key's backup is; without it nothing is signed"
                )
            rows = reads.log_keys(size=head.size)
            if rows and rows[-1][1] not in self._signer.vkeys:
                raise ForkRefused(
                    f"the log's key is {rows[-1][1]} since entry {rows[-1][0]}, and this process "
                    f"does not have it: start it again"
                )
            _check_stored(reads, pen.last.checkpoint.size if pen.last else 0, head.size)
            signed = pen.sign(
                size=head.size,
                root=head.root,
                prove=lambda old_size: consistency_path(
                    old_size=old_size, new_size=head.size, node=nodes_of(reads, size=head.size)
                ),
            )
        with self._store.publishing() as publishing:
            publishing.publish(_stored(signed, logged_at=head.logged_at))


def is_last(pen: Pen, head: Head) -> bool:
    """Whether the head is the tree that was signed last."""
    last = pen.last
    return (
        last is not None and last.checkpoint.size == head.size and last.checkpoint.root == head.root
    )


def _check_stored(reads: Snapshot, start: int, stop: int) -> None:
    """Hash entries that are stored and not signed yet, as before any signature."""
    for first in range(start, stop, ROWS_AT_ONCE):
        last = min(first + ROWS_AT_ONCE, stop)
        stored = map(leaf_hash, reads.entry_bytes(first, last))
        for index, (found, written) in enumerate(
            zip(stored, reads.leaf_hashes(first, last), strict=True), first
        ):
            if found != written:
                raise ForkRefused(
                    f"entry {index} reads back other than it was written: nothing is signed; "
                    f"check memory and disk, then run `ledger fsck`"
                )


def _stored(signed: Signed, *, logged_at: int) -> StoredCheckpoint:
    checkpoint = signed.checkpoint
    return StoredCheckpoint(
        size=checkpoint.size, root=checkpoint.root, logged_at=logged_at, note=signed.note
    )
