"""``ledger admit-workload``: what to tell Kueue about a Workload, as the patch of its status.

Needs no ledger and no network, but to post a rejection.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

import click

from ledger.admission import kueue
from ledger.admission.kubernetes import Cluster
from ledger.admission.pods_of_jobs import PodsOfJobs
from ledger.admission.register import Register
from ledger.assembly.house import system_clock
from ledger.cli.cluster_options import GPU_RESOURCES, NAMESPACES, POLICY, VALID_FOR
from ledger.cli.common import CommandFailed, read_bytes
from ledger.cli.receipts import read_policy
from ledger.cli.reporting import Saying, members_of, saying_options
from ledger.errors import FormatError

STDIN: Final = "-"


@click.command("admit-workload")
@click.argument("file", metavar="FILE|-")
@POLICY
@click.option(
    "--check", required=True, metavar="NAME", help="The AdmissionCheck that this answers."
)
@VALID_FOR
@GPU_RESOURCES
@NAMESPACES
@click.option(
    "--merge",
    is_flag=True,
    help="A JSON merge patch of all checks, not an object for server-side apply.",
)
@saying_options
def admit_workload_command(
    *,
    file: str,
    policy_file: Path,
    check: str,
    valid_hours: int,
    gpu_resources: tuple[str, ...],
    namespaces: tuple[str, ...],
    merge: bool,
    **saying: Any,  # noqa: ANN401 - the options of ``saying_options``
) -> None:
    """Print the status patch that tells Kueue Ready, Rejected or Retry about the Workload in FILE.

    FILE (- is standard input) is one Workload as `kubectl get workload NAME -o json` prints it.

    The patch is for `kubectl apply --server-side --subresource=status --field-manager=NAME -f -`.

    With --ledger, --author-key and --outbox a rejection is posted.
    """
    policy = read_policy(policy_file)
    poster = Saying.of(policy=policy, **saying)
    cluster = Cluster(
        policy=policy,
        # Kueue decides before there is a pod: nothing is used up, and these are never opened.
        register=Register("/nonexistent/register"),
        pods=PodsOfJobs("/nonexistent/pods"),
        clock=system_clock,
        valid_hours=valid_hours,
        further_gpus=frozenset(gpu_resources),
        members=members_of(namespaces),
    )
    try:
        workload = kueue.parse_workload(_read(file))
        decided = kueue.decide(workload, cluster)
        patch = kueue.patch(workload, decided, check=check, clock=system_clock, merge=merge)
    except FormatError as error:
        raise CommandFailed(f"{file}: {error}") from None
    click.echo(json.dumps(patch, sort_keys=True))
    if decided.refusal is not None and poster is not None:
        poster.reporter.refused(decided.refusal)
        poster.send()


def _read(file: str) -> bytes:
    if file == STDIN:
        return sys.stdin.buffer.read(kueue.MAX_BYTES + 1)
    return read_bytes(Path(file), limit=kueue.MAX_BYTES)
