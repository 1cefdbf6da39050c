"""The charter's versions as ``schemas.council`` has them: from entries alone, by whoever asks.

Used by the ledger that answers and by the client that checks the answer. Pure: the time is an
argument, and signatures are verified by those who know the keys.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ledger.records.charter import Charter, charter_of
from ledger.records.deadline import format_time, parse_time
from ledger.records.entry import Entry
from schemas.council import CharterShown, RulesShown
from schemas.statements import CharterVersion


@dataclass(frozen=True, slots=True)
class Enacted:
    """One version as its entry has it; times in Unix seconds. ``needed``: signatures, in all."""

    index: int
    logged_at: int
    in_force_from: int
    replaces: int | None
    signed_by: tuple[str, ...]
    needed: int | None
    charter: Charter


def enacted_of(index: int, entry: Entry, *, needed: int | None) -> Enacted:
    """The version that genesis or a ``charter`` entry sets."""
    if entry.genesis is not None:
        return Enacted(
            index, entry.logged_at, entry.logged_at, None, (), None, entry.genesis.charter
        )
    signed = entry.signed
    assert signed is not None
    assert isinstance(signed.public, CharterVersion)
    public = signed.public
    return Enacted(
        index=index,
        logged_at=entry.logged_at,
        in_force_from=parse_time(public.in_force_from),
        replaces=public.replaces,
        signed_by=(signed.statement.author, *(each.author for each in signed.endorsements)),
        needed=needed,
        charter=charter_of(public.charter),
    )


def charters_shown(versions: Sequence[Enacted]) -> tuple[CharterShown, ...]:
    """All versions in log order, each with the time that the later ones leave it."""
    shown = []
    ends: int | None = None
    for version in reversed(versions):
        shown.append(_shown(version, ends))
        ends = version.in_force_from if ends is None else min(ends, version.in_force_from)
    return tuple(reversed(shown))


def in_force(versions: Sequence[CharterShown], *, at: int) -> CharterShown:
    """The version that counts at ``at``, Unix seconds: the newest whose time has come."""
    begun = [each for each in versions if parse_time(each.in_force_from) <= at]
    return begun[-1] if begun else versions[0]


def coming(versions: Sequence[CharterShown], *, at: int) -> CharterShown | None:
    """The version that comes into force next after ``at``; None where none does."""
    ahead = [each for each in versions if parse_time(each.in_force_from) > at and counts(each)]
    ahead = [each for each in ahead if each.replaces is not None]
    return min(ahead, key=lambda each: each.in_force_from, default=None)


def counts(version: CharterShown) -> bool:
    """Whether a version counts at any time: no later one takes its whole time away."""
    until = version.in_force_until
    return until is None or version.in_force_from < until


def _shown(version: Enacted, ends: int | None) -> CharterShown:
    rules = version.charter
    return CharterShown(
        index=version.index,
        logged_at=format_time(version.logged_at),
        in_force_from=format_time(version.in_force_from),
        in_force_until=None if ends is None else format_time(ends),
        replaces=version.replaces,
        signed_by=version.signed_by,
        signatures_needed=version.needed,
        rules=RulesShown(
            version=rules.version,
            embargo_days=rules.embargo_days,
            gpu_total=rules.gpu_total,
            egress_ceiling_bytes=rules.egress_ceiling_bytes,
            artifact_ceilings=rules.artifact_ceilings,
            quotas=rules.quotas,
            admission_hours=rules.admission_hours,
            council_threshold=rules.council_threshold,
            allowed_workloads=tuple(map(str, rules.allowed_workloads)),
            forbidden_workloads=tuple(map(str, rules.forbidden_workloads)),
        ),
    )
