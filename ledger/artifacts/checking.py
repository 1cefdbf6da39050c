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
from ledger.errors import CommitmentError, LogUnavailable
from ledger.storage.artifact_rows import StoredArtifact
from ledger.storage.egress import STORED
from ledger.storage.store import Store
from ledger.vault import Vault

RESTORE: Final = "restore the artifacts from a backup"


@dataclass(frozen=True, slots=True)
class Odd:
    """One thing that is not as it should be, in the words of ``fsck``."""

    sort: str
    message: str
    remedy: str
    index: int | None = None


def check_artifacts(store: Store, objects: Objects, vault: Vault | None) -> Iterator[Odd]:
    """Where the store's listing and the objects differ; without ``vault`` sizes alone are asked."""
    known: set[str] = set()
    with store.artifacts(writes=False) as rows:
        for artifact in rows.every():
            if artifact.address is not None:
                # That of an upload which broke is known too: nobody is served it.
                known.add(artifact.address)
            if artifact.state == STORED:
                yield from _check(objects, vault, artifact)
    for address in objects.addresses():
        if address not in known:
            yield Odd(
                "artifact surplus",
                f"the object {address} belongs to no artifact",
                "find out what wrote it, then remove it",
            )


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
