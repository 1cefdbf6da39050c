"""``ledger webhooks``: how each webhook is getting on, and what is to be done about it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Final

import click
import msgspec

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.webhooks import courier, ping
from ledger.cli.common import CommandFailed, open_for_reading, settings_with_log
from ledger.errors import NotFound, SettingsError
from ledger.records.deadline import format_time
from ledger.settings import Settings
from ledger.storage.webhook_rows import StoredCursor, StoredDelivery
from ledger.webhooks.config import VARIABLE, Webhook, read_webhooks, webhook_called
from ledger.webhooks.events import TYPES, Event
from ledger.webhooks.signing import NEW, format_secret

MOST_DEAD: Final = 1_000
"""Dead letters that are listed at once."""


@click.group("webhooks")
def webhooks_group() -> None:
    """Look after the webhooks that LEDGER_WEBHOOKS names.

    The server on SQLite, or `ledger worker`, sends them. All of these commands may be run beside.
    """


@webhooks_group.command("secret", short_help="Make a secret that signs for one webhook.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The new file."
)
def secret_command(out: Path) -> None:
    """Write a new secret into a file that its owner alone can read.

    The line in it, whsec_…, is what the receiver is to be given. To change a secret, name the old
    file as previous_secret_file: until you take it away, messages are signed with both.
    """
    keys.write_secret(out, format_secret(os.urandom(NEW)))
    click.echo(f"{out}: give the receiver the line that stands in it, over a private way")


@webhooks_group.command("list", short_help="Say how each webhook is getting on.")
def list_command() -> None:
    """List each webhook: where it goes, what it tells, how far it is and what went wrong last."""
    with _opened() as (ledger, webhooks):
        size = ledger.reader.tree_size()
        with ledger.store.webhooks(writes=False) as rows:
            cursors, waiting, dead = rows.cursors(), rows.waiting(), rows.dead_counts()
        for each in webhooks:
            lines = {
                "to": each.target.shown,
                "events": ", ".join(each.told),
                **_progress(cursors.get(each.name), size, ledger.clock()),
                "waiting": f"{waiting.get(each.name, 0)} to be tried again",
                "dead": _dead_words(dead.get(each.name, 0)),
            }
            click.echo(each.name)
            for name, text in lines.items():
                click.echo(f"    {name + ':':14}{text}")
        known = {each.name for each in webhooks}
        for name in sorted(set(cursors) - known):
            click.echo(f"{name}\n    {'state:':14}not in the file; under this name it would go on")


@webhooks_group.command("test", short_help="Send one signed message that says nothing.")
@click.argument("name")
def test_command(name: str) -> None:
    """Send a signed message of type webhook.test, once, and say what was answered."""
    with _opened() as (ledger, webhooks):
        webhook = webhook_called(webhooks, name)
        message, body = ping(ledger, webhook)
        begun = monotonic()
        outcome = courier(ledger, webhook).send(message, body)
        took = (monotonic() - begun) * 1000
        if outcome.failure is not None:
            raise CommandFailed(f"{name} ({webhook.target.shown}): {outcome.failure}")
        click.echo(f"{name} ({webhook.target.shown}) took {message} in {took:.0f} ms")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up, as ``ledger webhooks dead --json`` shows it."""

    id: str
    webhook: str
    type: str
    index: int
    attempts: int
    failed_at: str
    failure: str


@webhooks_group.command("dead", short_help="List what could not be delivered and was given up.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on each line.")
def dead_command(as_json: bool) -> None:
    """List the messages that no attempt brought to their receiver, the first 1,000 of them."""
    with _opened() as (ledger, _webhooks), ledger.store.webhooks(writes=False) as rows:
        found = [_letter(each) for each in rows.dead(limit=MOST_DEAD)]
    for each in found:
        if as_json:
            click.echo(msgspec.json.encode(asdict(each)).decode())
        else:
            click.echo(
                f"{each.id} {each.webhook}: {each.type} {each.index}, {each.attempts} attempts,"
                f" the last at {each.failed_at}: {each.failure}"
            )
    if not found and not as_json:
        click.echo("there are no dead letters")


@webhooks_group.command("retry", short_help="Have dead letters tried again.")
@click.argument("message", metavar="[ID]", required=False)
@click.option("--all", "webhook", metavar="NAME", help="All dead letters of one webhook.")
def retry_command(message: str | None, webhook: str | None) -> None:
    """Put dead letters back, with as many attempts as a new message has and the same webhook-id."""
    if (message is None) == (webhook is None):
        raise click.UsageError("give the ID of one dead letter, or --all NAME")
    with _opened() as (ledger, webhooks):
        if webhook is not None:
            webhook_called(webhooks, webhook)
        with ledger.store.webhooks() as rows:
            count = rows.revive(now=ledger.clock(), message_id=message, webhook=webhook)
        if message is not None and not count:
            raise NotFound(f"there is no dead letter {message[:60]!a}: see `ledger webhooks dead`")
        click.echo(f"{count} to be tried again")


@webhooks_group.command("enable", short_help="Let a webhook go on that was disabled.")
@click.argument("name")
def enable_command(name: str) -> None:
    """Let a webhook go on from where it stands: after it answered 410, or at once if it rests."""
    with _opened() as (ledger, webhooks):
        webhook_called(webhooks, name)
        with ledger.store.webhooks() as rows:
            if rows.cursor(name) is None:
                raise NotFound(f"{name} has not begun yet: it does when a server or worker runs")
            rows.enable(name)
        click.echo(f"{name} goes on")


@contextmanager
def _opened() -> Iterator[tuple[Ledger, tuple[Webhook, ...]]]:
    """The ledger for reading, and what the file says."""
    settings: Settings = settings_with_log()
    if settings.webhooks is None:
        raise SettingsError(f"{VARIABLE} is not set: it names the file of webhooks")
    webhooks = read_webhooks(settings.webhooks)
    ledger = open_for_reading(settings)
    try:
        yield ledger, webhooks
    finally:
        ledger.close()


def _progress(cursor: StoredCursor | None, size: int, now: int) -> dict[str, str]:
    if cursor is None:
        return {"state": "has not begun: it does when a server or worker runs"}
    behind = max(0, size - cursor.next_index)
    state = "active"
    if cursor.disabled is not None:
        state = f"disabled ({cursor.disabled}); `ledger webhooks enable {cursor.webhook}`"
    elif cursor.rests_until > now:
        state = f"rests until {format_time(cursor.rests_until)}"
    found = {"state": state, "behind by": f"{behind} entries, told up to {cursor.next_index}"}
    found["last success"] = _time(cursor.succeeded_at)
    found["failures"] = f"{cursor.failures} in a row"
    if cursor.failed_at is not None:
        found["last failure"] = f"{format_time(cursor.failed_at)}: {cursor.failure}"
    return found


def _letter(each: StoredDelivery) -> DeadLetter:
    return DeadLetter(
        id=each.message_id,
        webhook=each.webhook,
        type=TYPES[Event(each.event)],
        index=each.leaf_index,
        attempts=each.attempts,
        failed_at=format_time(each.failed_at),
        failure=each.failure,
    )


def _time(value: int | None) -> str:
    return "none" if value is None else format_time(value)


def _dead_words(count: int) -> str:
    return f"{count}; see `ledger webhooks dead`" if count else "0"
