"""Since when this log's answers have waited for one quorum: kept beside the signer's memory.

A tree may be forgotten by the signer only where nobody can have been promised anything by it. That
a policy is strict now says nothing of the day on which the tree was signed. So whoever begins to
write says here which quorum its answers wait for, and what was signed by then; whoever begins
without one takes that away. Decides nothing, and is in no way of a log that is not strict.

Text of the file, canonical JSON: ``{"note":"<checkpoint>","quorum":"<64 hex digits>"}``; the note
is empty where nothing was signed yet.
"""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from ledger.errors import FormatError, LogUnavailable
from ledger.records import canonical
from ledger.sequencer.memory import SignerMemory
from ledger.sequencer.stopped import put_beside, take_away
from ledger.tlog.note import format_vkey
from ledger.tlog.standard import Standard

FILE: Final = "signer.strict"
MAX_FILE: Final = 16_384


@dataclass(frozen=True, slots=True)
class HeldBack:
    """Which quorum every answer has waited for since ``note`` was the last that was signed."""

    quorum: str
    note: bytes


def quorum_digest(standard: Standard) -> str:
    """SHA-256, in hex, of the witnesses and of how many are enough.

    Not of the log's keys, which may follow one another: who has to cosign stays the same.
    """
    policy = standard.policy
    lines = [
        *(f"witness {each.name} {format_vkey(each.key)}" for each in policy.witnesses),
        *(f"group {each.name} {each.threshold} {' '.join(each.members)}" for each in policy.groups),
        f"quorum {policy.quorum}",
    ]
    return sha256("\n".join(lines).encode()).hexdigest()


def hold_back(memory: SignerMemory, standard: Standard | None) -> None:
    """Say what answers wait for from now on; ``standard`` is None where they wait for nobody.

    Before anything is answered. Raises LogUnavailable where it cannot be kept.
    """
    path = memory.beside(FILE)
    if standard is None and not path.exists():
        return
    with memory.locked() as held:
        if standard is None:
            _take_away(path)
            return
        known = held_back(memory)
        digest = quorum_digest(standard)
        if known is None or known.quorum != digest:
            note = (held.recall() or b"").decode()
            put_beside(path, canonical.encode({"note": note, "quorum": digest}))


def _take_away(path: Path) -> None:
    try:
        take_away(path)
    except OSError as error:
        raise LogUnavailable(f"{path.name} cannot be removed: {error.strerror}") from None


def held_back(memory: SignerMemory) -> HeldBack | None:
    """What is kept; None where there is nothing, or nothing that can be read."""
    try:
        with memory.beside(FILE).open("rb") as file:
            value = canonical.decode(file.read(MAX_FILE), limit=MAX_FILE)
        return HeldBack(str(value["quorum"]), str(value["note"]).encode())
    except (OSError, FormatError, KeyError, TypeError):
        return None
