"""Changes of the charter and the council: who has to sign, and from when on they count."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from log_builder import DAY_S, ORIGIN, History, author_vkey, resign, signing_key, text_of, vkey_of
from log_of_rules import RuledHistory, ruled_history, rules
from verify_runner import Verdict, run

KEY = vkey_of(ORIGIN)
Cheat = Callable[[RuledHistory], int]


@pytest.fixture(scope="module")
def ruled() -> RuledHistory:
    return ruled_history()


@pytest.fixture
def log() -> RuledHistory:
    log = RuledHistory()
    log.begin()
    return log


def judge(log: History, tmp_path: Path, *more: str | Path) -> Verdict:
    mirror, evidence = log.write(tmp_path / "mirror"), tmp_path / "evidence"
    return run("--offline", mirror, "--vkey", KEY, "--evidence", evidence, *more)


def test_half_a_year_under_four_charters_is_verified(ruled: RuledHistory, tmp_path: Path) -> None:
    verdict = judge(ruled, tmp_path)
    assert verdict.status == 0, verdict.report["findings"]
    assert verdict.warnings <= {"weights-changed", "due-by-own-clock", "stale-checkpoint"}
    counts = verdict.report["counts"]
    assert {kind: counts[kind] for kind in ("charter", "finding", "refused", "registry")} == {
        "charter": 3,
        "finding": 2,
        "refused": 2,
        "registry": 1,
    }
    signed = sum("statement" in entry for entry in ruled.entries)
    endorsed = sum(len(entry.get("endorsements", ())) for entry in ruled.entries)
    assert endorsed == 5
    assert verdict.report["signatures_verified"] == signed + endorsed


def test_every_second_visit_comes_to_the_same(ruled: RuledHistory, tmp_path: Path) -> None:
    """The charters, who holds how many GPUs and what is quarantined are kept in the state."""
    state = tmp_path / "state"
    for size in range(1, len(ruled.entries) + 1):
        log = ruled.copy()
        log.entries = log.entries[:size]
        verdict = judge(log, tmp_path / str(size), "--state", state)
        owed = log.entries[-1]["kind"] == "submitted" or size - 1 == log.labels["met"]
        # What is owed at the very end is told, and nothing is kept of such a log.
        assert verdict.codes - {"overdue"} == (
            set() if not owed else verdict.codes & {"missing-decision", "missing-finding"}
        )
        assert bool(verdict.codes & {"missing-decision", "missing-finding"}) == owed
    whole = judge(ruled, tmp_path / "whole")
    assert verdict.report["counts"] == whole.report["counts"]
    assert verdict.report["signatures_verified"] == whole.report["signatures_verified"]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_endorsements_are_verified_where_the_other_signatures_are(
    ruled: RuledHistory, tmp_path: Path, jobs: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from verify_runner import script  # noqa: PLC0415 - one use

    monkeypatch.setattr(script, "PARALLEL_FROM", 0)
    log = ruled.copy()
    index = log.labels["pending"]
    assert judge(log, tmp_path / "honest", "--jobs", jobs).status == 0
    log.entries[index]["endorsements"][1]["signature"]["value"] = "A" * 86 + "=="
    verdict = judge(log, tmp_path / "other", "--jobs", jobs)
    assert verdict.codes == {"bad-endorsement"}
    assert verdict.entries("bad-endorsement") == [index]


# Who signs.


def nobody_else_signs(log: RuledHistory) -> int:
    return log.change()


def an_endorsement_by_a_member(log: RuledHistory) -> int:
    return log.change("lab-b", "council-b")


def an_endorsement_by_a_stranger(log: RuledHistory) -> int:
    return log.endorse(log.change("council-b"), "council-c", signing_key("a stranger"))


def one_author_signs_twice(log: RuledHistory) -> int:
    index = log.change("council-b", "council-b")
    assert log.in_force() == index
    return index


def the_author_endorses_itself(log: RuledHistory) -> int:
    return log.change("council", "council-b")


def endorsements_out_of_order(log: RuledHistory) -> int:
    index = log.change("council-b", "council-c")
    log.entries[index]["endorsements"].reverse()
    return index


def an_endorsement_of_another_charter(log: RuledHistory) -> int:
    index = log.change("council-b", "council-c")
    log.entries[index]["statement"]["public"]["charter"]["gpu_total"] = 1
    resign(log.entries[index])
    return index


def an_endorsement_by_a_retired_key(log: RuledHistory) -> int:
    log.endorse(log.register("retire", "council-c", "council"), "council-b")
    return log.change("council-b", "council-c")


@pytest.mark.parametrize(
    ("cheat", "codes"),
    [
        (nobody_else_signs, {"too-few-endorsements"}),
        (an_endorsement_by_a_member, {"bad-endorsement"}),
        (an_endorsement_by_a_stranger, {"bad-endorsement"}),
        (one_author_signs_twice, {"bad-endorsement"}),
        (the_author_endorses_itself, {"bad-endorsement"}),
        (endorsements_out_of_order, {"bad-endorsement"}),
        (an_endorsement_of_another_charter, {"bad-endorsement", "too-few-endorsements"}),
        (an_endorsement_by_a_retired_key, {"bad-endorsement"}),
    ],
)
def test_a_charter_that_too_few_have_signed_is_named(
    cheat: Cheat, codes: set[str], log: RuledHistory, tmp_path: Path
) -> None:
    index = cheat(log)
    verdict = judge(log, tmp_path)
    assert verdict.codes == codes, verdict.report["findings"]
    for code in codes:
        assert set(verdict.entries(code)) == {index}


def test_a_charter_that_does_not_count_changes_no_rule(log: RuledHistory, tmp_path: Path) -> None:
    index = log.change(allowed_workloads=["lora"], forbidden_workloads=[])
    job = log.new_job()
    submitted = log.submit_only("lab-a", job, workload="lora")
    log.decide(submitted, job, [])
    verdict = judge(log, tmp_path)
    codes = {"too-few-endorsements", "forbidden-workload-admitted", "bad-reference"}
    assert verdict.codes == codes
    assert verdict.entries("too-few-endorsements") == [index]
    assert verdict.entries("forbidden-workload-admitted") == [submitted + 1]


def a_seat_for_a_friend(log: RuledHistory) -> int:
    return log.register("add", "council-d", "council")


def a_seat_taken_away(log: RuledHistory) -> int:
    return log.register("retire", "council-c", "council")


@pytest.mark.parametrize("cheat", [a_seat_for_a_friend, a_seat_taken_away])
def test_the_council_is_changed_by_as_many_as_the_charter(
    cheat: Cheat, log: RuledHistory, tmp_path: Path
) -> None:
    index = cheat(log)
    verdict = judge(log, tmp_path / "alone")
    assert verdict.codes == {"too-few-endorsements"}
    assert verdict.entries("too-few-endorsements") == [index]
    log.endorse(index, "council-b")
    assert judge(log, tmp_path / "together").status == 0


def test_no_retirement_leaves_a_council_that_could_change_nothing(
    log: RuledHistory, tmp_path: Path
) -> None:
    log.change("council-b", council_threshold=3)
    index = log.register("retire", "council-c", "council")
    for author in ("council-b", "council-c"):
        log.endorse(index, author)
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"bad-registry"}
    assert verdict.entries("bad-registry") == [index]


def test_a_member_needs_one_signature_of_the_council(log: RuledHistory, tmp_path: Path) -> None:
    log.register("add", "lab-c", "member")
    assert judge(log, tmp_path).status == 0


def test_under_the_first_charter_half_of_the_council_changes_nothing(tmp_path: Path) -> None:
    """``charter/1`` asks for more than half for its change, and for one for the registry."""
    log = RuledHistory()
    log.genesis()
    for name in ("council-b", "council-c", "council-d"):
        log.register("add", name, "council")
    alone = log.copy()
    index = alone.change("council-b")
    verdict = judge(alone, tmp_path / "half")
    assert verdict.codes == {"too-few-endorsements"}
    assert verdict.entries("too-few-endorsements") == [index]
    log.change("council-b", "council-d")
    log.submit("lab-a", log.new_job())
    verdict = judge(log, tmp_path / "more")
    assert verdict.status == 0, verdict.report["findings"]


# When, and what it says.


def from_yesterday(log: RuledHistory) -> int:
    return log.change("council-b", after_s=-1)


def after_more_than_a_year(log: RuledHistory) -> int:
    return log.change("council-b", after_s=366 * DAY_S + 1)


def more_signatures_than_seats(log: RuledHistory) -> int:
    return log.change("council-b", council_threshold=4)


def no_signatures(log: RuledHistory) -> int:
    return log.change("council-b", council_threshold=0)


def in_the_place_of_an_older_one(log: RuledHistory) -> int:
    log.change("council-b", gpu_total=24_000)
    return log.public(log.change("council-b"), replaces=0)


def in_the_place_of_no_charter(log: RuledHistory) -> int:
    log.running()
    return log.public(log.change("council-b"), replaces=2)


def yes_and_no(log: RuledHistory) -> int:
    return log.change("council-b", forbidden_workloads=["sft", "linear_probe"])


def an_embargo_of_a_year(log: RuledHistory) -> int:
    return log.change("council-b", embargo_days=365)


def a_charter_by_a_member(log: RuledHistory) -> int:
    index = log.change()
    log.entries[index]["statement"]["author"] = "lab-a"
    resign(log.entries[index])
    return log.endorse(log.endorse(index, "council"), "council-b")


@pytest.mark.parametrize(
    ("cheat", "code"),
    [
        (from_yesterday, "charter-out-of-time"),
        (after_more_than_a_year, "charter-out-of-time"),
        (more_signatures_than_seats, "bad-charter"),
        (no_signatures, "bad-charter"),
        (in_the_place_of_an_older_one, "bad-charter"),
        (in_the_place_of_no_charter, "bad-charter"),
        (yes_and_no, "bad-charter"),
        (an_embargo_of_a_year, "embargo-too-long"),
        (a_charter_by_a_member, "wrong-role"),
    ],
)
def test_a_charter_that_may_not_be_is_named_and_does_not_count(
    cheat: Cheat, code: str, log: RuledHistory, tmp_path: Path
) -> None:
    index = cheat(log)
    job = log.new_job()
    decided = log.decide(log.submit_only("lab-a", job), job, [])
    log.entries[decided]["charter"] = index
    verdict = judge(log, tmp_path)
    assert verdict.codes - {"wrong-publish-by"} == {code, "bad-reference"}
    assert verdict.entries(code) == [index]


@pytest.mark.parametrize("days", [0, 366])
def test_a_charter_counts_from_its_time_on(days: int, log: RuledHistory, tmp_path: Path) -> None:
    index = log.change("council-b", after_s=days * DAY_S, allowed_workloads=["reproduction"])
    log.pass_time(days * DAY_S - 1 if days else 0)
    if days:
        log.submit("lab-a", log.new_job())
        log.now_s += 1
    log.submit("lab-a", log.new_job(), workload="reproduction")
    assert log.entries[-1]["charter"] == index
    assert judge(log, tmp_path / "honest").status == 0
    job = log.new_job()
    decided = log.decide(log.submit_only("lab-a", job), job, [])
    verdict = judge(log, tmp_path / "other")
    assert verdict.codes == {"forbidden-workload-admitted"}
    assert verdict.entries("forbidden-workload-admitted") == [decided]


def test_a_charter_that_is_replaced_before_its_time_never_counts(
    log: RuledHistory, tmp_path: Path
) -> None:
    log.change("council-b", after_s=10 * DAY_S, gpu_total=1)
    second = log.change("council-b", after_s=5 * DAY_S)
    log.pass_time(30 * DAY_S)
    log.submit("lab-a", log.new_job())
    assert log.entries[-1]["charter"] == second
    assert judge(log, tmp_path).status == 0


@pytest.mark.parametrize("named", ["older", "pending"])
def test_a_decision_by_another_version_is_named(
    named: str, log: RuledHistory, tmp_path: Path
) -> None:
    log.change("council-b")
    pending = log.change("council-b", after_s=DAY_S)
    log.submit("lab-a", log.new_job())
    log.entries[-1]["charter"] = 0 if named == "older" else pending
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"wrong-charter"}
    assert verdict.entries("wrong-charter") == [len(log.entries) - 1]


def test_a_date_follows_the_charter_in_force(log: RuledHistory, tmp_path: Path) -> None:
    log.change("council-b", embargo_days=30)
    index = log.submit("lab-a", log.new_job())
    assert judge(log, tmp_path / "honest").status == 0
    log.entries[index]["publish_by"] = text_of(log.now_s + 90 * DAY_S)
    verdict = judge(log, tmp_path / "other")
    assert verdict.codes == {"wrong-publish-by"}
    assert verdict.entries("wrong-publish-by") == [index]


# Quotas.


def longer_than_a_job_may(log: RuledHistory) -> int:
    log.change("council-b", job_wall_seconds=7_199)
    return log.submit("lab-a", log.new_job()) + 1


def more_gpus_than_a_member_may_hold(log: RuledHistory) -> int:
    log.change("council-b", member_gpus=16)
    log.running()
    log.running("lab-b")
    log.interrupt(log.running())
    return log.submit("lab-a", log.new_job()) + 1


def held_since_before_there_was_a_quota(log: RuledHistory) -> int:
    log.running()
    log.change("council-b", member_gpus=8)
    return log.submit("lab-a", log.new_job()) + 1


@pytest.mark.parametrize(
    "cheat",
    [
        longer_than_a_job_may,
        more_gpus_than_a_member_may_hold,
        held_since_before_there_was_a_quota,
    ],
)
@pytest.mark.parametrize("returning", [False, True])
def test_a_job_above_a_quota_is_named(
    cheat: Cheat, returning: bool, log: RuledHistory, tmp_path: Path
) -> None:
    index = cheat(log)
    more: tuple[Any, ...] = ()
    if returning:
        before = log.copy()
        before.entries = before.entries[: index - 1]
        more = ("--state", tmp_path / "state")
        assert judge(before, tmp_path / "before", *more).status == 0
    verdict = judge(log, tmp_path / "after", *more)
    assert verdict.codes == {"admitted-against-charter"}
    assert verdict.entries("admitted-against-charter") == [index]
    rejected = log.entries[index]
    finding = {"rule": 4, "code": "Q_quota", "finding": "too much"}
    rejected |= {"kind": "rejected", "findings": [finding]}
    assert judge(log, tmp_path / "rejected").status == 0


def test_gpus_are_given_back_at_the_end_and_a_quota_is_no_ground_without_one(
    log: RuledHistory, tmp_path: Path
) -> None:
    log.change("council-b", member_gpus=8)
    for end in ("completed", "terminated_by_policy", "failed"):
        log.end_with(log.running(), end)
    assert judge(log, tmp_path / "honest").status == 0
    job = log.new_job()
    finding = {"rule": 4, "code": "Q_quota", "finding": "too much"}
    index = log.decide(log.submit_only("lab-a", job), job, [finding])
    verdict = judge(log, tmp_path / "other")
    assert verdict.codes == {"bad-decision"}
    assert verdict.entries("bad-decision") == [index]


# Odd shapes.


@pytest.mark.parametrize(
    "odd",
    [
        {"version": "charter/3"},
        {"version": ["charter/2"]},
        {"version": "charter/1"},
        {"embargo_days": "90"},
        {"embargo_days": True},
        {"gpu_total": -1},
        {"allowed_workloads": "lora"},
        {"allowed_workloads": [["lora"]]},
        {"allowed_workloads": None},
        {"artifact_ceilings": {"document": 1}},
        {"artifact_ceilings": []},
        {"artifact_ceilings": rules()["artifact_ceilings"] | {"tensor": None}},
        {"quotas": rules()["quotas"] | {"more": 1}},
        {"quotas": 7},
        {"quotas": rules()["quotas"] | {"member_egress_bytes": None}},
        {"council_threshold": None},
        {"admission_hours": []},
    ],
    ids=str,
)
def test_a_charter_of_odd_shape_is_named_wherever_it_stands(
    odd: dict[str, Any], log: RuledHistory, tmp_path: Path
) -> None:
    index = log.public(log.change("council-b"), charter=rules() | odd)
    verdict = judge(log, tmp_path / "later")
    assert verdict.codes == {"malformed-entry"}
    assert verdict.entries("malformed-entry") == [index]
    log.entries[0]["charter"] = rules() | odd
    assert "malformed-entry" in judge(log, tmp_path / "first").codes


@pytest.mark.parametrize(
    "odd",
    [
        None,
        [],
        {},
        [1],
        [{"author": "council-b"}],
        [{"author": ["council-b"], "signature": {"key_id": "00000000", "value": "x"}}],
        [{"author": "council-b", "signature": {"key_id": 7, "value": 7}}],
        [{"author": "council-b", "signature": None}],
        [{"author": "council-b", "signature": {"key_id": "00000000", "value": "AAAA"}}],
    ],
    ids=str,
)
def test_endorsements_of_odd_shape_are_named(
    odd: object, log: RuledHistory, tmp_path: Path
) -> None:
    index = log.change()
    log.entries[index]["endorsements"] = odd
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"malformed-entry"}
    assert verdict.entries("malformed-entry") == [index]


def test_nothing_but_the_councils_words_is_endorsed(log: RuledHistory, tmp_path: Path) -> None:
    log.running()
    index = log.endorse(len(log.entries) - 1, "council-b")
    verdict = judge(log, tmp_path)
    assert verdict.codes == {"malformed-entry"}
    assert verdict.entries("malformed-entry") == [index]


def test_a_key_of_the_council_is_known_by_its_vkey(log: RuledHistory) -> None:
    """What these tests stand on: three keys, three names."""
    vkeys = {each["vkey"] for each in log.entries[0]["authors"] if each["role"] == "council"}
    assert vkeys == {author_vkey(name) for name in ("council", "council-b", "council-c")}
