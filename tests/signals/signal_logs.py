"""Small logs made of bare entries: what a question looks at, and nothing that it does not."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from ledger.records.deadline import DAY_S, format_time
from schemas.signals import Signal, SignalRow, Signals

START = 1_790_000_000  # 2026-09-21T14:13:20Z
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Log:
    """Entries in their order; each call adds some about one job."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.now = START
        self._jobs = 0
        self.add({"kind": "genesis", "origin": "ledger.example/x"})

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.entries)

    def add(self, entry: dict[str, Any]) -> int:
        """Add an entry; its index."""
        whole = {"format": "apsci-ledger/1", "logged_at": format_time(self.now), **entry}
        spelt = json.dumps(whole, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        self.entries.append(spelt.encode())
        return len(self.entries) - 1

    def say(self, author: str, kind: str, schema: str, job: str, public: dict[str, Any]) -> int:
        """Add a statement."""
        said = {"author": author, "job_id": job, "kind": kind, "schema": schema, "public": public}
        return self.add({"kind": kind, "statement": said})

    def disclose(self, index: int, job: str, **fields: Any) -> int:
        """Open what is sealed in the entry at ``index``; a double underscore stands for a point."""
        opened = {name.replace("__", "."): value for name, value in fields.items()}
        entry = {"kind": "disclosed", "discloses": index, "job_id": job, "fields": opened}
        return self.add(entry)

    def job(
        self,
        member: str = "alpha",
        *,
        workload: str = "eval_suite",
        gpu_seconds: int = 3_600,
        h200e_seconds: int | None = None,
        wall_seconds: int = 3_600,
        wall_limit_seconds: int = 7_200,
        ceiling: int | None = 100_000_000,
        egress: Sequence[int] = (),
        days_after: float = 0,
        plan: dict[str, Any] | None = None,
        outcome: dict[str, Any] | None = None,
        kind: str = "completed",
    ) -> str:
        """A job from its submission to its end, and opened where there is something to open."""
        self.now += int(days_after * DAY_S)
        self._jobs += 1
        job = "01" + "".join(_ALPHABET[self._jobs >> 5 * n & 31] for n in range(24))
        asked = {
            "workload_type": workload,
            "gradient_scope": "none",
            "optimizer_targets": [],
            "accelerator": "nvidia_h200",
            "gpu_count": 8,
            "wall_limit_seconds": wall_limit_seconds,
            "egress_ceiling_bytes": ceiling,
        }
        submitted = self.say(member, "submitted", "job-submitted/1", job, asked)
        for size in egress:
            public = {"egress_bytes": size, "artifact_count": 1}
            self.say("gateway", "egress", "job-egress/1", job, public)
        figures = {
            "wall_seconds": wall_seconds,
            "gpu_seconds": gpu_seconds,
            "h200e_seconds": gpu_seconds if h200e_seconds is None else h200e_seconds,
        }
        ended = self.say("orchestrator", kind, "job-ended/1", job, figures)
        if plan is not None:
            self.disclose(submitted, job, **plan)
        if outcome is not None:
            self.disclose(ended, job, **outcome)
        return job


def ranked(
    prompts: int, *, answers: int = 4, output: str = "pairwise", sketch: object = None
) -> dict[str, Any]:
    """The opened outcome of a job that ranked ``answers`` answers to each of some prompts."""
    found: dict[str, Any] = {
        "completions": {
            "count": prompts * answers,
            "output_type": output,
            "per_prompt_histogram": [{"completions": answers, "prompts": prompts}],
        }
    }
    return found if sketch is None else found | {"prompts__sketch": sketch}


def plan_of(digest: str = "ab", count: int = 8_030_000_000, dtype: str = "bf16") -> dict[str, Any]:
    """The opened plan of a job that looks at a model."""
    return {
        "model__weights_digest": {"sha256": digest * 32},
        "model__parameter_count": count,
        "model__dtype": dtype,
    }


def signal(found: Signals, code: str) -> Signal:
    """One of the questions."""
    [each] = [each for each in found.signals if each.code == code]
    return each


def cells(asked: Signal, row: SignalRow) -> dict[str, Any]:
    """A row's cells by the names of their columns."""
    return dict(zip((each.name for each in asked.measures), row.cells, strict=True))
