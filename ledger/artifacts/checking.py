"""Is what the log debited what the store has? Entries, rows and objects held against each other.

Every object is read, decrypted and hashed again. It writes nothing, and names no sealed value.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.artifacts.objects import Objects
from ledger.artifacts.sealing import Unsealer, sealed_length
from ledger.artifacts.shelf import kept_of
from ledger.errors import CommitmentError, LedgerError, LogUnavailable
from ledger.records.entry import parse_entry
from ledger.storage.artifact_rows import StoredArtifact
from ledger.storage.egress import STORED
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.vault import Vault
from schemas.statements import ArtifactWrite

AT_ONCE: Final = 1_024
RESTORE: Final = "restore the artifacts from a backup"


@dataclass(frozen=True, slots=True)
class Odd:
    """One thing that is not as it should be, in the words of ``fsck``."""

    sort: str
    message: str
    remedy: str
    index: int | None = None


def check_artifacts(store: Store, objects: Objects, vault: Vault | None) -> Iterator[Odd]:
    """Where entries, rows and objects differ; without ``vault`` objects are not opened.

    May run beside a server: objects are listed before rows are read, and entries before either,
    so what comes in meanwhile is never taken for something odd.
    """
    with store.snapshot() as reads:
        size = reads.head().size
    unknown = set(objects.addresses())
    yield from _unlisted(store, size=size)
    with store.artifacts(writes=False) as rows:
        for artifact in rows.every():
            if artifact.address is not None:
                # That of an upload which broke is known too: nobody is served it.
                unknown.discard(artifact.address)
            if artifact.state == STORED:
                yield from _check(objects, vault, artifact)
    for address in sorted(unknown):
        yield Odd(
            "artifact surplus",
            f"the object {address} belongs to no artifact",
            "find out what wrote it, then remove it",
        )


_Debited = tuple[int, str, str, str, int]
"""Index, artifact, job, class, bytes."""


def _unlisted(store: Store, *, size: int) -> Iterator[Odd]:
    """Debits without their row, and rows without a debit, in a tree of ``size`` entries."""
    with store.snapshot() as reads, store.artifacts(writes=False) as rows:
        debits = _debits(reads, size)
        listed = (
            (each.index, each.artifact_id, each.job_id, each.artifact_class, each.debited_bytes)
            for each in rows.every()
            if each.index < size
        )
        debit, row = next(debits, None), next(listed, None)
        while debit is not None or row is not None:
            if debit == row:
                debit, row = next(debits, None), next(listed, None)
            elif row is None or (debit is not None and debit[0] <= row[0]):
                assert debit is not None
                said = f"artifact {debit[1]} was debited, and its row is missing or says otherwise"
                yield Odd("artifact", said, "run `ledger rebuild`", debit[0])
                row = next(listed, None) if row is not None and row[0] == debit[0] else row
                debit = next(debits, None)
            else:
                said = f"the row of artifact {row[1]} follows from no entry"
                yield Odd("artifact surplus", said, "find out what wrote it", row[0])
                row = next(listed, None)


def _debits(reads: Snapshot, size: int) -> Iterator[_Debited]:
    start = 0
    while found := reads.some_of_kind("egress", start=start, limit=AT_ONCE):
        for stored in found:
            try:
                signed = parse_entry(stored.data).signed
            except LedgerError:
                continue  # That the entry is damaged is found where entries are checked.
            if stored.index < size and signed and isinstance(signed.public, ArtifactWrite):
                said = signed.public
                job_id = signed.job_id or ""
                yield stored.index, said.artifact_id, job_id, said.artifact_class, said.egress_bytes
        start = found[-1].index + 1


def _check(objects: Objects, vault: Vault | None, artifact: StoredArtifact) -> Iterator[Odd]:
    def odd(message: str) -> Odd:
        said = f"artifact {artifact.artifact_id}: {message}"
        return Odd("artifact", said, RESTORE, artifact.index)

    address = artifact.address
    if address is None or artifact.details is None:
        yield odd("its row says that it is stored, and not where")
        return
    size = objects.size(address)
    if size is None:
        yield odd("its object is missing")
        return
    if vault is None:
        return
    try:
        kept = kept_of(vault, artifact)
        if kept.bytes > artifact.debited_bytes:
            yield odd("it has more bytes than were debited")
        if size != sealed_length(kept.bytes):
            yield odd("its object has another length than it was put with")
        whole = Unsealer(
            lambda start, length: objects.read(address, start, length),
            key=vault.subkey("artifacts"),
            job_id=artifact.job_id,
            length=kept.bytes,
        )
        digest = sha256()
        for part in whole.parts(0, kept.bytes):
            digest.update(part)
        if digest.hexdigest() != kept.sha256:
            yield odd("its object has another digest than it was put with")
    except (CommitmentError, LogUnavailable) as error:
        yield odd(str(error))
