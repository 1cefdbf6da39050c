"""Which jobs are asked for: as parameters of the API, and as a question to each answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from ledger.errors import ValueRefused
from schemas.answers import JobShown

MORE = ("accelerator", "month", "decision", "code", "finding", "model")


@dataclass(frozen=True, slots=True)
class JobQuery:
    """Filters of a list of jobs; what is None does not filter. Days are of UTC, both included."""

    member: str | None = None
    workload: str | None = None
    state: str | None = None
    q: str | None = None
    since: date | None = None
    until: date | None = None
    more: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.more:
            if name not in MORE:
                raise ValueRefused(
                    f"{name} is no filter of jobs; there are member, workload, state, q, since,"
                    f" until, {', '.join(MORE)}",
                    field=name,
                )

    def params(self) -> dict[str, str | int | None]:
        """The parameters of ``/api/v1/jobs``."""
        return {
            "member": self.member,
            "workload": self.workload,
            "state": self.state,
            "q": self.q,
            "from": None if self.since is None else f"{self.since:%Y-%m-%d}",
            "to": None if self.until is None else f"{self.until:%Y-%m-%d}",
            **self.more,
        }

    def takes(self, job: JobShown) -> bool:
        """Whether ``job`` is one of them, as far as its public fields tell.

        ``q`` looks in texts too, and is the server's word.
        """
        day = job.submitted_at[:10]
        decision = self.more.get("decision")
        return (
            self.member in {None, job.member}
            and self.workload in {None, job.workload_type}
            and self.state in {None, job.state}
            and (self.since is None or day >= f"{self.since:%Y-%m-%d}")
            and (self.until is None or day <= f"{self.until:%Y-%m-%d}")
            and self.more.get("accelerator") in {None, job.accelerator}
            and self.more.get("month") in {None, day[:7]}
            and self.more.get("code") in {None, job.rejection_code}
            and self.more.get("finding") in {None, job.finding_code}
            and self.more.get("model") in {None, job.model_digest}
            and (decision is None or (decision == "rejected") == (job.state == "rejected"))
        )
