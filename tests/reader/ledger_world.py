"""A small real ledger with a history: what the reader and the site are tested on.

Everything goes through the ledger's own door, under a clock that the test holds. Values that are
sealed carry a canary, so that a test can look for it wherever it must not be.
"""

import base64
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from ledger.assembly import Ledger, create
from ledger.errors import LedgerError
from ledger.records import canonical
from ledger.records.charter import default_charter
from ledger.records.commitment import commit
from ledger.records.deadline import DAY_S, format_time
from ledger.records.entry import Author
from ledger.records.statement import sealed_paths, sign_statement
from ledger.settings import Settings
from ledger.tlog.note import Signer, generate_key
from schemas.posting import Accepted
from schemas.statements import SCHEMAS, Role

ORIGIN = "ledger.example/apsci"
START = 1_790_000_000  # 2026-09-21T14:13:20Z
HOSTILE = "<script>alert('1')</script>\"&{{ 7*7 }}%s\u202e"
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_AUTHORS = (
    ("alpha", Role.MEMBER, "Alpha Lab"),
    ("beta", Role.MEMBER, "Beta <b>Lab</b>"),
    ("orchestrator", Role.ORCHESTRATOR, "Cluster orchestrator"),
    ("gateway", Role.GATEWAY, "Egress gateway"),
    ("committee", Role.COMMITTEE, "Safeguards committee"),
    ("council", Role.COUNCIL, "Council"),
)


PLAN: dict[str, Any] = {
    "workload_type": "eval_suite",
    "gradient_scope": "none",
    "optimizer_targets": [],
    "accelerator": "nvidia_h200",
    "gpu_count": 8,
    "wall_limit_seconds": 7_200,
    "egress_ceiling_bytes": 1_000_000,
}
"""The public fields of a submission that has nothing special."""


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self, start: int) -> None:
        self.now = start

    def __call__(self) -> int:
        return self.now


@dataclass
class Canaries:
    """What was sealed: words in the values, the seeds, and the entry that holds the root."""

    words: list[str] = field(default_factory=list)
    seeds: list[bytes] = field(default_factory=list)


class World:
    """A ledger, its clock, and the keys of everybody who speaks in it."""

    def __init__(
        self,
        folder: Path,
        database_url: str | None = None,
        *,
        start: int = START,
        keys: str | None = None,
    ) -> None:
        # The same keys in every run; ledgers in folders of other names have others.
        own = random.Random(keys or folder.name.rstrip("0123456789")).randbytes
        self.random = random.Random(20261121)
        self.clock = Clock(start)
        self.signers: dict[str, Signer] = {}
        self.sealed: dict[str, Canaries] = {}
        self.jobs: dict[str, str] = {}
        authors = []
        for number, (name, role, title) in enumerate(_AUTHORS, start=1):
            self.signers[name], vkey = generate_key(f"{ORIGIN}/{name}", bytes([number]) * 32)
            authors.append(Author(name=name, role=role, title=title, vkey=vkey))
        more = {"database_url": database_url} if database_url else {}
        settings = Settings(data_dir=folder, **more)
        create(settings, origin=ORIGIN, authors=authors, clock=self.clock, random=own)
        self.ledger = Ledger(settings, clock=self.clock)
        self.reader = self.ledger.reader

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def statement(
        self,
        author: str,
        kind: str,
        schema: str,
        public: dict[str, Any],
        *,
        job: str | None = None,
        sealed: dict[str, Any] | None = None,
    ) -> bytes:
        """A signed statement about the job called ``job``, as it would be posted."""
        statement: dict[str, Any] = {
            "author": author,
            "kind": kind,
            "made_at": format_time(self.clock.now),
            "schema": schema,
            "public": public,
        }
        body: dict[str, Any] = {}
        if job is not None:
            statement["job_id"] = self.job_id(job)
        if sealed is not None:
            assert job is not None
            seed = self.random.randbytes(32)
            canaries = self.sealed.setdefault(job, Canaries())
            canaries.seeds.append(seed)
            paths = sealed_paths(SCHEMAS[schema])
            fields = {path: sealed.get(path) for path in paths}
            statement["sealed"] = {"fields": len(fields), "root": commit(seed, fields).hex()}
            body["opening"] = {"fields": fields, "seed": base64.b64encode(seed).decode()}
        return canonical.encode(body | sign_statement(statement, self.signers[author]))

    def job_id(self, job: str) -> str:
        """The id of the job called ``job`` in the test."""
        if job not in self.jobs:
            tail = "".join(self.random.choice(_ALPHABET) for _ in range(25))
            self.jobs[job] = "0" + tail
        return self.jobs[job]

    def canary(self, job: str, what: str) -> str:
        """A word that stands for a sealed value of a job."""
        word = f"canary-{job}-{what}-{self.random.randbytes(6).hex()}"
        self.sealed.setdefault(job, Canaries()).words.append(word)
        return word

    def digest(self, job: str, what: str) -> str:
        """A SHA-256 in hex that stands for a sealed value of a job, the same each time."""
        found = hashlib.sha256(f"{job}-{what}".encode()).hexdigest()
        words = self.sealed.setdefault(job, Canaries()).words
        if found not in words:
            words.append(found)
        return found

    def log(self, *bodies: bytes) -> list[Accepted]:
        """Post ``bodies`` and expect each to be accepted."""
        return [_accepted(each) for each in self.ledger.submit_batch(bodies).result(timeout=120)]

    def submission(
        self,
        job: str,
        author: str = "alpha",
        title: str | None = None,
        purpose: str | None = None,
        weights: str | None = None,
        **public: object,
    ) -> bytes:
        """The submission of a job, by default about a model that no other job studies."""
        sealed = {
            "title": self.canary(job, "title") if title is None else title,
            "purpose": self.canary(job, "purpose") if purpose is None else purpose,
            "model.name": self.canary(job, "model"),
            "model.weights_digest": {"sha256": weights or self.digest(job, "weights")},
            "code": {"digest": {"sha256": "ab" * 32}, "name": self.canary(job, "code")},
        }
        return self.statement(
            author, "submitted", "job-submitted/1", PLAN | public, job=job, sealed=sealed
        )

    def run(
        self,
        job: str,
        *,
        kind: str = "completed",
        wall_s: int = 3_600,
        artifact: str | None = None,
        unchanged: bool = True,
    ) -> None:
        """Let an admitted job run, put something out, and end."""
        begun = self.clock.now + 60
        self.clock.now = begun
        started = {"started_at": format_time(begun), "gpu_count": 8}
        self.log(self.statement("orchestrator", "started", "job-started/1", started, job=job))
        self.clock.now += wall_s
        egress = {"egress_bytes": 250_000, "artifact_count": 3}
        ended = {
            "started_at": format_time(begun),
            "ended_at": format_time(self.clock.now),
            "wall_seconds": wall_s,
            "gpu_seconds": 8 * wall_s,
            "h200e_seconds": 8 * wall_s,
            "h200e_basis": "table/1",
            "exit_status": kind,
            "weights_unchanged": unchanged,
            "weights_check": "oms_root",
        }
        sealed = {
            "metrics": [{"name": self.canary(job, "metric"), "value": "0.8125", "n": 2000}],
            "tokens.input": 123_456,
            "artifacts": [
                {
                    "digest": {"sha256": self.digest(job, "artifact")},
                    "name": artifact or self.canary(job, "artifact"),
                    "kind": "report",
                    "bytes": 250_000,
                    "content_access": "on_request",
                }
            ],
        }
        self.log(
            self.statement("gateway", "egress", "job-egress/1", egress, job=job),
            self.statement("orchestrator", kind, "job-ended/1", ended, job=job, sealed=sealed),
        )

    def refuse(self, code: str, finding: str, *, job: str | None = None) -> None:
        """Let the orchestrator refuse a start."""
        refusal = {
            "code": code,
            "finding": finding,
            "gpu_count": 8,
            "member": "beta",
            "system": "slurm",
        }
        self.log(self.statement("orchestrator", "refused", "start-refused/1", refusal, job=job))

    def amend(self, *, replaces: int, days: int, **rules: object) -> int:
        """Let the council change rules, in force in so many days; the entry's index."""
        public = {
            "charter": {**default_charter().to_dict(), **rules},
            "in_force_from": format_time(self.clock.now + days * DAY_S),
            "replaces": replaces,
        }
        body = self.statement("council", "charter", "charter-version/1", public)
        return self.log(body)[0].index

    def sweep(self) -> None:
        """Open what is due."""
        self.ledger.embargo.open_due()

    def days(self, count: int) -> None:
        """Let days pass."""
        self.clock.now += count * DAY_S


def with_history(world: World, *, weights_change: bool = True) -> World:
    """The usual history: opened in time, opened early, withheld in part, rejected, sealed.

    With ``weights_change`` one job changed its model: a verifier of this log has something to say.
    """
    world.log(world.submission("opened", title="How refusals generalise"))
    world.run("opened")
    withheld = world.log(world.submission("withheld", author="beta"))[0]
    world.run("withheld", kind="failed")
    closing = {
        "withholds": withheld.index,
        "paths": ["purpose"],
        "basis": "hazard_cyber",
        "review_by": format_time(world.clock.now + 100 * DAY_S),
    }
    world.log(world.statement("committee", "withheld", "job-withheld/1", closing, job="withheld"))
    world.log(world.submission("hostile", author="beta", title=HOSTILE))
    world.days(91)
    world.sweep()
    early = world.log(world.submission("early"))[0]
    world.days(1)
    opening = {"discloses": early.index}
    world.log(world.statement("alpha", "open", "job-open/1", opening, job="early"))
    world.log(
        world.submission(
            "rejected",
            author="beta",
            workload_type="lora",
            optimizer_targets=["uploaded_model"],
            gradient_scope="auxiliary_only",
        )
    )
    world.log(world.submission("sealed"))
    world.run("sealed")
    world.log(world.submission("changed"))
    world.run("changed", unchanged=not weights_change)
    world.refuse("R3_missing_record", f"No receipt for {HOSTILE}.")
    world.refuse("R3_missing_record", "The receipt was used before.", job="changed")
    amended = world.amend(replaces=0, days=0, admission_hours=100)
    world.amend(replaces=amended, days=30, embargo_days=60, admission_hours=72)
    correction = {
        "corrects": early.index,
        "field": "public.gpu_count",
        "value": "16",
        "reason": "a typing mistake",
    }
    world.log(world.statement("alpha", "corrected", "job-corrected/1", correction, job="early"))
    world.log(*[world.submission(f"many{n}") for n in range(150)])
    world.days(1)
    return world


def _accepted(result: object) -> Accepted:
    if isinstance(result, LedgerError):
        raise result
    accepted: Accepted = result.accepted  # type: ignore[attr-defined]
    return accepted


def words_of(world: World, jobs: Sequence[str]) -> list[str]:
    """Every canary word of these jobs."""
    return [word for job in jobs for word in world.sealed[job].words]
