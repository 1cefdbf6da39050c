"""The charter's versions as of one tree size: each whole, who signed it, and when it counts.

Made from the entries of the council alone. Which version is in force is a question with a time in
it, and the time is an argument.
"""

from ledger.errors import LogUnavailable
from ledger.reader import shapes
from ledger.records.charters import Charters
from ledger.records.charters_shown import Enacted, charters_shown, enacted_of
from ledger.storage.shapes import StoredKey
from ledger.storage.snapshot import Snapshot
from schemas.council import CharterShown
from schemas.statements import Role


def charters(snapshot: Snapshot, *, size: int) -> tuple[CharterShown, ...]:
    """Every version that a tree of ``size`` entries holds, in log order."""
    versions = snapshot.charters(size=size)
    indices = [each.index for each in versions.versions]
    entries = snapshot.entries_at(indices)
    keys = [key for key in snapshot.author_keys(size=size) if key.role == Role.COUNCIL]
    enacted: list[Enacted] = []
    for index in indices:
        stored = entries.get(index)
        if stored is None:
            raise LogUnavailable(f"entry {index} is missing: run `ledger fsck`")
        needed = None
        if enacted:
            # Judged by what was in force then: a version has no say in how it comes about.
            before = (
                Charters(each for each in versions.versions if each.index < index)
                .in_force(stored.logged_at)
                .charter
            )
            needed = before.signers_needed(len(_council(keys, index)))
        enacted.append(enacted_of(index, shapes.decode_entry(stored), needed=needed))
    return charters_shown(enacted)


def _council(keys: list[StoredKey], index: int) -> set[str]:
    return {key.name for key in keys if key.since < index < key.until}
