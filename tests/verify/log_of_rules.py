"""An honest log under ``charter/2``: a council of three, ceilings, quotas, artifacts, findings.

Like ``log_builder``, on which it stands, it follows the published formats and shares no code with
the ledger or with the verifier.
"""

from dataclasses import dataclass
from typing import Any

from log_builder import (
    ALPHABET,
    DAY_S,
    EMBARGO_DAYS,
    OUTCOME_PATHS,
    ROLES,
    Entry,
    History,
    author_vkey,
    commitment,
    resign,
    seconds_of,
    signature_of,
    text_of,
)
from nacl.signing import SigningKey

COUNCIL = ("council", "council-b", "council-c")
RULES: Entry = {
    "version": "charter/2",
    "allowed_workloads": ["eval_suite", "linear_probe", "reproduction"],
    "forbidden_workloads": ["lora", "sft"],
    "embargo_days": EMBARGO_DAYS,
    "gpu_total": 25_000,
    "egress_ceiling_bytes": 10**12,
    "artifact_ceilings": {
        "document": 10**9,
        "table": 10**10,
        "image": 10**9,
        "opaque": 10**8,
        "tensor": 0,
    },
    "quotas": {
        "job_wall_seconds": None,
        "member_gpus": None,
        "member_egress_bytes": 10**13,
        "member_model_egress_bytes": 10**13,
    },
    "admission_hours": 168,
    "council_threshold": 2,
}
EVIDENCE_PATHS = (*OUTCOME_PATHS, "model.weights_evidence", "prompts.sketch")


def rules(**changes: Any) -> Entry:
    """The charter's rules with others in their place; quotas are changed by their own names."""
    quotas = RULES["quotas"] | {k: v for k, v in changes.items() if k in RULES["quotas"]}
    return RULES | {"quotas": quotas} | {k: v for k, v in changes.items() if k not in quotas}


@dataclass
class RuledHistory(History):
    """A log whose charter can be changed, and in which artifacts are taken and findings logged."""

    def begin(self, **changes: Any) -> None:
        """Log genesis with three of the council and ``charter/2``."""
        roles = ROLES | dict.fromkeys(COUNCIL, "council")
        authors = [
            {"name": name, "role": role, "title": name.title(), "vkey": author_vkey(name)}
            for name, role in roles.items()
        ]
        self.genesis(charter=rules(**changes), authors=authors)

    def in_force(self) -> int:
        found = 0
        for index, entry in enumerate(self.entries):
            if entry["kind"] == "charter":
                since = entry["statement"]["public"]["in_force_from"]
                found = index if seconds_of(since) <= self.now_s else found
        return found

    def rules_in_force(self) -> Entry:
        entry = self.entries[self.in_force()]
        charter: Entry = entry.get("charter") or entry["statement"]["public"]["charter"]
        return charter

    def embargo_days(self) -> int:
        days: int = self.rules_in_force()["embargo_days"]
        return days

    def newest_charter(self) -> int:
        kinds = [each["kind"] for each in self.entries]
        return max(index for index, kind in enumerate(kinds) if kind in ("genesis", "charter"))

    def change(self, *endorsers: str, after_s: int = 0, **changes: Any) -> int:
        """The council sets another charter, which counts ``after_s`` seconds from now."""
        public = {
            "charter": rules(**changes),
            "in_force_from": text_of(self.now_s + after_s),
            "replaces": self.newest_charter(),
        }
        index = self.say("charter", "council", None, public, schema="charter-version/1")
        for author in endorsers:
            self.endorse(index, author)
        return index

    def endorse(self, index: int, author: str, key: SigningKey | None = None) -> int:
        """A further author signs what entry ``index`` says."""
        entry = self.entries[index]
        signature = signature_of(entry["statement"], author, key)
        entry.setdefault("endorsements", []).append({"author": author, "signature": signature})
        entry["endorsements"].sort(key=lambda each: each["author"])
        return index

    def public(self, index: int, **changes: object) -> int:
        """Change what an entry says, and have all sign it again who did."""
        entry = self.entries[index]
        entry["statement"]["public"] |= changes
        resign(entry)
        endorsers = [each["author"] for each in entry.pop("endorsements", [])]
        for author in endorsers:
            self.endorse(index, author)
        return index

    def reseal(self, index: int, **fields: object) -> int:
        """Seal other values in an entry, by path with two underscores for a point."""
        seed, sealed = self.openings[index]
        sealed = sealed | {path.replace("__", "."): value for path, value in fields.items()}
        self.openings[index] = seed, sealed
        self.entries[index]["statement"]["sealed"]["root"] = commitment(seed, sealed)
        resign(self.entries[index])
        return index

    def refuse(self, job_id: str | None = None) -> int:
        """The orchestrator does not start something."""
        self.now_s += 1
        public = {
            "code": "R3_missing_record",
            "finding": "no receipt",
            "gpu_count": None if job_id else 8,
            "member": None if job_id else "lab-a",
            "system": "slurm",
        }
        return self.say("refused", "orchestrator", job_id, public, schema="start-refused/1")

    def take(self, job_id: str, amount: int, name: str = "table") -> int:
        """The gateway takes an artifact."""
        public = {
            "artifact_id": self.new_artifact(),
            "artifact_class": name,
            "egress_bytes": amount,
            "artifact_count": 1,
        }
        return self.say("egress", "gateway", job_id, public, schema="artifact-write/1")

    def read(self, job_id: str, amount: int, author: str = "lab-a") -> int:
        """A member reads of the newest artifact of a job."""
        taken = [
            entry["statement"]["public"]["artifact_id"]
            for entry in self.entries
            if entry.get("statement", {}).get("schema") == "artifact-write/1"
            and entry["statement"]["job_id"] == job_id
        ]
        self.now_s += 1
        public = {
            "artifact_id": taken[-1],
            "offset": 0,
            "egress_bytes": amount,
            "artifact_count": 0,
        }
        return self.say("egress", author, job_id, public, schema="artifact-read/1")

    def new_artifact(self) -> str:
        return "02" + "".join(self.dice.choices(ALPHABET, k=24))

    def running(self, author: str = "lab-a", **public: object) -> str:
        """A job that has just been admitted and started."""
        job = self.new_job()
        index = self.submit_only(author, job)
        self.public(index, **public)
        self.decide(index, job, [])
        self.start(job)
        self.now_s += 600
        return job

    def running_with(self, amount: int) -> str:
        """A job that runs, of which one artifact was taken."""
        job = self.running()
        self.take(job, amount)
        return job

    def end_with(self, job_id: str, kind: str = "completed", **public: object) -> int:
        """The run ends, by the schema that has evidence about the weights."""
        sealed: Entry = dict.fromkeys(EVIDENCE_PATHS)
        sealed["prompts.sketch"] = {"scale": 1000, "hashes": ["00a1b2c3d4e5f607"]}
        fields: Entry = {
            "started_at": text_of(self.now_s - 600),
            "ended_at": text_of(self.now_s),
            "wall_seconds": 600,
            "gpu_seconds": 4_800,
            "h200e_seconds": 4_800,
            "h200e_basis": "h200e/1",
            "exit_status": "policy" if kind == "terminated_by_policy" else kind,
            "weights_unchanged": True,
            "weights_check": "oms_root",
        }
        schema = "job-ended/2"
        return self.say(kind, "orchestrator", job_id, fields | public, sealed, schema=schema)

    def find(self, refers_to: int, code: str = "R1_digest_mismatch", **more: object) -> int:
        """The ledger logs what it found in a run."""
        entry = self.entries[refers_to]
        job_id = entry["job_id"] if "job_id" in entry else entry["statement"]["job_id"]
        rule = int(code[1]) if code[1].isdigit() else 4
        finding = {"rule": rule, "code": code, "finding": "The weights are others."}
        fields = {"refers_to": refers_to, "job_id": job_id, "charter": self.in_force()}
        return self.add({"kind": "finding", **fields, "findings": [finding], **more})


def ruled_history() -> RuledHistory:
    """Half a year under four charters, each kind of entry that ``charter/2`` brought."""
    log = RuledHistory()
    log.begin()
    job = log.running()
    log.take(job, 1_000)
    log.read(job, 400)
    log.refuse()
    log.refuse(job)
    log.end_with(job)
    log.change("council-c", embargo_days=60, member_gpus=16, job_wall_seconds=7_200)
    held = [log.running(), log.running()]
    refused = log.submit_only("lab-a", log.new_job())
    quota = {"rule": 4, "code": "Q_quota", "finding": "16 GPUs are held"}
    log.decide(refused, log.entries[refused]["statement"]["job_id"], [quota])
    for job in held:
        log.end(job)
    log.labels["pending"] = log.change("council-b", "council-c", after_s=30 * DAY_S)
    job = log.running("lab-b")
    log.find(log.entries.index(_admission(log, job)), "R2_egress_ceiling")
    log.labels["met"] = log.end_with(job, "terminated_by_policy", weights_unchanged=False)
    log.labels["finding"] = log.find(log.labels["met"])
    log.pass_time(31 * DAY_S)
    log.running("lab-b", egress_ceiling_bytes=10**12)
    log.end(log.entries[-1]["statement"]["job_id"])
    log.register("add", "council-d", "council")
    log.endorse(len(log.entries) - 1, "council-c")
    log.change("council-d", embargo_days=7, council_threshold=3)
    log.running()
    log.end(log.entries[-1]["statement"]["job_id"])
    log.pass_time(100 * DAY_S)
    return log


def _admission(log: RuledHistory, job_id: str) -> Entry:
    decided = (each for each in log.entries if each["kind"] == "admitted")
    return next(each for each in decided if each["job_id"] == job_id)
