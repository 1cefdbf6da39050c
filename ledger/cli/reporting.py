"""How what an outbox keeps reaches a ledger: over HTTP, its receipts checked.

Shared by every command that speaks for the orchestrator.
"""

from ledger.admission.outbox import NotTaken, Send
from ledger.cli.client import Client, Refused
from ledger.cli.common import CommandFailed
from ledger.tlog.note import ED25519, Signer, VerifierKey
from ledger.tlog.policy import Policy


def sender(client: Client, log_key: VerifierKey) -> Send:
    """Posts to the ledger that ``client`` is connected to, and returns the verified receipt."""

    def send(body: bytes) -> bytes:
        try:
            return client.post(body, log_key=log_key).proof
        except Refused as error:
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
