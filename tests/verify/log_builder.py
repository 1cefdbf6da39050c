"""An honest log in plain Python, written as a static mirror, for ``scripts/verify.py`` to judge.

It follows the published formats and shares no code with the ledger or with the verifier, so that an
error in one of them is not an error in all. Every key is derived from a name: nothing here is a
secret, and nothing here may sign a real log.
"""

import copy
import hashlib
import hmac
import json
import random
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nacl.signing import SigningKey

ORIGIN = "demo.example/ledger"
DAY_S = 86_400
EMBARGO_DAYS = 90
START_S = 1_735_689_600  # 2025-01-01
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
TYPE = b"application/vnd.apsci.statement.v1+json"
ROLES = {
    "lab-a": "member",
    "lab-b": "member",
    "orchestrator": "orchestrator",
    "gateway": "gateway",
    "safeguards": "committee",
    "council": "council",
}
SUBMISSION_PATHS = (
    "code",
    "container",
    "model.dtype",
    "model.name",
    "model.parameter_count",
    "model.revision",
    "model.weights_digest",
    "prompts",
    "protocol",
    "purpose",
    "source",
    "title",
)
OUTCOME_PATHS = (
    "artifacts",
    "completions",
    "energy_joules",
    "metrics",
    "model.weights_digest_after",
    "samples.completed",
    "samples.total",
    "source",
    "tokens.input",
    "tokens.output",
)
SCHEMA_OF = {
    "submitted": "job-submitted/1",
    "started": "job-started/1",
    "interrupted": "job-interrupted/1",
    "completed": "job-ended/1",
    "failed": "job-ended/1",
    "egress": "job-egress/1",
    "open": "job-open/1",
    "corrected": "job-corrected/1",
    "withheld": "job-withheld/1",
    "registry": "registry/1",
}
Entry = dict[str, Any]


def canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def to_base64(data: bytes) -> str:
    return b64encode(data).decode()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def root_of(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it stands there."""
    if not leaves:
        return sha256(b"")
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + root_of(leaves[:split]) + root_of(leaves[split:]))


def inclusion_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """RFC 6962 section 2.1.1, as it stands there."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*inclusion_path(index, leaves[:split]), root_of(leaves[split:])]
    return [*inclusion_path(index - split, leaves[split:]), root_of(leaves[:split])]


def text_of(moment: int) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def signing_key(name: str) -> SigningKey:
    return SigningKey(sha256(b"demo key of " + name.encode()))


def key_id(name: str, key: SigningKey, kind: int = 1) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + bytes(key.verify_key))[:4]


def vkey_of(name: str, key: SigningKey | None = None, kind: int = 1) -> str:
    key = key or signing_key(name)
    encoded = to_base64(bytes([kind]) + bytes(key.verify_key))
    return f"{name}+{key_id(name, key, kind).hex()}+{encoded}"


def author_vkey(author: str, key: SigningKey | None = None) -> str:
    return vkey_of(f"{ORIGIN}/{author}", key or signing_key(author))


def signature_of(statement: Entry, author: str, key: SigningKey | None = None) -> Entry:
    key = key or signing_key(author)
    body = canonical(statement)
    message = b"DSSEv1 %d %b %d %b" % (len(TYPE), TYPE, len(body), body)
    return {
        "key_id": key_id(f"{ORIGIN}/{author}", key).hex(),
        "value": to_base64(key.sign(message).signature),
    }


def resign(entry: Entry, key: SigningKey | None = None) -> Entry:
    """Sign an altered statement again as its author, or with ``key``."""
    entry["signature"] = signature_of(entry["statement"], entry["statement"]["author"], key)
    return entry


def salt_of(seed: bytes, path: str) -> bytes:
    return hmac.digest(seed, b"apsci-ledger/salt/1\x00" + path.encode(), "sha256")[:16]


def leaf_of(seed: bytes, path: str, value: object) -> bytes:
    return sha256(b"\x00" + canonical([path, to_base64(salt_of(seed, path)), value]))


def commitment(seed: bytes, fields: Entry) -> str:
    return root_of([leaf_of(seed, path, fields[path]) for path in sorted(fields)]).hex()


def sign_note(text: str, name: str, key: SigningKey) -> str:
    blob = key_id(name, key) + key.sign(text.encode()).signature
    return f"— {name} {to_base64(blob)}\n"


def cosign(text: str, name: str, moment: int) -> str:
    """A witness's ``cosignature/v1`` line over a checkpoint's text."""
    key = signing_key(name)
    message = b"cosignature/v1\ntime %d\n" % moment + text.encode()
    blob = key_id(name, key, 4) + moment.to_bytes(8, "big") + key.sign(message).signature
    return f"— {name} {to_base64(blob)}\n"


def tile_path(level: int | str, number: int, width: int) -> str:
    assert number < 1000, "the logs of these tests are small"
    return f"tile/{level}/{number:03d}" + (f".p/{width}" if width < 256 else "")


@dataclass
class History:
    """A log in the making: entries as objects, or as bytes where a test spoils their spelling."""

    entries: list[Any] = field(default_factory=list)
    openings: dict[int, tuple[bytes, Entry]] = field(default_factory=dict)
    labels: dict[str, int] = field(default_factory=dict)
    now_s: int = START_S
    dice: random.Random = field(default_factory=lambda: random.Random(7))

    def copy(self) -> "History":
        return copy.deepcopy(self)

    def add(self, entry: Entry) -> int:
        self.entries.append({"format": "apsci-ledger/1", "logged_at": text_of(self.now_s), **entry})
        return len(self.entries) - 1

    def genesis(self, **changes: object) -> None:
        charter = {
            "allowed_workloads": ["eval_suite", "linear_probe", "reproduction"],
            "embargo_days": EMBARGO_DAYS,
            "egress_ceiling_bytes": 10**12,
            "forbidden_workloads": ["lora", "sft"],
            "gpu_total": 25_000,
            "version": "charter/1",
        }
        authors = [
            {"name": name, "role": role, "title": name.title(), "vkey": author_vkey(name)}
            for name, role in ROLES.items()
        ]
        body = {"origin": ORIGIN, "vkey": vkey_of(ORIGIN), "authors": authors, "charter": charter}
        self.add({"kind": "genesis", **body, **changes})

    def in_force(self) -> int:
        """The index of the charter that counts now."""
        return 0

    def embargo_days(self) -> int:
        """What that charter says."""
        return EMBARGO_DAYS

    def new_job(self) -> str:
        return "01" + "".join(self.dice.choices(ALPHABET, k=24))

    def say(
        self,
        kind: str,
        author: str,
        job_id: str | None,
        public: Entry,
        sealed: Entry | None = None,
        *,
        schema: str | None = None,
    ) -> int:
        statement: Entry = {
            "author": author,
            "kind": kind,
            "made_at": text_of(self.now_s - 1),
            "public": public,
            "schema": schema or SCHEMA_OF[kind],
        }
        if job_id is not None:
            statement["job_id"] = job_id
        entry: Entry = {"kind": kind, "statement": statement}
        if sealed is not None:
            seed = self.dice.randbytes(32)
            self.openings[len(self.entries)] = (seed, sealed)
            statement["sealed"] = {"fields": len(sealed), "root": commitment(seed, sealed)}
            entry["publish_by"] = text_of(self.now_s + self.embargo_days() * DAY_S)
        entry["signature"] = signature_of(statement, author)
        return self.add(entry)

    def submit(self, author: str, job_id: str, *, workload: str = "eval_suite") -> int:
        index = self.submit_only(author, job_id, workload=workload)
        findings = []
        if workload in ("lora", "sft"):
            code = "R1_forbidden_workload"
            findings.append({"rule": 1, "code": code, "finding": f"{workload} is forbidden"})
        self.decide(index, job_id, findings)
        return index

    def submit_only(self, author: str, job_id: str, *, workload: str = "eval_suite") -> int:
        sealed: Entry = dict.fromkeys(SUBMISSION_PATHS)
        sealed |= {
            "title": f"Prüfung {job_id[:8]}: “größer”",
            "model.name": "model-x",
            "model.parameter_count": 70_000_000_000,
            "code": {"digest": {"sha256": "ab" * 32}, "name": "probe"},
        }
        public = {
            "workload_type": workload,
            "gradient_scope": "none",
            "optimizer_targets": [],
            "accelerator": "nvidia_h200",
            "gpu_count": 8,
            "wall_limit_seconds": 7200,
            "egress_ceiling_bytes": 10**9,
        }
        return self.say("submitted", author, job_id, public, sealed)

    def decide(self, refers_to: int, job_id: str, findings: list[Entry]) -> int:
        kind = "rejected" if findings else "admitted"
        decision = {"refers_to": refers_to, "charter": self.in_force(), "findings": findings}
        return self.add({"kind": kind, "job_id": job_id, **decision})

    def start(self, job_id: str) -> int:
        public = {"started_at": text_of(self.now_s - 60), "gpu_count": 8}
        return self.say("started", "orchestrator", job_id, public)

    def interrupt(self, job_id: str) -> int:
        public = {"ended_at": text_of(self.now_s), "exit_status": "node_fail"}
        return self.say("interrupted", "orchestrator", job_id, public)

    def egress(self, job_id: str) -> int:
        public = {"egress_bytes": self.dice.randrange(10**6), "artifact_count": 1}
        return self.say("egress", "gateway", job_id, public)

    def end(self, job_id: str, kind: str = "completed") -> int:
        sealed: Entry = dict.fromkeys(OUTCOME_PATHS)
        sealed |= {
            "tokens.input": 123_456,
            "metrics": [{"name": "accuracy", "value": "0.8125", "n": 400}],
        }
        public = {
            "started_at": text_of(self.now_s - 3600),
            "ended_at": text_of(self.now_s),
            "wall_seconds": 3600,
            "gpu_seconds": 28_800,
            "h200e_seconds": 28_800,
            "h200e_basis": "h200e/1",
            "exit_status": kind,
            "weights_unchanged": True,
            "weights_check": "oms_root",
        }
        return self.say(kind, "orchestrator", job_id, public, sealed)

    def open_early(self, target: int, author: str | None = None) -> int:
        job_id = self.entries[target]["statement"]["job_id"]
        author = author or self.entries[target]["statement"]["author"]
        opened_by = self.say("open", author, job_id, {"discloses": target})
        return self.disclose(target, opened_by=opened_by)

    def withhold(self, target: int, paths: list[str]) -> int:
        public = {
            "withholds": target,
            "paths": paths,
            "basis": "hazard_cyber",
            "review_by": text_of(self.now_s + 150 * DAY_S),
        }
        job_id = self.entries[target]["statement"]["job_id"]
        return self.say("withheld", "safeguards", job_id, public)

    def correct(self, target: int, author: str) -> int:
        public = {"corrects": target, "field": "gpu_count", "value": "4", "reason": "a typo"}
        return self.say("corrected", author, self.entries[target]["statement"]["job_id"], public)

    def register(self, action: str, name: str, role: str, key: SigningKey | None = None) -> int:
        public = {"action": action, "name": name, "role": role, "title": name}
        public["vkey"] = author_vkey(name, key)
        return self.say("registry", "council", None, public)

    def disclose(
        self, target: int, *, opened_by: int | None = None, withheld_by: int | None = None
    ) -> int:
        seed, fields = self.openings[target]
        entry: Entry = {
            "kind": "disclosed",
            "discloses": target,
            "job_id": self.entries[target]["statement"]["job_id"],
            "reason": "deadline" if opened_by is None else "early",
        }
        if opened_by is not None:
            entry["opened_by"] = opened_by
        if withheld_by is None:
            return self.add({**entry, "seed": to_base64(seed), "fields": fields})
        closed = self.entries[withheld_by]["statement"]["public"]["paths"]
        shown = {path: value for path, value in fields.items() if path not in closed}
        entry["withheld_by"] = withheld_by
        entry["fields"] = shown
        entry["salts"] = {path: to_base64(salt_of(seed, path)) for path in shown}
        entry["closed"] = {path: leaf_of(seed, path, fields[path]).hex() for path in closed}
        return self.add(entry)

    def still_sealed(self) -> dict[int, int]:
        """Index to ``publish_by`` of what no entry has disclosed."""
        shown = {entry["discloses"] for entry in self.entries if entry["kind"] == "disclosed"}
        return {
            index: seconds_of(self.entries[index]["publish_by"])
            for index in self.openings
            if index not in shown
        }

    def pass_time(self, seconds: int) -> None:
        """Move the clock on, disclosing on the way what falls due."""
        until = self.now_s + seconds
        withheld = {
            entry["statement"]["public"]["withholds"]: index
            for index, entry in enumerate(self.entries)
            if entry["kind"] == "withheld"
        }
        for index, due in sorted(self.still_sealed().items(), key=lambda item: item[1]):
            if due <= until:
                self.now_s = max(self.now_s, due)
                self.disclose(index, withheld_by=withheld.get(index))
        self.now_s = until

    def encoded(self) -> list[bytes]:
        return [e if isinstance(e, bytes) else canonical(e) for e in self.entries]

    def leaves(self) -> list[bytes]:
        return [sha256(b"\x00" + entry) for entry in self.encoded()]

    def checkpoint_text(self) -> str:
        return f"{ORIGIN}\n{len(self.entries)}\n{to_base64(root_of(self.leaves()))}\n"

    def checkpoint(self, key: SigningKey | None = None) -> str:
        text = self.checkpoint_text()
        return text + "\n" + sign_note(text, ORIGIN, key or signing_key(ORIGIN))

    def receipt(
        self, index: int, *, opening: Entry | None = None, submission: Entry | None = None
    ) -> str:
        extra = {"entry": self.entries[index]}
        extra |= {"opening": opening} if opening else {}
        extra |= {"submission": submission} if submission is not None else {}
        path = [to_base64(node) for node in inclusion_path(index, self.leaves())]
        lines = ["c2sp.org/tlog-proof@v1", f"extra {to_base64(canonical(extra))}"]
        return "\n".join([*lines, f"index {index}", *path]) + "\n\n" + self.checkpoint()

    def proved(self, index: int) -> Entry:
        """An entry as an admission's receipt carries its submission."""
        path = [to_base64(node) for node in inclusion_path(index, self.leaves())]
        return {"entry": self.entries[index], "index": index, "proof": path}

    def write(self, folder: Path, *, key: SigningKey | None = None) -> Path:
        """Write checkpoint, vkey, every tile and every bundle; ``key`` signs in the log's place."""
        entries, size = self.encoded(), len(self.entries)
        put(folder, "checkpoint", self.checkpoint(key).encode())
        put(folder, "vkey", (vkey_of(ORIGIN, key) + "\n").encode())
        for at in range(0, size, 256):
            part = entries[at : at + 256]
            bundle = b"".join(len(entry).to_bytes(2, "big") + entry for entry in part)
            put(folder, tile_path("entries", at // 256, len(part)), bundle)
        level, nodes = 0, self.leaves()
        while nodes:
            for at in range(0, len(nodes), 256):
                part = nodes[at : at + 256]
                put(folder, tile_path(level, at // 256, len(part)), b"".join(part))
            full = range(0, len(nodes) - 255, 256)
            nodes = [root_of(nodes[at : at + 256]) for at in full]
            level += 1
        return folder


def put(folder: Path, path: str, data: bytes) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)


def honest_history(jobs: int = 120) -> History:
    """About five months of a small cluster; ``labels`` names the entries that tests alter."""
    log = History()
    log.genesis()
    labels = log.labels
    for number in range(jobs):
        log.pass_time(150 * DAY_S // jobs + number)
        author = ("lab-a", "lab-b")[number % 2]
        job = log.new_job()
        if number % 17 == 5:
            labels["rejected submission"] = log.submit(author, job, workload="lora")
            continue
        submitted = log.submit(author, job, workload="reproduction" if number % 3 else "eval_suite")
        log.now_s += 30
        started = log.start(job)
        if number % 11 == 3:
            log.interrupt(job)
            log.now_s += 300
            log.start(job)
        labels[f"egress {number}"] = log.egress(job)
        log.now_s += 3600
        ended = log.end(job, "failed" if number % 13 == 7 else "completed")
        labels |= {
            f"submitted {number}": submitted,
            f"started {number}": started,
            f"ended {number}": ended,
        }
        if number % 19 == 4:
            labels["early disclosure"] = log.open_early(submitted)
        if number == 6:
            labels["withheld"] = log.withhold(submitted, ["protocol", "model.name"])
        if number == 8:
            labels["corrected"] = log.correct(submitted, author)
        if number == 10:
            labels["added"] = log.register("add", "lab-c", "member")
        if number == 12:
            late = log.new_job()
            log.submit("lab-c", late)
            labels["retired"] = log.register("retire", "lab-c", "member")
    disclosed = [i for i, entry in enumerate(log.entries) if entry["kind"] == "disclosed"]
    deadline = [i for i in disclosed if log.entries[i]["reason"] == "deadline"]
    labels["disclosure"] = next(i for i in deadline if "seed" in log.entries[i])
    labels["partial disclosure"] = next(i for i in deadline if "closed" in log.entries[i])
    return log
