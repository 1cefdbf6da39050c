"""Inclusion and consistency proofs, and receipts, put together from paths and stored entries."""

from collections.abc import Callable, Sequence

from ledger.errors import NotFound
from ledger.reader.shapes import opening_shown
from ledger.reader.verified import Verified
from ledger.records import canonical
from ledger.records.entry import parse_entry
from ledger.records.receipt import receipt_extra
from ledger.storage.shapes import StoredCheckpoint, StoredEntry, StoredLeaf
from ledger.storage.snapshot import Snapshot
from ledger.tlog.proof import TlogProof, format_proof
from schemas.answers import ConsistencyProof, InclusionProof


def stored_entry(snapshot: Snapshot, index: int, *, size: int) -> StoredEntry:
    """The entry at ``index`` of the log of ``size`` entries. Raises NotFound."""
    stored = snapshot.entry(index) if 0 <= index < size else None
    if stored is None:
        raise no_entry(index, size=size)
    return stored


def stored_leaf(snapshot: Snapshot, index: int, *, size: int) -> StoredLeaf:
    """What a proof says of the entry at ``index`` of the log of ``size``. Raises NotFound."""
    stored = snapshot.leaf(index) if 0 <= index < size else None
    if stored is None:
        raise no_entry(index, size=size)
    return stored


def no_entry(index: int, *, size: int) -> NotFound:
    """What is raised for an entry that the log of ``size`` entries does not have."""
    return NotFound(f"the log of {size} entries has no entry {index}")


def inclusion(
    leaf: StoredLeaf, index: int, *, size: int, root: bytes, path: Sequence[bytes], signed: bool
) -> InclusionProof:
    """The proof that the entry at ``index`` is in the tree of ``size`` entries with hash ``root``.

    ``path`` is its audit path; ``signed`` says whether a checkpoint of that size was published, so
    that there is a receipt.
    """
    return InclusionProof(
        index=index,
        kind=leaf.kind,
        tree_size=size,
        root=root.hex(),
        leaf_hash=leaf.leaf_hash.hex(),
        hashes=tuple([each.hex() for each in path]),
        receipt=f"/entries/{index}.proof?at={size}" if signed else None,
    )


def receipt(
    snapshot: Snapshot,
    stored: StoredEntry,
    *,
    note: bytes,
    path: Sequence[bytes],
    opened_below: int,
) -> bytes:
    """The ``.tlog-proof`` of ``stored``: ``path`` leads to the root of the checkpoint ``note``.

    Its ``extra`` is canonical JSON: the entry, and the opening once an entry below
    ``opened_below`` discloses it: what it was committed to is in the entry, whichever tree the
    disclosure is in. Who has this one file can check the entry, the tree and the opening.
    """
    opening = _opening(snapshot, stored.index, size=opened_below)
    proof = TlogProof(
        index=stored.index,
        hashes=tuple(path),
        checkpoint=note,
        extra=receipt_extra(stored.data, opening=opening),
    )
    return format_proof(proof)


def consistency(
    verified: Verified,
    known: Callable[[int], tuple[bytes, StoredCheckpoint | None]],
    *,
    old_size: int,
    new_size: int,
    size: int,
) -> ConsistencyProof:
    """The proof between two sizes of the log of ``size`` entries. Raises NotFound.

    ``known`` gives the root at a size, and the checkpoint if one was published.
    """
    for asked in (old_size, new_size):
        if not 1 <= asked <= size:
            raise NotFound(f"the published log has {size} entries; it has no size {asked}")
    if old_size > new_size:
        raise NotFound(f"no log shrinks: {old_size} entries cannot come before {new_size}")
    (old_root, old), (new_root, new) = known(old_size), known(new_size)
    path = verified.consistency_path(
        old_size=old_size, old_root=old_root, new_size=new_size, new_root=new_root
    )
    return ConsistencyProof(
        old_size=old_size,
        old_root=old_root.hex(),
        old_checkpoint=old.note.decode() if old else None,
        new_size=new_size,
        new_root=new_root.hex(),
        new_checkpoint=new.note.decode() if new else None,
        hashes=tuple(each.hex() for each in path),
    )


def _opening(snapshot: Snapshot, index: int, *, size: int) -> bytes | None:
    disclosed = snapshot.disclosure_of(index, size=size)
    if disclosed is None:
        return None
    opened = parse_entry(stored_entry(snapshot, disclosed, size=size).data)
    return canonical.encode(opening_shown(opened))
