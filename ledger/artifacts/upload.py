"""One artifact on its way in: encrypted as it comes, looked at, written anew, kept whole.

Its debit is in the log before the first byte is read. Whatever goes wrong from then on leaves the
debit, no object, and a row that says ``failed``; a crash leaves what looks the same once the time
for the upload is over.
"""

import io
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from hashlib import sha256
from pathlib import Path
from threading import BoundedSemaphore
from typing import BinaryIO, Final, cast

from ledger.artifacts.forms import form_of
from ledger.artifacts.objects import Objects
from ledger.artifacts.sealing import SealedFile, Sealer, Unsealer
from ledger.artifacts.shapes import Kept
from ledger.errors import ArtifactRefused
from ledger.storage.artifact_rows import StoredArtifact
from schemas.statements import Code
from schemas.values import ArtifactClass

REWRITTEN_AT_ONCE: Final = 4
"""How many artifacts one process writes anew at a time: each may be in memory as a whole."""
_REWRITTEN: Final = frozenset({ArtifactClass.DOCUMENT, ArtifactClass.TABLE, ArtifactClass.IMAGE})
_rewriting: Final = BoundedSemaphore(REWRITTEN_AT_ONCE)
_BUFFER: Final = 1 << 20


class Spool:
    """An encrypted file of this machine that grows, and its digest in the clear."""

    def __init__(
        self, path: Path, *, key: bytes, job_id: str, random: Callable[[int], bytes], limit: int
    ) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = path
        self.size = 0
        self._limit = limit
        self._key = key
        self._job_id = job_id
        self._hash = sha256()
        self._file = path.open("xb")
        self._sealer = Sealer(self._file, key=key, job_id=job_id, random=random)

    def write(self, data: bytes) -> None:
        """Take bytes. Raises ArtifactRefused for more than were debited."""
        self.size += len(data)
        if self.size > self._limit:
            raise ArtifactRefused(
                f"{self.size} bytes or more, where {self._limit} were debited",
                code=Code.R2_EGRESS_CEILING,
            )
        self._hash.update(data)
        self._sealer.write(data)

    def finish(self) -> str:
        """End it; the SHA-256 of all, in hex."""
        self._sealer.finish()
        self._file.close()
        return self._hash.hexdigest()

    def reading(self, file: BinaryIO) -> BinaryIO:
        """What was written, in the clear, by way of its encrypted ``file``."""

        def read(start: int, length: int) -> bytes:
            file.seek(start)
            return file.read(length)

        whole = Unsealer(read, key=self._key, job_id=self._job_id, length=self.size)
        return cast("BinaryIO", io.BufferedReader(SealedFile(whole, self.size), _BUFFER))

    def remove(self) -> None:
        """Leave nothing behind, on a full disk either: closing writes what waits to be written."""
        try:
            with suppress(OSError):
                self._file.close()
        finally:
            self.path.unlink(missing_ok=True)


class Upload:
    """Takes the bytes of one open artifact. ``keep`` or ``give_up`` ends it."""

    def __init__(
        self,
        artifact: StoredArtifact,
        name: str,
        *,
        objects: Objects,
        key: bytes,
        random: Callable[[int], bytes],
    ) -> None:
        self.artifact = artifact
        self.name = name
        self._objects = objects

        def spool(ending: str) -> Spool:
            return Spool(
                objects.incoming / f"{artifact.artifact_id}.{ending}",
                key=key,
                job_id=artifact.job_id,
                random=random,
                limit=artifact.debited_bytes,
            )

        self._spool = spool
        self._came = spool("part")
        self._form: Spool | None = None

    def write(self, data: bytes) -> None:
        """Take bytes as they come. Raises ArtifactRefused for more than were debited."""
        self._came.write(data)

    def settle(self) -> Kept:
        """Look at what came, and write it anew where its class says so.

        Raises ArtifactRefused for what is short, damaged, or of another class than declared.
        """
        debited = self.artifact.debited_bytes
        if self._came.size != debited:
            raise ArtifactRefused(
                f"{self._came.size} bytes came, where {debited} were debited",
                code=Code.Q_MALFORMED,
            )
        received = digest = self._came.finish()
        with _turn(self.artifact.artifact_class), self._came.path.open("rb") as file:
            whole = self._came.reading(file)
            form = form_of(self.artifact.artifact_class, self.name, whole, size=debited)
            if form.rewrite is not None:
                self._form = self._spool("form")
                try:
                    form.rewrite(self._form.write)
                except ArtifactRefused as error:
                    if error.code != Code.R2_EGRESS_CEILING:
                        raise
                    raise ArtifactRefused(
                        f"in its one spelling it is larger than the {debited} bytes that were"
                        " debited: bring it into that form first",
                        code=Code.Q_MALFORMED,
                    ) from None
                digest = self._form.finish()
        return Kept(
            name=self.name,
            media_type=form.media_type,
            bytes=(self._form or self._came).size,
            sha256=digest,
            received=received,
        )

    def keep(self, address: str) -> None:
        """Put the object at its address, durably."""
        self._objects.put(address, (self._form or self._came).path)
        self._clear()

    def give_up(self) -> None:
        """Leave nothing of it behind."""
        self._clear()

    def _clear(self) -> None:
        with ExitStack() as each_of_them:
            for each in (self._came, self._form):
                if each is not None:
                    each_of_them.callback(each.remove)


def _turn(artifact_class: str) -> AbstractContextManager[object]:
    """A turn at what is decoded in memory; what stays as it came waits for none."""
    return _rewriting if artifact_class in _REWRITTEN else nullcontext()
