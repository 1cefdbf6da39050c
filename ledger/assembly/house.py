"""An open ledger: the rooms of one process, wired, and the keys that writing needs."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from ledger import keys
from ledger.artifacts import Door, Shelf, open_objects
from ledger.assembly.bulk import BulkFiles
from ledger.assembly.desk import Answers, Asking, Desk, Settled
from ledger.assembly.held_back import hold_back
from ledger.assembly.log_keys import read_log_keys, read_signers
from ledger.assembly.metrics import Counting, Metrics
from ledger.assembly.questions import Questions, SignalsFound
from ledger.assembly.quorum import WitnessQuorum
from ledger.assembly.readiness import check_ready
from ledger.assembly.standard import begin_with, read_standard, witnessing_of
from ledger.embargo import Embargo
from ledger.errors import LogUnavailable, NotFound
from ledger.intake import Intake
from ledger.metering.tasks import FOLDER as TASKS
from ledger.quota import Quota
from ledger.reader import Reader
from ledger.sequencer.memory import SignerMemory
from ledger.sequencer.sequencer import Sequencer
from ledger.sequencer.signer import CheckpointSigner
from ledger.settings import Settings
from ledger.storage.replica import Replica
from ledger.storage.store import Store
from ledger.tlog.note import Signer, parse_vkey
from ledger.vault import Vault, sealed_weights
from ledger.witnessing import Witnessing
from schemas.posting import Receipted

T = TypeVar("T", bound=Asking)


def system_clock() -> int:
    """Unix seconds by this machine's clock."""
    return int(time.time())


class Ledger:
    """One open ledger. ``writer=False`` opens it for reading alone and takes no key.

    ``authors`` is how many statements each key may make, where somebody limits that.

    Close it: the sequencer finishes what it has promised to try.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = system_clock,
        writer: bool = True,
        verify_signatures: bool = True,
        before_signing: "Callable[[Ledger], None] | None" = None,
        authors: Quota | None = None,
    ) -> None:
        """Open it; ``before_signing`` is called before anything is signed, and may refuse."""
        self.settings = settings
        self._writing: _Writing | None = None
        self.clock = clock
        self.store = Store(settings.database_url)
        self.metrics: Metrics | None = None
        self.replica: Replica | None = None
        try:
            if writer:
                self.store.acquire_writer()
            self.store.migrate()
            if self.store.is_empty():
                raise NotFound("this database holds no ledger yet: run `ledger init`")  # noqa: TRY301 - the handler below lets go of what is open
            genesis = Reader(self.store).genesis()
            self.log_keys = read_log_keys(self.store)
            self.standard = read_standard(settings, self.log_keys.chain)
            self.replica = _replica_of(settings, self.store)
            self.reader = Reader(self.store, standard=self.standard, replica=self.replica)
            self._questions = Questions(self.store, settings.export_dir)
            self.origin = genesis.origin
            with self.store.snapshot() as reads:
                newest = reads.newest_checkpoint()
            self.vkey = self.log_keys.announced(newest.note if newest else None)
            self.mldsa_vkey: str | None = None
            self.charter = genesis.charter
            if writer and self.standard is not None:
                begin_with(self.store, self.standard)
            self.shelf = Shelf(self.store, None)
            if writer and settings.metrics is not None:
                self.metrics = Metrics(
                    self.store,
                    self.reader,
                    folder=settings.data_dir / "metrics",
                    token=settings.metrics,
                    clock=clock,
                    mark=SignerMemory(settings.key_dir / keys.SIGNER_MEMORY).mark,
                    disks={"data": settings.data_dir, "keys": settings.key_dir},
                    tasks=settings.data_dir / "metrics" / TASKS,
                )
            if writer:
                self._writing = _Writing(self, verify_signatures=verify_signatures, authors=authors)
                if before_signing is not None:
                    before_signing(self)
                self._writing.start()
        except BaseException:
            self.close()
            raise

    @property
    def sequencer(self) -> Sequencer:
        """The one that appends; only on a ledger opened for writing."""
        return self._writer.sequencer

    @property
    def intake(self) -> Intake:
        """The desk; only on a ledger opened for writing."""
        return self._writer.intake

    @property
    def embargo(self) -> Embargo:
        """What opens records; only on a ledger opened for writing."""
        return self._writer.embargo

    @property
    def witnessing(self) -> Witnessing | None:
        """What asks the witnesses of the policy; None without one. Needs no key.

        A new one each time: whoever starts it stops it.
        """
        return witnessing_of(self.settings, self.store, self.standard, clock=self.clock)

    @property
    def quorum(self) -> WitnessQuorum | None:
        """What asks them for as long as this ledger writes, where every answer waits for them."""
        return self._writing.quorum if self._writing is not None else None

    def handovers(self, size: int) -> str | None:
        """What ``/log/keys`` says as of a tree size: no entry beyond it; None for none."""
        return self.log_keys.handovers(size=size)

    def key_terms(self, size: int) -> tuple[tuple[str, int], ...]:
        """The log's keys in a tree of ``size`` entries; see ``LogKeys.terms``."""
        return tuple(each for each in self.log_keys.terms if each[1] < size)

    @property
    def bulk_dir(self) -> Path:
        """Where bulk files are made and served from."""
        return self.settings.export_dir

    def passed(self) -> None:
        """Count that a worker has looked for what is due."""
        if self.metrics is not None:
            self.metrics.passed()

    def check_ready(self) -> None:
        """Raise NotReady where this process should get no requests; see ``readiness``."""
        writer = self._writing.sequencer if self._writing else None
        file = self.settings.sqlite_file
        folders = [self.settings.key_dir, *([file.parent] if file is not None else [])]
        check_ready(self.store, writer, now=self.clock(), folders=folders)

    @property
    def damage(self) -> list[str]:
        """Where this process has found what is stored damaged, the first place first."""
        return self.store.damage.places

    def signals_at(self, size: int) -> SignalsFound | None:
        """The questions that count at a tree size; see ``Questions.at``."""
        return self._questions.at(size)

    @property
    def bulk(self) -> BulkFiles:
        """What makes bulk files and logs them."""
        return BulkFiles(
            store=self.store,
            folder=self.bulk_dir,
            public_url=self.settings.public_url,
            append=self._writer.sequencer.submit,
            shown_size=self.reader.tree_size,
        )

    def log(self, bodies: Sequence[bytes]) -> Answers:
        """Check and log posted statements and wait for their answers; see ``Desk.log``."""
        return self._writer.desk.log(bodies)

    def submit(self, body: bytes) -> "Future[Receipted]":
        """Check and log one posted statement without waiting; see ``Desk.submit``."""
        return self._writer.desk.submit(body)

    def enter(self, body: bytes, asking: T, settle: Callable[[Settled[T]], None], /) -> None:
        """Check and log one posted statement and be told, with others; see ``Desk.enter``."""
        self._writer.desk.enter(body, asking, settle)

    def submit_batch(self, bodies: Sequence[bytes]) -> "Future[Answers]":
        """Check and log many without waiting; see ``Desk.submit_batch``."""
        return self._writer.desk.submit_batch(bodies)

    @property
    def artifacts(self) -> Door:
        """The door by which artifacts come in and out; only on a ledger opened for writing."""
        return self._writer.artifacts

    def close(self) -> None:
        """Finish what is under way, then let go of everything."""
        if self._writing is not None:
            self._writing.stop()
        if self.metrics is not None:
            self.metrics.close()
        if self.replica is not None:
            self.replica.close()
        self.store.close()

    @property
    def _writer(self) -> "_Writing":
        if self._writing is None:
            raise LogUnavailable("this ledger was opened for reading only")
        return self._writing


class _Writing:
    """The half of a ledger that needs keys."""

    def __init__(self, ledger: Ledger, *, verify_signatures: bool, authors: Quota | None) -> None:
        key_dir = ledger.settings.key_dir
        signer, beside = read_signers(key_dir, ledger.log_keys)
        second = _second_key(key_dir) if ledger.settings.mldsa else None
        ledger.mldsa_vkey = second.vkey if second else None
        if second is not None:
            ledger.reader.notes.trust(parse_vkey(second.vkey))
        vault = Vault(keys.read_openings_key(key_dir / keys.OPENINGS_KEY), random=os.urandom)
        self.quorum = _quorum_of(ledger)
        self._strict = ledger.standard if self.quorum is not None else None
        self._memory = SignerMemory(key_dir / keys.SIGNER_MEMORY)
        self.sequencer = Sequencer(
            ledger.store,
            CheckpointSigner(
                signer,
                self._memory,
                second=second,
                beside=beside,
                former=[key.key_id for key in ledger.log_keys.chain],
                clock=ledger.clock,
            ),
            clock=ledger.clock,
            queue_records=ledger.settings.queue_records,
            queue_bytes=ledger.settings.queue_bytes,
            sealed_weights=lambda reads, index: sealed_weights(reads, vault, index),
            watch=Counting(ledger.metrics.board, most=ledger.settings.queue_records)
            if ledger.metrics is not None
            else None,
            quorum=self.quorum,
        )
        self.intake = Intake(
            ledger.store, vault, verify_signatures=verify_signatures, authors=authors
        )
        self.embargo = Embargo(
            ledger.store, vault, append=self.sequencer.submit, clock=ledger.clock
        )
        settings = ledger.settings
        ledger.shelf = Shelf(ledger.store, vault)
        self.artifacts = Door(
            ledger.store,
            vault,
            open_objects(settings.artifacts, incoming=settings.data_dir / "incoming"),
            check=self.intake.check,
            append=self.sequencer.submit,
            clock=ledger.clock,
        )
        self.desk = Desk(
            ledger.reader,
            self.intake,
            self.sequencer,
            max_records=ledger.settings.queue_records,
            max_bytes=ledger.settings.queue_bytes,
            strict=ledger.reader.publication if self.quorum is not None else None,
        )

    def start(self) -> None:
        if self.quorum is not None:
            self.quorum.witnessing.start()
        self.sequencer.start()
        hold_back(self._memory, self._strict)

    def stop(self) -> None:
        self.desk.close()
        self.sequencer.stop()
        if self.quorum is not None:
            self.quorum.witnessing.stop()


def _quorum_of(ledger: Ledger) -> WitnessQuorum | None:
    standard, witnessing = ledger.standard, ledger.witnessing
    if standard is None or not standard.strict or witnessing is None:
        return None
    wait_s = ledger.settings.witness_wait_seconds
    return WitnessQuorum(ledger.store, ledger.reader.publication, witnessing, wait_s=wait_s)


def _replica_of(settings: Settings, primary: Store) -> Replica | None:
    url = settings.read_database_url
    return None if url is None else Replica(url, primary)


def _second_key(key_dir: Path) -> Signer:
    """The key of the second line. Raises KeyFileError, and says how one is made."""
    path = key_dir / keys.LOG_MLDSA_KEY
    try:
        return keys.read_signer(path)
    except keys.KeyFileError as error:
        if path.exists():
            raise
        raise keys.KeyFileError(
            f"{error}; LEDGER_MLDSA is set, and `ledger keys mldsa` makes this key"
        ) from None
