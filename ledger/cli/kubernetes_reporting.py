"""``ledger report-jobs``, ``ledger admit-pods``: what a cluster's own lists tell, from a cron.

Both read what ``kubectl get … -o json`` prints, and neither talks to a cluster.
"""

import sys
from pathlib import Path
from typing import Any, Final

import click

from ledger.admission.kubernetes import Cluster
from ledger.admission.kubernetes_endings import (
    MAX_BYTES,
    Run,
    Usage,
    living,
    missing,
    read_runs,
    statements,
)
from ledger.admission.pods_of_jobs import YOUNG_S, PodsOfJobs
from ledger.admission.refusal import AdmissionRefused
from ledger.admission.register import Register
from ledger.assembly.house import system_clock
from ledger.cli.cluster_options import GPU_RESOURCES, NAMESPACES, POLICY
from ledger.cli.common import CommandFailed, read_bytes, read_text
from ledger.cli.receipts import read_policy
from ledger.cli.reporting import Saying, host_path_option, members_of, saying_options
from ledger.cli.webhook_admitting import PODS
from ledger.errors import FormatError
from ledger.importers.drafts import Defaults, parse_defaults
from schemas.statements import WeightsCheck

STDIN: Final = "-"


@click.command("report-jobs")
@click.argument("file", metavar="FILE|-")
@POLICY
@click.option(
    "--register",
    "register_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The register of `ledger admit-webhook`: which run used which receipt.",
)
@click.option(
    "--defaults",
    "defaults_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="A TOML file with h200e.basis and milli_h200, what GPUs are worth; as for import-jobs."
    " weights_unchanged and weights_check, where the volumes do not show it.",
)
@GPU_RESOURCES
@NAMESPACES
@host_path_option
@saying_options
def report_jobs_command(
    *,
    file: str,
    policy_file: Path,
    register_file: Path,
    defaults_file: Path,
    gpu_resources: tuple[str, ...],
    namespaces: tuple[str, ...],
    host_paths: tuple[str, ...],
    **saying: Any,  # noqa: ANN401 - the options of ``saying_options``
) -> None:
    """Post what the Jobs in FILE (- is standard input) say of their runs, each thing once.

    FILE is what `kubectl get jobs,pods --all-namespaces -o json` prints. Run it every minute: it
    knows from the outbox what was said before, and sends again what the ledger has not answered.
    Only the run that used a receipt is reported under it.

    Exits with 0 when all is said and answered, and with 2 while a run that was let in is not in
    FILE and its end was not reported.
    """
    policy = read_policy(policy_file)
    defaults = parse_defaults(read_text(defaults_file))
    poster = Saying.of(policy=policy, **saying)
    if poster is None:
        raise CommandFailed("--ledger, --author-key and --outbox: all three are needed")
    cluster = Cluster(
        policy=policy,
        register=Register(register_file),
        pods=PodsOfJobs(register_file.with_name(register_file.name + PODS)),
        clock=system_clock,
        further_gpus=frozenset(gpu_resources),
        members=members_of(namespaces),
        host_paths=frozenset(host_paths),
    )
    if not register_file.is_file():
        raise CommandFailed(f"there is no register of a webhook at {register_file}")
    outbox = poster.reporter.outbox
    try:
        text = _read(file)
        runs = list(read_runs(text, cluster))
        gone = missing(text, cluster, lambda uid: outbox.find(f"{uid}-ended") is not None)
    except (FormatError, AdmissionRefused) as error:
        raise CommandFailed(f"{file}: {error}") from None
    troubles = 0
    for run in [*runs, *gone]:
        if isinstance(run, FormatError):
            found: list[dict[str, Any] | FormatError] = [run]
        else:
            said = outbox.keys(f"{run.uid}-")
            found = list(statements(run, said, _usage(run, defaults)))
        for each in found:
            if isinstance(each, FormatError):
                troubles += 1
                click.echo(f"not reported: {each}", err=True)
            elif poster.reporter.say(**each):
                click.echo(f"{each['kind']}: {each['job_id']}")
    sent = poster.send()
    click.echo(f"{len(sent.answered)} answered, {sent.waiting} waiting", err=True)
    if troubles or sent.refused or sent.waiting:
        raise CommandFailed("not everything is said; the lines above say what, and why")


@click.command("admit-pods")
@click.argument("file", metavar="FILE|-")
@click.option(
    "--register",
    "register_file",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The register of `ledger admit-webhook`.",
)
def admit_pods_command(*, file: str, register_file: Path) -> None:
    """Compare the pods that hold GPUs of admitted jobs with the pods that there are, in FILE.

    FILE (- is standard input) is what `kubectl get pods --all-namespaces -o json` prints, now: a
    pod that is not in it, or has ended there, holds nothing any more. An old list, or one of some
    namespaces alone, would let a job have more GPUs than were admitted.
    """
    pods_file = register_file.with_name(register_file.name + PODS)
    if not pods_file.is_file():
        raise CommandFailed(f"there are no pods of a webhook at {pods_file}")
    now = system_clock()
    try:
        alive = living(_read(file))
    except FormatError as error:
        raise CommandFailed(f"{file}: {error}") from None
    gone = PodsOfJobs(pods_file).compare(alive, now)
    for each in gone:
        click.echo(f"gone: {each}")
    click.echo(f"{len(gone)} pods are gone that were let in over {YOUNG_S} s ago", err=True)


def _usage(run: Run, defaults: Defaults) -> Usage | None:
    """What the cluster knows of the run's GPUs and weights; None where some of it lacks."""
    worth = defaults.milli_h200.get(run.accelerator)
    unchanged, check = defaults.weights_unchanged, defaults.weights_check
    if unchanged is None and run.read_only:
        unchanged, check = True, WeightsCheck.READONLY_MOUNT
    if worth is None or defaults.h200e is None or unchanged is None or check is None:
        return None
    return Usage(defaults.h200e.basis, worth, unchanged, check)


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    return read_bytes(Path(file), limit=MAX_BYTES)
