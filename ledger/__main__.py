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

COMMANDS: Final[Mapping[str, tuple[str, str]]] = {
    "init": ("create:init", "Make a new ledger: keys and the first entry."),
    "serve": ("running:serve", "Serve the site, the API and the log."),
    "worker": ("running:worker", "Open what is due, whenever it is, until stopped."),
    "status": ("looking:status", "Say how large the log is and whether all is well."),
    "publish-due": ("running:publish_due", "Open everything whose deadline has come, once."),
    "witnesses": (
        "witnesses:witnesses_command",
        "Say who cosigns the checkpoints, and how each is doing.",
    ),
    "submit": ("authoring:submit", "Sign a statement, post it, keep the receipt."),
    "check": ("checking:check_command", "Whether a submission would be admitted; logs nothing."),
    "open": ("authoring:open_command", "Open a record of your own before its deadline."),
    "registry": ("authoring:registry", "Add or retire an author's key, as the council."),
    "charter": ("charter:charter_group", "Show the rules; propose, sign and post new ones."),
    "keys": ("authoring:keys_group", "Make an author's key, or show its public half."),
    "log-key": ("log_key:log_key_group", "Show the log's own keys, and let one follow another."),
    "verify-proof": ("receipts:verify_proof_command", "Check one receipt (.tlog-proof) offline."),
    "receipt": ("fetching:receipt_command", "Fetch and check the receipt of a job."),
    "admit-check": ("admitting:admit_check_command", "Whether a receipt lets a run start."),
    "admit-webhook": (
        "webhook_admitting:admit_webhook_command",
        "Let Kubernetes start pods with a receipt alone.",
    ),
    "admit-workload": (
        "kueue_admitting:admit_workload_command",
        "Tell Kueue whether a Workload may start.",
    ),
    "admit-pods": (
        "kubernetes_reporting:admit_pods_command",
        "Give back the GPUs of pods that are no more.",
    ),
    "report-jobs": (
        "kubernetes_reporting:report_jobs_command",
        "Post how Kubernetes Jobs started and ended.",
    ),
    "fsck": ("repairing:fsck", "Recompute everything from the entries and compare."),
    "rebuild": ("repairing:rebuild_command", "Make the projections anew from the entries."),
    "backup": (
        "backing_up:backup_command",
        "Copy a SQLite ledger, beside a running server, and check it.",
    ),
    "recover": ("recovering:recover_command", "Refill the database from a mirror."),
    "roles": (
        "roles:roles_command",
        "Print SQL for PostgreSQL roles that can do no more than needed.",
    ),
    "artifact": ("artifacts:artifact_group", "Bring an artifact to the door, or fetch one."),
    "export": ("exporting:export_command", "Write everything that is public as bulk files."),
    "mirror": ("mirroring:mirror_command", "Write, keep or serve a copy as plain files."),
    "witness": ("witness:witness_group", "Run a witness of logs."),
    "webhooks": (
        "webhooks:webhooks_group",
        "Signed messages of what is new: state, tests, dead letters.",
    ),
    "signals": ("signals:signals_command", "Compute the questions that the public record asks."),
    "sketch": ("sketching:sketch_command", "Make the sketch of a file of prompts."),
    "slurm": ("slurm:slurm_group", "What the hooks of a Slurm cluster call."),
    "import-jobs": (
        "importing:import_jobs_command",
        "Make drafts of statements from other tools' records.",
    ),
    "import-trace": ("replaying:import_trace_command", "Replay a cluster trace as job histories."),
    "weights": ("weights:weights_group", "Show that a model's weights did not change."),
    "migrate": ("looking:migrate", "Bring the database to the newest schema."),
    "settings": ("looking:settings_command", "List every setting, its value and what it may be."),
    "deploy": (
        "deploying:deploy_command",
        "Print systemd units, an image definition, alert rules.",
    ),
}
"""Each command's module below ``ledger.cli`` with its name there, and what the list says of it.

Only the one that runs is imported: a server starts without the importers and the HTTP client, and
the list is printed without any.
"""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name][0].split(":")
        with uncollected():
            return cast("click.Command", getattr(import_module(f"ledger.cli.{module}"), name))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        with formatter.section("Commands"):
            formatter.write_dl([(name, says) for name, (_, says) in COMMANDS.items()])


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
