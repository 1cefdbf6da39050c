"""What the pages about members, kinds of work, rules and freshness show, and their JSON alike.

Each function makes one shape from one view, so a page and its twin cannot differ. Nothing here
knows HTML or HTTP; time is an argument.
"""

from importlib.metadata import version

from msgspec import UNSET

from ledger.errors import NotFound
from ledger.reader import View
from ledger.records.charter import Code, rule_of
from ledger.records.charters_shown import in_force
from ledger.records.deadline import DAY_S, format_time, parse_time
from ledger.records.entry import FORMAT
from ledger.records.lifecycle import State
from ledger.storage.shapes import JobFilter
from schemas.answers import JobShown, Member
from schemas.charter import Workload
from schemas.reference import CodeCount, MemberDetail, Rejection, RuleCount, Status, WorkloadShown
from schemas.statements import Role
from web.doors import House
from web.telling.labels import label
from web.telling.vocabulary import code_meaning, in_all


def rejected_by_member(view: View) -> dict[str, int]:
    """How many jobs of each author were rejected; who has none is not in it."""
    found = view.facets(JobFilter(state=State.REJECTED))
    return {facet.value: facet.jobs for facet in found.member}


def member(view: View, name: str, *, now: int) -> MemberDetail:
    """One author of the registry in full. Raises NotFound."""
    found = next((each for each in view.members() if each.name == name), None)
    if found is None:
        raise NotFound(f"the registry at {view.size} entries knows no author {name[:40]!a}")
    profile = view.profile(name, now=now)
    return MemberDetail(
        name=name,
        role=found.role,
        title=found.title,
        keys=found.keys,
        jobs=profile.jobs,
        gpu_seconds=profile.gpu_seconds,
        gpu_seconds_of_all=view.overview().gpu_seconds,
        rejected=sum(each.jobs for each in profile.rejections),
        plans_sealed=profile.sealed,
        plans_opened=profile.opened,
        plans_overdue=profile.overdue,
        first_at=None if profile.first_at is None else format_time(profile.first_at),
        latest_at=None if profile.latest_at is None else format_time(profile.latest_at),
        workloads=profile.workloads,
        states=view.facets(JobFilter(author=name)).state if profile.jobs else (),
        rejections=tuple(
            RuleCount(rule_of(each.value), each.value, each.jobs) for each in profile.rejections
        ),
    )


def is_lab(member: Member | MemberDetail) -> bool:
    """Whether an author submits jobs; the others are the cluster's own systems and bodies."""
    return member.role == Role.MEMBER


def workloads(view: View) -> tuple[WorkloadShown, ...]:
    """Every code of the taxonomy in its order, and what was run under it."""
    # By the log's own clock: the same at a tree size, whenever it is asked.
    charter = in_force(view.charters(), at=view.logged_at).rules
    tallies = {tally.value: tally for tally in view.overview().workloads}
    return tuple(
        WorkloadShown(
            code=str(code),
            allowed=code in charter.allowed_workloads,
            label=in_all(lambda code=code: label(code)),  # type: ignore[misc] # bound now
            meaning=in_all(lambda code=code: code_meaning("workload_type", code)),  # type: ignore[misc] # the same
            jobs=tallies[code].jobs if code in tallies else 0,
            gpu_seconds=tallies[code].gpu_seconds if code in tallies else 0,
        )
        for code in Workload
    )


def code_counts(view: View) -> tuple[CodeCount, ...]:
    """How often each code was found, in the order of the rules; unused ones with 0."""
    starts, runs = (view.objections_by_code(kind) for kind in ("refused", "finding"))
    return tuple(
        CodeCount(
            rule=rule_of(code),
            code=str(code),
            jobs=view.count_jobs(JobFilter(rejection_code=code)),
            starts=starts.get(code, 0),
            runs=runs.get(code, 0),
        )
        for code in Code
    )


def rejections(
    view: View, *, code: str | None, below: int | None, limit: int
) -> tuple[Rejection, ...]:
    """Rejected jobs, newest first, of one code or of all."""
    chosen = JobFilter(state=State.REJECTED, rejection_code=code)
    return tuple(map(_rejection, view.search(chosen, below=below, limit=limit)))


def _rejection(job: JobShown) -> Rejection:
    assert job.rejection_code is not None
    return Rejection(
        job_id=job.job_id,
        member=job.member,
        workload_type=job.workload_type,
        rule=rule_of(job.rejection_code),
        code=job.rejection_code,
        gpu_count=job.gpu_count,
        submitted_index=job.submitted_index,
        submitted_at=job.submitted_at,
        title=job.title,
    )


def status(view: View, house: House, *, now: int, pinned: bool) -> Status:
    """How fresh the ledger is at ``now``, and whether its deadlines are kept.

    As of a ``pinned`` tree nothing is said of witnesses: what they say is of now.
    """
    witnessing = None if pinned else view.witnessing()
    embargo = view.embargo(now=now, limit=1)
    newest = view.checkpoints(limit=1)[0]
    latest = view.published(limit=1)
    return Status(
        now=format_time(now),
        entries=view.size,
        entries_last_day=view.size - first_since(view, now - DAY_S),
        last_entry_at=format_time(view.logged_at),
        last_entry_age_seconds=max(0, now - view.logged_at),
        checkpoint_size=newest.tree_size,
        checkpoint_at=newest.logged_at,
        checkpoint_age_seconds=max(0, now - parse_time(newest.logged_at)),
        jobs=view.overview().jobs,
        sealed=embargo.sealed,
        overdue=embargo.overdue_count,
        opened=embargo.disclosed,
        next_deadline=embargo.next[0] if embargo.next else None,
        last_disclosure=latest[0] if latest else None,
        origin=house.origin,
        vkey=house.vkey,
        versions={"ledger": version("apsci-ledger"), "entries": FORMAT, "api": "v1"},
        witnessing=UNSET if witnessing is None else witnessing,
    )


def first_since(view: View, time: int) -> int:
    """The index of the first entry logged at ``time`` or later; the tree size if there is none.

    ``logged_at`` never decreases with the index, so halving finds it.
    """
    low, high = 0, view.size
    while low < high:
        middle = (low + high) // 2
        if parse_time(view.entry(middle).logged_at) < time:
            low = middle + 1
        else:
            high = middle
    return low
