"""Which object holds which artifact: rows that the debit's entry opens and an upload closes.

What tells a name or a digest comes here encrypted, or as a tag under a key that is not here.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from ledger.storage.driver import Driver
from ledger.storage.egress import FAILED, OPEN, STORED
from ledger.storage.tables import STORED_ARTIFACTS

_COLUMNS: Final = (
    "artifact_id, job_id, leaf_index, artifact_class, debited_bytes, open_until, state, "
    "name_tag, address, details"
)
ROWS_AT_ONCE: Final = 512


@dataclass(frozen=True, slots=True)
class StoredArtifact:
    """A row of ``stored_artifacts``; see there."""

    artifact_id: str
    job_id: str
    index: int
    artifact_class: str
    debited_bytes: int
    open_until: int
    state: str
    name_tag: bytes | None
    address: str | None
    details: bytes | None


class ArtifactRows:
    """Reads and writes within one transaction of the caller's."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = Driver(connection)

    def by_id(self, artifact_id: str) -> StoredArtifact | None:
        """The artifact with this id."""
        return self._one("artifact_id = ?", artifact_id)

    def by_name(self, name_tag: bytes) -> StoredArtifact | None:
        """The stored artifact with this tag of a name."""
        return self._one("name_tag = ?", name_tag)

    def of_job(self, job_id: str) -> list[StoredArtifact]:
        """Every artifact that was debited to a job, in log order."""
        rows = self._driver.fetch(
            f"SELECT {_COLUMNS} FROM stored_artifacts WHERE job_id = ? ORDER BY leaf_index",  # noqa: S608 - names are ours
            (job_id,),
        )
        return [StoredArtifact(*row) for row in rows]

    def every(self) -> Iterator[StoredArtifact]:
        """All of them, in log order."""
        after = -1
        while True:
            rows = self._driver.fetch(
                f"SELECT {_COLUMNS} FROM stored_artifacts WHERE leaf_index > ? "  # noqa: S608 - names are ours
                f"ORDER BY leaf_index LIMIT {ROWS_AT_ONCE}",
                (after,),
            )
            if not rows:
                return
            yield from (StoredArtifact(*row) for row in rows)
            after = rows[-1][2]

    def place(self, artifact_id: str, *, address: str, details: bytes) -> None:
        """Say where the object of an open artifact is about to lie."""
        self._driver.run(
            "UPDATE stored_artifacts SET address = ?, details = ? "
            "WHERE artifact_id = ? AND state = ?",
            (address, details, artifact_id, OPEN),
        )

    def close_stored(self, artifact_id: str, *, name_tag: bytes, now: int) -> bool:
        """Say that an artifact is stored; False where it is open no more, or its name is taken."""
        if self.by_name(name_tag) is not None:
            return False
        table = STORED_ARTIFACTS
        done = self._connection.execute(
            table.update()
            .where(
                table.c.artifact_id == artifact_id,
                table.c.state == OPEN,
                table.c.open_until > now,
            )
            .values(state=STORED, name_tag=name_tag)
        )
        return done.rowcount == 1

    def close_failed(self, artifact_id: str) -> None:
        """Say that an artifact will not be stored; harmless where it is closed already."""
        self._driver.run(
            "UPDATE stored_artifacts SET state = ? WHERE artifact_id = ? AND state = ?",
            (FAILED, artifact_id, OPEN),
        )

    def _one(self, where: str, value: str | bytes) -> StoredArtifact | None:
        rows = self._driver.fetch(
            f"SELECT {_COLUMNS} FROM stored_artifacts WHERE {where}",  # noqa: S608 - names are ours
            (value,),
        )
        return StoredArtifact(*rows[0]) if rows else None
