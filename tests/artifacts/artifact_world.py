"""A ledger with small ceilings, a running job, and the statements of its gateway and member."""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import kit
import msgspec

from ledger import assembly
from ledger.assembly import Ledger
from ledger.fsck import Findings, check
from ledger.records.charter import Charter, default_charter
from ledger.settings import Settings
from ledger.storage.store import Store
from schemas.charter import ArtifactCeilings, Quotas

JOB = kit.ulid(1)
OTHER = kit.ulid(2)
CEILINGS = ArtifactCeilings(document=4_000, table=4_000, image=4_000, opaque=6_000, tensor=0)


def small_charter(**changed: Any) -> Charter:
    """Ceilings that a test can reach."""
    quotas = Quotas(
        job_wall_seconds=None,
        member_gpus=None,
        member_egress_bytes=changed.pop("member", 30_000),
        member_model_egress_bytes=changed.pop("model", 20_000),
    )
    rules = replace(
        default_charter(),
        egress_ceiling_bytes=changed.pop("job", 10_000),
        artifact_ceilings=changed.pop("classes", CEILINGS),
        quotas=quotas,
    )
    assert not changed
    return rules


def founded(database_url: str, folder: Path, clock: kit.Clock, **rules: Any) -> Settings:
    """A new ledger under ``small_charter(**rules)``."""
    settings = Settings(data_dir=folder, database_url=database_url)
    assembly.create(
        settings,
        origin=kit.ORIGIN,
        authors=kit.AUTHORS,
        clock=clock,
        charter=small_charter(**rules),
    )
    return settings


@contextmanager
def opened(settings: Settings, clock: kit.Clock) -> Iterator[Ledger]:
    ledger = Ledger(settings, clock=clock)
    try:
        yield ledger
    finally:
        ledger.close()


def run_job(
    ledger: Ledger,
    job: str,
    *,
    author: str = "deepseek",
    model: str = "whale-4",
    ceiling: int = 10_000,
) -> None:
    """Have a job submitted, admitted and started."""
    sealed = {"title": f"Title of {job}", "model.name": model}
    body = kit.submitted(job, author=author, egress_ceiling_bytes=ceiling, sealed=sealed)
    kit.log(ledger, body, kit.started(job))


def write(
    number: int, size: int, *, job: str = JOB, artifact_class: str = "opaque", by: str = "gateway"
) -> bytes:
    """The gateway's statement for artifact ``number`` of ``size`` bytes."""
    public = {
        "artifact_id": kit.ulid(1_000 + number),
        "artifact_class": artifact_class,
        "egress_bytes": size,
        "artifact_count": 1,
    }
    return kit.say(by, "egress", "artifact-write/1", public, job)


def read(number: int, offset: int, size: int, *, job: str = JOB, by: str = "deepseek") -> bytes:
    """The member's statement to read bytes of artifact ``number``."""
    public = {
        "artifact_id": kit.ulid(1_000 + number),
        "offset": offset,
        "egress_bytes": size,
        "artifact_count": 0,
    }
    return kit.say(by, "egress", "artifact-read/1", public, job)


def header(statement: bytes) -> dict[str, str]:
    """The header that a statement travels in."""
    return {"Ledger-Statement": base64.b64encode(statement).decode()}


def counters(ledger: Ledger) -> dict[str, int]:
    """What every counter says is used, by scope and key."""
    with ledger.store.engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT scope, key, used_bytes, ceiling_bytes FROM egress_counters"
        ).all()
    assert all(0 <= used <= ceiling for _, _, used, ceiling in rows)
    return {f"{scope} {key}": used for scope, key, used, _ in rows}


def findings(ledger: Ledger) -> list[Mapping[str, Any]]:
    """Every finding that the log holds, in order."""
    with ledger.store.snapshot() as reads:
        size = reads.head().size
    found = []
    with ledger.reader.at(size) as view:
        for index in range(size):
            entry = view.entry(index)
            if entry.kind == "finding":
                found.append(msgspec.json.decode(entry.entry))
    return found


def sound(settings: Settings) -> dict[str, int]:
    """What ``fsck`` counts as wrong in a ledger that nobody has open."""
    store = Store(settings.database_url)
    found = Findings(lambda _each: None)
    try:
        check(store, found, now=kit.NOON, vault=None, remembered=None)
    finally:
        store.close()
    return dict(found.counts)
