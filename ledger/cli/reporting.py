"""How what an outbox keeps reaches a ledger: over HTTP, its receipts checked.

Shared by every command that speaks for the orchestrator.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import click

from ledger.admission.outbox import NotTaken, Outbox, Send, Sent
from ledger.admission.reporting import Reporter
from ledger.assembly.house import system_clock
from ledger.cli.client import Client, RefusedForGood
from ledger.cli.common import CommandFailed, read_author_key
from ledger.tlog.note import ED25519, Signer, VerifierKey
from ledger.tlog.policy import Policy

GIVE_UP_AFTER_S: Final = 10.0
"""How long a command waits for a ledger that does not answer: what it says is kept."""


def sender(client: Client, log_key: VerifierKey) -> Send:
    """Posts to the ledger that ``client`` is connected to, and returns the verified receipt."""

    def send(body: bytes) -> bytes:
        try:
            return client.post(body, log_key=log_key).proof
        except RefusedForGood as error:
            raise NotTaken(str(error)) from None

    return send


def log_key_for(signer: Signer, policy: Policy) -> VerifierKey:
    """The key of the log in ``policy`` that ``signer`` is an author of. Raises CommandFailed."""
    origin = signer.name.rpartition("/")[0]
    for each in policy.logs:
        if each.key.name == origin and each.key.type == ED25519:
            return each.key
    raise CommandFailed(
        f"the author's key is for the log {origin or 'without a name'}, which the policy lacks"
    )


@dataclass(frozen=True, slots=True)
class Saying:
    """What a command says as the orchestrator, and to whom."""

    reporter: Reporter
    url: str
    log_key: VerifierKey

    @classmethod
    def of(
        cls, *, policy: Policy, url: str | None, author_key: Path | None, outbox: Path | None
    ) -> Self | None:
        """What the three options name; None where none of them is given. Raises CommandFailed."""
        if url is None or author_key is None or outbox is None:
            if (url, author_key, outbox) != (None, None, None):
                raise CommandFailed("--ledger, --author-key and --outbox: each needs the others")
            return None
        signer = read_author_key(author_key)
        kept = Outbox(outbox)
        kept.keys("-")  # it can be opened
        return cls(Reporter(kept, signer, system_clock), url, log_key_for(signer, policy))

    def client(self, *, give_up_after_s: float) -> Client:
        """A connection to the ledger."""
        return Client(self.url, give_up_after_s=give_up_after_s)

    def send(self) -> Sent:
        """Send what waits; what goes wrong is said on standard error, and it waits on."""
        with self.client(give_up_after_s=GIVE_UP_AFTER_S) as client:
            sent = self.reporter.outbox.work(sender(client, self.log_key))
        for each in sent.refused:
            click.echo(f"the ledger does not take {each.key}: {each.trouble}", err=True)
        if sent.waiting:
            click.echo(f"{sent.waiting} statements wait in the outbox: {sent.trouble}", err=True)
        return sent


def saying_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options ``--ledger``, ``--author-key`` and ``--outbox`` of a command."""
    for option in (
        click.option(
            "--outbox",
            metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="Where what is said waits for the ledger, and its receipts stay.",
        ),
        click.option(
            "--author-key",
            metavar="FILE",
            type=click.Path(path_type=Path, dir_okay=False),
            help="The orchestrator's private key.",
        ),
        click.option("--ledger", "url", metavar="URL", help="The ledger that it is posted to."),
    ):
        command = option(command)
    return command


host_path_option: Final = click.option(
    "--host-path",
    "host_paths",
    metavar="PATH",
    multiple=True,
    help="A path of the host that pods with GPUs may mount read-only; may be given again.",
)
"""The option ``--host-path`` of a command."""


def members_of(namespaces: tuple[str, ...]) -> dict[str, str]:
    """Members by namespace, from ``NAMESPACE=MEMBER``. Raises CommandFailed."""
    found: dict[str, str] = {}
    for each in namespaces:
        namespace, equals, member = each.partition("=")
        if not equals or not namespace or not member or namespace in found:
            raise CommandFailed(f"--namespace: {each[:90]!a} is not a new NAMESPACE=MEMBER")
        found[namespace] = member
    return found
