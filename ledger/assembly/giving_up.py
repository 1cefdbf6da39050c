"""Lets the signer forget a tree that it signed and that nobody was ever promised anything by.

Under a strict policy a tree is signed, and then waits for its quorum. Where the database is lost
meanwhile its entries are gone, no mirror ever had them, and a signer that remembers the tree would
sign nothing for ever. It may forget it once the quorum says, now, that the mirror's tree is the
newest one that it holds: whoever says so has not cosigned the other, any two quorums share a
witness, and so no answer, page or receipt ever came from it. Without that nothing is forgotten.

That holds only where every answer waited for that same quorum since before the tree was signed:
``held_back`` knows.

Its signature exists, and a witness of the minority may show it: the notes that were given up are
kept beside the signer's memory, so that the operator can say what they are.
"""

import os
from collections.abc import Sequence
from typing import Final

from ledger.assembly.elsewhere import require_known
from ledger.assembly.held_back import held_back, quorum_digest
from ledger.assembly.standard import begin_with, witnessing_of
from ledger.errors import Conflict, LogUnavailable, SecondHistory
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import VerifierKey, format_note, open_note, parse_note
from ledger.tlog.standard import Standard, with_lines
from ledger.witnessing.room import Clock

GIVEN_UP: Final = "signer.given-up"


def require_held_back(
    memory: SignerMemory, store: Store, standard: Standard, *, keys: Sequence[VerifierKey]
) -> None:
    """Check that nobody was answered by what the database lacks but with this quorum.

    Raises Conflict where answers waited for another quorum, or for none, when it was signed, or
    where nobody can say.
    """
    known = held_back(memory)
    if known is None or known.quorum != quorum_digest(standard):
        raise Conflict(
            "what the signer remembers may have been answered with: no server of this log has"
            " begun under LEDGER_WITNESS_MODE=strict with the quorum of this LEDGER_POLICY, or one"
            " has since begun with another. Nothing is given up: find the mirror or the database"
            " that holds it, or put back the policy of that time"
        )
    if not known.note:
        return
    try:
        require_known(store, known.note, keys=keys, whose="the signer")
    except SecondHistory:
        size = parse_checkpoint(parse_note(known.note).text).size
        raise Conflict(
            f"answers have waited for this quorum only since the tree of {size} entries, and the"
            " mirror does not hold that: what it lacks was answered with. Nothing is given up: find"
            " a newer mirror"
        ) from None


def confirmed(
    settings: Settings, store: Store, standard: Standard, *, key: VerifierKey, clock: Clock
) -> bytes:
    """The newest checkpoint of the database, once the quorum has cosigned it just now.

    With the line of ``key`` alone: what else stands under it comes from a mirror, and the signer
    would have to refuse a line of its own name that it does not know.

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
    return format_note(open_note(newest.note, [key]))


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
    """Append notes to the file of those that were given up; on the disk before this returns.

    Raises LogUnavailable where they cannot be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    data = b"".join(each + b"\n" for each in notes)
    place = memory.beside(GIVEN_UP)
    try:
        descriptor = os.open(place, flags, 0o600)
        try:
            before = os.fstat(descriptor).st_size
            # A disk that is full may take a part of it without an error.
            taken = os.write(descriptor, data)
            if taken != len(data):
                os.ftruncate(descriptor, before)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        directory = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise LogUnavailable(
            f"{GIVEN_UP} cannot be written ({error.strerror}): nothing is given up"
        ) from None
    if taken != len(data):
        raise LogUnavailable(f"{GIVEN_UP} has no room on its disk: nothing is given up")
