"""What the pages about the charter show, and their JSON alike.

One shape from one view, so a page and its twin cannot differ. Nothing here knows HTML or HTTP; time
is an argument.
"""

from ledger.reader import View
from ledger.records.charters_shown import coming, in_force
from ledger.records.deadline import format_time
from schemas.council import CharterNow, CharterShown


def charter_now(view: View, *, now: int) -> CharterNow:
    """The version in force at ``now``, and the one that comes into force next."""
    versions = view.charters()
    return CharterNow(
        now=format_time(now),
        in_force=in_force(versions, at=now),
        coming=coming(versions, at=now),
    )


def charters(view: View, *, below: int | None, limit: int) -> tuple[CharterShown, ...]:
    """Versions whose entries have an index below ``below``, the newest first."""
    found = [each for each in view.charters() if below is None or each.index < below]
    return tuple(reversed(found))[:limit]
