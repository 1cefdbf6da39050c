"""One honest history of a small cluster, logged by the ledger itself under a clock of its own.

Five months, some 550 entries, three bundles: jobs that ran, failed, were interrupted, rejected or
called off; records opened at their date, early, and with fields withheld; a key that came and went.
Nobody is dishonest here. What a cheating operator makes of it, ``hostile_operator`` says.
"""

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ledger_world import ORIGIN, World

from ledger import keys
from ledger.assembly import Ledger
from ledger.records.deadline import DAY_S, format_time
from ledger.tlog.note import Signer, generate_key
from ledger.tlog.tiles import bundles_for_size, tile_path, tiles_for_size

START_S = 1_735_689_600  # 2025-01-01
JOBS = 89
RUNS_S = 3_600
WITHHELD_PATHS = ["model.name", "protocol"]


@dataclass(frozen=True)
class Past:
    """What was logged, who signed it, what was sealed, and the files that the ledger serves of it.

    ``openings`` holds seed and fields by the index of the sealed entry: an operator has them all.
    """

    entries: tuple[bytes, ...]
    log_signer: Signer
    authors: dict[str, Signer]
    openings: dict[int, tuple[bytes, dict[str, Any]]]
    files: dict[str, bytes]
    end_s: int


def honest_past(folder: Path) -> Past:
    """Have the ledger log the history in ``folder``, and return all that its operator holds."""
    with _Recorder(folder, start=START_S) as world:
        for number in range(JOBS):
            world.advance(2 * DAY_S)
            _tell(world, number, "alpha" if number % 2 else "beta")
        world.clock.now += RUNS_S
        return _past(world)


class _Recorder(World):
    """A world that keeps the openings it posts, by the root that commits to them."""

    def __init__(self, folder: Path, *, start: int) -> None:
        self.sealed_by_root: dict[str, tuple[bytes, dict[str, Any]]] = {}
        super().__init__(folder, start=start)

    def statement(self, *arguments: Any, **named: Any) -> bytes:
        body = super().statement(*arguments, **named)
        posted = json.loads(body)
        if "opening" in posted:
            opening = posted["opening"]
            root = posted["statement"]["sealed"]["root"]
            self.sealed_by_root[root] = b64decode(opening["seed"]), opening["fields"]
        return body

    def advance(self, seconds: int) -> None:
        """Let time pass; what falls due meanwhile is opened in the second in which it does."""
        until = self.clock.now + seconds
        while (due := self.ledger.embargo.next_deadline()) is not None and due <= until:
            self.clock.now = max(self.clock.now, due)
            self.sweep()
        self.clock.now = until

    def by_orchestrator(self, kind: str, job: str, **public: Any) -> None:
        """Log a statement of the orchestrator that seals nothing."""
        self.log(self.statement("orchestrator", kind, f"job-{kind}/1", public, job=job))


def _tell(world: _Recorder, number: int, author: str) -> None:
    """What happens to the job of this number, and beside it."""
    job = f"job {number}"
    if number % 19 == 5:
        rejected = {"workload_type": "lora", "gradient_scope": "auxiliary_only"}
        world.log(world.submission(job, author, **rejected))
        return
    if number == 12:
        world.log(_registry(world, "add"))
        author = "gamma"
    submitted = world.log(world.submission(job, author))[0].index
    if number == 12:
        world.log(_registry(world, "retire"))
    if number == 4:
        world.log(_called_off(world, job))
        return
    if number % 11 == 3:
        _half_a_run(world, job)
    world.run(job, kind="failed" if number % 13 == 7 else "completed", wall_s=RUNS_S)
    if number % 17 == 4:
        world.log(world.statement(author, "open", "job-open/1", {"discloses": submitted}, job=job))
    if number == 6:
        review_by = format_time(world.clock.now + 179 * DAY_S)
        closing = {"withholds": submitted, "paths": WITHHELD_PATHS, "basis": "hazard_cyber"}
        closing["review_by"] = review_by
        world.log(world.statement("committee", "withheld", "job-withheld/1", closing, job=job))
    if number == 8:
        typo = {"field": "gpu_count", "value": "4", "reason": "a typing mistake"}
        correction = typo | {"corrects": submitted}
        world.log(world.statement(author, "corrected", "job-corrected/1", correction, job=job))


def _registry(world: World, action: str) -> bytes:
    signer, vkey = generate_key(f"{ORIGIN}/gamma", b"g" * 32)
    world.signers["gamma"] = signer
    public = {"action": action, "name": "gamma", "role": "member", "title": "Gamma", "vkey": vkey}
    return world.statement("council", "registry", "registry/1", public)


def _called_off(world: World, job: str) -> bytes:
    public = {
        "started_at": None,
        "ended_at": format_time(world.clock.now),
        "wall_seconds": 0,
        "gpu_seconds": 0,
        "h200e_seconds": 0,
        "h200e_basis": "table/1",
        "exit_status": "cancelled",
        "weights_unchanged": True,
        "weights_check": "readonly_mount",
    }
    return world.statement("orchestrator", "cancelled", "job-ended/1", public, job=job, sealed={})


def _half_a_run(world: _Recorder, job: str) -> None:
    world.by_orchestrator("started", job, started_at=format_time(world.clock.now), gpu_count=8)
    world.clock.now += 600
    ended_at = format_time(world.clock.now)
    world.by_orchestrator("interrupted", job, ended_at=ended_at, exit_status="node_fail")


def _past(world: _Recorder) -> Past:
    ledger: Ledger = world.ledger
    checkpoint = ledger.reader.newest()
    size = checkpoint.size
    with ledger.store.snapshot() as reads:
        entries = tuple(reads.entry_bytes(0, size))
    files = {
        tile_path(tile): ledger.reader.file(tile, size=size)
        for tile in (*tiles_for_size(size), *bundles_for_size(size))
    }
    files["checkpoint"] = checkpoint.note
    files["vkey"] = f"{ledger.vkey}\n".encode()
    openings = {}
    for index, entry in enumerate(entries):
        sealed = json.loads(entry).get("statement", {}).get("sealed")
        if sealed is not None:
            openings[index] = world.sealed_by_root[sealed["root"]]
    signer = keys.read_signer(ledger.settings.key_dir / keys.LOG_KEY)
    return Past(entries, signer, dict(world.signers), openings, files, world.clock.now)
