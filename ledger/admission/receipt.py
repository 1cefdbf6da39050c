"""Whether an admission receipt lets a run start: checked offline, against a witness policy.

The receipt is a ``.tlog-proof`` of the ``admitted`` entry, and carries the submission with a proof
under the same checkpoint. So what was admitted is read from what the member signed and the log
holds, and nothing from what the person who starts the run says. Here nothing is fetched, stored or
believed: what is in doubt is refused.
"""

from dataclasses import dataclass
from typing import Final

from ledger.admission.refusal import AdmissionRefused
from ledger.errors import FormatError, LedgerError, ProofError, SignatureError
from ledger.records.admission import AdmissionParts, parse_admission
from ledger.records.charter import Code
from ledger.records.deadline import format_time
from ledger.records.entry import Entry, parse_entry
from ledger.tlog.merkle import leaf_hash, verify_inclusion
from ledger.tlog.policy import Policy
from ledger.tlog.proof import TlogProof, parse_proof, verify_proof
from schemas.charter import FORBIDDEN_WORKLOADS
from schemas.statements import JobSubmitted

MAX_RECEIPT_BYTES: Final = 512 * 2**10
"""Two entries of at most 60,000 bytes in base64, two proofs, and a hundred cosignatures."""
VALID_HOURS: Final = 168
MAX_VALID_HOURS: Final = 366 * 24
MAX_SKEW_S: Final = 300
"""How far the clock here may be behind the log's (formats.md 12), in seconds."""
HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Admission:
    """What the log admitted. Times are unix seconds; no run starts at ``expires_at`` or later."""

    job_id: str
    author: str
    workload_type: str
    gpu_count: int
    wall_limit_seconds: int
    egress_ceiling_bytes: int
    submitted_index: int
    admitted_index: int
    decided_at: int
    expires_at: int


def check_admission(
    text: bytes,
    *,
    policy: Policy,
    now: int,
    gpu_count: int,
    valid_hours: int = VALID_HOURS,
    job_id: str | None = None,
    workload: str | None = None,
    wall_seconds: int | None = None,
) -> Admission:
    """Return what the receipt ``text`` admits, if it lets a run with ``gpu_count`` GPUs start.

    ``policy`` names the log and the witnesses that are believed here, ``now`` is in unix seconds.
    ``valid_hours``, 1 to 8,784, is for how long after the decision a run may start. Where
    ``job_id``, ``workload`` or ``wall_seconds`` is given, the run says that of itself and the
    receipt has to agree. Whether the receipt was used before is the register's to say.

    Raises AdmissionRefused.
    """
    if not 1 <= valid_hours <= MAX_VALID_HOURS:
        raise AdmissionRefused(
            Code.Q_MALFORMED,
            f"This cluster lets a receipt count for {valid_hours} hours, where 1 to"
            f" {MAX_VALID_HOURS} make sense.",
        )
    admission = read_admission(text, policy=policy, valid_hours=valid_hours)
    _check_clock(admission, now=now)
    _check_run(
        admission, gpu_count=gpu_count, job_id=job_id, workload=workload, wall_seconds=wall_seconds
    )
    return admission


def read_admission(text: bytes, *, policy: Policy, valid_hours: int = VALID_HOURS) -> Admission:
    """Return what the receipt ``text`` proves to be admitted, whenever that was and for any run.

    For who keeps or fetches receipts; a run is started by ``check_admission`` alone. Raises
    AdmissionRefused.
    """
    proof, parts = _parse(text)
    try:
        checkpoint = verify_proof(proof, leaf=leaf_hash(parts.decision), policy=policy)
        verify_inclusion(
            parts.proof,
            index=parts.submitted_index,
            size=checkpoint.size,
            leaf=leaf_hash(parts.submission),
            root=checkpoint.root,
        )
    except (FormatError, SignatureError, ProofError) as error:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The receipt is not proved by a log and witnesses that this cluster trusts: {error}.",
        ) from None
    try:
        decision, submission = parse_entry(parts.decision), parse_entry(parts.submission)
    except LedgerError as error:
        raise _unreadable(error) from None
    public = _check_pair(proof, parts, decision, submission)
    assert decision.job_id is not None
    assert submission.signed is not None
    if public.egress_ceiling_bytes is None:
        raise AdmissionRefused(
            Code.R2_UNMETERED_EGRESS, f"Job {decision.job_id} was admitted without an egress limit."
        )
    return Admission(
        job_id=decision.job_id,
        author=submission.signed.statement.author,
        workload_type=public.workload_type.value,
        gpu_count=public.gpu_count,
        wall_limit_seconds=public.wall_limit_seconds,
        egress_ceiling_bytes=public.egress_ceiling_bytes,
        submitted_index=parts.submitted_index,
        admitted_index=proof.index,
        decided_at=decision.logged_at,
        expires_at=decision.logged_at + valid_hours * HOUR_S,
    )


def _parse(text: bytes) -> tuple[TlogProof, AdmissionParts]:
    if len(text) > MAX_RECEIPT_BYTES:
        raise AdmissionRefused(
            Code.Q_MALFORMED,
            f"The receipt is larger than {MAX_RECEIPT_BYTES} bytes, the most that one can have.",
        )
    try:
        proof = parse_proof(text)
        if proof.extra is None:
            raise FormatError("it carries no entry")
        return proof, parse_admission(proof.extra, limit=MAX_RECEIPT_BYTES)
    except LedgerError as error:
        raise _unreadable(error) from None


def _check_pair(
    proof: TlogProof, parts: AdmissionParts, decision: Entry, submission: Entry
) -> JobSubmitted:
    """Check that one entry admits the other; what was submitted."""
    if decision.kind == "rejected" and decision.decision is not None:
        first = decision.decision.findings[0]
        raise AdmissionRefused(
            first.code, f"The ledger rejected job {decision.job_id}: {first.finding}"
        )
    if decision.kind != "admitted" or decision.decision is None:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The receipt proves an entry '{decision.kind}'; a run needs the receipt of its"
            " admission, which the ledger gives at /api/v1/jobs/JOB/admission.",
        )
    public = submission.signed.public if submission.signed else None
    if (
        submission.kind != "submitted"
        or not isinstance(public, JobSubmitted)
        or submission.job_id != decision.job_id
        or decision.decision.refers_to != parts.submitted_index
        # The ledger decides in the batch of the submission, directly behind it.
        or proof.index != parts.submitted_index + 1
    ):
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The receipt of job {decision.job_id} comes with a submission that the admission does"
            " not answer.",
        )
    return public


def _check_clock(admission: Admission, *, now: int) -> None:
    if now < admission.decided_at - MAX_SKEW_S:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The clock of this cluster is before the admission of job {admission.job_id}, which"
            f" was at {format_time(admission.decided_at)}; no receipt counts until it is right.",
        )
    if now >= admission.expires_at:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The admission of job {admission.job_id} of {format_time(admission.decided_at)} was"
            f" good for a start within {(admission.expires_at - admission.decided_at) // HOUR_S}"
            " hours; submit the job to the ledger again, under a new number.",
        )


def _check_run(
    admission: Admission,
    *,
    gpu_count: int,
    job_id: str | None,
    workload: str | None,
    wall_seconds: int | None,
) -> None:
    own = admission.job_id
    if job_id is not None and job_id != own:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The run is of job {job_id[:40]!a}, and the receipt is of job {own}.",
        )
    if workload is not None and workload != admission.workload_type:
        forbidden = workload in FORBIDDEN_WORKLOADS
        raise AdmissionRefused(
            Code.R1_FORBIDDEN_WORKLOAD if forbidden else Code.R3_MISSING_RECORD,
            f"The run's class of work is {workload[:40]!a}, and job {own} was admitted as"
            f" {admission.workload_type}.",
        )
    if gpu_count < 1:
        raise AdmissionRefused(Code.Q_MALFORMED, f"A run of {gpu_count} GPUs needs no receipt.")
    if gpu_count > admission.gpu_count:
        raise AdmissionRefused(
            Code.Q_QUOTA,
            f"The run asks for {gpu_count} GPUs; job {own} was admitted with"
            f" {admission.gpu_count}.",
        )
    if wall_seconds is not None and not 0 < wall_seconds <= admission.wall_limit_seconds:
        raise AdmissionRefused(
            Code.Q_QUOTA,
            f"The run asks for {wall_seconds} seconds; job {own} was admitted with"
            f" {admission.wall_limit_seconds}.",
        )


def _unreadable(error: LedgerError) -> AdmissionRefused:
    return AdmissionRefused(
        Code.Q_MALFORMED,
        f"The receipt is not an admission receipt of the ledger ({error}); the ledger gives it at"
        " /api/v1/jobs/JOB/admission.",
    )
