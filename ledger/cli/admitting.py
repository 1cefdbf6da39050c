"""``ledger admit-check``: whether a run may start, for the hooks of schedulers.

Needs no ledger, no settings and no network: a receipt, a policy file and, to see that a receipt is
used once, a register. Exit status 0 lets the run start and nothing else does: 1 says why the run is
refused, 2 that it could not be checked.
"""

import json
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from ledger.admission.receipt import (
    MAX_RECEIPT_BYTES,
    Admission,
    check_admission,
)
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register
from ledger.assembly.house import system_clock
from ledger.cli.cluster_options import POLICY, VALID_FOR, Whole
from ledger.cli.common import CommandFailed, Disproved
from ledger.cli.receipts import read_policy
from ledger.records.deadline import format_time

STDIN: Final = "-"
REFUSED: Final = 1
_ULID: Final = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.ASCII)


@click.command("admit-check")
@click.argument("receipt", metavar="RECEIPT")
@POLICY
@click.option(
    "--gpus", required=True, metavar="N", type=Whole(least=1), help="The GPUs that the run takes."
)
@click.option("--job", metavar="ULID", help="The job that the run says it is of.")
@click.option("--workload", metavar="CODE", help="The class of work that the run says it is of.")
@click.option(
    "--wall-seconds", metavar="N", type=Whole(least=1), help="The time that the run asks for."
)
@VALID_FOR
@click.option(
    "--register",
    "register_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Where used receipts are written down; made if it is not there. Needs --run.",
)
@click.option(
    "--run", metavar="ID", help="The scheduler's number of the run, which the receipt starts."
)
@click.option("--json", "as_json", is_flag=True, help="Say it as JSON, a refusal too.")
def admit_check_command(
    *,
    receipt: str,
    policy_file: Path,
    gpus: int,
    job: str | None,
    workload: str | None,
    wall_seconds: int | None,
    valid_hours: int,
    register_file: Path | None,
    run: str | None,
    as_json: bool,
) -> None:
    """Check offline whether the admission receipt in RECEIPT (- is standard input) starts a run.

    Exits with 0 where it does, with 1 and the reason where the run is refused, with 2 where it
    could not be checked. A scheduler starts nothing but upon 0.

    With --register and --run the receipt is used up: the same run may ask again, as after a
    requeue, and no other one. Without them nothing is remembered, and a receipt could start two.
    """
    if (register_file is None) != (run is None):
        raise CommandFailed("--register and --run: one is of no use without the other")
    if job is not None and not _ULID.fullmatch(job):
        raise CommandFailed(f"--job: {job[:40]!a} is not the number of a job (ULID)")
    policy = read_policy(policy_file)
    text = _read(receipt)
    now = system_clock()
    try:
        admission = check_admission(
            text,
            policy=policy,
            now=now,
            gpu_count=gpus,
            valid_hours=valid_hours,
            job_id=job,
            workload=workload,
            wall_seconds=wall_seconds,
        )
        if register_file is not None and run is not None:
            Register(register_file).take(admission.job_id, run, now)
    except AdmissionRefused as refused:
        if not as_json:
            raise Disproved(f"refused: {refused}") from None
        _print_json(verdict="refused", code=refused.code.value, finding=refused.finding)
        raise click.exceptions.Exit(REFUSED) from None
    if as_json:
        _print_json(verdict="admitted", **_shown(admission))
    else:
        click.echo(_line(admission))


def _read(receipt: str) -> bytes:
    """At most one byte more than a receipt may have, which is then refused for its size."""
    try:
        if receipt == STDIN:
            return sys.stdin.buffer.read(MAX_RECEIPT_BYTES + 1)
        with Path(receipt).open("rb") as file:
            return file.read(MAX_RECEIPT_BYTES + 1)
    except OSError as error:
        raise CommandFailed(f"{receipt}: {error.strerror}") from None
    except ValueError as error:
        raise CommandFailed(f"{receipt!a:.80}: {error}") from None


def _shown(admission: Admission) -> dict[str, Any]:
    times = {name: format_time(getattr(admission, name)) for name in ("decided_at", "expires_at")}
    return asdict(admission) | times


def _line(admission: Admission) -> str:
    return (
        f"admitted: job {admission.job_id} of {admission.author}, {admission.workload_type},"
        f" {admission.gpu_count} GPUs, wall limit {admission.wall_limit_seconds} s,"
        f" starts before {format_time(admission.expires_at)}"
    )


def _print_json(**values: object) -> None:
    click.echo(json.dumps(values, sort_keys=True, separators=(",", ":")))
