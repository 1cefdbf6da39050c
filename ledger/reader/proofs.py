"""Inclusion and consistency proofs, and receipts, from the tiles of the store."""

from ledger.errors import NotFound
from ledger.reader.log_files import LogFiles
from ledger.reader.shapes import opening_shown
from ledger.records import canonical
from ledger.records.entry import parse_entry
from ledger.records.receipt import receipt_extra
from ledger.storage.shapes import StoredEntry, StoredLeaf
from ledger.storage.snapshot import Snapshot
from ledger.tlog.merkle import consistency_path, tree_root
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
    leaf: StoredLeaf, index: int, *, size: int, root: bytes, files: LogFiles, signed: bool
) -> InclusionProof:
    """The proof that the entry at ``index`` is in the tree of ``size`` entries with hash ``root``.

    ``signed`` says whether a checkpoint of that size was published, so that there is a receipt.
    """
    return InclusionProof(
        index=index,
        kind=leaf.kind,
        tree_size=size,
        root=root.hex(),
        leaf_hash=leaf.leaf_hash.hex(),
        hashes=tuple([each.hex() for each in files.inclusion_path(index, size=size)]),
        receipt=f"/entries/{index}.proof?at={size}" if signed else None,
    )


def receipt(
    snapshot: Snapshot,
    stored: StoredEntry,
    *,
    note: bytes,
    size: int,
    files: LogFiles,
    opened_below: int,
) -> bytes:
    """The ``.tlog-proof`` of ``stored``, under the checkpoint ``note`` of ``size`` entries.

    Its ``extra`` is canonical JSON: the entry, and the opening once an entry below
    ``opened_below`` discloses it: what it was committed to is in the entry, whichever tree the
    disclosure is in. Who has this one file can check the entry, the tree and the opening.
    """
    opening = _opening(snapshot, stored.index, size=opened_below)
    proof = TlogProof(
        index=stored.index,
        hashes=tuple(files.inclusion_path(stored.index, size=size)),
        checkpoint=note,
        extra=receipt_extra(stored.data, opening=opening),
    )
    return format_proof(proof)


def consistency(
    snapshot: Snapshot, files: LogFiles, *, old_size: int, new_size: int, size: int
) -> ConsistencyProof:
    """The proof between two sizes of the log of ``size`` entries. Raises NotFound."""
    for asked in (old_size, new_size):
        if not 1 <= asked <= size:
            raise NotFound(f"the published log has {size} entries; it has no size {asked}")
    if old_size > new_size:
        raise NotFound(f"no log shrinks: {old_size} entries cannot come before {new_size}")
    node = files.nodes(new_size)
    notes = [snapshot.checkpoint(asked) for asked in (old_size, new_size)]
    old_note, new_note = (stored.note.decode() if stored else None for stored in notes)
    return ConsistencyProof(
        old_size=old_size,
        old_root=tree_root(size=old_size, node=files.nodes(old_size)).hex(),
        old_checkpoint=old_note,
        new_size=new_size,
        new_root=tree_root(size=new_size, node=node).hex(),
        new_checkpoint=new_note,
        hashes=tuple(
            each.hex() for each in consistency_path(old_size=old_size, new_size=new_size, node=node)
        ),
    )


def _opening(snapshot: Snapshot, index: int, *, size: int) -> bytes | None:
    disclosed = snapshot.disclosure_of(index, size=size)
    if disclosed is None:
        return None
    opened = parse_entry(stored_entry(snapshot, disclosed, size=size).data)
    return canonical.encode(opening_shown(opened))
