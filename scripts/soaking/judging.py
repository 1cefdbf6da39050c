"""The judge after every death: ``ledger fsck``, ``scripts/verify.py``, and the kept receipts.

verify.py keeps its state from round to round: a log that came back shorter, or with another
history, is a finding of its own.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ledger.errors import LedgerError
from ledger.records.entry import parse_entry
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import VerifierKey, parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from soaking.clients import Kept
from soaking.nursery import Nursery

UNPUBLISHED: Final = "is signed and not published yet"


class Broken(Exception):
    """A promise that was not kept: what it was, with where to look."""


class Lost(Broken):
    """Something that was acknowledged is gone, or is another now."""


class Judge:
    """Holds one ledger to its word; remembers what it has found stored."""

    def __init__(
        self, settings: Settings, nursery: Nursery, *, vkey: str, log: Path, quick: bool = False
    ) -> None:
        self._fsck = ("ledger", "fsck", "--quick") if quick else ("ledger", "fsck")
        self._settings = settings
        self._nursery = nursery
        self._key: VerifierKey = parse_vkey(vkey)
        self._vkey = vkey
        self._log = log
        self._leaves: dict[int, bytes] = {}
        self._checked = 0

    def fsck(self) -> bool:
        """Raise Broken unless the stored ledger is sound; whether all that is signed is published.

        A ledger that died between the two is sound: its next start publishes the rest.
        """
        log = self._log.with_name("fsck.log")
        log.unlink(missing_ok=True)
        status = self._nursery.run(*self._fsck, env=environment(self._settings), log=log)
        if status == 0:
            return UNPUBLISHED not in log.read_text("utf-8", "replace")
        raise Broken(f"ledger fsck exited with {status}: {last_lines(log)}")

    def is_mended(self) -> None:
        """Raise Broken unless the stored ledger is sound, its newest checkpoint published too."""
        if not self.fsck():
            raise Broken("the next start did not publish what was signed")

    def verify(self, address: str) -> None:
        """Raise Broken unless verify.py finds the served log right, and a continuation."""
        state = self._log.with_name("verify.state")
        status = self._nursery.run(
            "verify", address, "--vkey", self._vkey, "--state", str(state), env={}, log=self._log
        )
        if status != 0:
            raise Broken(f"scripts/verify.py exited with {status}: {last_lines(self._log)}")

    def keeps(self, kept: Sequence[Kept]) -> int:
        """Raise Broken where anything acknowledged is missing or another; the log's size."""
        store = Store(self._settings.database_url)
        try:
            with store.snapshot() as reads:
                stored = {entry.index: entry.data for entry in reads.entries(0, reads.head().size)}
        finally:
            store.close()
        for index, leaf in self._leaves.items():
            if index not in stored or leaf_hash(stored[index]) != leaf:
                raise Lost(f"entry {index} was acknowledged and is gone, or is another now")
        for each in kept[self._checked :]:
            self._check(each, stored.get(each.index))
        self._checked = len(kept)
        return len(stored)

    def _check(self, kept: Kept, data: bytes | None) -> None:
        if data is None:
            raise Lost(f"entry {kept.index} was acknowledged and is not stored")
        entry = parse_entry(data)
        if (entry.kind, entry.job_id) != (kept.kind, kept.job_id):
            raise Lost(f"entry {kept.index} is not what was acknowledged there")
        leaf = leaf_hash(data)
        try:
            verify_proof(parse_proof(kept.receipt.encode()), leaf=leaf, verifiers=[self._key])
        except LedgerError as error:
            raise Lost(f"the receipt of entry {kept.index}: {error}") from None
        if self._leaves.setdefault(kept.index, leaf) != leaf:
            raise Lost(f"entry {kept.index} was acknowledged twice with two contents")


def environment(settings: Settings) -> dict[str, str]:
    """The variables by which a command works on this ledger."""
    return {
        "LEDGER_DATA_DIR": str(settings.data_dir),
        "LEDGER_DATABASE_URL": settings.database_url,
        "LEDGER_LOG_LEVEL": "warning",
        "LEDGER_QUEUE_RECORDS": str(settings.queue_records),
    }


def last_lines(log: Path, count: int = 5) -> str:
    """The last lines of a log, as one."""
    return " | ".join(log.read_text("utf-8", "replace").splitlines()[-count:])[-1_000:]
