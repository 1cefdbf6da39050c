"""Admission receipts, true and forged, made without a ledger: a small log, its key, witnesses."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ledger.records import canonical
from ledger.records.admission import AdmissionParts, format_admission
from ledger.records.authoring import author_statement
from ledger.records.charter import Code, Finding
from ledger.records.deadline import DAY_S, format_time
from ledger.records.entry import decision_entry, statement_entry
from ledger.records.statement import decode_signed
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.cosignature import cosign
from ledger.tlog.merkle import leaf_hash, prove_inclusion, root_hash
from ledger.tlog.note import COSIGNATURE, Signer, sign_note
from ledger.tlog.policy import Policy, parse_policy
from ledger.tlog.proof import TlogProof, format_proof

ORIGIN = "ledger.example/apsci"
LOG = Signer(ORIGIN, bytes([1]) * 32)
MEMBER = Signer(f"{ORIGIN}/deepseek", bytes([2]) * 32)
WITNESSES = tuple(
    Signer(f"witness.example/w{number}", bytes([10 + number]) * 32, key_type=COSIGNATURE)
    for number in (1, 2, 3)
)
DECIDED = 1_795_000_000
"""When everything in these logs was logged, in unix seconds."""
JOB, OTHER_JOB = "01JD9Z0000000000000000000A", "01JD9Z0000000000000000000B"
PLAN: Mapping[str, Any] = {
    "accelerator": "nvidia_h200",
    "egress_ceiling_bytes": 1_000_000,
    "gpu_count": 8,
    "gradient_scope": "none",
    "optimizer_targets": [],
    "wall_limit_seconds": 7_200,
    "workload_type": "eval_suite",
}


def policy_text(log: Signer = LOG, *, witnesses: Sequence[Signer] = WITNESSES) -> str:
    """A policy file: this log, and two of its three witnesses."""
    lines = [f"log {log.vkey}\n"]
    lines += [f"witness w{n} {each.vkey}\n" for n, each in enumerate(witnesses, 1)]
    return "".join((*lines, "group two 2 w1 w2 w3\nquorum two\n"))


POLICY: Policy = parse_policy(policy_text())


def submitted(job: str = JOB, **public: object) -> bytes:
    """The entry of a submission."""
    body = author_statement(
        signer=MEMBER,
        kind="submitted",
        schema="job-submitted/1",
        public=dict(PLAN) | public,
        made_at=format_time(DECIDED - 60),
        job_id=job,
        seed=bytes(32),
    )
    return statement_entry(decode_signed(body), logged_at=DECIDED, publish_by=DECIDED + 90 * DAY_S)


def decided(refers_to: int, job: str = JOB, *, code: Code | None = None) -> bytes:
    """The entry that admits the submission at ``refers_to``, or rejects it with ``code``."""
    findings = [Finding(1, code, "The charter does not allow it.")] if code else []
    return decision_entry(
        "rejected" if code else "admitted",
        refers_to=refers_to,
        job_id=job,
        charter=0,
        findings=findings,
        logged_at=DECIDED,
    )


@dataclass(frozen=True)
class Paper:
    """A log of a few entries, and a receipt of two of them; ``receipt`` makes the file.

    What differs from a true receipt is said by replacing a field: ``Paper().but(submission=…)``.
    """

    leaves: tuple[bytes, ...]
    decision: bytes
    submission: bytes
    admitted_index: int
    submitted_index: int
    log: Signer = LOG
    witnesses: tuple[Signer, ...] = WITNESSES[:2]

    def but(self, **changes: Any) -> "Paper":
        """The same with other parts; no proof or signature is repaired by it."""
        return replace(self, **changes)

    def extra(self) -> bytes:
        """What the receipt carries, in its one spelling."""
        return format_admission(
            AdmissionParts(
                decision=self.decision,
                submission=self.submission,
                submitted_index=self.submitted_index,
                proof=tuple(self.path(self.submitted_index)),
            )
        )

    def path(self, index: int) -> list[bytes]:
        """The audit path of a leaf."""
        return prove_inclusion([leaf_hash(each) for each in self.leaves], index=index)

    def note(self) -> bytes:
        """The cosigned checkpoint."""
        root = root_hash([leaf_hash(each) for each in self.leaves])
        text = format_checkpoint(Checkpoint(self.log.name, len(self.leaves), root))
        lines = [cosign(text, signer=each, time_s=DECIDED + 5).line for each in self.witnesses]
        return sign_note(text, [self.log]) + "".join(lines).encode()

    def receipt(self, extra: bytes | None = None) -> bytes:
        """The receipt; with other bytes in place of what it carries, where those are given."""
        return format_proof(
            TlogProof(
                index=self.admitted_index,
                hashes=tuple(self.path(self.admitted_index)),
                checkpoint=self.note(),
                extra=self.extra() if extra is None else extra,
            )
        )


def paper(*, code: Code | None = None, **public: object) -> Paper:
    """A log with two jobs in it, and the true receipt of the first: admitted, or not with ``code``.

    The plan of the first is ``PLAN`` with ``public``; the second job has the plan as it stands.
    """
    before = [canonical.encode({"number": each}) for each in range(3)]
    first = submitted(**public)
    leaves = (
        *before,
        first,
        decided(3, code=code),
        submitted(OTHER_JOB),
        decided(5, OTHER_JOB),
        canonical.encode({"number": 7}),
    )
    return Paper(
        leaves=leaves,
        decision=leaves[4],
        submission=first,
        admitted_index=4,
        submitted_index=3,
    )


def edited(entry: bytes, change: str, value: object) -> bytes:
    """An entry with the value at a dotted path replaced, spelled canonically again."""
    found = json.loads(entry)
    *way, last = change.split(".")
    place = found
    for each in way:
        place = place[each]
    place[last] = value
    return canonical.encode(found)
