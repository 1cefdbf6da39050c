"""What every cluster scheduler asks of a start: the receipt, and that the start says the same.

The receipt is taken from an annotation. What the start says of its work has to agree with what the
member submitted and the log holds; a start that says nothing of it claims nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.admission.pod_shapes import Metadata
from ledger.admission.receipt import (
    MAX_RECEIPT_BYTES,
    Admission,
    check_admission,
    read_admission,
)
from ledger.admission.refusal import AdmissionRefused
from ledger.errors import FormatError
from ledger.records.admission import parse_admission
from ledger.records.charter import Code
from ledger.records.entry import parse_entry
from ledger.tlog.policy import Policy
from ledger.tlog.proof import parse_proof
from ledger.tlog.spelling import decode_base64
from schemas.charter import FORBIDDEN_WORKLOADS
from schemas.orchestrators import GRADIENT_SCOPE, OPTIMIZER_TARGETS, RECEIPT, WORKLOAD_TYPE
from schemas.statements import JobSubmitted, OptimizerTarget

FIRST_LINE: Final = "c2sp.org/tlog-proof@"
NOTHING: Final = ("", "none")


@dataclass(frozen=True, slots=True)
class Declared:
    """What a start says of its work, as often as it says it."""

    workload_types: Sequence[str] = ()
    gradient_scopes: Sequence[str] = ()
    optimizer_targets: Sequence[str] = ()
    """Each is a list with commas; ``none`` and the empty one name nothing."""


def receipt_in(annotations: Mapping[str, str]) -> bytes:
    """The receipt in the annotation ``ledger.apsci/receipt``: as it is, or in base64.

    Raises AdmissionRefused.
    """
    text = annotations.get(RECEIPT)
    if text is None:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"A start with GPUs needs the receipt of its admission in the annotation {RECEIPT};"
            " the ledger gives it at /api/v1/jobs/JOB/admission.",
        )
    if text.startswith(FIRST_LINE):
        return text.encode("utf-8", "surrogatepass")
    # 4 characters for 3 bytes.
    joined = "".join(text.split()) if len(text) <= 2 * MAX_RECEIPT_BYTES else ""
    try:
        return decode_base64(joined, what=RECEIPT) if joined else b""
    except FormatError:
        raise AdmissionRefused(
            Code.Q_MALFORMED, f"The annotation {RECEIPT} is neither a receipt nor one in base64."
        ) from None


def prove(text: bytes, *, policy: Policy, valid_hours: int) -> tuple[Admission, JobSubmitted]:
    """What the receipt proves, whatever the start asks for. Raises AdmissionRefused."""
    admission = read_admission(text, policy=policy, valid_hours=valid_hours)
    extra = parse_proof(text).extra or b""
    entry = parse_entry(parse_admission(extra, limit=MAX_RECEIPT_BYTES).submission)
    assert entry.signed is not None
    assert isinstance(entry.signed.public, JobSubmitted)
    return admission, entry.signed.public


def check_started(
    text: bytes,
    submitted: JobSubmitted,
    declared: Declared,
    *,
    policy: Policy,
    now: int,
    gpu_count: int,
    valid_hours: int,
    wall_seconds: int | None = None,
) -> Admission:
    """Check a start against its receipt and the submission in it. Raises AdmissionRefused."""
    # What names a breach of the charter is told as such, before any difference is.
    named = [_targets(each) for each in declared.optimizer_targets]
    if any(OptimizerTarget.UPLOADED_MODEL in each for each in named):
        raise AdmissionRefused(
            Code.R1_OPTIMIZER_ON_UPLOADED_MODEL,
            f"{OPTIMIZER_TARGETS} names the uploaded model, which no optimizer may update.",
        )
    for each in declared.workload_types:
        if each in FORBIDDEN_WORKLOADS:
            raise AdmissionRefused(
                Code.R1_FORBIDDEN_WORKLOAD, f"{WORKLOAD_TYPE} is {each}, which the charter forbids."
            )
    admission = check_admission(
        text,
        policy=policy,
        now=now,
        gpu_count=gpu_count,
        valid_hours=valid_hours,
        wall_seconds=wall_seconds,
    )
    job = admission.job_id
    for each in declared.workload_types:
        if each != submitted.workload_type:
            raise _differs(WORKLOAD_TYPE, each, job, submitted.workload_type)
    for each in declared.gradient_scopes:
        if each != submitted.gradient_scope:
            raise _differs(GRADIENT_SCOPE, each, job, submitted.gradient_scope)
    own = {each.value for each in submitted.optimizer_targets}
    for targets in named:
        if targets != own:
            ours, theirs = (",".join(sorted(of)) or "none" for of in (own, targets))
            raise _differs(OPTIMIZER_TARGETS, theirs, job, ours)
    return admission


def check_member(namespace: str, admission: Admission, members: Mapping[str, str]) -> None:
    """Check that ``namespace`` runs jobs of the receipt's member, where ``members`` says whose.

    ``members`` maps namespaces to members; empty, any receipt counts anywhere. Raises
    AdmissionRefused.
    """
    if not members:
        return
    member = members.get(namespace)
    if member != admission.author:
        runs = "for no member" if member is None else f"for the member {member}"
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The namespace {namespace[:63]!a} runs jobs {runs}, and the receipt is of a job of"
            f" {admission.author}.",
        )


def declared_in(*metadata: Metadata) -> Declared:
    """What objects say of their work, in annotations and labels."""

    def said(name: str) -> list[str]:
        return [text for each in metadata for text in each.said(name)]

    return Declared(said(WORKLOAD_TYPE), said(GRADIENT_SCOPE), said(OPTIMIZER_TARGETS))


def _targets(text: str) -> set[str]:
    return {each.strip() for each in text.split(",") if each.strip() not in NOTHING}


def _differs(name: str, said: str, job: str, admitted: str) -> AdmissionRefused:
    return AdmissionRefused(
        Code.R3_MISSING_RECORD,
        f"{name} is {said[:60]!a}, and job {job} was admitted with {admitted!a}.",
    )
