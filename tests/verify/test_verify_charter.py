"""What a job may do: the charter's checks, each by a log that is honest in everything else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY_S, ORIGIN, Entry, History, put, resign, vkey_of
from verify_runner import Verdict, run

KEY = vkey_of(ORIGIN)
Cheat = Callable[[History], int]


@pytest.fixture
def log() -> History:
    log = History()
    log.genesis()
    return log


def judge(log: History, tmp_path: Path, *more: str) -> Verdict:
    mirror, evidence = log.write(tmp_path / "mirror"), tmp_path / "evidence"
    return run("--offline", mirror, "--vkey", KEY, "--evidence", evidence, *more)


def run_job(log: History, *, end: bool = True, sent: int | None = None) -> tuple[str, int]:
    """A job from submission to end, and the index of its last entry."""
    job = log.new_job()
    log.submit("lab-a", job)
    last = log.start(job)
    log.now_s += 3600
    if sent is not None:
        last = log.egress(job)
        log.entries[last]["statement"]["public"]["egress_bytes"] = sent
        resign(log.entries[last])
    return job, log.end(job) if end else last


def public(log: History, index: int, **changes: object) -> int:
    """Change what an entry says, and sign it again."""
    log.entries[index]["statement"]["public"] |= changes
    resign(log.entries[index])
    return index


def more_gpus(log: History) -> int:
    _, index = run_job(log, end=False)
    return public(log, index, gpu_count=9)


def longer(log: History) -> int:
    _, index = run_job(log)
    return public(log, index, wall_seconds=7_200 + 301)


def more_gpu_seconds(log: History) -> int:
    _, index = run_job(log)
    return public(log, index, gpu_seconds=8 * 7_500 + 1)


def more_bytes(log: History) -> int:
    _, index = run_job(log, end=False, sent=10**9 + 1)
    return index


def more_bytes_in_two_parts(log: History) -> int:
    job, _ = run_job(log, end=False, sent=10**9)
    return public(log, log.egress(job), egress_bytes=1)


def other_weights(log: History) -> int:
    _, index = run_job(log)
    return public(log, index, weights_unchanged=False)


def other_weights_by_their_digests(log: History) -> int:
    job = log.new_job()
    submitted = log.submit("lab-a", job)
    seed, fields = log.openings[submitted]
    _reseal(log, submitted, fields | {"model.weights_digest": {"sha256": "aa" * 32}})
    log.start(job)
    ended = log.end(job)
    seed, fields = log.openings[ended]
    assert seed
    _reseal(log, ended, fields | {"model.weights_digest_after": {"sha256": "bb" * 32}})
    log.open_early(ended)
    return log.open_early(submitted)


def _reseal(log: History, index: int, fields: Entry) -> None:
    from log_builder import commitment  # noqa: PLC0415 - one use

    seed, _ = log.openings[index]
    log.openings[index] = (seed, fields)
    log.entries[index]["statement"]["sealed"]["root"] = commitment(seed, fields)
    resign(log.entries[index])


def no_end(log: History) -> int:
    _, index = run_job(log, end=False)
    log.now_s += 7_200 + DAY_S
    log.register("add", "lab-c", "member")
    return index


def interrupted_for_ever(log: History) -> int:
    job, index = run_job(log, end=False)
    log.interrupt(job)
    log.now_s += 7_200 + 30 * DAY_S + 1
    log.register("add", "lab-c", "member")
    return index


def no_ceiling(log: History) -> int:
    return _admitted(log, egress_ceiling_bytes=None)


def a_ceiling_above_the_charter(log: History) -> int:
    return _admitted(log, egress_ceiling_bytes=10**12 + 1)


def more_gpus_than_there_are(log: History) -> int:
    return _admitted(log, gpu_count=25_001)


def an_optimizer_on_the_model(log: History) -> int:
    return _admitted(log, optimizer_targets=["uploaded_model"])


def a_workload_of_no_charter(log: History) -> int:
    return _admitted(log, workload_type="something_new")


def _admitted(log: History, **changes: object) -> int:
    return public(log, log.submit("lab-a", log.new_job()), **changes) + 1


def a_rejection_on_an_invented_ground(log: History) -> int:
    job = log.new_job()
    index = log.submit_only("lab-a", job)
    finding = {"rule": 1, "code": "R1_forbidden_workload", "finding": "it is forbidden"}
    return log.decide(index, job, [finding])


def a_rejection_by_a_rule_that_is_none(log: History) -> int:
    job = log.new_job()
    index = log.submit_only("lab-a", job)
    return log.decide(index, job, [{"rule": 9, "code": "R9_dislike", "finding": "no"}])


def a_run_that_was_never_decided(log: History) -> int:
    return log.start(log.new_job())


def a_charter_that_allows_more(log: History) -> int:
    """A kind that this format does not define changes no rule, whatever it calls itself."""
    allowed = {"allowed_workloads": ["lora"], "forbidden_workloads": []}
    charter = {**log.entries[0]["charter"], **allowed}
    log.add({"kind": "charter_of_mine", "charter": charter})
    job = log.new_job()
    index = log.submit_only("lab-a", job, workload="lora")
    return log.decide(index, job, [])


@pytest.mark.parametrize(
    ("cheat", "code"),
    [
        (more_gpus, "usage-above-admitted"),
        (longer, "usage-above-admitted"),
        (more_gpu_seconds, "usage-above-admitted"),
        (more_bytes, "egress-above-ceiling"),
        (more_bytes_in_two_parts, "egress-above-ceiling"),
        (other_weights, "weights-changed"),
        (other_weights_by_their_digests, "weights-changed"),
        (no_end, "job-without-end"),
        (interrupted_for_ever, "job-without-end"),
        (no_ceiling, "admitted-against-charter"),
        (a_ceiling_above_the_charter, "admitted-against-charter"),
        (more_gpus_than_there_are, "admitted-against-charter"),
        (an_optimizer_on_the_model, "forbidden-workload-admitted"),
        (a_workload_of_no_charter, "forbidden-workload-admitted"),
        (a_rejection_on_an_invented_ground, "bad-decision"),
        (a_rejection_by_a_rule_that_is_none, "bad-decision"),
        (a_run_that_was_never_decided, "run-without-admission"),
        (a_charter_that_allows_more, "forbidden-workload-admitted"),
    ],
)
def test_a_job_that_breaks_the_charter_is_named(
    cheat: Cheat, code: str, log: History, tmp_path: Path
) -> None:
    index = cheat(log)
    verdict = judge(log, tmp_path)
    assert verdict.status == 1
    assert verdict.codes == {code}, verdict.report["findings"]
    assert verdict.entries(code) == [index]


def within_everything(log: History) -> None:
    job, index = run_job(log, end=False, sent=10**9)
    assert job
    log.end(job)
    public(log, len(log.entries) - 1, wall_seconds=7_500, gpu_seconds=8 * 7_500)
    assert index


def two_periods(log: History) -> None:
    job, _ = run_job(log, end=False)
    log.interrupt(job)
    log.start(job)
    public(log, log.end(job), wall_seconds=14_400, gpu_seconds=8 * 14_400)


def ended_on_the_last_day(log: History) -> None:
    job, _ = run_job(log, end=False)
    log.now_s += 7_200 + DAY_S - 3600
    log.end(job)


def weights_changed_and_met(log: History) -> None:
    job, _ = run_job(log, end=False)
    changes = {"weights_unchanged": False, "exit_status": "policy"}
    public(log, log.end(job, "terminated_by_policy"), **changes)


@pytest.mark.parametrize(
    ("story", "notes"),
    [
        (within_everything, set()),
        (two_periods, set()),
        (ended_on_the_last_day, set()),
        (weights_changed_and_met, {"weights-changed"}),
    ],
)
def test_a_job_at_its_limits_is_no_finding(
    story: Callable[[History], None], notes: set[str], log: History, tmp_path: Path
) -> None:
    from log_builder import SCHEMA_OF  # noqa: PLC0415 - one use

    SCHEMA_OF["terminated_by_policy"] = "job-ended/1"
    story(log)
    verdict = judge(log, tmp_path)
    assert verdict.status == 0, verdict.report["findings"]
    assert verdict.warnings - {"due-by-own-clock", "stale-checkpoint", "late-logged"} == notes


def by_a_member(log: History) -> int:
    index = log.withhold(log.submit("lab-a", log.new_job()), ["protocol"])
    log.entries[index]["statement"]["author"] = "lab-a"
    resign(log.entries[index])
    return index


def a_scope_of_no_code(log: History) -> int:
    index = log.submit("lab-a", log.new_job())
    return public(log, index, gradient_scope="all_of_it")


def an_entry_above_the_limit(log: History) -> int:
    job = log.new_job()
    index = log.submit_only("lab-a", job, workload="lora")
    finding = {"rule": 1, "code": "R1_forbidden_workload", "finding": "x" * 60_000}
    return log.decide(index, job, [finding])


def a_known_event_under_an_unknown_kind(log: History) -> int:
    _, index = run_job(log)
    log.entries[index]["kind"] = "completed2"
    del log.entries[index]["publish_by"]
    return index


def a_key_that_is_no_text(log: History) -> int:
    log.entries[0]["vkey"] = ["+", "+"]
    return 0


def a_basis_of_no_code(log: History) -> int:
    index = log.withhold(log.submit("lab-a", log.new_job()), ["protocol"])
    return public(log, index, basis="embarrassment")


@pytest.mark.parametrize(
    ("cheat", "codes"),
    [
        (by_a_member, {"withheld-without-committee"}),
        (a_scope_of_no_code, {"malformed-entry", "decision-without-submission"}),
        (an_entry_above_the_limit, {"malformed-entry", "missing-decision"}),
        (a_known_event_under_an_unknown_kind, {"malformed-entry"}),
        (a_key_that_is_no_text, {"malformed-entry"}),
        (a_basis_of_no_code, {"malformed-entry"}),
    ],
)
def test_an_entry_that_no_honest_ledger_takes_is_named(
    cheat: Cheat, codes: set[str], log: History, tmp_path: Path
) -> None:
    index = cheat(log)
    verdict = judge(log, tmp_path)
    assert verdict.codes == codes
    assert index in [each["index"] for each in verdict.report["findings"]]


# What is only noted.


def logged_late(log: History) -> int:
    index = log.start(_admitted_job(log))
    statement = log.entries[index]["statement"]
    log.now_s += 2 * DAY_S
    statement["public"]["started_at"] = "2024-12-30T00:00:00Z"
    resign(log.entries[index])
    return index


def made_later(log: History) -> int:
    index = log.start(_admitted_job(log))
    log.entries[index]["statement"]["made_at"] = "2025-01-02T00:00:00Z"
    resign(log.entries[index])
    return index


def _admitted_job(log: History) -> str:
    job = log.new_job()
    log.submit("lab-a", job)
    return job


@pytest.mark.parametrize(
    ("story", "code"), [(logged_late, "late-logged"), (made_later, "made-after-logged")]
)
def test_what_is_odd_is_noted_and_fails_when_asked(
    story: Cheat, code: str, log: History, tmp_path: Path
) -> None:
    index = story(log)
    verdict = judge(log, tmp_path)
    assert verdict.status == 0
    (noted,) = [each for each in verdict.report["warnings"] if each["code"] == code]
    assert (noted["index"], noted["severity"]) == (index, "note")
    verdict = judge(log, tmp_path, "--fail-on", code)
    assert verdict.status == 1
    assert verdict.entries(code) == [index]


def test_withholding_as_a_habit_is_noted(log: History, tmp_path: Path) -> None:
    for number in range(8):
        target = log.submit("lab-a", log.new_job())
        if number % 2:
            log.withhold(target, ["protocol"])
    log.pass_time(91 * DAY_S)
    verdict = judge(log, tmp_path)
    assert verdict.status == 0
    (noted,) = [each for each in verdict.report["warnings"] if each["code"] == "withholding-rate"]
    assert noted["sentence"] == "4 of 8 stay closed in part"


def test_a_served_bundle_that_is_gone_is_a_finding_of_the_server(
    log: History, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verify_runner import script  # noqa: PLC0415 - one use

    for number in range(300):
        log.register("add", f"lab-{number}", "member")
    log.write(tmp_path)
    monkeypatch.setattr(script.time, "sleep", lambda _: None)
    arguments: list[Any] = [address, "--vkey", KEY, "--evidence", tmp_path / "evidence"]
    assert run(*arguments).status == 0
    bundle = (tmp_path / "tile/entries/000").read_bytes()
    (tmp_path / "tile/entries/000").unlink()
    verdict = run(*arguments)
    assert (verdict.status, verdict.codes) == (1, {"unavailable-bundle"})
    put(tmp_path, "tile/entries/000", bundle)
    (tmp_path / "tile/1/000.p/1").unlink()
    verdict = run(*arguments)
    assert (verdict.status, verdict.codes) == (1, {"unavailable-tile"})
