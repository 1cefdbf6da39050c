"""Asking Slurm's controller, and telling its users: by Slurm's own commands, never by a shell."""

import subprocess
from pathlib import Path
from typing import Final

from ledger.admission.slurm.job import MAX_QUEUE_BYTES, SlurmJob, find_job
from ledger.admission.slurm.site import Site
from ledger.cli.common import CommandFailed
from ledger.errors import FormatError

QUEUE_S: Final = 30.0


def look_up(site: Site, number: int) -> SlurmJob:
    """The job as the controller has it now. Raises CommandFailed where that cannot be known."""
    try:
        return find_job(queue_of(site), number)
    except FormatError as error:
        raise CommandFailed(f"{error}, so it does not start") from None


def queue_of(site: Site) -> bytes:
    """What squeue prints as JSON of all jobs, those that ended a moment ago too.

    Raises CommandFailed where it gives no answer.
    """
    printed = _slurm(site, "squeue", "--json", "--states=all")
    if printed is None or len(printed) > MAX_QUEUE_BYTES:
        raise CommandFailed("squeue gives no answer, and without it nothing is known of a job")
    return printed


def tell(site: Site, number: int, message: str, *, hold: bool) -> None:
    """Say it where the user looks: the terminal of srun and salloc, `scontrol show job`."""
    said = f"apsci: {message}"
    if hold:
        _slurm(site, "scontrol", "uhold", str(number))
    _slurm(site, "scontrol", "update", f"JobId={number}", f"AdminComment={said[:900]}")
    _slurm(site, "scontrol", "notify", str(number), said)


def _slurm(site: Site, name: str, *arguments: str) -> bytes | None:
    """What a command of Slurm printed; None where it failed. Hooks have no PATH of their own."""
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
    if site.slurm_conf is not None:
        environment["SLURM_CONF"] = site.slurm_conf
    try:
        done = subprocess.run(  # noqa: S603 - a list, no shell; the path is the site's own
            [str(Path(site.slurm_bin) / name), *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=QUEUE_S,
            check=False,
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
