"""What the entries below a tree size say about jobs, as far as a question needs it.

A pass over the log in its order; of each job a few numbers are kept, of each opened artifact its
size, of each opened set of ranked answers its counts and its sketch: about 250 bytes a job. An
entry that has another form than its schema's counts for nothing, and never as an error: a log that
is being checked may hold any.

Figures are those that were stated first. A correction does not replace them: else whoever is asked
a question could correct it away. The page of the job shows it.
"""

from array import array
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import msgspec
import numpy as np
from msgspec import Raw, Struct

from ledger.errors import FormatError
from ledger.records.deadline import parse_time
from ledger.records.sketch import Sketch, parse_sketch
from ledger.signals.numbers import Integers
from schemas.values import ArtifactClass, Completions, DigestSet, OutputType, PromptSketch

T = TypeVar("T")

NONE: Final = -1
"""Stands for null: no amount is negative."""
COLUMNS: Final = (
    "member",
    "workload",
    "gpu_count",
    "wall_limit_seconds",
    "ceiling_bytes",
    "submitted_index",
    "ended_index",
    "ended_at",
    "wall_seconds",
    "gpu_seconds",
    "h200e_seconds",
    "egress_bytes",
    "model",
    "plan_index",
    "outcome_index",
)
"""What is kept of each job. ``ended_at`` is the log's time, in Unix seconds."""
ENDINGS: Final = frozenset(("completed", "failed", "cancelled", "terminated_by_policy"))
PREFERENCE_OUTPUTS: Final = frozenset((OutputType.PAIRWISE, OutputType.RANKING))
"""Outputs that say which of several answers to a prompt is the better one."""
FEWEST_ANSWERS: Final = 2
MOST_ANSWERS: Final = 8
READABLE_CLASSES: Final = frozenset(
    (ArtifactClass.DOCUMENT, ArtifactClass.TABLE, ArtifactClass.IMAGE)
)
"""Classes whose bytes the artifact store spells anew, so that they hold what they say."""


class Model(NamedTuple):
    """An uploaded model as an opened plan describes it."""

    digest: str | None
    parameter_count: int | None
    dtype: str | None


@dataclass(frozen=True, slots=True)
class Ranked:
    """The opened outcome of a job that kept which of several answers is the better."""

    job: int
    output_type: str
    prompts: int
    """That got two to eight answers."""
    scale: int
    """Of the sketch; 0 where there is none."""
    hashes: "array[int]"
    """Of the sketch, eight bytes each."""

    @property
    def sketch(self) -> Sketch | None:
        """The sketch of its prompts, made anew each time."""
        return Sketch(self.scale, tuple(self.hashes)) if self.scale else None


@dataclass(slots=True)
class Facts:
    """Everything that the questions are computed from. Jobs are numbered in log order."""

    job_ids: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    workloads: list[str] = field(default_factory=list)
    models: list[Model] = field(default_factory=list)
    ranked: list[Ranked] = field(default_factory=list)
    columns: dict[str, "array[int]"] = field(
        default_factory=lambda: {name: array("q") for name in COLUMNS}
    )
    file_job: "array[int]" = field(default_factory=lambda: array("q"))
    file_bytes: "array[int]" = field(default_factory=lambda: array("q"))
    readable_job: "array[int]" = field(default_factory=lambda: array("q"))
    readable_bytes: "array[int]" = field(default_factory=lambda: array("q"))
    """What the artifact store took in as readable; it may stand among the files too."""

    def numbers(self, name: str) -> Integers:
        """A column, by job."""
        return np.frombuffer(self.columns[name], dtype=np.int64)

    def value(self, name: str, job: int) -> int | None:
        """One value of a column."""
        found = self.columns[name][job]
        return None if found == NONE else found


class _Statement(Struct):
    author: str
    schema: str
    public: Raw
    job_id: str | None = None


class _Entry(Struct):
    kind: str
    logged_at: str
    statement: _Statement | None = None
    job_id: str | None = None
    discloses: int | None = None
    fields: dict[str, Raw] | None = None


class _Submitted(Struct):
    workload_type: str
    gpu_count: int
    wall_limit_seconds: int
    egress_ceiling_bytes: int | None


class _Ended(Struct):
    wall_seconds: int
    gpu_seconds: int
    h200e_seconds: int


class _Egress(Struct):
    egress_bytes: int
    artifact_class: ArtifactClass | None = None


class _Artifact(Struct):
    bytes: int


class Collector:
    """Takes the entries of a log in their order. ``facts`` are those of all that came so far."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._jobs: dict[str, int] = {}
        self._codes: dict[tuple[str, object], int] = {}
        self._entry = msgspec.json.Decoder(_Entry)

    def take(self, index: int, data: bytes) -> None:
        """Take the entry at ``index``."""
        try:
            entry = self._entry.decode(data)
            said = entry.statement
            if entry.kind == "disclosed":
                self._disclosed(entry, index)
            elif said is None or said.job_id is None:
                return
            elif entry.kind == "submitted":
                self._submitted(said, said.job_id, index)
            elif entry.kind == "egress":
                self._egress(said, said.job_id)
            elif entry.kind in ENDINGS:
                self._ended(said, said.job_id, index, parse_time(entry.logged_at))
        except (msgspec.DecodeError, FormatError, OverflowError):
            return

    def _submitted(self, said: _Statement, job_id: str, index: int) -> None:
        if job_id in self._jobs:
            return
        public = _take(said.public, _Submitted)
        facts, ceiling = self.facts, public.egress_ceiling_bytes
        row = dict.fromkeys(COLUMNS, NONE) | {
            "member": self._code("members", said.author),
            "workload": self._code("workloads", public.workload_type),
            "gpu_count": public.gpu_count,
            "wall_limit_seconds": public.wall_limit_seconds,
            "ceiling_bytes": NONE if ceiling is None else ceiling,
            "submitted_index": index,
            "egress_bytes": 0,
        }
        if any(not NONE <= each < 2**53 for each in row.values()):
            return
        self._jobs[job_id] = len(facts.job_ids)
        facts.job_ids.append(job_id)
        for name, column in facts.columns.items():
            column.append(row[name])

    def _ended(self, said: _Statement, job_id: str, index: int, at: int) -> None:
        job = self._jobs.get(job_id)
        columns = self.facts.columns
        if job is None or columns["ended_index"][job] != NONE:
            return
        public = _take(said.public, _Ended)
        found = (public.wall_seconds, public.gpu_seconds, public.h200e_seconds)
        if not all(0 <= each < 2**53 for each in found):
            return
        for name, value in zip(
            ("wall_seconds", "gpu_seconds", "h200e_seconds", "ended_index", "ended_at"),
            (*found, index, at),
            strict=True,
        ):
            columns[name][job] = value

    def _egress(self, said: _Statement, job_id: str) -> None:
        job = self._jobs.get(job_id)
        public = _take(said.public, _Egress)
        if job is None or not 0 <= public.egress_bytes < 2**53:
            return
        self.facts.columns["egress_bytes"][job] += public.egress_bytes
        if said.schema != "artifact-write/1":
            return
        if public.artifact_class in READABLE_CLASSES:
            self.facts.readable_job.append(job)
            self.facts.readable_bytes.append(public.egress_bytes)
        else:
            self._file(job, public.egress_bytes)

    def _disclosed(self, entry: _Entry, index: int) -> None:
        job = self._jobs.get(entry.job_id or "")
        if job is None or entry.fields is None:
            return
        columns = self.facts.columns
        if entry.discloses == columns["submitted_index"][job]:
            columns["plan_index"][job] = index
            columns["model"][job] = self._model(entry.fields)
        elif entry.discloses == columns["ended_index"][job]:
            columns["outcome_index"][job] = index
            artifacts: tuple[_Artifact, ...] | None = _taken(
                entry.fields, "artifacts", tuple[_Artifact, ...] | None
            )
            for artifact in artifacts or ():
                self._file(job, artifact.bytes)
            self._ranked(entry.fields, job)

    def _model(self, fields: dict[str, Raw]) -> int:
        digest = _taken(fields, "model.weights_digest", DigestSet | None)
        count = _taken(fields, "model.parameter_count", int | None)
        dtype = _taken(fields, "model.dtype", str | None)
        return self._code("models", Model(digest.sha256 if digest else None, count, dtype))

    def _ranked(self, fields: dict[str, Raw], job: int) -> None:
        answers = _taken(fields, "completions", Completions | None)
        if answers is None or answers.output_type not in PREFERENCE_OUTPUTS:
            return
        prompts = sum(
            each.prompts
            for each in answers.per_prompt_histogram
            if FEWEST_ANSWERS <= each.completions <= MOST_ANSWERS
        )
        if prompts:
            sketch = _sketch(fields) or Sketch(0, ())
            self.facts.ranked.append(
                Ranked(
                    job,
                    answers.output_type.value,
                    prompts,
                    scale=sketch.scale,
                    hashes=array("Q", sketch.hashes),
                )
            )

    def _file(self, job: int, size: int) -> None:
        if 0 < size < 2**53:
            self.facts.file_job.append(job)
            self.facts.file_bytes.append(size)

    def _code(self, table: str, value: object) -> int:
        """The number of a value in a table of ``facts``, to which it is added where it is new."""
        found = self._codes.get((table, value))
        if found is None:
            names: list[object] = getattr(self.facts, table)
            found = self._codes[table, value] = len(names)
            names.append(value)
        return found


def _take(data: Raw, form: type[T]) -> T:
    return msgspec.json.decode(data, type=form)


def _taken(fields: dict[str, Raw], path: str, form: object) -> "T | None":
    data = fields.get(path)
    if data is None:
        return None
    try:
        found: T | None = msgspec.json.decode(data, type=form)
    except msgspec.DecodeError:
        return None
    return found


def _sketch(fields: dict[str, Raw]) -> Sketch | None:
    found: PromptSketch | None = _taken(fields, "prompts.sketch", PromptSketch | None)
    try:
        return None if found is None else parse_sketch(found)
    except FormatError:
        return None
