"""How what an outbox keeps reaches a ledger: over HTTP, its receipts checked.

Shared by every command that speaks for the orchestrator.
"""

from ledger.admission.outbox import NotTaken, Send
from ledger.cli.client import Client, Refused
from ledger.cli.common import CommandFailed
from ledger.tlog.note import Signer, VerifierKey


def sender(client: Client, log_key: VerifierKey) -> Send:
    """Posts to the ledger that ``client`` is connected to, and returns the verified receipt."""

    def send(body: bytes) -> bytes:
        try:
            return client.post(body, log_key=log_key).proof
        except Refused as error:
            raise NotTaken(str(error)) from None

    return send


def check_origin(signer: Signer, log_key: VerifierKey) -> None:
    """Raise CommandFailed where the orchestrator's key is one of another log."""
    origin = signer.name.rpartition("/")[0]
    if log_key.name != origin:
        raise CommandFailed(
            f"the author's key is for the log {origin or 'without a name'}, and the ledger is"
            f" {log_key.name}"
        )
