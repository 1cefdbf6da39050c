"""The door: who may bring an artifact in or out, in which order, and what is noted of it.

    PUT   statement checked -> debited and logged, durably -> bytes taken -> object put -> row
    GET   by the public, once the job's ending is disclosed with its artifacts
    GET   by the job's own member before: statement checked -> debited and logged -> bytes given

Until then the public is told one thing whatever it asks for: that there is nothing.
"""

import hmac
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from ledger.artifacts.claims import Claim, Claims
from ledger.artifacts.objects import Objects
from ledger.artifacts.sealing import Unsealer
from ledger.artifacts.shapes import Kept, check_name, is_artifact_id, is_name
from ledger.artifacts.shelf import is_disclosed, is_quarantined, kept_of
from ledger.artifacts.upload import Upload
from ledger.errors import (
    ArtifactRefused,
    AuthorUnknown,
    CommitmentError,
    Conflict,
    LedgerError,
    LogUnavailable,
    NotFound,
    Overloaded,
    Quarantined,
    Unwitnessed,
    ValueRefused,
)
from ledger.records.proposal import DoorFinding, Proposal
from ledger.storage.artifact_rows import StoredArtifact
from ledger.storage.egress import OPEN, STORED
from ledger.storage.keyring import KeyRing
from ledger.storage.shapes import StoredJob
from ledger.storage.store import Store
from ledger.vault import Vault
from schemas.statements import ArtifactRead, ArtifactWrite, Code

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
"""How often a finding is handed to a log whose queue is full."""
LONGEST_WAIT_S: Final = 5
NOTHING: Final = "there is no such artifact, or it is not public yet"
USED: Final = (
    "this statement was used before: one statement is one upload or one reading, and its debit"
    " stays"
)
"""All that anybody hears of a statement from the log, whatever name it is sent to."""

UNSETTLED: Final = (
    "too few witnesses have cosigned the debit yet: no byte was taken or given, and the debit may"
    " stay. Send the same statement again; where it is refused as used, make another"
)


UNSETTLED_KEPT: Final = (
    "too few witnesses have cosigned the debit yet: no byte was taken or given. Send the same again"
    " with the same Idempotency-Key: nothing is debited twice"
)


class Placing(Protocol):
    """What became of a work: its index, and whether this made the entry."""

    @property
    def index(self) -> int:
        """The leaf index."""
        ...

    @property
    def created(self) -> bool:
        """False where the same statement was logged before."""
        ...


class Waiting(Protocol):
    """What the sequencer gives for works: their results, once they are logged."""

    def result(self, timeout_s: float = -1) -> Sequence[Placing | LedgerError]:
        """Wait."""
        ...


class Given(Struct, frozen=True):
    """Bytes to be given out: ``length`` of an artifact's from ``start`` on."""

    artifact: StoredArtifact
    kept: Kept
    start: int
    length: int


class Door:
    """The door of one ledger. Thread-safe; every method may wait for disk and database."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        objects: Objects,
        *,
        check: Callable[[bytes], Proposal],
        append: Callable[[Sequence[Proposal | DoorFinding]], Waiting],
        clock: Callable[[], int],
        random: Callable[[int], bytes] = os.urandom,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        self._store = store
        self._vault = vault
        self._objects = objects
        self._check = check
        self._append = append
        self._clock = clock
        self._random = random
        self._wait = wait
        self._key = vault.subkey("artifacts")
        self._tag_key = vault.subkey("artifact names")
        self._claims = Claims(
            objects.incoming / "unsettled", key=vault.subkey("unsettled debits"), clock=clock
        )

    def __repr__(self) -> str:
        return "Door(…)"

    # --- in ---

    def admit(
        self, body: bytes, *, job_id: str, name: str, length: int, secret: str | None = None
    ) -> Upload:
        """Check the gateway's statement, debit it, log it; what then takes the bytes.

        ``body`` is the signed statement, ``length`` what the request says its body has. With the
        same ``secret`` it may be sent again where its quorum came too late; see ``claims``.

        Raises EgressRefused where a ceiling does not let it out, Conflict for a statement that was
        used before, Quarantined, and whatever intake refuses. A statement stands in the log, where
        anybody can copy it: so sent again it is refused without a look at the name or the body, or
        guesses of what is sealed could be tried here.
        """
        check_name(name)
        proposal = self._check(body)
        public = proposal.parsed.public
        if not isinstance(public, ArtifactWrite):
            raise ValueRefused(
                "statement.schema: an artifact is brought in by artifact-write/1",
                field="statement.schema",
            )
        if proposal.parsed.job_id != job_id:
            raise ValueRefused(
                "statement.job_id: it is another job than the address names",
                field="statement.job_id",
            )
        if length != public.egress_bytes:
            raise ValueRefused(
                f"statement.public.egress_bytes: {public.egress_bytes}, where the body has"
                f" {length} bytes",
                field="statement.public.egress_bytes",
            )
        claim = self._claims.of(proposal.parsed.digest, f"PUT {name}", secret)
        _, is_held = self._require(proposal, claim)
        with self._holding(claim, is_held):
            with self._store.artifacts(writes=False) as rows:
                taken = rows.by_name(self._name_tag(job_id, name))
            if taken is not None and taken.artifact_id != public.artifact_id:
                raise Conflict(f"the job has an artifact of this name already: {taken.artifact_id}")
            self._sweep()
            logged = self._log(proposal, claim)
        with self._store.artifacts(writes=False) as rows:
            artifact = rows.by_id(public.artifact_id)
        assert artifact is not None
        # One that was held back may have been closed meanwhile: its time was over.
        is_open = artifact.state == OPEN and artifact.open_until > self._clock()
        if logged.created or (is_held and is_open):
            return Upload(artifact, name, objects=self._objects, key=self._key, random=self._random)
        raise Conflict(USED)

    def keep(self, upload: Upload) -> Kept:
        """Look at what came and keep it. Raises ArtifactRefused, noted in the log if need be."""
        artifact = upload.artifact
        try:
            kept = upload.settle()
            self._check_quarantine(artifact.job_id)
            address = self._address(artifact.job_id, kept.sha256)
            # From here on a crash leaves an object that its row names, and that nobody is served.
            with self._store.artifacts() as rows:
                rows.place(
                    artifact.artifact_id, address=address, details=self._sealed(artifact, kept)
                )
            upload.keep(address)
            with self._store.artifacts() as rows:
                stored = rows.close_stored(
                    artifact.artifact_id,
                    name_tag=self._name_tag(artifact.job_id, kept.name),
                    now=self._clock(),
                )
            if not stored:
                raise Conflict("the artifact came too late, or its name is taken meanwhile")  # noqa: TRY301 - what follows is for every failure
        except BaseException as error:
            # The finding first: after a crash between the two, the row closes by itself in time.
            try:
                if isinstance(error, ArtifactRefused) and error.code == Code.R2_UNMETERED_EGRESS:
                    self._note(artifact.job_id, error)
            finally:
                self.give_up(upload)
            raise
        return kept

    def give_up(self, upload: Upload) -> None:
        """Leave nothing of an upload but its debit."""
        try:
            upload.give_up()
        finally:
            with self._store.artifacts() as rows:
                rows.close_failed(upload.artifact.artifact_id)

    # --- out ---

    def public(self, job_id: str, name: str, *, size: int) -> Given:
        """A whole artifact, for everybody, by its name or id, as of the tree of ``size`` entries.

        Raises NotFound, with one and the same message, for all that is not public; Quarantined.
        """
        self._require_public(job_id, size=size)
        artifact = self._find(job_id, name)
        if artifact is None or artifact.state != STORED:
            raise NotFound(NOTHING)
        kept = self._kept(artifact)
        return Given(artifact, kept, 0, kept.bytes)

    def member(self, body: bytes, *, job_id: str, name: str, secret: str | None = None) -> Given:
        """What the job's own member may read for its statement, which is debited and logged.

        ``secret`` as in ``admit``.

        Raises NotFound, ValueRefused, EgressRefused, Quarantined; Conflict for a statement that
        was used before; and whatever intake refuses. Nobody else is told whether there is one.
        """
        proposal = self._check(body)
        parsed, public = proposal.parsed, proposal.parsed.public
        if not isinstance(public, ArtifactRead) or parsed.job_id != job_id:
            raise ValueRefused(
                "statement: an artifact is read by artifact-read/1 about its own job",
                field="statement",
            )
        claim = self._claims.of(parsed.digest, f"GET {name}", secret)
        job, is_held = self._require(proposal, claim)
        with self._holding(claim, is_held):
            found = self._readable(proposal, public, job, name)
            logged = self._log(proposal, claim)
        if not (logged.created or is_held):
            raise Conflict(USED)
        return found

    def _readable(
        self, proposal: Proposal, public: ArtifactRead, job: StoredJob, name: str
    ) -> Given:
        """What a member asks for. Raises where it is not the member's, or not there."""
        job_id, author = job.job_id, proposal.parsed.statement.author
        if job.author != author:
            raise AuthorUnknown(f"job {job_id} is not {author}'s")
        artifact = self._find(job_id, name)
        if (
            artifact is None
            or artifact.state != STORED
            or artifact.artifact_id != public.artifact_id
        ):
            raise NotFound("the job has no such artifact")
        kept = self._kept(artifact)
        if public.offset + public.egress_bytes > kept.bytes:
            raise ValueRefused(
                f"statement.public: bytes {public.offset} to"
                f" {public.offset + public.egress_bytes}, where the artifact has {kept.bytes}",
                field="statement.public.egress_bytes",
            )
        return Given(artifact, kept, public.offset, public.egress_bytes)

    def parts(self, given: Given) -> Iterator[bytes]:
        """The bytes, some at a time. Raises LogUnavailable where they are not what was put."""
        artifact, address = given.artifact, given.artifact.address
        assert address is not None
        try:
            whole = Unsealer(
                lambda start, length: self._objects.read(address, start, length),
                key=self._key,
                job_id=artifact.job_id,
                length=given.kept.bytes,
            )
            yield from whole.parts(given.start, given.length)
        except CommitmentError as error:
            raise LogUnavailable(f"artifact {artifact.artifact_id}: {error}") from None

    # --- what both need ---

    def _sweep(self) -> None:
        """Take away what uploads left here that a crash ended and whose time is over."""
        if not self._objects.incoming.is_dir():
            return
        with self._store.artifacts(writes=False) as rows:
            for path in self._objects.incoming.iterdir():
                artifact = rows.by_id(path.name.partition(".")[0])
                if artifact is not None and artifact.open_until <= self._clock():
                    path.unlink(missing_ok=True)

    @contextmanager
    def _holding(self, claim: Claim, is_held: bool) -> Iterator[None]:
        """Put the right back that was taken up, where the request comes to nothing."""
        try:
            yield
        except BaseException:
            if is_held:
                claim.keep()
            raise

    def _require(self, proposal: Proposal, claim: Claim) -> tuple[StoredJob, bool]:
        """Check that who speaks may, now, of a job not in quarantine, and only once.

        The job, and whether ``claim`` was taken: then the debit is logged already.

        Raises AuthorUnknown, NotFound, Quarantined and Conflict before anything is looked up that
        is sealed: whoever copies a statement from the log gets as far as here, and no further.
        """
        parsed = proposal.parsed
        assert parsed.job_id is not None
        with self._store.snapshot() as reads:
            size = reads.head().size
            keys = KeyRing.of_stored(reads.author_keys(size=size))
            keys.require(parsed.statement.author, parsed.key_id, parsed.schema.roles)
            job = reads.job(parsed.job_id, size=size)
            used = reads.statement_index(parsed.digest, size=size)
        if job is None:
            raise NotFound("no such job")
        if is_quarantined(job):
            raise _in_quarantine(job.job_id)
        is_held = claim.take()
        if used is None:
            # A right to a debit that a recovery gave up: the one that is made now has its own.
            return job, False
        if not is_held:
            raise Conflict(USED)
        return job, True

    def _require_public(self, job_id: str, *, size: int) -> None:
        with self._store.snapshot() as reads:
            job = reads.job(job_id, size=size)
            if job is None:
                raise NotFound(NOTHING)
            if is_quarantined(job):
                raise _in_quarantine(job_id)
            if not is_disclosed(reads, job_id, size=size):
                raise NotFound(NOTHING)

    def _check_quarantine(self, job_id: str) -> None:
        with self._store.snapshot() as reads:
            job = reads.job(job_id, size=reads.head().size)
        if job is None or is_quarantined(job):
            raise _in_quarantine(job_id)

    def _log(self, proposal: Proposal, claim: Claim) -> Placing:
        placed = self._append([proposal]).result()[0]
        if isinstance(placed, Unwitnessed):
            if placed.created:
                claim.keep()
            # What is said of other statements, to send them again, would be refused as used.
            raise Unwitnessed(UNSETTLED_KEPT if claim.can_be_kept else UNSETTLED)
        if isinstance(placed, LedgerError):
            raise placed
        return placed

    def _note(self, job_id: str, error: ArtifactRefused) -> None:
        """Log a finding, or at least tell the operator: what is raised stays the refusal."""
        said = DoorFinding(
            job_id=job_id, code=Code(error.code), finding=f"{error}."[:1].upper() + f"{error}."[1:]
        )
        for left in reversed(range(ATTEMPTS)):
            try:
                found = self._append([said]).result()[0]
            except LedgerError as trouble:
                found = trouble
            if isinstance(found, Overloaded) and left:
                self._wait(min(found.retry_after_s, LONGEST_WAIT_S))
            elif isinstance(found, LedgerError):
                log.error("a finding about job %s was not logged: %s", job_id, said.finding)
                return
            else:
                return

    def _find(self, job_id: str, name: str) -> StoredArtifact | None:
        with self._store.artifacts(writes=False) as rows:
            if is_artifact_id(name):
                found = rows.by_id(name)
            else:
                found = rows.by_name(self._name_tag(job_id, name)) if is_name(name) else None
        return found if found is not None and found.job_id == job_id else None

    def _name_tag(self, job_id: str, name: str) -> bytes:
        return hmac.digest(self._tag_key, f"{job_id}/{name}".encode(), sha256)

    def _address(self, job_id: str, digest: str) -> str:
        return hmac.new(self._tag_key, f"{job_id}#{digest}".encode(), sha256).hexdigest()

    def _sealed(self, artifact: StoredArtifact, kept: Kept) -> bytes:
        return self._vault.seal(msgspec.json.encode(kept), said=artifact.artifact_id.encode())

    def _kept(self, artifact: StoredArtifact) -> Kept:
        return kept_of(self._vault, artifact)


def _in_quarantine(job_id: str) -> Quarantined:
    return Quarantined(
        f"the weights of job {job_id} were not what they were before: its artifacts are neither"
        " served nor taken"
    )
