"""What the ledger finds in a run, what it keeps in quarantine, and what artifacts add up to."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY_S, ORIGIN, History, resign, vkey_of
from log_of_rules import RuledHistory
from verify_runner import Verdict, run

KEY = vkey_of(ORIGIN)
Story = Callable[[RuledHistory], int]
BEFORE, AFTER = {"sha256": "aa" * 32}, {"sha256": "bb" * 32}


@pytest.fixture
def log() -> RuledHistory:
    log = RuledHistory()
    log.begin()
    return log


def judge(log: History, tmp_path: Path, *more: str | Path) -> Verdict:
    mirror, evidence = log.write(tmp_path / "mirror"), tmp_path / "evidence"
    return run("--offline", mirror, "--vkey", KEY, "--evidence", evidence, *more)


def ended(log: RuledHistory, **digests: Any) -> int:
    """A run that says that nothing changed, and whose digests are sealed."""
    job = log.running()
    log.take(job, 10)
    submitted = next(
        index
        for index, entry in enumerate(log.entries)
        if entry["kind"] == "submitted" and entry["statement"]["job_id"] == job
    )
    log.reseal(submitted, model__weights_digest=digests.get("before"))
    return log.reseal(log.end_with(job), model__weights_digest_after=digests.get("after"))


# Found at once, and met.


def met(log: RuledHistory) -> None:
    log.find(log.end_with(log.running(), "terminated_by_policy", weights_unchanged=False))


def at_the_door(log: RuledHistory) -> None:
    job = log.running()
    admitted = len(log.entries) - 2
    assert log.entries[admitted]["kind"] == "admitted"
    log.find(admitted, "R2_egress_ceiling")
    log.find(admitted, "R2_unmetered_egress")
    log.end_with(job)
    log.find(admitted, "R2_egress_ceiling")


def by_digests_that_are_still_sealed(log: RuledHistory) -> None:
    log.find(ended(log, before=BEFORE, after=AFTER))


def a_report_that_comes_after_the_end(log: RuledHistory) -> None:
    job = log.running()
    log.find(log.end_with(job, "terminated_by_policy", weights_unchanged=False))
    log.egress(job)


@pytest.mark.parametrize(
    ("story", "notes"),
    [
        (met, {"weights-changed"}),
        (at_the_door, set()),
        (by_digests_that_are_still_sealed, set()),
        (a_report_that_comes_after_the_end, {"weights-changed", "egress-after-quarantine"}),
    ],
)
def test_what_the_ledger_found_as_it_has_to_is_verified(
    story: Callable[[RuledHistory], None], notes: set[str], log: RuledHistory, tmp_path: Path
) -> None:
    story(log)
    verdict = judge(log, tmp_path)
    assert verdict.status == 0, verdict.report["findings"]
    assert verdict.warnings - {"due-by-own-clock", "stale-checkpoint"} == notes


def test_digests_that_differ_are_found_to_once_they_are_open(
    log: RuledHistory, tmp_path: Path
) -> None:
    log.find(ended(log, before=BEFORE, after=AFTER))
    log.pass_time(91 * DAY_S)
    verdict = judge(log, tmp_path)
    assert (verdict.status, verdict.codes) == (0, set())
    assert "weights-changed" in verdict.warnings


# Not found, or wrongly.


def silent(log: RuledHistory) -> int:
    index = log.end_with(log.running(), weights_unchanged=False)
    log.running("lab-b")
    return index


def silent_at_the_very_end(log: RuledHistory) -> int:
    return log.end_with(log.running(), weights_unchanged=False)


def silent_although_it_was_stopped(log: RuledHistory) -> int:
    index = log.end_with(log.running(), "terminated_by_policy", weights_unchanged=False)
    log.refuse()
    return index


def not_at_once(log: RuledHistory) -> int:
    index = log.end_with(log.running(), weights_unchanged=False)
    log.refuse()
    log.find(index)
    return index


def silent_about_digests(log: RuledHistory) -> int:
    index = ended(log, before=BEFORE, after=AFTER)
    log.pass_time(91 * DAY_S)
    return index


@pytest.mark.parametrize(
    ("story", "codes"),
    [
        (silent, {"missing-finding"}),
        (silent_at_the_very_end, {"missing-finding"}),
        (silent_although_it_was_stopped, {"missing-finding"}),
        (not_at_once, {"missing-finding", "bad-finding"}),
        (silent_about_digests, {"missing-finding", "weights-changed"}),
    ],
)
def test_a_ledger_that_says_nothing_is_named(
    story: Story, codes: set[str], log: RuledHistory, tmp_path: Path
) -> None:
    index = story(log)
    verdict = judge(log, tmp_path)
    assert verdict.codes == codes, verdict.report["findings"]
    assert verdict.entries("missing-finding") == [index]


def about_weights_that_are_the_same(log: RuledHistory) -> int:
    index = log.find(ended(log, before=BEFORE, after=BEFORE))
    log.pass_time(91 * DAY_S)
    return index


def about_a_digest_that_was_never_given(log: RuledHistory) -> int:
    index = log.find(ended(log, after=AFTER))
    log.pass_time(91 * DAY_S)
    return index


def about_another_job(log: RuledHistory) -> int:
    job = log.running()
    target = log.end_with(log.running())
    return log.find(target, job_id=job)


def about_a_job_of_nobody(log: RuledHistory) -> int:
    return log.find(log.end_with(log.running()), job_id=log.new_job())


def about_a_start(log: RuledHistory) -> int:
    log.running()
    return log.find(len(log.entries) - 1)


def about_a_submission(log: RuledHistory) -> int:
    log.running()
    return log.find(len(log.entries) - 3, "R2_egress_ceiling")


def about_a_rejected_job(log: RuledHistory) -> int:
    log.submit("lab-a", log.new_job(), workload="lora")
    return log.find(len(log.entries) - 1, "R2_egress_ceiling")


def about_the_future(log: RuledHistory) -> int:
    index = log.find(log.end_with(log.running()))
    log.entries[index]["refers_to"] = index + 1
    return index


def for_a_reason_that_is_none(log: RuledHistory) -> int:
    return log.find(log.end_with(log.running()), "Q_quota")


def for_two_reasons_of_two_kinds(log: RuledHistory) -> int:
    index = log.find(log.end_with(log.running()))
    other = {"rule": 2, "code": "R2_egress_ceiling", "finding": "and more"}
    log.entries[index]["findings"].append(other)
    return index


def by_another_rule(log: RuledHistory) -> int:
    index = log.find(log.end_with(log.running()))
    log.entries[index]["findings"][0]["rule"] = 2
    return index


def with_the_digest_in_it(log: RuledHistory) -> int:
    index = log.find(ended(log, before=BEFORE, after=AFTER))
    log.entries[index]["findings"][0]["finding"] = f"it was {BEFORE['sha256']}"
    return index


@pytest.mark.parametrize(
    "story",
    [
        about_weights_that_are_the_same,
        about_a_digest_that_was_never_given,
        about_another_job,
        about_a_job_of_nobody,
        about_a_start,
        about_a_submission,
        about_a_rejected_job,
        about_the_future,
        for_a_reason_that_is_none,
        for_two_reasons_of_two_kinds,
        by_another_rule,
        with_the_digest_in_it,
    ],
)
def test_a_finding_that_is_not_so_is_named(story: Story, log: RuledHistory, tmp_path: Path) -> None:
    index = story(log)
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"bad-finding"}, verdict.report["findings"]
    assert set(verdict.entries("bad-finding")) == {index}


def test_a_finding_by_another_charter_is_named(log: RuledHistory, tmp_path: Path) -> None:
    target = log.end_with(log.running(), "terminated_by_policy", weights_unchanged=False)
    log.find(target)
    log.change("council-b")
    target = log.end_with(log.running(), "terminated_by_policy", weights_unchanged=False)
    index = log.find(target, charter=0)
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"wrong-charter"}
    assert verdict.entries("wrong-charter") == [index]


@pytest.mark.parametrize("changed", [True, False])
def test_a_log_of_before_there_were_findings_owes_none(changed: bool, tmp_path: Path) -> None:
    log = RuledHistory()
    log.genesis()
    if changed:
        log.end_with(log.running(), "terminated_by_policy", weights_unchanged=False)
    else:
        ended(log, before=BEFORE, after=AFTER)
    log.pass_time(91 * DAY_S)
    verdict = judge(log, tmp_path)
    assert verdict.codes == (set() if changed else {"weights-changed"})


def test_nothing_is_owed_for_runs_that_ended_before_the_first_finding(tmp_path: Path) -> None:
    """Their digests open when the log has long begun to find."""
    log = RuledHistory()
    log.genesis()
    ended(log, before=BEFORE, after=AFTER)
    log.find(log.end_with(log.running(), "terminated_by_policy", weights_unchanged=False))
    late = ended(log, before=BEFORE, after=AFTER)
    log.pass_time(91 * DAY_S)
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"weights-changed", "missing-finding"}
    assert verdict.entries("missing-finding") == [late]
    assert len(verdict.entries("weights-changed")) == 2  # the disclosures of both


def test_a_ledger_that_has_found_something_owes_every_finding_since(tmp_path: Path) -> None:
    log = RuledHistory()
    log.genesis()
    ends = []
    for _ in range(2):
        job = log.running()
        ends.append(log.end_with(job, "terminated_by_policy", weights_unchanged=False))
        log.find(ends[-1])
    assert judge(log, tmp_path / "both").status == 0
    log.entries.pop()
    log.refuse()
    verdict = judge(log, tmp_path / "one")
    assert verdict.codes == {"missing-finding"}
    assert verdict.entries("missing-finding") == ends[1:]


@pytest.mark.parametrize("returning", [False, True])
def test_what_was_found_is_remembered_until_the_digests_are_open(
    returning: bool, log: RuledHistory, tmp_path: Path
) -> None:
    index = log.find(ended(log, before=BEFORE, after=BEFORE))
    more: tuple[Any, ...] = ("--state", tmp_path / "state") if returning else ()
    assert judge(log, tmp_path / "before", *more).status == 0
    log.pass_time(91 * DAY_S)
    verdict = judge(log, tmp_path / "after", *more)
    assert verdict.codes == {"bad-finding"}
    assert verdict.entries("bad-finding") == [index]


# Quarantine and artifacts.


def taken_from_quarantine(log: RuledHistory) -> int:
    job = log.running()
    log.find(log.end_with(job, "terminated_by_policy", weights_unchanged=False))
    return log.take(job, 1)


def read_from_quarantine(log: RuledHistory) -> int:
    index = ended(log, before=BEFORE, after=AFTER)
    log.find(index)
    return log.read(log.entries[index]["statement"]["job_id"], 1)


def read_by_another_member(log: RuledHistory) -> int:
    job = log.running()
    log.take(job, 1)
    return log.read(job, 1, "lab-b")


def tensors(log: RuledHistory) -> int:
    return log.take(log.running(), 1, "tensor")


def tables_in_a_hundred_parts(log: RuledHistory) -> int:
    log.change("council-b", artifact_ceilings=_tables(10**6))
    job = log.running()
    for _ in range(100):
        log.take(job, 10**4)
    log.take(job, 10**8, "opaque")
    return log.take(job, 1)


def more_than_the_job_asked_for(log: RuledHistory) -> int:
    job = log.running()
    log.take(job, 5 * 10**8)
    log.egress(job)
    log.public(len(log.entries) - 1, egress_bytes=3 * 10**8)
    log.read(job, 2 * 10**8)
    return log.read(job, 1)


def one_artifact_twice(log: RuledHistory) -> int:
    job = log.running()
    first = log.take(job, 7)
    return log.public(log.take(job, 9), **_id_of(log, first))


def one_artifact_of_two_jobs(log: RuledHistory) -> int:
    first = log.take(log.running(), 7)
    return log.public(log.take(log.running("lab-b"), 7), **_id_of(log, first))


def a_read_beyond_the_end(log: RuledHistory) -> int:
    job = log.running()
    log.take(job, 7)
    return log.public(log.read(job, 5), offset=3)


def a_read_of_nothing(log: RuledHistory) -> int:
    job = log.running()
    log.take(job, 7)
    return log.public(log.read(job, 7), artifact_id=log.new_artifact())


def a_read_of_anothers(log: RuledHistory) -> int:
    first = log.take(log.running("lab-b"), 7)
    job = log.running()
    log.take(job, 7)
    return log.public(log.read(job, 7), **_id_of(log, first))


def a_member_with_many_jobs(log: RuledHistory) -> int:
    log.change("council-b", member_egress_bytes=1_000)
    for _ in range(4):
        log.end_with(log.running_with(200))
    other = log.running("lab-b")
    log.take(other, 1_000)
    log.end_with(other)
    reported = log.running()
    log.public(log.egress(reported), egress_bytes=5_000)
    log.end_with(reported)
    log.pass_time(31 * DAY_S)
    job = log.running_with(800)
    log.read(job, 200)
    return log.read(job, 1)


def _id_of(log: RuledHistory, index: int) -> dict[str, Any]:
    return {"artifact_id": log.entries[index]["statement"]["public"]["artifact_id"]}


def _tables(most: int) -> dict[str, int]:
    return {"document": 10**9, "table": most, "image": 10**9, "opaque": 10**8, "tensor": 0}


@pytest.mark.parametrize(
    ("story", "code"),
    [
        (taken_from_quarantine, "egress-after-quarantine"),
        (read_from_quarantine, "egress-after-quarantine"),
        (read_by_another_member, "artifact-read-by-another"),
        (tensors, "artifact-above-ceiling"),
        (tables_in_a_hundred_parts, "artifact-above-ceiling"),
        (more_than_the_job_asked_for, "egress-above-ceiling"),
        (one_artifact_twice, "bad-artifact"),
        (one_artifact_of_two_jobs, "bad-artifact"),
        (a_read_beyond_the_end, "bad-artifact"),
        (a_read_of_nothing, "bad-artifact"),
        (a_read_of_anothers, "bad-artifact"),
        (a_member_with_many_jobs, "member-egress-above-quota"),
    ],
)
@pytest.mark.parametrize("returning", [False, True])
def test_bytes_that_may_not_leave_are_named(
    story: Story, code: str, returning: bool, log: RuledHistory, tmp_path: Path
) -> None:
    index = story(log)
    more: tuple[Any, ...] = ()
    if returning:
        before = log.copy()
        before.entries = before.entries[:index]
        more = ("--state", tmp_path / "state")
        assert judge(before, tmp_path / "before", *more).status == 0
    verdict = judge(log, tmp_path / "after", *more)
    assert verdict.codes == {code}, verdict.report["findings"]
    assert verdict.entries(code) == [index]


def test_the_ceilings_are_those_under_which_the_job_was_admitted(
    log: RuledHistory, tmp_path: Path
) -> None:
    log.change("council-b", artifact_ceilings=_tables(100))
    job = log.running()
    log.change("council-b", artifact_ceilings=_tables(50))
    log.take(job, 60)
    log.take(job, 40)
    assert judge(log, tmp_path / "up to it").status == 0
    more = log.copy()
    more.change("council-b", artifact_ceilings=_tables(101))
    more.take(job, 1)
    assert judge(more, tmp_path / "a charter that allows more").status == 0
    index = log.take(job, 1)
    log.take(job, 1)
    verdict = judge(log, tmp_path / "above")
    assert verdict.codes == {"artifact-above-ceiling"}
    assert verdict.entries("artifact-above-ceiling") == [index]


def test_a_log_of_the_first_charter_has_its_ceilings_by_class(tmp_path: Path) -> None:
    log = RuledHistory()
    log.genesis()
    job = log.running()
    log.take(job, 10**8, "opaque")
    assert judge(log, tmp_path / "up to it").status == 0
    log.take(job, 1, "opaque")
    assert judge(log, tmp_path / "above").codes == {"artifact-above-ceiling"}


# Who may say it, and in which form.


def taken_by_a_member(log: RuledHistory) -> int:
    index = log.take(log.running(), 1)
    log.entries[index]["statement"]["author"] = "lab-a"
    resign(log.entries[index])
    return index


def read_by_the_gateway(log: RuledHistory) -> int:
    log.take(job := log.running(), 1)
    index = log.read(job, 1)
    log.entries[index]["statement"]["author"] = "gateway"
    resign(log.entries[index])
    return index


def refused_by_a_member(log: RuledHistory) -> int:
    index = log.refuse()
    log.entries[index]["statement"]["author"] = "lab-a"
    resign(log.entries[index])
    return index


def refused_for_a_job_of_nobody(log: RuledHistory) -> int:
    return log.refuse(log.new_job())


def taken_before_it_started(log: RuledHistory) -> int:
    job = log.new_job()
    log.submit("lab-a", job)
    return log.take(job, 1)


@pytest.mark.parametrize(
    ("story", "codes"),
    [
        (taken_by_a_member, {"wrong-role"}),
        (read_by_the_gateway, {"wrong-role", "artifact-read-by-another"}),
        (refused_by_a_member, {"wrong-role"}),
        (refused_for_a_job_of_nobody, {"out-of-order"}),
        (taken_before_it_started, {"out-of-order"}),
    ],
)
def test_what_its_author_may_not_say_is_named(
    story: Story, codes: set[str], log: RuledHistory, tmp_path: Path
) -> None:
    index = story(log)
    verdict = judge(log, tmp_path)
    assert verdict.codes == codes, verdict.report["findings"]
    assert {verdict.entries(code)[0] for code in codes} == {index}


def test_a_refusal_moves_no_job(log: RuledHistory, tmp_path: Path) -> None:
    job = log.new_job()
    log.submit("lab-a", job)
    log.refuse(job)
    log.start(job)
    log.refuse(job)
    log.end_with(job)
    log.refuse(job)
    log.submit("lab-b", rejected := log.new_job(), workload="lora")
    log.refuse(rejected)
    assert judge(log, tmp_path).status == 0


@pytest.mark.parametrize(
    "odd",
    [
        ("take", {"egress_bytes": 0}),
        ("take", {"artifact_count": 2}),
        ("take", {"artifact_count": True}),
        ("take", {"artifact_class": "tensors"}),
        ("take", {"artifact_class": ["table"]}),
        ("take", {"artifact_id": "x"}),
        ("take", {"artifact_id": None}),
        ("take", {"offset": 0}),
        ("read", {"artifact_count": 1}),
        ("read", {"offset": -1}),
        ("read", {"egress_bytes": "1"}),
        ("refuse", {"code": "R9_dislike"}),
        ("refuse", {"code": ["R3_missing_record"]}),
        ("refuse", {"finding": ""}),
        ("refuse", {"gpu_count": "8"}),
        ("refuse", {"member": 7}),
        ("refuse", {"system": None}),
    ],
    ids=str,
)
def test_a_statement_of_odd_shape_is_named(
    odd: tuple[str, dict[str, Any]], log: RuledHistory, tmp_path: Path
) -> None:
    kind, changes = odd
    job = log.running()
    log.take(job, 1)
    said: dict[str, Callable[[], int]] = {
        "take": lambda: log.take(job, 1),
        "read": lambda: log.read(job, 1),
        "refuse": log.refuse,
    }
    index = log.public(said[kind](), **changes)
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"malformed-entry"}
    assert verdict.entries("malformed-entry") == [index]


def test_a_run_ends_with_the_paths_of_its_own_schema(log: RuledHistory, tmp_path: Path) -> None:
    job = log.running()
    index = log.end_with(job)
    log.open_early(index)
    assert judge(log, tmp_path / "honest").status == 0
    shown = log.entries[-1]["fields"]
    del shown["prompts.sketch"], shown["model.weights_evidence"]
    assert judge(log, tmp_path / "without").codes == {"opening-mismatch"}
    log.entries[index]["statement"]["schema"] = "job-ended/1"
    resign(log.entries[index])
    assert "malformed-entry" in judge(log, tmp_path / "other").codes
