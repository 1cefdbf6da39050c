"""The command line ``ledger``: which commands there are, and what becomes of what they raise.

Exit status 0: done. 1: something was found to be damaged or untrue (``fsck``, ``verify-proof``, and
an answer whose receipt does not verify), or a run or a submission is refused (``admit-check``,
``check``). 2: it could not be done or checked. 130: interrupted.
Every error is one line on standard error that begins with ``ledger:``.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, cast

import click

from ledger.cli.loading import uncollected

DONE: Final = 0
FOUND: Final = 1
FAILED: Final = 2
INTERRUPTED: Final = 130

COMMANDS: Final[Mapping[str, str]] = {
    "init": "create:init",
    "serve": "running:serve",
    "worker": "running:worker",
    "status": "looking:status",
    "publish-due": "running:publish_due",
    "witnesses": "witnesses:witnesses_command",
    "submit": "authoring:submit",
    "check": "checking:check_command",
    "open": "authoring:open_command",
    "registry": "authoring:registry",
    "charter": "charter:charter_group",
    "keys": "authoring:keys_group",
    "log-key": "log_key:log_key_group",
    "verify-proof": "receipts:verify_proof_command",
    "receipt": "fetching:receipt_command",
    "admit-check": "admitting:admit_check_command",
    "admit-webhook": "webhook_admitting:admit_webhook_command",
    "admit-workload": "kueue_admitting:admit_workload_command",
    "admit-pods": "kubernetes_reporting:admit_pods_command",
    "report-jobs": "kubernetes_reporting:report_jobs_command",
    "fsck": "repairing:fsck",
    "rebuild": "repairing:rebuild_command",
    "backup": "backing_up:backup_command",
    "recover": "recovering:recover_command",
    "roles": "roles:roles_command",
    "artifact": "artifacts:artifact_group",
    "export": "exporting:export_command",
    "mirror": "mirroring:mirror_command",
    "witness": "witness:witness_group",
    "webhooks": "webhooks:webhooks_group",
    "signals": "signals:signals_command",
    "sketch": "sketching:sketch_command",
    "slurm": "slurm:slurm_group",
    "import-jobs": "importing:import_jobs_command",
    "import-trace": "replaying:import_trace_command",
    "weights": "weights:weights_group",
    "migrate": "looking:migrate",
    "settings": "looking:settings_command",
    "deploy": "deploying:deploy_command",
}
"""Each command's module below ``ledger.cli`` and its name there.

Only the one that runs is imported: a server starts without the importers and the HTTP client.
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name].split(":")
        with uncollected():
            return cast("click.Command", getattr(import_module(f"ledger.cli.{module}"), name))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "--version", package_name="apsci-ledger", message="%(version)s")
def cli() -> None:
    """The public transparency ledger: every job in a signed log, opened on a provable deadline.

    A ledger lives in LEDGER_DATA_DIR (default: ledger-data in the working folder). `ledger
    settings` lists all that can be set. Start with `ledger init`, then `ledger serve`.
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit status. Prints what went wrong, in one line."""
    try:
        with cli.make_context("ledger", list(arguments)) as context:
            cli.invoke(context)
            sys.stdout.flush()
    except click.exceptions.Exit as end:
        return end.exit_code
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has had enough. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except Exception as error:  # noqa: BLE001 - a stranger gets one line, whatever happened
        # It knows every error that the ledger has, and so half of the ledger.
        from ledger.cli.failing import tell  # noqa: PLC0415

        return FOUND if tell(error) else FAILED
    return DONE


def main() -> None:
    """Run the command that the process was started with."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
