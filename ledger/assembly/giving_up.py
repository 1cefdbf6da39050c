"""Lets the signer forget a tree that it signed and that nobody was ever promised anything by.

Under a strict policy a tree is signed, and then waits for its quorum. Where the database is lost
meanwhile its entries are gone, no mirror ever had them, and a signer that remembers the tree would
sign nothing for ever. It may forget it once the quorum says, now, that the mirror's tree is the
newest one that it holds: whoever says so has not cosigned the other, any two quorums share a
witness, and so no answer, page or receipt ever came from it. Without that nothing is forgotten.

Its signature exists, and a witness of the minority may show it: the notes that were given up are
kept beside the signer's memory, so that the operator can say what they are.
"""

import os
from collections.abc import Sequence
from typing import Final

from ledger.assembly.standard import begin_with, witnessing_of
from ledger.errors import Conflict, LogUnavailable
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import parse_note
from ledger.tlog.standard import Standard, with_lines
from ledger.witnessing.room import Clock

GIVEN_UP: Final = "signer.given-up"


def confirmed(settings: Settings, store: Store, standard: Standard, *, clock: Clock) -> bytes:
    """The newest checkpoint of the database, once the quorum has cosigned it just now.

    Raises Conflict where the policy is not strict; LogUnavailable where too few cosign it, because
    they cannot be reached or hold a newer tree.
    """
    witnessing = witnessing_of(settings, store, standard, clock=clock)
    if not standard.strict or witnessing is None:
        raise Conflict(
            "without LEDGER_WITNESS_MODE=strict answers came from what was signed last: find the"
            " mirror or the database that holds it"
        )
    begin_with(store, standard)
    with store.snapshot() as reads:
        newest = reads.newest_checkpoint()
    assert newest is not None
    try:
        outcomes = witnessing.check()
    finally:
        witnessing.stop()
    # Not what is stored: that may be from before the tree that is to be forgotten.
    lines = [line for each in outcomes if each.size == newest.size for line in each.lines]
    if not standard.is_met_by(with_lines(newest.note, lines)):
        said = ", ".join(
            f"{each.name}: {each.trouble.value if each.trouble else 'nothing'}"
            for each in outcomes
            if each.size != newest.size
        )
        raise LogUnavailable(
            f"too few witnesses say that the mirror's tree of {newest.size} entries is the newest"
            f" that they hold ({said}): nothing is given up. Where they hold a newer one, find a"
            " newer mirror; else run this again when they answer"
        )
    return newest.note


def forget(
    memory: SignerMemory, given_up: Sequence[bytes], *, note: bytes, remembered: bytes | None
) -> None:
    """Let the signer remember ``note`` alone, and keep the notes that are given up beside it.

    ``remembered`` is what it remembered when the quorum was asked. Raises Conflict where it has
    signed something since.
    """
    size = parse_checkpoint(parse_note(note).text).size
    with memory.locked() as held:
        if held.recall() != remembered:
            raise Conflict("something was signed meanwhile: stop every server of this log first")
        _keep(memory, given_up)
        held.go_back(note, size=size)


def _keep(memory: SignerMemory, notes: Sequence[bytes]) -> None:
    """Append notes to the file of those that were given up; on the disk before this returns."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = os.open(memory.beside(GIVEN_UP), flags, 0o600)
    try:
        os.write(descriptor, b"".join(each + b"\n" for each in notes))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
