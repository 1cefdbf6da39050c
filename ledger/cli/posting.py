"""Posts a signed statement once, however often it takes, and keeps its receipt.

What is posted lies beside the receipt, readable by its owner alone, from before it is sent until it
is answered. A statement that is signed anew is another one; so after a lost answer the same command
sends these same bytes, and the ledger answers as it did, or would have, the first time.
"""

import os
from pathlib import Path
from typing import Final

import click

from ledger.cli.client import Answered, Client, Refused
from ledger.cli.common import CommandFailed, printable
from ledger.records import canonical
from ledger.records.statement import MAX_STATEMENT
from ledger.tlog.note import VerifierKey

UNANSWERED: Final = ".unanswered"
SAME: Final = ("author", "kind", "public", "schema")


def post(client: Client, body: bytes, *, log_key: VerifierKey, receipt: Path) -> Answered:
    """Post ``body``, or what an earlier run signed for this receipt and was not answered.

    The receipt goes to a new file. Raises CommandFailed, Disproved, and keeps what was sent unless
    the ledger has refused it.
    """
    if receipt.exists():
        raise CommandFailed(
            f"{receipt} exists already, and a receipt is never overwritten: name another file"
            f" with --receipt"
        )
    waiting = receipt.with_name(receipt.name + UNANSWERED)
    body = _again(waiting, body) if waiting.exists() else keep(waiting, body, mode=0o600)
    try:
        answered = client.post(body, log_key=log_key)
    except Refused:
        waiting.unlink()
        raise
    except CommandFailed as error:
        raise CommandFailed(
            f"{error}. It may have been logged all the same: the same command sends it again, from"
            f" {waiting}"
        ) from None
    keep(receipt, answered.proof, mode=0o644)
    waiting.unlink()
    _say(answered, log_key, receipt)
    return answered


def _again(waiting: Path, body: bytes) -> bytes:
    try:
        with waiting.open("rb") as file:
            kept = file.read(MAX_STATEMENT + 1)
    except OSError as error:
        raise CommandFailed(f"{waiting}: {error.strerror}") from None
    before = canonical.decode(kept, limit=MAX_STATEMENT)["statement"]
    now = canonical.decode(body, limit=MAX_STATEMENT)["statement"]
    if any(before[part] != now[part] for part in SAME):
        raise CommandFailed(
            f"{waiting} holds another statement that was sent and not answered: send that again"
            f" first, or remove the file"
        )
    click.echo(f"sending again what was not answered: {waiting}", err=True)
    return kept


def keep(path: Path, data: bytes, *, mode: int) -> bytes:
    """Write a new file, whole and on disk before it has its name. Raises CommandFailed."""
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.link(partial, path)
    except OSError as error:
        raise CommandFailed(f"{path}: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)
    return data


def _say(answered: Answered, log_key: VerifierKey, receipt: Path) -> None:
    accepted = answered.accepted
    click.echo(f"index: {accepted.index} ({accepted.kind}, logged at {accepted.logged_at})")
    if accepted.decision is not None:
        click.echo(f"decision: {accepted.decision.kind} (index {accepted.decision.index})")
        for finding in accepted.decision.findings:
            click.echo(printable(f"  {finding.code}: {finding.finding}"))
    click.echo(f"receipt: {receipt}; verified under {log_key.name}+{log_key.key_id:08x}")
