"""The authors of a measured log and what they say: made from numbers, the same on every machine.

The keys follow from the authors' names, so that a statement made once can be logged by several
ledgers; they protect nothing and belong to no ledger that anybody relies on.
"""

from collections.abc import Callable, Collection, Sequence
from hashlib import sha256
from itertools import count
from typing import Final

from ledger.records.authoring import author_statement
from ledger.records.deadline import format_time
from ledger.records.entry import Author
from ledger.tlog.note import Signer, generate_key
from schemas.charter import ALLOWED_WORKLOADS
from schemas.statements import Role

ORIGIN: Final = "bench.invalid/apsci"
MEMBERS: Final = (
    "deepseek",
    "zhipu",
    "qwen",
    "moonshot",
    "anthropic",
    "openai",
    "google-deepmind",
)
_ROLES: Final = {
    **dict.fromkeys(MEMBERS, Role.MEMBER),
    "orchestrator": Role.ORCHESTRATOR,
    "gateway": Role.GATEWAY,
    "committee": Role.COMMITTEE,
    "council": Role.COUNCIL,
}
_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PURPOSE: Final = (
    "Measure how much of the probe's accuracy survives a change of the prompt's language. "
    "Made for a measurement; no such job was ever run."
)


def authors() -> list[Author]:
    """Everybody who speaks in a measured log, as the genesis entry lists them."""
    return [
        Author(name=name, role=role, title=f"{name} (measurement)", vkey=_key(name)[1])
        for name, role in _ROLES.items()
    ]


def random_bytes(series: str) -> Callable[[int], bytes]:
    """Makes the bytes of a measured log's keys: the same ones for the same series."""
    numbers = count()
    return lambda length: sha256(f"{series}/random/{next(numbers)}".encode()).digest()[:length]


def job_id(series: str, number: int, *, made_at_s: int) -> str:
    """A ULID of this time; another series or number gives another one."""
    tail = int.from_bytes(sha256(f"{series}/{number}".encode()).digest()[:10])
    value = (made_at_s * 1000 + number % 1000) << 80 | tail
    return "".join(_ALPHABET[value >> shift & 31] for shift in range(125, -1, -5))


class Clerk:
    """Writes statements about the jobs of one ``series``, all made at ``made_at_s``."""

    def __init__(self, series: str, *, made_at_s: int) -> None:
        self._series = series
        self._made_at_s = made_at_s
        self._signers = {name: _key(name)[0] for name in _ROLES}

    def job_id(self, number: int) -> str:
        """The ID of a job."""
        return job_id(self._series, number, made_at_s=self._made_at_s)

    def submitted(self, number: int) -> bytes:
        """A member's submission, with its opening: two entries, since a decision follows."""
        return author_statement(
            signer=self._signers[MEMBERS[number % len(MEMBERS)]],
            kind="submitted",
            schema="job-submitted/1",
            public={
                "workload_type": str(ALLOWED_WORKLOADS[number % len(ALLOWED_WORKLOADS)]),
                "gradient_scope": "none",
                "optimizer_targets": [],
                "accelerator": "nvidia_h200",
                "gpu_count": 8 << number % 4,
                "wall_limit_seconds": 86_400,
                "egress_ceiling_bytes": 10**9,
            },
            sealed={
                "title": f"Measured job {number} of {self._series}",
                "purpose": _PURPOSE,
                "model.name": "example-7b",
                "model.parameter_count": 7_000_000_000,
            },
            made_at=format_time(self._made_at_s),
            job_id=self.job_id(number),
            seed=sha256(f"{self._series}/{number}/submitted".encode()).digest(),
        )

    def started(self, number: int) -> bytes:
        """The orchestrator's word that a job runs: one entry, nothing sealed."""
        return author_statement(
            signer=self._signers["orchestrator"],
            kind="started",
            schema="job-started/1",
            public={"started_at": format_time(self._made_at_s), "gpu_count": 8 << number % 4},
            made_at=format_time(self._made_at_s),
            job_id=self.job_id(number),
        )

    def ended(self, number: int) -> bytes:
        """The orchestrator's word on how a job ended, with its opening: one entry."""
        gpu_seconds = 3_600 * (8 << number % 4)
        how = "failed" if number % 11 == 0 else "completed"
        return author_statement(
            signer=self._signers["orchestrator"],
            kind=how,
            schema="job-ended/1",
            public={
                "started_at": format_time(self._made_at_s),
                "ended_at": format_time(self._made_at_s + 3_600),
                "wall_seconds": 3_600,
                "gpu_seconds": gpu_seconds,
                "h200e_seconds": gpu_seconds,
                "h200e_basis": "h200e/1",
                "exit_status": how,
                "weights_unchanged": True,
                "weights_check": "oms_root",
            },
            sealed={"tokens.input": 1_000 * number, "tokens.output": 100 * number},
            made_at=format_time(self._made_at_s),
            job_id=self.job_id(number),
            seed=sha256(f"{self._series}/{number}/ended".encode()).digest(),
        )

    def egress(self, number: int, egress_bytes: int) -> bytes:
        """The gateway's word on what left the cluster for a job: one entry, nothing sealed."""
        return author_statement(
            signer=self._signers["gateway"],
            kind="egress",
            schema="job-egress/1",
            public={"egress_bytes": egress_bytes, "artifact_count": 1},
            made_at=format_time(self._made_at_s),
            job_id=self.job_id(number),
        )


def jobs_from_start_to_end(
    series: str, numbers: Sequence[int], *, made_at_s: int, waiting: Collection[int] = ()
) -> list[bytes]:
    """All submissions, then all starts, then all ends; of those ``waiting`` the submission only."""
    clerk = Clerk(series, made_at_s=made_at_s)
    run = [number for number in numbers if number not in waiting]
    return [
        *map(clerk.submitted, numbers),
        *(say(number) for say in (clerk.started, clerk.ended) for number in run),
    ]


def _key(name: str) -> tuple[Signer, str]:
    return generate_key(f"{ORIGIN}/{name}", sha256(b"apsci-ledger/bench/" + name.encode()).digest())
