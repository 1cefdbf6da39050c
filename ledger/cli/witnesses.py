"""``ledger witnesses``: who cosigns this log's checkpoints, how each is getting on, and asking now.

Addresses are not printed: what stands in a policy may hold a secret path.
"""

from collections.abc import Iterator

import click

from ledger.assembly import Ledger
from ledger.cli.common import CommandFailed, open_for_reading, settings_with_log
from ledger.errors import NotFound
from ledger.reader.notes import Notes
from ledger.reader.publication import Publication
from ledger.storage.damage import Damage
from ledger.storage.snapshot import Snapshot
from ledger.tlog.standard import Standard
from ledger.witnessing import Outcome
from ledger.witnessing.trouble import MEANINGS, Trouble
from schemas.reference import WitnessingShown, WitnessShown

WITHOUT = {
    "open": "without a quorum the site shows the newest signed tree all the same (open)",
    "closed": "without a quorum the site stays at the last tree that had one (closed)",
    "strict": "without a quorum the site stays at the last tree that had one, and no statement is"
    " answered with a receipt (strict)",
}


@click.command("witnesses")
@click.option("--check", is_flag=True, help="Send the newest checkpoint to each of them now.")
def witnesses_command(*, check: bool) -> None:
    """List the witnesses of LEDGER_POLICY: what each cosigned last, and what went wrong last.

    With --check the newest checkpoint goes to all of them now, and what verifies is kept, as the
    worker does by itself. Exits with 2 where there is no quorum for it afterwards.
    """
    ledger = open_for_reading(settings_with_log())
    try:
        standard = ledger.standard
        if standard is None:
            raise NotFound("there are no witnesses: LEDGER_POLICY names no policy")
        if check:
            for outcome in _asked(ledger):
                click.echo(_came_back(outcome))
        with ledger.store.snapshot() as reads:
            is_met = _shown(reads, standard).quorum_met
            for line in (*summary(reads, standard), *map(told, witnesses_of(reads, standard))):
                click.echo(line)
    finally:
        ledger.close()
    if check and not is_met:
        raise CommandFailed("the newest checkpoint has not met the policy")


def summary(reads: Snapshot, standard: Standard) -> Iterator[str]:
    """What there is to say of all witnesses together, a line each."""
    shown = _shown(reads, standard)
    if shown.quorum_met:
        yield f"quorum {shown.quorum}: met by the newest checkpoint, size {shown.signed_size}"
    elif shown.cosigned_size is None:
        yield f"quorum {shown.quorum}: MET BY NO CHECKPOINT YET; size {shown.signed_size} is signed"
    else:
        yield (
            f"quorum {shown.quorum}: met at size {shown.cosigned_size},"
            f" and size {shown.signed_size} is signed"
        )
    yield WITHOUT[shown.mode]


def witnesses_of(reads: Snapshot, standard: Standard) -> tuple[WitnessShown, ...]:
    """How each witness is getting on, in the order of the policy."""
    return _shown(reads, standard).witnesses


def told(witness: WitnessShown) -> str:
    """One witness in a line."""
    said = (
        "has cosigned nothing yet"
        if witness.cosigned_at is None
        else f"cosigned size {witness.size} at {witness.cosigned_at}"
    )
    line = f"{witness.name} ({witness.key}) {said}"
    if witness.error is None:
        return line
    trouble = f"{witness.error} at {witness.error_at}: {MEANINGS[Trouble(witness.error)]}"
    if witness.failures:
        return f"{line}; FAILED {witness.failures} times in a row, last {trouble}"
    return f"{line}; last trouble {trouble}"


def _shown(reads: Snapshot, standard: Standard) -> WitnessingShown:
    shown = Publication(standard, Notes(Damage())).witnessing(reads)
    assert shown is not None
    return shown


def _asked(ledger: Ledger) -> tuple[Outcome, ...]:
    witnessing = ledger.witnessing
    if witnessing is None:
        raise NotFound("there is nobody to ask: no witness of LEDGER_POLICY has an address")
    try:
        return witnessing.check()
    finally:
        witnessing.stop()


def _came_back(outcome: Outcome) -> str:
    if outcome.trouble is not None:
        return f"{outcome.name}: {MEANINGS[outcome.trouble]}"
    if outcome.size is None:
        return f"{outcome.name}: not asked, its quota (LEDGER_WITNESS_DAILY_REQUESTS) is spent"
    lines = "".join(f"\n{line.rstrip()}" for line in outcome.lines)
    return f"{outcome.name}: cosigned size {outcome.size}{lines}"
