"""What may leave: the ceilings of a debit, and the counters that it is taken from.

A debit is one entry of kind ``egress``. It is taken from up to four counters at once: the job's,
the job's for one class of artifact, the member's for 30 days, and the member's for one model. An
artifact that would pass any of them is refused whole and takes nothing. A gateway's report of what
left by another way cannot be refused any more: it takes what is left. Nothing is ever given back.

Pure: it reads no clock and no table. The database holds the same ceilings by a CHECK on each row.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from msgspec import Struct

from ledger.errors import EgressRefused
from ledger.records.charter import Charter
from ledger.records.deadline import DAY_S
from schemas.statements import ArtifactRead, ArtifactWrite, Code, JobEgress
from schemas.values import ArtifactClass, Wire

_EGRESS: Final = frozenset({JobEgress, ArtifactWrite, ArtifactRead})

WINDOW_DAYS: Final = 30
"""A day's bytes count until 30 whole days have passed since its last second."""


class Scope(StrEnum):
    """What a counter counts; the names stand in the database."""

    JOB = "job"
    JOB_CLASS = "job_class"
    MEMBER_30D = "member_30d"
    MEMBER_MODEL = "member_model"


Key = tuple[str, str]
"""A counter's scope and its key within it."""


class Debit(Struct, frozen=True):
    """What one entry lets out, and of whose counters. Ceilings and amounts are bytes.

    ``model_key`` stands for the member's model and tells nothing of it; None where it is not known.
    ``artifact_id`` is that of an artifact which is written, else None. ``exact``: refused whole
    where it does not fit.
    """

    index: int
    logged_at: int
    job_id: str
    member: str
    egress_bytes: int
    job_ceiling: int
    member_ceiling: int
    model_ceiling: int
    model_key: str | None
    exact: bool
    artifact_class: ArtifactClass | None = None
    class_ceiling: int = 0
    artifact_id: str | None = None


@dataclass(slots=True)
class Counter:
    """A row of the counters: how much is used of how much."""

    used: int = 0
    ceiling: int = 0


@dataclass(slots=True)
class Book:
    """The counters that a batch touches. ``take`` changes them; ``changes`` is what to write.

    ``days`` are the bytes of each member by the day on which they left, in days since 1970.
    """

    counters: dict[Key, Counter] = field(default_factory=dict)
    days: dict[str, dict[int, int]] = field(default_factory=dict)
    added: dict[Key, int] = field(default_factory=dict)
    """By how much each counter has changed since it was read; less than 0 where days have aged."""
    aged: dict[str, int] = field(default_factory=dict)
    """The first day that still counts, of each member from which older days were taken."""
    left: dict[tuple[str, int], int] = field(default_factory=dict)
    """What has been added to each (member, day)."""
    known: set[Key] = field(default_factory=set)
    """The counters that are rows already."""

    def take(self, debit: Debit, *, logged: bool = False) -> None:
        """Take a debit from its counters. Raises EgressRefused, having changed nothing.

        ``logged``: it has been logged, so it is a fact: a ceiling that it passes moves up to it.
        """
        first_day = debit.logged_at // DAY_S - WINDOW_DAYS
        days = self.days.setdefault(debit.member, {})
        old = sum(amount for day, amount in days.items() if day < first_day)
        amounts: list[tuple[Key, int, int]] = []
        for key, ceiling in _ceilings_of(debit):
            counter = self.counters.get(key, Counter())
            aged = old if key[0] == Scope.MEMBER_30D else 0
            room = max(ceiling - (counter.used - aged), 0)
            if debit.exact and debit.egress_bytes > room and not logged:
                raise _refusal(Scope(key[0]), debit, ceiling=ceiling, room=room)
            amount = debit.egress_bytes if debit.exact else min(debit.egress_bytes, room)
            amounts.append((key, amount - aged, ceiling))
        for key, amount, ceiling in amounts:
            counter = self.counters.setdefault(key, Counter())
            counter.used += amount
            # A charter that allows less than has left already cannot bring anything back.
            counter.ceiling = max(ceiling, counter.used)
            self.added[key] = self.added.get(key, 0) + amount
            if key[0] == Scope.MEMBER_30D:
                self._turn(debit.member, debit.logged_at // DAY_S, first_day, amount + old, old)

    def _turn(self, member: str, today: int, first_day: int, amount: int, old: int) -> None:
        days = self.days[member]
        if old:
            for day in [day for day in days if day < first_day]:
                del days[day]
                self.left.pop((member, day), None)
            self.aged[member] = first_day
        if amount:
            days[today] = days.get(today, 0) + amount
            self.left[member, today] = self.left.get((member, today), 0) + amount


def keys_of(
    job_ids: Iterable[str], members: Iterable[str], model_keys: Iterable[str]
) -> dict[Scope, set[str]]:
    """The keys of every counter that debits of these jobs, members and models may touch."""
    jobs = set(job_ids)
    return {
        Scope.JOB: jobs,
        Scope.JOB_CLASS: {_class_key(job, each) for job in jobs for each in ArtifactClass},
        Scope.MEMBER_30D: set(members),
        Scope.MEMBER_MODEL: set(model_keys),
    }


def is_egress(public: Wire | None) -> bool:
    """Whether a statement is taken from counters."""
    return type(public) in _EGRESS


def debit_of(
    public: Wire,
    *,
    index: int,
    logged_at: int,
    job: Mapping[str, object],
    charter: Charter,
    model_key: str | None,
) -> Debit:
    """The debit that an entry of kind ``egress`` is; ``job`` is the projected row of its job.

    ``charter`` is the one in force for the entry. A job has what it asked for, at most what the
    charter allows.
    """
    assert isinstance(public, JobEgress | ArtifactWrite | ArtifactRead)
    asked = job["egress_ceiling_bytes"]
    most = charter.egress_ceiling_bytes
    written = isinstance(public, ArtifactWrite)
    return Debit(
        index=index,
        logged_at=logged_at,
        job_id=str(job["job_id"]),
        member=str(job["author"]),
        egress_bytes=public.egress_bytes,
        job_ceiling=min(asked, most) if isinstance(asked, int) else most,
        member_ceiling=charter.quotas.member_egress_bytes,
        model_ceiling=charter.quotas.member_model_egress_bytes,
        model_key=model_key,
        exact=not isinstance(public, JobEgress),
        artifact_class=public.artifact_class if isinstance(public, ArtifactWrite) else None,
        class_ceiling=(
            getattr(charter.artifact_ceilings, public.artifact_class.value)
            if isinstance(public, ArtifactWrite)
            else 0
        ),
        artifact_id=public.artifact_id if written and isinstance(public, ArtifactWrite) else None,
    )


def _ceilings_of(debit: Debit) -> Iterator[tuple[Key, int]]:
    yield (Scope.JOB, debit.job_id), debit.job_ceiling
    if debit.artifact_class is not None:
        yield (Scope.JOB_CLASS, _class_key(debit.job_id, debit.artifact_class)), debit.class_ceiling
    yield (Scope.MEMBER_30D, debit.member), debit.member_ceiling
    if debit.model_key is not None:
        yield (Scope.MEMBER_MODEL, debit.model_key), debit.model_ceiling


def _class_key(job_id: str, artifact_class: ArtifactClass) -> str:
    return f"{job_id}/{artifact_class.value}"


def _refusal(scope: Scope, debit: Debit, *, ceiling: int, room: int) -> EgressRefused:
    size = debit.egress_bytes
    match scope:
        case Scope.JOB:
            of = f"the job's ceiling of {ceiling} bytes, of which {room} are left"
        case Scope.JOB_CLASS:
            of = (
                f"the job's ceiling of {ceiling} bytes for artifacts of the class"
                f" {debit.artifact_class}, of which {room} are left"
            )
        case Scope.MEMBER_30D:
            of = f"{debit.member}'s ceiling of {ceiling} bytes in 30 days, of which {room} are left"
        case Scope.MEMBER_MODEL:
            # Which jobs study one model is sealed, and so is what they have let out together.
            of = f"a ceiling of {ceiling} bytes that {debit.member} has for one model"
    return EgressRefused(
        f"{size} bytes would pass {of}: nothing was taken", code=Code.R2_EGRESS_CEILING
    )
