"""What was not started, and what was found about runs: each as the entry about it says.

Public by construction, like ``schemas.answers``.
"""

from schemas.answers import FindingShown, Shape


class RefusedStart(Shape, frozen=True):
    """Something that the orchestrator did not start; null is what it did not know.

    ``job_id`` is null where what was to start named no job of this ledger, ``member`` is who wanted
    to start it, ``finding`` is what its user was told.
    """

    index: int
    logged_at: str
    author: str
    system: str
    job_id: str | None
    member: str | None
    gpu_count: int | None
    rule: int
    code: str
    finding: str


class RunFinding(Shape, frozen=True):
    """What the ledger found about a run, in the entry at ``index``, about the one at ``refers_to``.

    ``charter`` is the index of the version of the charter by which it was found. ``quarantines``:
    whether the artifacts of the job are held back from here on.
    """

    index: int
    logged_at: str
    job_id: str
    member: str
    workload_type: str
    title: str | None
    refers_to: int
    charter: int
    findings: tuple[FindingShown, ...]
    quarantines: bool
