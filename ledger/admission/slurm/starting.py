"""Whether a Slurm job may start: what the controller gave it, held against its receipt.

Nothing is fetched here and nothing remembered: the receipt is handed in, the register is asked by
the caller, last of all.
"""

from collections.abc import Mapping

from ledger.admission.receipt import Admission, check_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.slurm.job import MINUTE_S, SlurmJob
from ledger.records.charter import Code
from ledger.tlog.policy import Policy

HOW = "--comment=apsci:JOB, JOB being its number in the ledger, and --wckey=CLASS_OF_WORK"


def require_form(job: SlurmJob) -> str:
    """The ledger's number of a job with GPUs. Raises AdmissionRefused where it says none.

    An array or a heterogeneous job is several runs, and one receipt starts one.
    """
    if job.shares:
        raise AdmissionRefused(
            Code.Q_MALFORMED, "Shares of GPUs (shard, mps) cannot be admitted; ask for whole GPUs."
        )
    if job.several:
        raise AdmissionRefused(
            Code.Q_MALFORMED,
            "Array and heterogeneous jobs with GPUs are several runs, and one receipt starts one"
            " run; submit each as a job of its own.",
        )
    if job.job_id is None or job.workload is None:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD, f"A job with GPUs needs {HOW}, as the ledger admitted it."
        )
    if job.wall_limit_seconds is None:
        raise AdmissionRefused(Code.Q_QUOTA, "A job with GPUs needs a time limit (--time).")
    return job.job_id


def require_member(members: Mapping[str, str] | None, account: str, admission: Admission) -> None:
    """Raise AdmissionRefused where ``account`` may not use this member's receipts.

    Receipts are public. ``members`` says whose an account may use; None: anyone's.
    """
    if members is None:
        return
    member = members.get(account)
    if member is None:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            "The job's account is no member's on this cluster; submit it with --account.",
        )
    if member != admission.author:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"The job's account is {member}'s, and the receipt of job {admission.job_id} is"
            f" {admission.author}'s.",
        )


def judge(
    job: SlurmJob,
    receipt: bytes,
    *,
    policy: Policy,
    now: int,
    valid_hours: int,
    used_seconds: int = 0,
) -> Admission:
    """What the receipt admits, if it lets ``job`` start. Raises AdmissionRefused.

    ``used_seconds`` is how long the run has run before it was put back into the queue: it counts,
    or a job that is requeued again and again would run for ever on one admission.
    """
    admission = check_admission(
        receipt,
        policy=policy,
        now=now,
        gpu_count=job.gpu_count,
        valid_hours=valid_hours,
        job_id=require_form(job),
        workload=job.workload,
        wall_seconds=job.wall_limit_seconds,
    )
    limit, left = job.wall_limit_seconds or 0, admission.wall_limit_seconds - used_seconds
    if used_seconds and limit > left:
        raise AdmissionRefused(
            Code.Q_QUOTA,
            f"The run has used {used_seconds} of the {admission.wall_limit_seconds} seconds that"
            f" job {admission.job_id} was admitted with, and asks for {limit} more; set its time"
            f" limit to {max(left, 0) // MINUTE_S} minutes, if that is enough, and release it.",
        )
    return admission
