"""Tells which tool wrote a file of jobs, and reads every job in it.

Each record becomes facts or is skipped with a reason; none is dropped. A file is read once, piece
by piece, and what is kept of it are facts alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

from ledger.importers import evaluations, kubernetes_job, kueue, slurm
from ledger.importers.facts import Facts, Skipped
from ledger.importers.json_pieces import read_pieces
from ledger.importers.looking import At
from ledger.importers.mapping import ImportRefused
from ledger.importers.prompts import SAMPLES, Prompts

FORMATS: Final = ("slurm", "kueue", "k8s-job", "inspect", "lm-eval")
AUTO: Final = "auto"
MAX_JOBS: Final = 100_000
_WHOLE: Final[Mapping[str, frozenset[str]]] = {
    "inspect": frozenset({"status", "eval", "plan", "results", "stats"}),
    "lm-eval": frozenset({
        "config", "configs", "date", "model_name", "n-samples", "results",
        "total_evaluation_time_seconds",
    }),
    "object": frozenset({"apiVersion", "kind", "metadata", "spec", "status"}),
}  # fmt: skip
"""The members that are looked at where the whole file is one record."""
_KEPT: Final = frozenset().union(*_WHOLE.values())
_READERS: Final[Mapping[str, Callable[[At, str, Mapping[str, str]], Facts | str]]] = {
    "k8s-job": kubernetes_job.read_job,
    "kueue": kueue.read_workload,
    "slurm": slurm.read_job,
}


@dataclass(slots=True)
class Jobs:
    """What a file holds: jobs in its order, and the records that are none."""

    format: str = ""
    jobs: list[Facts] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def read_jobs(
    path: Path,
    *,
    format_: str,
    names: Mapping[str, str],
    original: Path | None = None,
    sketch: bool = False,
) -> Jobs:
    """Every job of the file; ``format_`` is one of FORMATS, or ``auto``.

    ``names``: other names of kinds of GPU. ``original``: the file that ``path`` was unpacked from,
    whose digest counts. ``sketch``: read the prompts of an evaluation, for their sketch.

    Raises ImportRefused, naming the file and the place.
    """
    try:
        return _Reading(path, format_, names, original or path, sketch=sketch).jobs()
    except ImportRefused as error:
        raise ImportRefused(f"{path}: {error}") from None


class _Reading:
    """One file being read."""

    def __init__(
        self, path: Path, format_: str, names: Mapping[str, str], original: Path, *, sketch: bool
    ) -> None:
        self._path = path
        self._original = original
        self._wanted = format_
        self._names = names
        self._known: dict[str, Facts] = {}
        self._read = Jobs()
        self._prompts = Prompts() if sketch else None

    def jobs(self) -> Jobs:
        members: dict[str, object] = {}
        also = frozenset({SAMPLES} if self._prompts else ())
        for piece in read_pieces(self._path, also=also):
            if piece.index is None:
                if piece.key in ("jobs", "items") and piece.raw != b"null":
                    raise ImportRefused(f"{piece.key}: a list is needed")
                if piece.key in _KEPT:
                    members[piece.key] = piece.value()
            elif piece.key in ("jobs", "items"):
                record = At(piece.value(), piece.place)
                kind = "slurm" if piece.key == "jobs" else _kind(record)
                self._settle(kind)
                self._add(kind, record, sha256(piece.raw).hexdigest())
            elif self._prompts:
                self._prompts.add(At(piece.value(), piece.place))
        if not self._read.format:
            self._whole(members)
        return self._read

    def _whole(self, members: dict[str, object]) -> None:
        """A file that is one record, or a list of none."""
        with self._original.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        kind = _kind_of_whole(members)
        self._settle(kind)
        kept = _WHOLE.get(kind, _WHOLE["object"])
        record = At({key: value for key, value in members.items() if key in kept}, "")
        if kind == "inspect":
            facts = evaluations.read_inspect(record, digest)
            if self._prompts:
                self._prompts.put_into(facts)
            self._read.jobs.append(facts)
        elif kind == "lm-eval":
            self._read.jobs.append(evaluations.read_lm_eval(record, digest))
        else:
            self._add(kind, record, digest)

    def _settle(self, kind: str) -> None:
        if self._prompts and kind != "inspect":
            raise ImportRefused(f"this is {kind}, which holds no prompts to make a sketch of")
        if self._wanted not in (AUTO, kind):
            raise ImportRefused(f"this is {kind}, and --format says {self._wanted}")
        if self._read.format not in ("", kind):
            raise ImportRefused(
                f"{self._read.format} and {kind} in one file: import them one by one"
            )
        self._read.format = kind

    def _add(self, kind: str, record: At, digest: str) -> None:
        facts = _READERS[kind](record, digest, self._names)
        if isinstance(facts, str):
            self._read.skipped.append(Skipped(facts, record.place))
            return
        # A job that was requeued keeps its number; its sluid changes with each period.
        key = (facts.record_id or record.place).partition(" ")[0]
        earlier = self._known.setdefault(key, facts)
        if earlier is facts:
            if len(self._read.jobs) >= MAX_JOBS:
                raise ImportRefused(f"more than {MAX_JOBS} jobs: cut it, as with sacct -S and -E")
            self._read.jobs.append(facts)
        elif kind != "slurm" or not slurm.merge(earlier, facts):
            self._read.skipped.append(Skipped("seen_before", record.place))


def _kind_of_whole(members: Mapping[str, object]) -> str:
    if "eval" in members:
        return "inspect"
    if "results" in members and "config" in members:
        return "lm-eval"
    if "apiVersion" in members and not str(members.get("kind", "")).endswith("List"):
        return _kind(At(dict(members), ""))
    raise ImportRefused(
        "no jobs of a kind that is read: sacct --json, Kueue Workloads, Kubernetes Jobs, an"
        " inspect_ai log as JSON, or results of lm-eval"
    )


def _kind(record: At) -> str:
    version, kind = record("apiVersion"), record("kind")
    if kind.text() == "Job" and version.text() in kubernetes_job.API_VERSIONS:
        return "k8s-job"
    if kind.text() == "Workload" and version.text() in kueue.API_VERSIONS:
        return "kueue"
    raise kind.refused(
        f"a Job of {kubernetes_job.API_VERSIONS[0]} or a Workload of "
        f"{' or '.join(kueue.API_VERSIONS)} is needed"
    )
