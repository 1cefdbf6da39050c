"""Puts the rooms together: one open ledger for whoever runs it (server, worker, command line).

The rooms do not know each other; here each gets what it needs of the others. Here too lies what
belongs to no room: creating a ledger, and following one statement from its bytes to its receipt.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from ledger import keys
from ledger.embargo import Embargo
from ledger.errors import Conflict, LedgerError, LogUnavailable, NotFound, Overloaded
from ledger.intake import Intake
from ledger.reader import Reader
from ledger.records.charter import Charter, default_charter
from ledger.records.deadline import format_time
from ledger.records.entry import Author, Entry, Genesis, genesis_entry, parse_entry
from ledger.records.proposal import Proposal
from ledger.records.receipt import receipt_extra
from ledger.sequencer.queue import Ticket
from ledger.sequencer.sequencer import Logged, Sequencer, SignedBatch
from ledger.sequencer.signer import CheckpointSigner, SignerMemory
from ledger.settings import Settings
from ledger.storage.projections import Fact, FoundingKey
from ledger.storage.shapes import Head, NewBatch, StoredEntry
from ledger.storage.store import Store
from ledger.storage.tree import nodes_of
from ledger.tlog.merkle import CompactRange, Extension, inclusion_path, leaf_hash
from ledger.tlog.note import Signer, generate_key, parse_vkey
from ledger.tlog.proof import TlogProof, format_proof
from ledger.vault import KEY_BYTES, Vault
from schemas.answers import Accepted, Decision, FindingShown, Receipted

CHECKERS: Final = max(2, os.cpu_count() or 2)
"""Threads that check statements; libsodium lets them run beside each other."""

T = TypeVar("T")


def system_clock() -> int:
    """Unix seconds by this machine's clock."""
    return int(time.time())


class Ledger:
    """One open ledger. ``writer=False`` opens it for reading alone and takes no key.

    Close it: the sequencer finishes what it has promised to try.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], int] = system_clock,
        writer: bool = True,
        verify_signatures: bool = True,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.store = Store(settings.database_url)
        try:
            if writer:
                self.store.acquire_writer()
            self.store.migrate()
            if self.store.is_empty():
                raise NotFound("this database holds no ledger yet: run `ledger init`")
            self.reader = Reader(self.store)
            genesis = self.reader.genesis()
            self.origin = genesis.origin
            self.vkey = genesis.vkey
            self.charter = genesis.charter
            self._writing = _Writing(self, verify_signatures=verify_signatures) if writer else None
        except BaseException:
            self.store.close()
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

    def submit(self, body: bytes) -> "Future[Receipted]":
        """Check and log one posted statement; the future fails with what refuses it."""
        return self._writer.submit(body)

    def submit_batch(self, bodies: Sequence[bytes]) -> "Future[list[Receipted | LedgerError]]":
        """Check and log many; each has its own answer, and a bad one harms no other."""
        return self._writer.submit_batch(bodies)

    def close(self) -> None:
        """Finish what is under way, then let go of everything."""
        if self._writing is not None:
            self._writing.stop()
        self.store.close()

    @property
    def _writer(self) -> "_Writing":
        if self._writing is None:
            raise LogUnavailable("this ledger was opened for reading only")
        return self._writing


class _Desk:
    """Bounds what waits for its check, as the sequencer's queue bounds what waits for the log.

    Checking signatures is the slowest step: here is where a flood of statements gathers.
    """

    def __init__(self, settings: Settings) -> None:
        self._max_records = settings.queue_records
        self._max_bytes = settings.queue_bytes
        self._records = 0
        self._bytes = 0
        self._closed = False
        self._lock = threading.Lock()

    @contextmanager
    def entering(self, records: int, size: int) -> Iterator[None]:
        """Take up room until ``leave``. Raises Overloaded or LogUnavailable."""
        with self._lock:
            if self._closed:
                raise LogUnavailable("the ledger is shutting down: send it again later")
            if self._records and (
                self._records + records > self._max_records or self._bytes + size > self._max_bytes
            ):
                raise Overloaded(
                    f"{self._records} statements are waiting and the desk takes "
                    f"{self._max_records}: nothing was stored, send it again",
                    retry_after_s=1,
                )
            yield
            self._records += records
            self._bytes += size

    def leave(self, records: int, size: int) -> None:
        """Give the room back."""
        with self._lock:
            self._records -= records
            self._bytes -= size

    def close(self) -> None:
        """Let no one in any more."""
        with self._lock:
            self._closed = True


class _Writing:
    """The half of a ledger that needs keys."""

    def __init__(self, ledger: Ledger, *, verify_signatures: bool) -> None:
        self._store = ledger.store
        key_dir = ledger.settings.key_dir
        signer = keys.read_signer(key_dir / keys.LOG_KEY)
        if signer.vkey != ledger.vkey:
            raise LogUnavailable(
                f"the key in {key_dir} is {signer.vkey}, but this log's key is {ledger.vkey}: "
                f"point LEDGER_KEY_DIR at the keys of this ledger"
            )
        vault = Vault(keys.read_openings_key(key_dir / keys.OPENINGS_KEY), random=os.urandom)
        self.sequencer = Sequencer(
            ledger.store,
            CheckpointSigner(signer, SignerMemory(key_dir / keys.SIGNER_MEMORY)),
            charter=ledger.charter,
            charter_index=0,
            clock=ledger.clock,
            queue_records=ledger.settings.queue_records,
            queue_bytes=ledger.settings.queue_bytes,
        )
        self.intake = Intake(
            ledger.store, vault, charter=ledger.charter, verify_signatures=verify_signatures
        )
        self.embargo = Embargo(
            ledger.store, vault, append=self.sequencer.submit, clock=ledger.clock
        )
        self._pool = ThreadPoolExecutor(CHECKERS, thread_name_prefix="intake")
        self._desk = _Desk(ledger.settings)
        self.sequencer.start()

    def submit(self, body: bytes) -> "Future[Receipted]":
        answer: Future[Receipted] = Future()
        self._enter([body], answer, self._one, body)
        return answer

    def submit_batch(self, bodies: Sequence[bytes]) -> "Future[list[Receipted | LedgerError]]":
        answer: Future[list[Receipted | LedgerError]] = Future()
        self._enter(bodies, answer, self._many, bodies)
        return answer

    def stop(self) -> None:
        self._desk.close()
        self._pool.shutdown(wait=True)
        self.sequencer.stop()

    def _enter(
        self,
        bodies: Sequence[bytes],
        answer: "Future[T]",
        check: "Callable[[Any, Future[T]], None]",
        argument: object,
    ) -> None:
        records, size = len(bodies), sum(map(len, bodies))
        try:
            with self._desk.entering(records, size):
                checking = self._pool.submit(check, argument, answer)
        except LedgerError as error:
            answer.set_exception(error)
            return
        checking.add_done_callback(lambda _: self._desk.leave(records, size))

    def _one(self, body: bytes, answer: "Future[Receipted]") -> None:
        def settle(results: list[Receipted | LedgerError]) -> None:
            if isinstance(results[0], LedgerError):
                answer.set_exception(results[0])
            else:
                answer.set_result(results[0])

        self._follow([body], answer, settle)

    def _many(
        self, bodies: Sequence[bytes], answer: "Future[list[Receipted | LedgerError]]"
    ) -> None:
        self._follow(bodies, answer, answer.set_result)

    def _follow(
        self,
        bodies: Sequence[bytes],
        answer: "Future[T]",
        settle: Callable[[list[Receipted | LedgerError]], None],
    ) -> None:
        """Check every body, have the good ones sequenced, and settle once all are answered."""
        if not answer.set_running_or_notify_cancel():
            return
        try:
            checked = [self._check(body) for body in bodies]
            proposals = [each for each in checked if isinstance(each, Proposal)]
            if not proposals:
                settle([each for each in checked if isinstance(each, LedgerError)])
                return
            logged = self.sequencer.submit(proposals)
        except BaseException as error:  # noqa: BLE001 - whatever it is, the caller hears of it
            answer.set_exception(error)
            return

        def answered(done: Ticket[Logged]) -> None:
            try:
                results = iter(done.result())
                settle(
                    [
                        self._receipted(next(results)) if isinstance(each, Proposal) else each
                        for each in checked
                    ]
                )
            except BaseException as error:  # noqa: BLE001 - as above
                answer.set_exception(error)

        logged.add_done_callback(answered)

    def _check(self, body: bytes) -> Proposal | LedgerError:
        try:
            return self.intake.check(body)
        except LedgerError as error:
            return error

    def _receipted(self, logged: Logged | LedgerError) -> Receipted | LedgerError:
        if isinstance(logged, LedgerError):
            return logged
        try:
            if logged.batch is not None:
                return _from_batch(logged, logged.batch)
            return self._from_store(logged)
        except LedgerError as error:
            return error

    def _from_store(self, logged: Logged) -> Receipted:
        """The answer that a statement had when it was logged, made again."""
        with self._store.snapshot() as reads:
            checkpoint = reads.checkpoint_covering(logged.index)
            entry = reads.entry(logged.index)
            decision = None
            if logged.decision_index is not None:
                decision = reads.entry(logged.decision_index)
            if checkpoint is None or entry is None:
                raise LogUnavailable("stored but not signed yet: send it again in a moment")
            path = inclusion_path(
                index=logged.index,
                size=checkpoint.size,
                node=nodes_of(reads, size=checkpoint.size),
            )
        return _receipted(logged, entry, decision, path=path, note=checkpoint.note)


def _from_batch(logged: Logged, batch: SignedBatch) -> Receipted:
    decision = None
    if logged.decision_index is not None:
        decision = batch.entry(logged.decision_index)
    return _receipted(
        logged,
        batch.entry(logged.index),
        decision,
        path=batch.extension.inclusion_proof(logged.index),
        note=batch.signed.note,
    )


def _receipted(
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


# --- creating a ledger ----------------------------------------------------------------------------


def create(
    settings: Settings,
    *,
    origin: str,
    authors: Sequence[Author],
    charter: Charter | None = None,
    clock: Callable[[], int] = system_clock,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """Make keys and the genesis entry of a new ledger, sign its first checkpoint; the log's vkey.

    Refuses with Conflict where a key, a signer's memory or a log exists already: nothing is ever
    overwritten. If it fails halfway it takes back the key files that it made.
    """
    key_dir = settings.key_dir
    for name in (keys.LOG_KEY, keys.OPENINGS_KEY, keys.SIGNER_MEMORY):
        if (key_dir / name).exists():
            raise Conflict(f"{key_dir / name} exists already: this folder belongs to a ledger")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(settings.database_url)
    made: list[Path] = []
    entry = None
    try:
        store.acquire_writer()
        if not store.is_empty():
            raise Conflict("this database holds a ledger already")
        signer, vkey = generate_key(origin, random(32))
        entry = genesis_entry(
            origin=origin,
            vkey=vkey,
            authors=authors,
            charter=charter or default_charter(),
            logged_at=clock(),
        )
        store.migrate()
        keys.write_signer(key_dir / keys.LOG_KEY, signer)
        made.append(key_dir / keys.LOG_KEY)
        keys.write_openings_key(key_dir / keys.OPENINGS_KEY, random(KEY_BYTES))
        made.append(key_dir / keys.OPENINGS_KEY)
        SignerMemory(key_dir / keys.SIGNER_MEMORY).create()
        made.append(key_dir / keys.SIGNER_MEMORY)
        _write_genesis(store, entry, parse_entry(entry))
    except BaseException:
        # Where the log is stored after all, or nobody can say, its keys stay.
        if made and _first_entry(store) != entry:
            for path in made:
                path.unlink()
        raise
    finally:
        store.close()
    # Opening it signs the head, as after any commit that was not signed.
    Ledger(settings, clock=clock).close()
    return vkey


def _first_entry(store: Store) -> bytes | None:
    with store.snapshot() as reads:
        first = reads.entry(0)
    return first.data if first else None


def _write_genesis(store: Store, data: bytes, entry: Entry) -> None:
    genesis = entry.genesis
    assert genesis is not None
    stored = StoredEntry(
        index=0,
        kind="genesis",
        job_id=None,
        logged_at=entry.logged_at,
        publish_by=None,
        leaf_hash=leaf_hash(data),
        statement_digest=None,
        data=data,
    )
    extension = Extension(CompactRange(), [stored.leaf_hash])
    store.create_log(
        NewBatch(
            head=Head(1, extension.root, extension.range.edge(), entry.logged_at),
            entries=[stored],
            facts=[genesis_fact(genesis, logged_at=entry.logged_at)],
        )
    )


def genesis_fact(genesis: Genesis, *, logged_at: int) -> Fact:
    """What the genesis entry says to the projections: the first authors' keys."""
    return Fact(
        index=0,
        kind="genesis",
        logged_at=logged_at,
        founders=tuple(
            FoundingKey(
                name=author.name,
                role=author.role,
                title=author.title,
                vkey=author.vkey,
                key_id=f"{parse_vkey(author.vkey).key_id:08x}",
            )
            for author in genesis.authors
        ),
    )


def author_signer(settings: Settings, author: str) -> Signer:
    """The key of an author that lies on this machine. Raises KeyFileError."""
    return keys.read_signer(keys.author_key_path(settings.key_dir, author))
