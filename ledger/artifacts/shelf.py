"""What was debited to a job, and what of it may be named: for lists and pages.

Needs no object and takes no statement. Without the vault it names nothing.
"""

from hashlib import sha256
from typing import Final

import msgspec

from ledger.artifacts.shapes import Kept, Listed
from ledger.errors import CommitmentError, LogUnavailable, NotFound
from ledger.records.entry import parse_entry
from ledger.storage.artifact_rows import StoredArtifact
from ledger.storage.egress import STORED
from ledger.storage.shapes import StoredJob
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.vault import Vault
from schemas.statements import ENDINGS, Code

HELD: Final = "artifacts"
"""The sealed field of a job's ending whose disclosure opens the job's artifacts."""


class Shelf:
    """The lists of one ledger. Thread-safe."""

    def __init__(self, store: Store, vault: Vault | None) -> None:
        self._store = store
        self._vault = vault

    def listed(self, job_id: str, *, size: int) -> list[Listed]:
        """Every artifact that was debited to a job in the tree of ``size`` entries, in log order.

        Raises NotFound for a job that is not there.
        """
        with self._store.snapshot() as reads:
            job = reads.job(job_id, size=size)
            if job is None:
                raise NotFound(f"there is no job {job_id[:40]!a} in the log")
            opened = _is_open(reads, job, size=size)
        if not job.artifact_count:
            return []
        with self._store.artifacts(writes=False) as rows:
            found = [each for each in rows.of_job(job_id) if each.index < size]
        return [
            Listed(
                artifact_id=each.artifact_id,
                artifact_class=each.artifact_class,
                egress_bytes=each.debited_bytes,
                index=each.index,
                kept=(
                    kept_of(self._vault, each)
                    if opened and self._vault is not None and each.state == STORED
                    else None
                ),
            )
            for each in found
        ]

    def mark(self, job_id: str, *, size: int) -> str:
        """What tells the lists of one job at one ``size`` apart; empty where there is only one.

        A list changes without the log, once an upload ends whose debit stands there. While it may
        name nothing it does not change, and neither does this: it tells no more than the list.
        """
        with self._store.artifacts(writes=False) as rows:
            found = [each for each in rows.of_job(job_id) if each.index < size]
        if not found or self._vault is None:
            return ""
        with self._store.snapshot() as reads:
            job = reads.job(job_id, size=size)
            if job is None or not _is_open(reads, job, size=size):
                return ""
        stored = "".join(each.artifact_id for each in found if each.state == STORED)
        return sha256(stored.encode()).hexdigest()[:16]


def kept_of(vault: Vault, artifact: StoredArtifact) -> Kept:
    """What is sealed about a stored artifact. Raises LogUnavailable where it does not open."""
    assert artifact.details is not None
    try:
        plain = vault.unseal(artifact.details, said=artifact.artifact_id.encode())
        return msgspec.json.decode(plain, type=Kept)
    except (CommitmentError, msgspec.MsgspecError) as error:
        raise LogUnavailable(
            f"what is kept of artifact {artifact.artifact_id} does not open: {type(error).__name__}"
        ) from None


def is_quarantined(job: StoredJob) -> bool:
    """Whether the job's weights were found changed."""
    return job.finding_code == Code.R1_DIGEST_MISMATCH or job.weights_unchanged is False


def _is_open(reads: Snapshot, job: StoredJob, *, size: int) -> bool:
    """Whether a list may name what is stored of a job."""
    return (
        job.artifact_count > 0
        and not is_quarantined(job)
        and is_disclosed(reads, job.job_id, size=size)
    )


def is_disclosed(reads: Snapshot, job_id: str, *, size: int) -> bool:
    """Whether the job's ending is open in a tree of ``size``, and with it the job's artifacts."""
    for entry in reads.entries_of_job(job_id, size=size, kinds=ENDINGS):
        opened = reads.disclosure_of(entry.index, size=size)
        found = None if opened is None else reads.entry(opened)
        disclosed = None if found is None else parse_entry(found.data).disclosed
        return disclosed is not None and HELD in disclosed.fields
    return False
