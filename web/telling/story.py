"""What the record of one job comes to: corrections, what was withheld, what its results name.

Everything is read from the job's own entries as the view shows them, so it is as of their tree
size. Pure: it asks for nothing and knows no address.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.records.deadline import parse_time
from ledger.records.entry import DECISION_KINDS
from schemas.answers import Disclosure, Event, JobDetail, SealedPart

_PREFIXES: Final = ("public.", "sealed.", "fields.")
"""Authors who correct a field may say in which half of the statement it stands."""
_READING_ORDER: Final = (
    *("title", "purpose", "protocol"),
    *("model.name", "model.revision", "model.parameter_count", "model.dtype"),
    *("model.weights_digest", "prompts", "code", "container"),
    *("metrics", "artifacts", "completions", "samples.completed", "samples.total"),
    *("tokens.input", "tokens.output", "energy_joules", "model.weights_digest_after"),
    *("model.weights_evidence", "prompts.sketch", "source"),
)


def reading_order(paths: Iterable[str]) -> list[str]:
    """Sealed paths as a reader wants them: what it was and why first, what it ran on last."""
    place = {path: at for at, path in enumerate(_READING_ORDER)}
    return sorted(paths, key=lambda path: (place.get(path, len(place)), path))


@dataclass(frozen=True, slots=True)
class Correction:
    """What an author said, and what it says that it should have said.

    ``field`` is the field's bare name. ``was`` is its value in the entry that is corrected; there
    is none (``is_known`` is false) where that is sealed still or the entry has no such field.
    """

    index: int
    logged_at: str
    author: str
    corrects: int
    kind: str
    field: str
    was: Any
    is_known: bool
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Withholding:
    """Fields that the committee keeps closed beyond their deadline, why, and until when."""

    index: int
    withholds: int
    paths: tuple[str, ...]
    basis: str
    review_by: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A start of the job that the orchestrator refused, and what its user was told."""

    index: int
    logged_at: str
    system: str
    code: str
    finding: str


@dataclass(frozen=True, slots=True)
class Artifact:
    """One output of a job, as its results name it."""

    name: str
    kind: str
    media_type: str | None
    bytes: int
    content_access: str
    digest: str


@dataclass(frozen=True, slots=True)
class Weights:
    """The digests of the model's weights, lower-case hex, as far as they are open."""

    before: str | None
    after: str | None

    @property
    def agree(self) -> bool | None:
        """Whether both are the same; None until both are known."""
        if self.before is None or self.after is None:
            return None
        return self.before == self.after


@dataclass(frozen=True, slots=True)
class Story:
    """A job's record, taken together."""

    corrections: tuple[Correction, ...]
    judged_by: int
    """The entry with the version of the charter that the submission was judged by."""
    findings: tuple[Event, ...]
    """What the ledger found about the run, each an entry with one finding or more."""
    refusals: tuple[Refusal, ...]
    withheld: Mapping[int, Withholding]
    """By the index of the entry that withholds."""
    artifacts: tuple[Artifact, ...]
    weights: Weights
    h200e_basis: str | None
    logged: Mapping[int, int]
    """When each entry was logged, in Unix seconds, by its index."""

    def corrections_of(self, field: str) -> tuple[Correction, ...]:
        """What was corrected about one field."""
        return tuple(each for each in self.corrections if each.field == field)

    def withheld_from(self, index: int) -> tuple[Withholding, ...]:
        """What is to stay closed, or does, of the entry at ``index``."""
        return tuple(each for each in self.withheld.values() if each.withholds == index)

    def elapsed(self, part: SealedPart, *, now: int) -> int:
        """How much of a part's embargo is over, in percent, 0 to 100."""
        begin, end = self.logged[part.index], parse_time(part.publish_by)
        return max(0, min(100, 100 * (now - begin) // (end - begin)))


def tell(detail: JobDetail) -> Story:
    """The story of a job."""
    return Story(
        corrections=tuple(_corrections(detail)),
        judged_by=_judged_by(detail),
        findings=tuple(event for event in detail.events if event.kind == "finding"),
        refusals=tuple(_refusals(detail)),
        withheld={each.index: each for each in _withholdings(detail)},
        artifacts=tuple(_artifacts(detail)),
        weights=Weights(
            before=_digest(detail, "model.weights_digest"),
            after=_digest(detail, "model.weights_digest_after"),
        ),
        h200e_basis=_last_said(detail, "h200e_basis"),
        logged={event.index: parse_time(event.logged_at) for event in detail.events},
    )


def _corrections(detail: JobDetail) -> Iterator[Correction]:
    events = {event.index: event for event in detail.events}
    opened = {part.index: part.disclosure for part in detail.sealed}
    for event in detail.events:
        if event.kind != "corrected" or event.public is None:
            continue
        said = event.public
        target = events.get(said["corrects"])
        field = _bare(str(said["field"]))
        was, is_known = _value(target, opened.get(said["corrects"]), field)
        yield Correction(
            index=event.index,
            logged_at=event.logged_at,
            author=event.author or "",
            corrects=said["corrects"],
            kind=target.kind if target else "",
            field=field,
            was=was,
            is_known=is_known,
            value=str(said["value"]),
            reason=str(said["reason"]),
        )


def _value(target: Event | None, opened: Disclosure | None, field: str) -> tuple[Any, bool]:
    """A field of an entry as the log shows it by now, and whether it does."""
    if target is not None and target.public is not None and field in target.public:
        return target.public[field], True
    if opened is not None and field in opened.fields:
        return opened.fields[field], True
    return None, False


def _bare(field: str) -> str:
    for prefix in _PREFIXES:
        if field.startswith(prefix):
            return field[len(prefix) :]
    return field


def _withholdings(detail: JobDetail) -> Iterator[Withholding]:
    for event in detail.events:
        if event.kind == "withheld" and event.public is not None:
            yield Withholding(
                index=event.index,
                withholds=event.public["withholds"],
                paths=tuple(event.public["paths"]),
                basis=event.public["basis"],
                review_by=event.public["review_by"],
            )


def _judged_by(detail: JobDetail) -> int:
    decided = (event.charter for event in detail.events if event.kind in DECISION_KINDS)
    return next(decided, None) or 0


def _refusals(detail: JobDetail) -> Iterator[Refusal]:
    for event in detail.events:
        if event.kind == "refused" and event.public is not None:
            said = event.public
            yield Refusal(
                event.index, event.logged_at, said["system"], said["code"], said["finding"]
            )


def _opened(detail: JobDetail) -> Iterator[tuple[SealedPart, Disclosure]]:
    for part in detail.sealed:
        if part.disclosure is not None:
            yield part, part.disclosure


def _artifacts(detail: JobDetail) -> Iterator[Artifact]:
    for _part, opened in _opened(detail):
        for each in opened.fields.get("artifacts") or ():
            yield Artifact(
                name=each["name"],
                kind=each["kind"],
                media_type=each.get("media_type"),
                bytes=each["bytes"],
                content_access=each["content_access"],
                digest=each["digest"]["sha256"],
            )


def _digest(detail: JobDetail, path: str) -> str | None:
    for _part, opened in _opened(detail):
        found = opened.fields.get(path)
        if found is not None:
            return str(found["sha256"])
    return None


def _last_said(detail: JobDetail, field: str) -> str | None:
    found = None
    for event in detail.events:
        found = (event.public or {}).get(field, found)
    return None if found is None else str(found)
