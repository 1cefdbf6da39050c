"""``ledger slurm``: what Slurm's hooks call. Nothing starts unless they exit with 0.

``check`` answers sbatch and uses nothing up; ``start`` uses the receipt up and has the start logged
before the job begins; ``end`` reports how it ended; ``send`` sends what is not answered yet. Names,
paths and scripts of Slurm's users are not read, so they are in no message and in no entry.
"""

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

import click
import msgspec

from ledger.admission.outbox import OutboxError, State
from ledger.admission.receipt import Admission, check_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register
from ledger.admission.reporting import Refusal
from ledger.admission.slurm.job import ENDED, SlurmJob, ending, requeued_at, waits
from ledger.admission.slurm.runs import EndNotTold, Run, Runs, RunState, follow, name_of
from ledger.admission.slurm.site import Site
from ledger.admission.slurm.starting import judge, require_form, require_member
from ledger.admission.slurm.unused import require_unused
from ledger.assembly.house import system_clock
from ledger.cli.common import CommandFailed, Disproved
from ledger.cli.slurm_control import look_up, queue_of, tell
from ledger.cli.slurm_desk import (
    PERHAPS_AGAIN,
    SYSTEM,
    Desk,
    end_of,
    open_desk,
    worth_known,
)
from ledger.errors import FormatError
from ledger.records.charter import Code
from schemas.statements import ExitStatus

AT_SUBMISSION_S: Final = 5.0
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_SITE: Final = click.argument("site", metavar="SITE", type=click.Path(path_type=Path))


@click.group("slurm")
def slurm_group() -> None:
    """Answer Slurm's hooks. SITE is the TOML file that says where policy, key and ledger are."""


@slurm_group.command("check")
@_SITE
@click.option("--job", required=True, help="The job's number in the ledger.")
@click.option("--workload", required=True, help="Its class of work.")
@click.option("--gpus", required=True, type=click.IntRange(1, 10**9))
@click.option("--wall-seconds", required=True, type=click.IntRange(1, 10**12))
@click.option("--account", default="", help="Slurm's account of it.")
@click.option("--user", default=0, type=click.IntRange(0, 2**32), help="Slurm's number of it.")
def check_command(
    *, site: Path, job: str, workload: str, gpus: int, wall_seconds: int, account: str, user: int
) -> None:
    """Say whether a job may wait for its start. The receipt stays unused."""
    desk = open_desk(site, longest_s=AT_SUBMISSION_S)
    text: bytes | None = None
    try:
        text = desk.receipt(job)
        admission = check_admission(
            text,
            policy=desk.policy,
            now=system_clock(),
            gpu_count=gpus,
            valid_hours=desk.site.valid_hours,
            job_id=job,
            workload=workload,
            wall_seconds=wall_seconds,
        )
        require_member(desk.site.members, account, admission)
        require_unused(desk.site.register, admission)
    except AdmissionRefused as refused:
        # slurmctld waits for this answer: what is said to the ledger is kept, and sent later.
        desk.reporter.refused(
            _refusal(
                desk,
                f"{desk.site.cluster}:user:{user}",
                refused.code,
                gpus=gpus,
                text=text,
                job_id=job,
            )
        )
        raise Disproved(str(refused)) from None
    click.echo(f"admitted: job {admission.job_id}")


@slurm_group.command("start")
@_SITE
def start_command(site: Path) -> None:
    """Let the job SLURM_JOB_ID start, once the ledger has logged that it does."""
    number = _number_from("SLURM_JOB_ID")
    desk = open_desk(site)
    job = look_up(desk.site, number)
    if not job.gpu_count and not job.shares:
        return
    runs = Runs(desk.site.runs)
    with runs.alone(number):
        _start(desk, job, runs)


@slurm_group.command("end")
@_SITE
def end_command(site: Path) -> None:
    """Report how the run of the job JOBID ended, from what jobcomp/script says."""
    number = _number_from("JOBID")
    state = os.environ.get("JOBSTATE", "")
    desk = open_desk(site)
    runs = Runs(desk.site.runs)
    with runs.alone(number):
        run = runs.find(number)
        if run is None or run.state is RunState.ENDED:
            return
        _end(desk, number, run, state)
    desk.send()


@slurm_group.command("send")
@_SITE
def send_command(site: Path) -> None:
    """Send what the ledger has not answered yet; for a timer, once a minute.

    Reports, too, what ended or was put back into the queue without a word from jobcomp/script, as
    long as squeue shows it.
    """
    desk = open_desk(site)
    runs = Runs(desk.site.runs)
    running = runs.running()
    queue = queue_of(desk.site) if running else b""
    lost = 0
    for number, run in running:
        # A run that a hook is at, or was at since squeue was asked, has its turn next time.
        with runs.alone(number, wait=False) as kept:
            if kept and runs.find(number) == run:
                lost += not _catch_up(desk, number, run, queue)
    sent = desk.send()
    if sent.waiting:
        raise CommandFailed(f"{sent.waiting} statements wait for the ledger: {sent.trouble}")
    if lost:
        raise CommandFailed(
            f"{lost} runs are over, and how they ended was not told: look them up, and call"
            " `ledger slurm end` with JOBID, JOBSTATE, START and END"
        )


@slurm_group.command("install")
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@_SITE
@click.option(
    "--program",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The `ledger` that the hooks run. Default: this one.",
)
def install_command(folder: Path, site: Path, program: Path | None) -> None:
    """Write the four hooks into the new FOLDER and print the lines for slurm.conf."""
    from ledger.cli.slurm_install import install  # noqa: PLC0415 - the hooks do without it

    for line in install(folder, site, program):
        click.echo(line)


def _over(
    desk: Desk, number: int, run: Run, state: str, *, started_at: int | None, ended_at: int
) -> None:
    """Have the end of a run said, and then written down: said twice, it is said once."""
    ended = end_of(
        run, number, state, started_at=started_at, ended_at=ended_at, defaults=desk.defaults
    )
    desk.say_ended(run, ended)
    Runs(desk.site.runs).keep(number, ended.run)


def _end(desk: Desk, number: int, run: Run, state: str) -> None:
    """Have an end said as jobcomp/script tells it, of a period or of the run."""
    ended_at = _time_from("END")
    again = state.startswith(("PENDING", "REQUEUE"))
    if state in PERHAPS_AGAIN:
        with suppress(FormatError):  # what squeue no longer shows does not start again
            again = waits(queue_of(desk.site), number)
    if again:
        # A start that was not answered is still the next one: nothing has run. And what is told so
        # late that the next period has begun was told before, by squeue.
        if run.state is RunState.RUNNING and ended_at >= run.started_at:
            interrupted = desk.say_interrupted(
                run,
                started_at=_time_from("START"),
                ended_at=ended_at,
                exit_status=PERHAPS_AGAIN.get(state, ExitStatus.PREEMPTED),
            )
            Runs(desk.site.runs).keep(number, interrupted)
    elif state in ENDED:
        started_at = _time_from("START") if run.state is RunState.RUNNING else None
        _over(desk, number, run, state, started_at=started_at, ended_at=ended_at)


def _start(desk: Desk, job: SlurmJob, runs: Runs) -> None:
    """Let a job with GPUs start. Raises Disproved, and CommandFailed where Slurm may try again."""
    text: bytes | None = None
    kept = runs.find(job.number)
    try:
        text = desk.receipt(require_form(job))
        run = _admit(desk, job, text, kept)
        runs.keep(job.number, run)
        trouble = _have_logged(desk, run)
    except AdmissionRefused as refused:
        _refuse(desk, job, refused, text)
    except EndNotTold as untold:
        if kept is not None and job.restarts:
            # Else the requeue after this failure would be taken for the end of that period.
            _back_in_queue(desk, job.number, kept, since=job.submitted_at)
        _put_off(desk, job.number, f"{untold}; the job waits")
    if trouble is not None:
        _put_off(
            desk,
            job.number,
            f"the ledger has not logged the start, so the job waits: {trouble}",
        )
    runs.keep(job.number, msgspec.structs.replace(run, state=RunState.RUNNING))


def _put_off(desk: Desk, number: int, message: str) -> NoReturn:
    """Have Slurm try the start again later, and say so."""
    tell(desk.site, number, message, hold=False)
    raise CommandFailed(message)


def _back_in_queue(desk: Desk, number: int, run: Run, *, since: int) -> None:
    """Have the end of a period said that nobody told of, at the time of the requeue."""
    interrupted = desk.say_interrupted(
        run, started_at=run.started_at, ended_at=since, exit_status=ExitStatus.PREEMPTED
    )
    Runs(desk.site.runs).keep(number, interrupted)


def _catch_up(desk: Desk, number: int, run: Run, queue: bytes) -> bool:
    """Say what squeue shows of a period's end; False where it does not show the job any more."""
    try:
        end, since = ending(queue, number), requeued_at(queue, number)
    except FormatError:
        return False
    if end is not None:
        times = {"started_at": end.started_at, "ended_at": end.ended_at}
        _over(desk, number, run, end.state, **times)
    elif since is not None:
        _back_in_queue(desk, number, run, since=since)
    return True


def _admit(desk: Desk, job: SlurmJob, text: bytes, kept: Run | None) -> Run:
    """Use the receipt up for this run, new or going on. Raises AdmissionRefused."""
    now, hours = system_clock(), desk.site.valid_hours
    earlier = follow(kept, job)
    # A run that goes on was in time with its first start.
    at = min(now, earlier.before[0].started_at) if earlier and earlier.before else now
    used = earlier.used_seconds if earlier else 0
    admission = judge(job, text, policy=desk.policy, now=at, valid_hours=hours, used_seconds=used)
    require_member(desk.site.members, job.account, admission)
    if earlier is not None and earlier.job_id != admission.job_id:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD,
            f"Run {earlier.run} began as job {earlier.job_id}, and cannot go on as another.",
        )
    if not worth_known(desk.defaults, job.gpu_type):
        raise CommandFailed("[usage] does not say what a GPU of this job is worth")
    run = _run_of(desk.site, job, admission, earlier)
    Register(desk.site.register).take(admission.job_id, run.run, now)
    return run


def _have_logged(desk: Desk, run: Run) -> str | None:
    """Have the start logged: None once it is, else what keeps it. Raises AdmissionRefused."""
    key = desk.say_started(run)
    desk.send()
    kept = desk.outbox.find(key)
    if kept is None or kept.state is State.WAITING:
        return "no answer yet" if kept is None else kept.trouble
    if kept.state is State.REFUSED:
        raise AdmissionRefused(
            Code.R3_MISSING_RECORD, f"The ledger does not take the start: {kept.trouble}"
        )
    return None


def _run_of(site: Site, job: SlurmJob, admission: Admission, earlier: Run | None) -> Run:
    """The run that starts now: a new one, or the next period of ``earlier``."""
    started_at = job.started_at
    if earlier is not None and earlier.state is RunState.STARTING:
        started_at = earlier.started_at  # it was signed so, and may be in the log by now
    return Run(
        run=name_of(site.cluster, job) if earlier is None else earlier.run,
        job_id=admission.job_id,
        workload=admission.workload_type,
        gpu_count=job.gpu_count,
        gpu_type=job.gpu_type or "",
        wall_limit_seconds=admission.wall_limit_seconds,
        state=RunState.STARTING,
        started_at=started_at,
        before=() if earlier is None else earlier.before,
    )


def _refuse(desk: Desk, job: SlurmJob, refused: AdmissionRefused, text: bytes | None) -> NoReturn:
    """Have it logged, tell the user, keep the job from starting again and again."""
    tell(desk.site, job.number, str(refused), hold=True)
    try:
        run = name_of(desk.site.cluster, job)
        desk.reporter.refused(
            _refusal(desk, run, refused.code, gpus=job.gpu_count, text=text, job_id=job.job_id)
        )
        desk.send()
    except OutboxError as error:
        click.echo(f"ledger: the refusal is not kept for the ledger: {error}", err=True)
    raise Disproved(f"refused: {refused}") from None


def _refusal(
    desk: Desk, run: str, code: Code, *, gpus: int, text: bytes | None, job_id: str | None
) -> Refusal:
    """What is posted of a refused start: a job and its member only where a receipt proves them."""
    known = desk.admission(text, job_id) if text is not None and job_id is not None else None
    return Refusal(
        SYSTEM,
        run,
        code,
        gpus,
        job_id=known.job_id if known else None,
        member=known.author if known else None,
    )


def _number_from(variable: str) -> int:
    text = os.environ.get(variable, "")
    if not _NUMBER.fullmatch(text):
        raise CommandFailed(f"{variable} is not the number of a Slurm job")
    return int(text)


def _time_from(variable: str) -> int:
    text = os.environ.get(variable, "")
    if not _NUMBER.fullmatch(text):
        raise CommandFailed(f"{variable} is not a time in seconds")
    return int(text)
