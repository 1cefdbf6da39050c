"""The charter's versions in log order, and which of them counts for an entry.

For an entry counts the newest version before it whose time has come by the entry's ``logged_at``;
the first, in genesis, counts from the start. So a version never counts backwards, one that is
replaced before its time never counts, and whoever replays the log finds the same one.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ledger.errors import Conflict, OutOfOrder, ValueRefused
from ledger.records.charter import Charter, charter_of
from ledger.records.deadline import DAY_S, format_time, parse_time
from schemas.statements import CharterVersion

LONGEST_NOTICE_DAYS: Final = 366
_PUBLIC: Final = "statement.public"


@dataclass(frozen=True, slots=True)
class Version:
    """One version: the index of its entry, from when it counts (Unix seconds), and its rules."""

    index: int
    in_force_from: int
    charter: Charter


class Charters:
    """Every version so far, oldest first; never empty, never changed."""

    def __init__(self, versions: Iterable[Version]) -> None:
        self.versions = tuple(versions)
        assert self.versions

    @property
    def newest(self) -> Version:
        """The version that was logged last, in force or not."""
        return self.versions[-1]

    def in_force(self, at: int) -> Version:
        """The version that counts for the next entry, if it is logged at ``at``, Unix seconds."""
        for version in reversed(self.versions):
            if version.in_force_from <= at:
                return version
        return self.versions[0]

    def place(self, version: Version) -> int:
        """Where ``version``, which is one of these, stands among ``versions``."""
        return self.versions.index(version)

    def after(self, public: CharterVersion, *, index: int, logged_at: int) -> "Charters":
        """These versions and the one that the entry at ``index`` sets.

        Raises ValueRefused and OutOfOrder for a time or rules that cannot be, Conflict where
        another version was logged since this one was proposed. Who signed is not asked here.
        """
        if public.replaces != self.newest.index:
            raise Conflict(
                f"{_PUBLIC}.replaces: entry {public.replaces}, where the newest charter is entry"
                f" {self.newest.index}: propose it again on top of that"
            )
        begins = parse_time(public.in_force_from)
        if begins < logged_at:
            raise OutOfOrder(
                f"{_PUBLIC}.in_force_from: {public.in_force_from} is past, the log is at"
                f" {format_time(logged_at)}: a charter never counts backwards"
            )
        if begins > logged_at + LONGEST_NOTICE_DAYS * DAY_S:
            raise ValueRefused(
                f"{_PUBLIC}.in_force_from: {public.in_force_from} is more than"
                f" {LONGEST_NOTICE_DAYS} days ahead",
                field=f"{_PUBLIC}.in_force_from",
            )
        return Charters([*self.versions, Version(index, begins, charter_of(public.charter))])
