"""Makes drafts of statements from what was learned of a job: files that ``ledger submit`` signs.

What nobody said is left out of a draft, so that it cannot be signed before somebody says it; a
draft never has a made-up value. Egress is the gateway's to state, and no importer speaks for it.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ledger.importers.facts import Facts
from ledger.importers.mapping import Equivalence, ImportRefused
from ledger.records.deadline import format_time
from schemas.charter import Workload
from schemas.statements import ExitStatus, GradientScope, OptimizerTarget, WeightsCheck
from schemas.values import Count, Positive, Slug, Wire

_KINDS: Final = {ExitStatus.COMPLETED: "completed", ExitStatus.CANCELLED: "cancelled",
                 ExitStatus.POLICY: "terminated_by_policy"}  # fmt: skip


class Defaults(Wire, frozen=True):
    """A TOML file that says what the tool's file does not. What the file says comes first."""

    workload_type: Workload | None = None
    gradient_scope: GradientScope | None = None
    optimizer_targets: Annotated[tuple[OptimizerTarget, ...], Meta(max_length=8)] | None = None
    accelerator: Slug | None = None
    gpu_count: Positive | None = None
    wall_limit_seconds: Positive | None = None
    egress_ceiling_bytes: Count | None = None
    weights_unchanged: bool | None = None
    weights_check: WeightsCheck | None = None
    accelerator_names: Mapping[str, Slug] = {}
    """Other names of kinds of GPU: ``H100-PCIE = "nvidia_h100_pcie"``."""
    h200e: Equivalence | None = None
    milli_h200: Mapping[Slug, Positive] = {}
    """What one GPU of a kind is worth, in thousandths of an H200."""


@dataclass(frozen=True, slots=True)
class Draft:
    """One statement, unsigned: ``kind`` and what the file says."""

    kind: str
    document: dict[str, Any]


def parse_defaults(text: str) -> Defaults:
    """The defaults in a TOML text. Raises ImportRefused, naming the field."""
    try:
        return msgspec.convert(tomllib.loads(text), Defaults)
    except (ValueError, RecursionError) as error:
        raise ImportRefused(f"not TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ImportRefused(str(error)) from None


def make_drafts(facts: Facts, defaults: Defaults, *, job_id: str) -> Iterator[Draft]:
    """The statements of one job, in the order of its life; what lacks becomes a finding."""
    public = _submission(facts, defaults)
    yield _draft("submitted", "job-submitted/1", job_id, public, _sealed(facts, facts.submission))
    gpus = public.get("gpu_count")
    for number, period in enumerate(facts.periods):
        started = {"started_at": format_time(period.started_at), "gpu_count": gpus}
        yield _draft("started", "job-started/1", job_id, _said(started))
        if number + 1 < len(facts.periods) and period.ended_at is not None:
            interrupted = {
                "ended_at": format_time(period.ended_at), "exit_status": period.exit_status,
            }  # fmt: skip
            yield _draft("interrupted", "job-interrupted/1", job_id, _said(interrupted))
    if facts.ended_at is not None and facts.exit_status is not None:
        kind = _KINDS.get(facts.exit_status, "failed")
        ended = _ending(facts, defaults, public)
        # The first version of the schema has no place for a sketch.
        schema = "job-ended/2" if "prompts.sketch" in facts.outcome else "job-ended/1"
        yield _draft(kind, schema, job_id, ended, _sealed(facts, facts.outcome))


def _submission(facts: Facts, defaults: Defaults) -> dict[str, Any]:
    """The public fields of job-submitted/1 that are known."""
    asked: dict[str, Any] = {}
    if facts.asks_only:
        asked = {
            "workload_type": Workload.EVAL_SUITE,
            "gradient_scope": GradientScope.NONE,
            "optimizer_targets": (),
        }
    said = {
        "workload_type": facts.workload,
        "gradient_scope": facts.gradient_scope,
        "optimizer_targets": facts.optimizer_targets,
        "accelerator": facts.accelerator,
        "gpu_count": facts.gpu_count,
        "wall_limit_seconds": facts.wall_limit_seconds,
        "egress_ceiling_bytes": None,
    }
    public: dict[str, Any] = {}
    for name, value in said.items():
        default = getattr(defaults, name)
        if name == "gpu_count" and any(each.code == "gpu_slice" for each in facts.findings):
            default = None
        assumed = asked.get(name) if default is None else default
        if value is None and assumed is not None:
            facts.found("assumed", "", f"public.{name}")
        if value is None and assumed is None:
            facts.found("missing", "", f"public.{name}")
        else:
            public[name] = assumed if value is None else value
    return public


def _ending(facts: Facts, defaults: Defaults, public: Mapping[str, Any]) -> dict[str, Any]:
    """The public fields of job-ended/1 that are known."""
    ended_at = facts.ended_at or 0
    wall = facts.wall_seconds
    if wall is None:
        wall = sum((each.ended_at or ended_at) - each.started_at for each in facts.periods)
    gpus = public.get("gpu_count")
    gpu_seconds = None if gpus is None else wall * gpus
    worth = defaults.milli_h200.get(public.get("accelerator", ""))
    h200e = None if gpu_seconds is None or worth is None else -(-gpu_seconds * worth // 1000)
    unchanged, check = defaults.weights_unchanged, defaults.weights_check
    if facts.weights_in_doubt:
        unchanged = check = None
    if unchanged is not None:
        facts.found("assumed", "", "public.weights_unchanged")
    said: dict[str, Any] = {
        "ended_at": format_time(ended_at),
        "wall_seconds": wall,
        "gpu_seconds": gpu_seconds,
        "h200e_seconds": h200e,
        "h200e_basis": None if defaults.h200e is None else defaults.h200e.basis,
        "exit_status": facts.exit_status,
        "weights_unchanged": unchanged,
        "weights_check": check,
    }
    for name, value in said.items():
        if value is None:
            facts.found("missing", "", f"public.{name}")
    start = facts.periods[0].started_at if facts.periods else None
    return {"started_at": None if start is None else format_time(start)} | _said(said)


def _sealed(facts: Facts, fields: Mapping[str, Any]) -> dict[str, Any]:
    source = {}
    if facts.record_id is None:
        facts.found("left_out", facts.place, "sealed.source")
    else:
        source["source"] = {
            "system": facts.system,
            "record_id": facts.record_id,
            "record_digest": {"sha256": facts.digest},
        }
    return dict(fields) | source


def _said(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _draft(
    kind: str,
    schema: str,
    job_id: str,
    public: Mapping[str, Any],
    sealed: Mapping[str, Any] | None = None,
) -> Draft:
    document: dict[str, Any] = {
        "kind": kind, "schema": schema, "job_id": job_id, "public": dict(public),
    }  # fmt: skip
    if sealed is not None:
        document["sealed"] = dict(sealed)
    return Draft(kind, document)
