"""A log with everything in it, copied for every test, and hands that reach past its guards."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kit
from sqlalchemy import Connection, text

from ledger import keys
from ledger.assembly import Ledger
from ledger.fsck import Checked, Finding, Findings, check
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.storage.tables import APPEND_ONLY
from ledger.vault import Vault

FULL, PARTLY, SEALED, REJECTED = kit.ulid(1), kit.ulid(2), kit.ulid(3), kit.ulid(4)
NEW_KEY = kit.author_key("newlab")
SIZE_AT_LEAST = 520
CANARY = "canary-of-a-sealed-title"


def fill(settings: Settings) -> int:
    """Log every kind of entry over more than two tiles and 91 days; the clock's last second."""
    clock = kit.Clock()
    ledger = Ledger(settings, clock=clock)
    try:
        plan = {
            "title": "Probes for \u5b89\u5168",
            "model.name": "whale-4",
            "model.weights_digest": {"sha256": "ab" * 32},
        }
        kit.log(ledger, kit.submitted(FULL, sealed=plan), kit.submitted(PARTLY))
        kit.log(ledger, kit.started(FULL), kit.interrupted(FULL))
        kit.log(ledger, kit.started(FULL, at="2026-11-21T12:40:00Z"))
        output = {
            "digest": {"sha256": "cd" * 32},
            "name": "scores.json",
            "kind": "report",
            "bytes": 10,
            "content_access": "public",
        }
        ended = kit.ended(FULL, sealed={"artifacts": [output, output]})
        kit.log(ledger, kit.egress(FULL, 10), ended, kit.corrected(FULL, 1, "32"))
        kit.log(ledger, kit.opened(FULL, 1), kit.withheld(PARTLY, 3, "title"))
        kit.log(ledger, kit.submitted(REJECTED, workload_type="rlhf"))
        kit.log(ledger, kit.registry("add", "newlab", NEW_KEY))
        kit.log(ledger, kit.registry("retire", "newlab", NEW_KEY))
        clock.advance(days=90)
        ledger.embargo.open_due()
        sealed = {"title": CANARY, "model.name": "whale-4"}
        kit.log(ledger, kit.submitted(SEALED, sealed=sealed), kit.started(SEALED))
        for first in range(0, 500, 125):
            kit.log(ledger, *(kit.egress(SEALED, n) for n in range(first, first + 125)))
    finally:
        ledger.close()
    return clock.now


@dataclass
class World:
    """One copy of the log."""

    settings: Settings
    now: int

    @contextmanager
    def store(self) -> Iterator[Store]:
        store = Store(self.settings.database_url)
        try:
            yield store
        finally:
            store.close()

    def damage(self, *statements: str, **values: Any) -> None:
        """Run SQL with the guards taken down first, and put up again."""
        with self.store() as store, store.engine.connect() as plain:
            connection = plain.execution_options(ledger_writes=True)
            with connection.begin():
                put_up = _take_down(connection)
                for statement in statements:
                    done = connection.execute(text(statement), values)
                    assert done.rowcount, f"nothing was damaged by {statement}"
                put_up()

    def blob(self, query: str) -> bytes:
        with self.store() as store, store.engine.connect() as connection:
            found = connection.execute(text(query)).scalar_one()
        return bytes(found)

    def fsck(
        self, *, now: int | None = None, quick: bool = False, with_key: bool = True
    ) -> tuple[list[Finding], Checked]:
        """What the check finds, with the keys of this copy."""
        found: list[Finding] = []
        with SignerMemory(self.settings.key_dir / keys.SIGNER_MEMORY).locked() as memory:
            remembered, published = memory.recall(), memory.published()
        locked_with = keys.read_openings_key(self.settings.key_dir / keys.OPENINGS_KEY)
        with self.store() as store:
            result = check(
                store,
                Findings(found.append),
                now=self.now if now is None else now,
                vault=Vault(locked_with, random=bytes) if with_key else None,
                remembered=remembered,
                published=published,
                quick=quick,
            )
        return found, result

    def sorts(self, **options: Any) -> dict[str, int | None]:
        """The sorts of findings and the entry that the first of each is about."""
        found, _ = self.fsck(**options)
        return {each.sort: each.index for each in reversed(found)}


def _take_down(connection: Connection) -> Callable[[], None]:
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        ).all()
        for name, _ in rows:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        return lambda: [connection.exec_driver_sql(sql) for _, sql in rows] and None
    guarded = [table.name for table in APPEND_ONLY] + ["embargoes"]
    for table in guarded:
        connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")

    def put_up() -> None:
        for table in guarded:
            connection.exec_driver_sql(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    return put_up


def copy_of(original: Settings, folder: Path, url: str) -> Settings:
    """The same keys beside another database."""
    shutil.copytree(original.key_dir, folder / "keys")
    return Settings(data_dir=folder, database_url=url)
