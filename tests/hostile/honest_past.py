"""One honest history of a small cluster, logged by the ledger itself under a clock of its own.

Five months, some 550 entries, three bundles: jobs that ran, failed, were interrupted, rejected,
called off or stopped; records opened at their date, early, and with fields withheld; a key that
came and went; a council that grew to three and changed the charter; artifacts taken and read.
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
from ledger.errors import EgressRefused
from ledger.records import canonical
from ledger.records.charter import default_charter
from ledger.records.deadline import DAY_S, format_time
from ledger.records.statement import sign_statement
from ledger.tlog.note import Signer, generate_key
from ledger.tlog.tiles import bundles_for_size, tile_path, tiles_for_size

START_S = 1_735_689_600  # 2025-01-01
JOBS = 89
RUNS_S = 3_600
ABOVE_QUOTA = 40
WITHHELD_PATHS = ["model.name", "protocol"]
COUNCIL = ("council-b", "council-c")
"""Who joins the council on the way; from then on two of the three sign."""


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
        self.charter_index = 0
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
    rejected = {"workload_type": "lora", "gradient_scope": "auxiliary_only"}
    above_quota = {"gpu_count": 20_001}
    if number % 19 == 5 or number == ABOVE_QUOTA:
        asked = above_quota if number == ABOVE_QUOTA else rejected
        world.log(world.submission(job, author, **asked))
        return
    if number == 12:
        world.log(_registry(world, "add"))
        author = "gamma"
    submitted = world.log(world.submission(job, author))[0].index
    if number == 12:
        world.log(_registry(world, "retire"))
    if number in ASIDE:
        ASIDE[number](world, job)
    if number in OTHER_ENDS:
        OTHER_ENDS[number](world, job, author)
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


def _called_off(world: World, job: str, _: str) -> None:
    world.log(_ended(world, "cancelled", job, started_at=None))


def _ended(
    world: World, kind: str, job: str, schema: str = "job-ended/1", **changes: object
) -> bytes:
    public = {
        "started_at": format_time(world.clock.now),
        "ended_at": format_time(world.clock.now),
        "wall_seconds": 0,
        "gpu_seconds": 0,
        "h200e_seconds": 0,
        "h200e_basis": "table/1",
        "exit_status": kind,
        "weights_unchanged": True,
        "weights_check": "readonly_mount",
    }
    return world.statement("orchestrator", kind, schema, public | changes, job=job, sealed={})


def _change_rules(world: _Recorder, _: str) -> None:
    """Seat two more on the council, and then change what the charter says, twice."""
    first = "council-b" not in world.signers
    for name in COUNCIL if first else ():
        world.signers[name], vkey = generate_key(f"{ORIGIN}/{name}", name.encode().ljust(32, b"."))
        public = {"action": "add", "name": name, "role": "council", "title": name, "vkey": vkey}
        world.log(world.statement("council", "registry", "registry/1", public))
    rules = default_charter().to_dict() | {"council_threshold": 2}
    if not first:
        quotas = {"job_wall_seconds": 86_400, "member_gpus": 20_000}
        rules |= {"quotas": rules["quotas"] | quotas}
    public = {
        "charter": rules,
        "in_force_from": format_time(world.clock.now + (0 if first else 5 * DAY_S)),
        "replaces": 0 if first else world.charter_index,
    }
    body = world.statement("council", "charter", "charter-version/1", public)
    body = body if first else _endorsed(world, body, "council-c")
    world.charter_index = world.log(body)[0].index


def _endorsed(world: World, body: bytes, author: str) -> bytes:
    posted = json.loads(body)
    signature = sign_statement(posted["statement"], world.signers[author])["signature"]
    return canonical.encode(posted | {"endorsements": [{"author": author, "signature": signature}]})


def _refused(world: World, job: str) -> None:
    """The orchestrator starts neither this job nor a pod that names none."""
    for about in (job, None):
        world.log(_refusal(world, about))


def _refusal(world: World, job: str | None) -> bytes:
    public = {
        "code": "R3_missing_record",
        "finding": "The pod has no receipt.",
        "gpu_count": 8,
        "member": None if job else "alpha",
        "system": "kubernetes",
    }
    return world.statement("orchestrator", "refused", "start-refused/1", public, job=job)


def _run_with_artifacts(world: _Recorder, job: str, author: str) -> None:
    """A run of which the gateway takes a table, of which its member reads a part."""
    world.by_orchestrator("started", job, started_at=format_time(world.clock.now), gpu_count=8)
    table = {"artifact_id": "01" + "A" * 24, "egress_bytes": 4_000, "artifact_count": 1}
    table |= {"artifact_class": "table"}
    part = {"artifact_id": "01" + "A" * 24, "egress_bytes": 500, "artifact_count": 0, "offset": 9}
    world.log(world.statement("gateway", "egress", "artifact-write/1", table, job=job))
    world.log(world.statement(author, "egress", "artifact-read/1", part, job=job))
    tensor = table | {"artifact_id": "01" + "B" * 24, "artifact_class": "tensor"}
    refused = world.statement("gateway", "egress", "artifact-write/1", tensor, job=job)
    [told] = world.ledger.submit_batch([refused]).result(timeout=120)
    assert isinstance(told, EgressRefused)  # and logged as a finding
    world.log(_ended(world, "completed", job, "job-ended/2"))


def _stopped(world: _Recorder, job: str, _: str) -> None:
    """A run that changed its model's weights and was stopped: the ledger says what it found."""
    world.by_orchestrator("started", job, started_at=format_time(world.clock.now), gpu_count=8)
    told = {"exit_status": "policy", "weights_unchanged": False}
    world.log(_ended(world, "terminated_by_policy", job, **told))


def _half_a_run(world: _Recorder, job: str) -> None:
    world.by_orchestrator("started", job, started_at=format_time(world.clock.now), gpu_count=8)
    world.clock.now += 600
    ended_at = format_time(world.clock.now)
    world.by_orchestrator("interrupted", job, ended_at=ended_at, exit_status="node_fail")


ASIDE = {20: _change_rules, 22: _change_rules, 26: _refused}
"""What happens once the job of a number is admitted."""
OTHER_ENDS = {4: _called_off, 30: _run_with_artifacts, 32: _stopped}
"""How the runs of a few numbers go, where they are not as most are."""


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
