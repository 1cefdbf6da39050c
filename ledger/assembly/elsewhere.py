"""Whether others hold another history than this machine: the mirror and the witnesses are asked.

The signer's memory refuses a database that is older than itself. Where both were restored from the
same old backup, or a second copy of the keys signs elsewhere, only others still know what was
signed: the mirror of LEDGER_MIRROR and the witnesses of LEDGER_POLICY.

What proves a second history is a checkpoint under this log's own signature that the database does
not hold; whoever shows it, it is believed, and nothing less is. The size that a witness names in a
409, or its 422, is a suspicion: at a start, where nothing is promised yet, it is heeded all the
same; a running writer looks for the proof, says that it is looking, and goes on. Else whoever can
answer for one witness could stop the log for ever. A key that was retired proves nothing either:
who stole it could.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ledger.assembly.house import Ledger
from ledger.errors import ForkRefused, LedgerError, ProofError, SecondHistory
from ledger.mirrors import files_at
from ledger.mirrors.shapes import CHECKPOINT, MAX_NOTE
from ledger.storage.store import Store
from ledger.storage.tree import nodes_of
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import consistency_path, verify_consistency
from ledger.tlog.note import VerifierKey
from ledger.witnessing import Outcome
from ledger.witnessing.trouble import ALARMING, MEANINGS

GIVE_UP_AFTER_S: Final = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """How many were asked for a newer history, and how many of them answered that there is none."""

    asked: int
    answered: int


def mirror_note(place: str) -> bytes:
    """The checkpoint of the mirror at an address or in a folder, as it lies there."""
    files = files_at(place, give_up_after_s=GIVE_UP_AFTER_S)
    try:
        return files.get(f"/{CHECKPOINT}", limit=MAX_NOTE)
    finally:
        files.close()


def require_known(store: Store, note: bytes, *, keys: Sequence[VerifierKey], whose: str) -> None:
    """Check that a note which this log signed stands in the history that the database holds.

    The note was fetched before this is called: what others show by then, an honest database held
    already. Raises SecondHistory, with the note; SignatureError and FormatError for a note that
    this log did not sign, which proves nothing.
    """
    shown = open_checkpoint(note, keys)
    with store.snapshot() as reads:
        head = reads.head()
        if shown.size > head.size:
            raise SecondHistory(
                f"{whose} has {shown.size} entries under this log's signature, and this database"
                f" {head.size}: it was restored from an old backup, or this key signs elsewhere"
                f" too. Nothing is signed until `ledger recover --from MIRROR` has refilled it",
                note=note,
            )
        proof = consistency_path(
            old_size=shown.size, new_size=head.size, node=nodes_of(reads, size=head.size)
        )
    try:
        verify_consistency(
            proof,
            old_size=shown.size,
            old_root=shown.root,
            new_size=head.size,
            new_root=head.root,
        )
    except ProofError:
        raise SecondHistory(
            f"{whose} has another tree of {shown.size} entries under this log's signature, with"
            f" the root {shown.root.hex()}: there are two histories. Nothing more is signed; find"
            f" out which copy of the key signed the other one, and publish both checkpoints",
            note=note,
        ) from None


def require_newest(ledger: Ledger) -> None:
    """Ask the mirror and every witness that can be reached whether this log is the newest one.

    Raises ForkRefused where one of them holds more than the database, or another tree, and where
    fewer answer than LEDGER_REQUIRE_ELSEWHERE asks for.
    """
    stopped_by = ledger.sequencer.second_history()
    if stopped_by is not None:
        raise stopped_by
    mirror = _ask_mirror(ledger, ledger.settings.mirror)
    witnesses = _ask_witnesses(ledger)
    asked, answered = mirror.asked + witnesses.asked, mirror.answered + witnesses.answered
    needed = ledger.settings.require_elsewhere
    if needed == "auto":
        needed = 1 if witnesses.asked else 0
    if answered < needed:
        raise ForkRefused(
            f"{answered} of {asked} that could know a newer history have answered, and"
            f" LEDGER_REQUIRE_ELSEWHERE asks for {needed}: nothing is signed before somebody else"
            f" has said that this database is the newest. Start again when the witnesses of"
            f" LEDGER_POLICY or the mirror of LEDGER_MIRROR can be reached; where this machine was"
            f" certainly not restored from a backup, set LEDGER_REQUIRE_ELSEWHERE=0 for one start"
        )


def _ask_mirror(ledger: Ledger, place: str | None) -> Asked:
    if place is None:
        return Asked(0, 0)
    try:
        note = mirror_note(place)
        require_known(ledger.store, note, keys=ledger.sequencer.log_keys, whose="the mirror")
    except SecondHistory as found:
        # Kept: at the next start the mirror may be out of reach.
        ledger.sequencer.halt(found)
        raise ForkRefused(f"{found}; the mirror is {place}") from None
    except LedgerError as error:
        log.warning("the mirror of LEDGER_MIRROR was not asked for a newer history: %s", error)
        return Asked(1, 0)
    return Asked(1, 1)


def _ask_witnesses(ledger: Ledger) -> Asked:
    witnessing = ledger.witnessing
    with ledger.store.snapshot() as reads:
        is_published = reads.newest_checkpoint() is not None
    if witnessing is None or not is_published:
        # Where nothing was published, a crash came during `ledger init`: there is nobody to ask.
        return Asked(0, 0)
    try:
        outcomes = witnessing.check()
    finally:
        witnessing.stop()
    for each in outcomes:
        if each.trouble in ALARMING:
            raise ForkRefused(
                f"the witness {each.name} says: {MEANINGS[each.trouble]}. Restore the newest"
                f" database and signer's memory, or refill with `ledger recover --from URL|DIR`"
                f" from a mirror; a witness that is mistaken is taken out of LEDGER_POLICY"
            )
        if each.trouble is not None:
            log.warning("the witness %s was asked in vain: %s", each.name, MEANINGS[each.trouble])
    return Asked(len(outcomes), sum(map(_confirms, outcomes)))


def _confirms(outcome: Outcome) -> bool:
    """Whether a witness has cosigned the newest checkpoint: then it knows of none that is newer."""
    return outcome.size is not None
