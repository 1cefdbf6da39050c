"""Refills a database from a mirror: what to do when it was lost, or is older than the signer.

The mirror is believed as little as any other source: every entry is hashed up to a checkpoint that
this log's key has signed, and that tree has to begin with the one in the database and with the one
that the signer remembers. Nothing is signed here. What a mirror does not hold is what is still
sealed: the openings come from the old database, where it can be read, or are lost.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ledger.client.tree import Files, Leaf, Tree
from ledger.errors import (
    Conflict,
    Damaged,
    FormatError,
    LedgerError,
    LogUnavailable,
    ProofError,
    SecondHistory,
)
from ledger.mirrors.shapes import CHECKPOINT, MAX_NOTE
from ledger.records.entry import parse_entry
from ledger.sequencer.memory import SignerMemory
from ledger.storage.projections import fact_of
from ledger.storage.refold import refold_egress
from ledger.storage.shapes import Head, NewBatch, StoredCheckpoint, StoredEntry
from ledger.storage.store import StorageFailed, Store
from ledger.storage.tree import full_tiles, new_nodes, nodes_of
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.tlog.growth import CompactRange, Extension
from ledger.tlog.hashing import leaf_hash
from ledger.tlog.merkle import consistency_path, verify_consistency
from ledger.tlog.note import Note, VerifierKey, format_note, parse_note
from ledger.vault import Vault

AT_ONCE: Final = 2_048
"""Entries that are written together: bounded memory."""
NAMED: Final = 10
SUBMITTED: Final = "submitted"

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was done: the database held ``old_size`` entries and now holds ``checkpoint.size``."""

    checkpoint: Checkpoint
    old_size: int
    apart: tuple[bytes, ...] = ()
    """What the signer remembers of trees that the mirror's does not begin with."""


def lift_stop(store: Store, memory: SignerMemory, *, keys: Sequence[VerifierKey]) -> bool:
    """Let the writer begin again, where the database holds what stopped it; whether it had stopped.

    Raises Conflict where it does not: where the note is of a tree that this history does not
    contain, there are two histories, and no mirror can bring them together.
    """
    with memory.locked():
        found = memory.mark.found()
        if found is None:
            return False
        require_contained(store, found, keys=keys)
        memory.mark.clear()
    return True


def require_contained(store: Store, found: SecondHistory, *, keys: Sequence[VerifierKey]) -> None:
    """Check that the database holds the tree of the note that stopped the writer."""
    try:
        shown = open_checkpoint(found.note, keys)
    except LedgerError:
        raise Conflict(
            "the mark beside the signer's memory, signer.stopped, cannot be read: look at the"
            " mirror and the witnesses yourself, and remove it when none has another history"
        ) from None
    with store.snapshot() as reads:
        head = reads.head()
        is_held = shown.size <= head.size
        if is_held:
            node = nodes_of(reads, size=head.size)
            path = consistency_path(old_size=shown.size, new_size=head.size, node=node)
    try:
        if not is_held:
            raise ProofError("it is larger")  # noqa: TRY301 - one refusal for both
        verify_consistency(
            path, old_size=shown.size, old_root=shown.root, new_size=head.size, new_root=head.root
        )
    except ProofError:
        raise Conflict(
            f"the writer was stopped by a checkpoint of {shown.size} entries with the root"
            f" {shown.root.hex()}, which this log signed and this database does not hold after"
            " all: it stays stopped. Find the mirror that has it; where there is none, two"
            " histories were signed: publish signer.stopped with your newest checkpoint"
        ) from None


@dataclass(frozen=True, slots=True)
class Openings:
    """``sealed`` records there are; ``restored`` openings came from the old database.

    ``missing`` is how many records, sealed or withheld in part, have none after it.
    """

    sealed: int
    restored: int
    missing: int
    first_missing: tuple[int, ...]


def recover(
    store: Store,
    files: Files,
    *,
    key: VerifierKey,
    remembered: bytes | None,
    published: Collection[bytes] = (),
    gives_up: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> Recovered:
    """Bring the database to the mirror's checkpoint; ``remembered`` is the signer's last note.

    ``published`` are the notes that the signer saw published, which become rows again as well.
    ``gives_up``: those that the mirror does not hold, or contradicts, are told instead of refused.
    The caller is the writer. May be stopped anywhere and run again. Raises Conflict where the
    database or the signer holds more than the mirror, or something else.
    """
    note = files.get(f"/{CHECKPOINT}", limit=MAX_NOTE)
    checkpoint = open_checkpoint(note, [key])
    tree = Tree(files, checkpoint, note, verify=True)
    last = None if remembered is None else open_checkpoint(remembered, [key])
    earlier = [(note, parse_checkpoint(parse_note(note).text)) for note in published]
    apart: list[bytes] = []
    if gives_up:
        known = [] if remembered is None or last is None else [(remembered, last)]
        apart = [note for note, each in dict([*known, *earlier]).items() if not _begins(tree, each)]
        earlier = [each for each in earlier if each[0] not in apart]
        last = None if remembered in apart else last
    if last is not None:
        _require_beginning(tree, last.size, last.root, "the signer has signed")
    for _, shown in earlier:
        _require_beginning(tree, shown.size, shown.root, "the signer has published")
    store.migrate()
    empty = store.is_empty()
    head = Head(size=0, root=b"", edge=b"", logged_at=0)
    if not empty:
        with store.snapshot() as reads:
            head = reads.head()
        _require_beginning(tree, head.size, head.root, "this database holds")
    old_size = head.size
    if empty:
        _create(store, tree.leaf(0))
        old_size = 0
    for batch in _batches(tree, max(old_size, 1)):
        _append(store, batch)
        progress("entries", batch[-1].index + 1, tree.size)
    with store.snapshot() as reads:
        head = reads.head()
    if head.root != checkpoint.root:
        raise LogUnavailable("what was written has another root: run `ledger fsck`")
    if last is not None and last.size == checkpoint.size:
        note = remembered or note
    with store.publishing() as publishing:
        publishing.publish(
            StoredCheckpoint(
                size=head.size,
                root=head.root,
                logged_at=head.logged_at,
                note=_own_lines(note, checkpoint.origin),
            )
        )
        for note, shown in earlier:
            logged_at = tree.leaf(shown.size - 1).entry.logged_at
            publishing.publish(StoredCheckpoint(shown.size, shown.root, logged_at, note))
    return Recovered(checkpoint, old_size, tuple(apart))


def restore_openings(
    store: Store,
    old: Store | None,
    vault: Vault | None,
    *,
    progress: Progress = lambda _what, _done, _total: None,
) -> Openings:
    """Bring back what opens sealed records: from an old database of this log, or the log itself.

    Those of the old one are encrypted, and are taken as they lie: ``ledger fsck`` holds them
    against their commitments. One that cannot be read is left out. What the log has opened in
    full is locked up again with ``vault``.
    """
    sealed = restored = missing = 0
    first: list[int] = []
    with store.snapshot() as reads:
        size = reads.head().size
    for start in range(0, size, AT_ONCE):
        stop = min(start + AT_ONCE, size)
        found: list[tuple[int, bytes, bytes | None, bytes | None]] = []
        with store.snapshot() as reads:
            places = [index for index, _ in reads.sealings(start, stop)]
            for index, embargo in sorted(reads.embargoes_at(places).items()):
                is_sealed = embargo.disclosed_index is None
                sealed += is_sealed
                entry = reads.entry(index)
                if entry is None or reads.opening(index) is not None:
                    continue
                opening = None if old is None else _opening_in(old, entry)
                if opening is not None:
                    restored += 1
                elif embargo.disclosed_index is not None and vault is not None:
                    opening = _opening_of(reads.entry(embargo.disclosed_index), entry, vault)
                if opening is not None:
                    found.append((index, *opening))
                elif is_sealed or embargo.withheld_index is not None:
                    missing += 1
                    first += [index] if len(first) < NAMED else []
        if found:
            with store.append() as appending:
                appending.write(NewBatch(head=appending.head, openings=found))
        progress("openings", stop, size)
    # The tags that came with the openings say which bytes count for which model.
    with store.rebuilding() as connection:
        refold_egress(connection)
    return Openings(sealed, restored, missing, tuple(first))


_Locked = tuple[bytes, bytes | None, bytes | None]
"""An encrypted opening and its tags, of the weights and of the model."""


def _opening_of(disclosure: StoredEntry | None, entry: StoredEntry, vault: Vault) -> _Locked | None:
    """What the log itself has opened, locked up again; None where a part stays closed."""
    signed = parse_entry(entry.data).signed
    disclosed = parse_entry(disclosure.data).disclosed if disclosure else None
    if disclosed is None or disclosed.seed is None or signed is None or signed.sealed_root is None:
        return None
    fields = dict(disclosed.fields)
    tags = vault.tags(replace(signed, fields=fields))
    locked = vault.lock(seed=disclosed.seed, fields=fields, root=signed.sealed_root)
    return locked, tags.weights, tags.model


def _opening_in(old: Store, entry: StoredEntry) -> _Locked | None:
    """The opening of the same entry in another database; None where it is not to be had."""
    try:
        with old.snapshot() as reads:
            known = reads.entry(entry.index)
            same = known is not None and known.leaf_hash == entry.leaf_hash
            locked = reads.opening(entry.index) if same else None
            if locked is None:
                return None
            tags = reads.tags(entry.index)
            return locked, tags.weights, tags.model
    except (StorageFailed, Damaged):
        return None


def _begins(tree: Tree, shown: Checkpoint) -> bool:
    return shown.size <= tree.size and tree.root_at(shown.size) == shown.root


def _require_beginning(tree: Tree, size: int, root: bytes, whose: str) -> None:
    if size > tree.size:
        raise Conflict(
            f"{whose} {size} entries, and the mirror has {tree.size}: it is too old, and nothing"
            " was written; find a newer one"
        )
    found = tree.root_at(size)
    if found != root:
        raise Conflict(
            f"{whose} {size} entries with the root {root.hex()}, and the mirror's first {size} have"
            f" the root {found.hex()}: these are two histories, and nothing was written"
        )


def _create(store: Store, leaf: Leaf) -> None:
    stored = _stored(leaf)
    extension = Extension(CompactRange(), [stored.leaf_hash])
    head = Head(1, extension.root, extension.range.edge(), stored.logged_at)
    facts = [fact_of(leaf.index, leaf.entry)]
    store.create_log(NewBatch(head=head, entries=[stored], facts=facts))


def _batches(tree: Tree, start: int) -> Iterator[list[Leaf]]:
    """The entries from ``start`` on; a submission and its decision, which make one row, together.

    Raises LogUnavailable for an entry that this version cannot read.
    """
    waiting: list[Leaf] = []
    for index in range(start, tree.size):
        try:
            leaf = tree.leaf(index)
        except FormatError as error:
            raise LogUnavailable(
                f"entry {index} cannot be read by this version ({error}): install a newer one, and"
                " run this again"
            ) from None
        waiting.append(leaf)
        if len(waiting) >= AT_ONCE and leaf.entry.kind != SUBMITTED:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _append(store: Store, leaves: list[Leaf]) -> None:
    entries = [_stored(leaf) for leaf in leaves]
    jobs = {entry.job_id for entry in entries if entry.job_id is not None}
    with store.append() as appending:
        head = appending.head
        if head.size != leaves[0].index:
            raise LogUnavailable(f"the log has {head.size} entries now: another process writes")
        old = CompactRange.from_edge(head.size, head.edge)
        extension = Extension(old, [entry.leaf_hash for entry in entries])
        disclosures = [
            (leaf.entry.disclosed.discloses, leaf.index)
            for leaf in leaves
            if leaf.entry.disclosed is not None
        ]
        appending.write(
            NewBatch(
                head=Head(
                    size=extension.new_size,
                    root=extension.root,
                    edge=extension.range.edge(),
                    logged_at=entries[-1].logged_at,
                ),
                entries=entries,
                tiles=full_tiles(appending.snapshot(), extension),
                nodes=new_nodes(extension),
                disclosures=disclosures,
                facts=[fact_of(leaf.index, leaf.entry) for leaf in leaves],
                jobs=appending.current_jobs(jobs),
            )
        )


def _stored(leaf: Leaf) -> StoredEntry:
    entry = leaf.entry
    return StoredEntry(
        index=leaf.index,
        kind=entry.kind,
        job_id=entry.job_id,
        logged_at=entry.logged_at,
        publish_by=entry.publish_by,
        leaf_hash=leaf_hash(leaf.data),
        statement_digest=entry.signed.digest if entry.signed else None,
        data=leaf.data,
    )


def _own_lines(note: bytes, origin: str) -> bytes:
    """The note with the log's own signatures alone: witnesses are asked anew."""
    parsed = parse_note(note)
    return format_note(
        Note(parsed.text, tuple(line for line in parsed.signatures if line.name == origin))
    )
