"""The answer to a logged statement: its index, its decision, and the receipt that proves both."""

from collections.abc import Sequence

from ledger.errors import LogUnavailable
from ledger.reader import Reader
from ledger.reader.publication import Publication
from ledger.records.deadline import format_time
from ledger.records.entry import parse_entry
from ledger.records.receipt import receipt_extra
from ledger.sequencer.sequencer import Logged
from ledger.storage.shapes import StoredEntry
from ledger.tlog.proof import TlogProof, format_proof
from schemas.answers import Decision, FindingShown
from schemas.posting import Accepted, Receipted


def receipted(logged: Logged, reader: Reader, strict: Publication | None = None) -> Receipted:
    """The answer to ``logged``, the same each time that its statement is sent.

    What was logged before is proved from what is stored, and verified. Raises Damaged.

    ``strict`` is what knows which trees the quorum holds, where no other is to be answered with;
    of those a receipt has the cosignatures too. Raises LogUnavailable where the entry is stored and
    in no such tree yet.
    """
    if logged.batch is None:
        return _from_store(logged, reader, strict)
    batch = logged.batch
    decided = logged.decision_index
    return _answer(
        logged,
        batch.entry(logged.index),
        batch.entry(decided) if decided is not None else None,
        path=batch.extension.inclusion_proof(logged.index),
        note=batch.signed.note,
    )


def _from_store(logged: Logged, reader: Reader, strict: Publication | None) -> Receipted:
    with reader.files.reading() as reads:
        if strict is None:
            checkpoint = reads.checkpoint_covering(logged.index)
            if checkpoint is not None:
                reader.notes.require(reads, checkpoint)
            note = checkpoint.note if checkpoint is not None else b""
        else:
            checkpoint, note = strict.covering(reads, logged.index) or (None, b"")
        entry = reads.entry(logged.index)
        decided = logged.decision_index
        decision = reads.entry(decided) if decided is not None else None
        if checkpoint is None or entry is None:
            raise LogUnavailable("stored but not signed yet: send it again in a moment")
        path = reader.verified.inclusion_path(
            entry.leaf_hash, entry.index, size=checkpoint.size, root=checkpoint.root
        )
    return _answer(logged, entry, decision, path=path, note=note)


def _answer(
    logged: Logged,
    entry: StoredEntry,
    decision: StoredEntry | None,
    *,
    path: Sequence[bytes],
    note: bytes,
) -> Receipted:
    proof = TlogProof(logged.index, tuple(path), note, receipt_extra(entry.data))
    return Receipted(
        created=logged.created,
        accepted=Accepted(
            index=logged.index,
            kind=entry.kind,
            logged_at=format_time(entry.logged_at),
            decision=_decision(decision) if decision else None,
            receipt=format_proof(proof).decode("utf-8"),
        ),
    )


def _decision(stored: StoredEntry) -> Decision:
    if stored.kind == "admitted":
        return Decision(stored.index, stored.kind, ())
    decision = parse_entry(stored.data).decision
    assert decision is not None
    return Decision(
        stored.index,
        stored.kind,
        tuple(FindingShown(f.rule, str(f.code), f.finding) for f in decision.findings),
    )
