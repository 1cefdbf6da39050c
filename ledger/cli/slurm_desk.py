"""What ``ledger slurm`` works with: the cluster's file, the orchestrator's pen, and the way out.

A receipt is taken from the cluster's own folder, or fetched from the ledger once and kept there. It
is believed for what it proves, wherever it comes from.
"""

import os
import stat
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import msgspec

from ledger.admission.outbox import Outbox, Sent
from ledger.admission.receipt import MAX_RECEIPT_BYTES, Admission, read_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.reporting import Reporter
from ledger.admission.slurm.runs import Run, RunState, Span
from ledger.admission.slurm.site import MAX_SITE_BYTES, Site, SiteRefused, parse_site
from ledger.assembly.house import system_clock
from ledger.cli.client import Client
from ledger.cli.common import CommandFailed, read_author_key, read_bytes
from ledger.cli.receipts import read_policy
from ledger.cli.reporting import sender
from ledger.client.door import Door
from ledger.errors import LedgerError, NotFound, ValueRefused
from ledger.importers.accelerators import accelerator_of
from ledger.importers.drafts import Defaults, Draft, make_drafts
from ledger.importers.facts import Period
from ledger.importers.looking import At
from ledger.importers.mapping import ImportRefused
from ledger.importers.slurm import read_job
from ledger.records import canonical
from ledger.records.charter import Code
from ledger.records.deadline import format_time
from ledger.tlog.note import VerifierKey
from ledger.tlog.policy import Policy
from schemas.statements import ExitStatus, WeightsCheck

SYSTEM: Final = "slurm"
RECEIPT: Final = ".admission.tlog-proof"
PERHAPS_AGAIN: Final = {
    "NODE_FAIL": ExitStatus.NODE_FAIL,
    "BOOT_FAIL": ExitStatus.NODE_FAIL,
    "PREEMPTED": ExitStatus.PREEMPTED,
}
"""States in which Slurm may put a job back into the queue."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that is over, and its last statement."""

    run: Run
    draft: Draft


@dataclass(frozen=True, slots=True)
class Desk:
    """One cluster's file, read and checked; ``give_up_after_s`` bounds every talk to the ledger."""

    site: Site
    policy: Policy
    defaults: Defaults
    reporter: Reporter = field(repr=False)
    log_key: VerifierKey
    give_up_after_s: float

    @property
    def outbox(self) -> Outbox:
        """What the ledger is still to be told."""
        return self.reporter.outbox

    def receipt(self, job_id: str) -> bytes:
        """The admission receipt of a job, unchecked.

        Raises AdmissionRefused where the ledger has none, CommandFailed where nobody can say.
        """
        try:
            return _read_plain(self.site.receipts / f"{job_id}{RECEIPT}")
        except FileNotFoundError:
            return self._fetch(job_id)
        except OSError as error:
            raise CommandFailed(f"the receipt of job {job_id}: {error.strerror}") from None

    def admission(self, text: bytes, job_id: str) -> Admission | None:
        """What a receipt proves of this job, for a refusal to name it; None where it does not."""
        try:
            found = read_admission(text, policy=self.policy, valid_hours=self.site.valid_hours)
        except AdmissionRefused:
            return None
        return found if found.job_id == job_id else None

    def send(self) -> Sent:
        """Send what waits, as long as the ledger answers. Raises OutboxError."""
        with Client(self.site.ledger, give_up_after_s=self.give_up_after_s) as client:
            return self.outbox.work(sender(client, self.log_key))

    def say_started(self, run: Run) -> str:
        """Keep the start of a period for the log; the outbox's key of it."""
        key = f"{_stem(run)}-started-{len(run.before)}"
        self.reporter.say(
            key=key,
            about=run.job_id,
            kind="started",
            schema="job-started/1",
            public={"started_at": format_time(run.started_at), "gpu_count": run.gpu_count},
            job_id=run.job_id,
        )
        return key

    def say_interrupted(
        self, run: Run, *, started_at: int, ended_at: int, exit_status: ExitStatus
    ) -> Run:
        """Keep the end of a period for the log; the run, waiting for its next one."""
        begun = max(started_at, run.started_at)
        over = max(ended_at, begun)
        span = Span(begun, over, exit_status.value, run.gpu_count, run.gpu_type)
        self.reporter.say(
            key=f"{_stem(run)}-interrupted-{len(run.before)}",
            about=run.job_id,
            kind="interrupted",
            schema="job-interrupted/1",
            public={"ended_at": format_time(span.ended_at), "exit_status": span.exit_status},
            job_id=run.job_id,
        )
        return msgspec.structs.replace(run, state=RunState.INTERRUPTED, before=(*run.before, span))

    def say_ended(self, run: Run, ended: Ended) -> None:
        """Keep the end of a run for the log."""
        document = ended.draft.document
        self.reporter.say(
            key=f"{_stem(run)}-ended",
            about=run.job_id,
            kind=ended.draft.kind,
            schema=document["schema"],
            public=msgspec.to_builtins(document["public"]),
            job_id=run.job_id,
            sealed=msgspec.to_builtins(document["sealed"]),
            seals=True,
        )

    def _fetch(self, job_id: str) -> bytes:
        door = Door(self.site.ledger, give_up_after_s=self.give_up_after_s)
        try:
            text = door.get(f"/api/v1/jobs/{job_id}/admission", limit=MAX_RECEIPT_BYTES)
        except (NotFound, ValueRefused) as error:
            raise AdmissionRefused(
                Code.R3_MISSING_RECORD, f"The ledger gives no admission receipt: {error}"
            ) from None
        except LedgerError as error:
            raise CommandFailed(
                f"there is no receipt of job {job_id} here, and the ledger cannot be asked, so"
                f" nothing starts: {error}"
            ) from None
        finally:
            door.close()
        if self.admission(text, job_id) is not None:
            _keep(self.site.receipts / f"{job_id}{RECEIPT}", text)
        return text


def open_desk(path: Path, *, longest_s: float = 60.0) -> Desk:
    """Read the cluster's file and all that it names. Raises CommandFailed, KeyFileError.

    The ledger is given up after ``longest_s`` seconds, or after fewer where the file says so.
    """
    try:
        site = parse_site(read_bytes(path, limit=MAX_SITE_BYTES))
        defaults = msgspec.convert(site.usage, Defaults)
    except SiteRefused as error:
        raise CommandFailed(f"{path}: {error}") from None
    except msgspec.ValidationError as error:
        raise CommandFailed(f"{path}: [usage]: {error}") from None
    if None in (defaults.weights_unchanged, defaults.weights_check, defaults.h200e):
        raise CommandFailed(
            f"{path}: [usage] has to say weights_unchanged, weights_check, h200e.basis and"
            " milli_h200: without them no end of a run can be reported"
        )
    if defaults.weights_check is WeightsCheck.READONLY_MOUNT and not site.models:
        raise CommandFailed(
            f"{path}: weights_check is readonly_mount, and models is empty: without the folders"
            " that node_prolog.sh looks at, nobody looks at a mount; name them"
        )
    policy = read_policy(Path(site.policy))
    signer = read_author_key(Path(site.key))
    origin = signer.name.rpartition("/")[0]
    keys = [each.key for each in policy.logs if each.key.name == origin]
    if not keys:
        raise CommandFailed(
            f"{path}: the key is for the log {origin!a:.80}, which is not in policy"
        )
    _require_own(Path(site.state))
    reporter = Reporter(outbox=Outbox(site.outbox), signer=signer, clock=system_clock)
    return Desk(site, policy, defaults, reporter, keys[0], min(longest_s, site.patience_s))


def worth_known(defaults: Defaults, gpu_type: str | None) -> bool:
    """Whether the end of a run on these GPUs can be reported: their worth in H200 is known."""
    return _worth(defaults, gpu_type) > 0


def _worth(defaults: Defaults, gpu_type: str | None) -> int:
    """What such a GPU is worth in thousandths of an H200; 0 where nobody says."""
    kind = accelerator_of(gpu_type, defaults.accelerator_names) if gpu_type else None
    return defaults.milli_h200.get(kind or defaults.accelerator or "", 0)


def end_of(
    run: Run, number: int, state: str, *, started_at: int | None, ended_at: int, defaults: Defaults
) -> Ended:
    """What there is to report of a run that ended with Slurm's ``state``.

    ``started_at`` is the last period's; None where none ran since the one before.
    """
    last = run.started_at if started_at is None else max(started_at, run.started_at)
    ended_at = max(ended_at, last, *(each.ended_at for each in run.before))
    record: dict[str, Any] = {
        "job_id": number,
        "wckey": run.workload,
        "state": {"current": [state]},
        "time": {"start": last, "end": ended_at, "limit": run.wall_limit_seconds // 60},
        "tres": {"allocated": [_gpus(run)]},
    }
    try:
        digest = sha256(canonical.encode(record)).hexdigest()
        facts = read_job(At(record, ""), digest, defaults.accelerator_names)
    except ImportRefused as error:
        raise CommandFailed(f"the end of job {number} cannot be read: {error}") from None
    if isinstance(facts, str):
        raise CommandFailed(f"the end of job {number} cannot be read: {facts}")
    facts.system = "slurm_jobcomp"
    before = [
        Period(each.started_at, each.ended_at, ExitStatus(each.exit_status)) for each in run.before
    ]
    last_s = 0 if started_at is None else ended_at - last
    facts.wall_seconds = run.used_seconds + last_s
    facts.periods = before + ([] if started_at is None and before else facts.periods)
    *_, draft = make_drafts(facts, defaults, job_id=run.job_id)
    # A requeued job can come back with other GPUs: each period counts with its own.
    used = [(each.wall_seconds * each.gpu_count, each.gpu_type) for each in run.before]
    used.append((last_s * run.gpu_count, run.gpu_type))
    worth = sum(seconds * _worth(defaults, kind) for seconds, kind in used)
    draft.document["public"]["gpu_seconds"] = sum(seconds for seconds, _ in used)
    draft.document["public"]["h200e_seconds"] = -(-worth // 1000)
    return Ended(msgspec.structs.replace(run, state=RunState.ENDED), draft)


def _require_own(folder: Path) -> None:
    """Make the state folder, its owner's alone; raise CommandFailed where others may write it."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        mode = folder.lstat().st_mode
    except OSError as error:
        raise CommandFailed(f"{folder}: {error.strerror}") from None
    if not stat.S_ISDIR(mode) or mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CommandFailed(f"{folder} has to be a folder that its owner alone can write")


def _gpus(run: Run) -> dict[str, Any]:
    name = f"gpu:{run.gpu_type}" if run.gpu_type else "gpu"
    return {"type": "gres", "name": name, "count": run.gpu_count}


def _stem(run: Run) -> str:
    return f"slurm.{run.run.replace(':', '.')}"


def _read_plain(path: Path) -> bytes:
    """A regular file's bytes: no link is followed, and no pipe waited for."""
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(0, "it is no regular file")
        return file.read(MAX_RECEIPT_BYTES + 1)


def _keep(path: Path, text: bytes) -> None:
    """Keep a receipt for the next time; that it cannot be kept changes nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.write_bytes(text)
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
