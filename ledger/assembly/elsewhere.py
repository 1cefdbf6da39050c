"""Whether others hold a newer history than this machine: asked before a writer takes anything.

The signer's memory refuses a database that is older than itself. Where both were restored from the
same old backup, or a second copy of the keys signed elsewhere, only others still know what was
signed: the mirror of LEDGER_MIRROR and the witnesses of LEDGER_POLICY. A mirror's word is the log's
own signature. A witness's is not signed; it is heeded all the same, since a ledger that waits loses
an hour, and one that forks loses everything.

Whoever cannot be reached is no obstacle. So this finds a second history; it does not prevent one.
"""

import logging
from typing import Final

from ledger.assembly.house import Ledger
from ledger.errors import ForkRefused, LedgerError, ProofError
from ledger.mirrors import files_at
from ledger.mirrors.shapes import CHECKPOINT, MAX_NOTE
from ledger.storage.tree import nodes_of
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.merkle import consistency_path, verify_consistency
from ledger.tlog.note import parse_vkey
from ledger.witnessing.trouble import ALARMING, MEANINGS

GIVE_UP_AFTER_S: Final = 5.0

log = logging.getLogger(__name__)


def mirror_note(place: str) -> bytes:
    """The checkpoint of the mirror at an address or in a folder, as it lies there."""
    files = files_at(place, give_up_after_s=GIVE_UP_AFTER_S)
    try:
        return files.get(f"/{CHECKPOINT}", limit=MAX_NOTE)
    finally:
        files.close()


def require_newest(ledger: Ledger) -> None:
    """Ask the mirror and every witness that can be reached whether this log is the newest one.

    Raises ForkRefused where one of them holds more than the database, or another tree.
    """
    if ledger.settings.mirror is not None:
        _ask_mirror(ledger, ledger.settings.mirror)
    _ask_witnesses(ledger)


def _ask_mirror(ledger: Ledger, place: str) -> None:
    # Read before the head: what a mirror shows now, an honest database held before.
    try:
        checkpoint = open_checkpoint(mirror_note(place), [parse_vkey(ledger.vkey)])
    except LedgerError as error:
        log.warning("the mirror of LEDGER_MIRROR was not asked for a newer history: %s", error)
        return
    with ledger.store.snapshot() as reads:
        head = reads.head()
        if checkpoint.size > head.size:
            raise ForkRefused(
                f"the mirror {place} has {checkpoint.size} entries under this log's signature,"
                f" and this database {head.size}: it was restored from an old backup, or this key"
                f" signs elsewhere too. Refill it with `ledger recover --from {place}`"
            )
        proof = consistency_path(
            old_size=checkpoint.size, new_size=head.size, node=nodes_of(reads, size=head.size)
        )
    try:
        _verify(checkpoint, proof, size=head.size, root=head.root)
    except ProofError:
        raise ForkRefused(
            f"the mirror {place} has another tree of {checkpoint.size} entries under this log's"
            f" signature: there are two histories. Nothing more is signed; find out which copy of"
            f" the key signed the other one, and publish both checkpoints"
        ) from None


def _verify(old: Checkpoint, proof: list[bytes], *, size: int, root: bytes) -> None:
    verify_consistency(proof, old_size=old.size, old_root=old.root, new_size=size, new_root=root)


def _ask_witnesses(ledger: Ledger) -> None:
    witnessing = ledger.witnessing
    if witnessing is None:
        return
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
