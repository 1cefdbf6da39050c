"""A receipt lets one kind of run start: every way in which it does not is a sentence here."""

from collections.abc import Callable
from typing import Any

import pytest
from admission_world import (
    DECIDED,
    JOB,
    LOG,
    OTHER_JOB,
    POLICY,
    WITNESSES,
    Paper,
    decided,
    edited,
    paper,
    policy_text,
    submitted,
)

from ledger.admission.receipt import MAX_RECEIPT_BYTES, Admission, check_admission
from ledger.admission.refusal import AdmissionRefused
from ledger.records import canonical
from ledger.records.charter import Code
from ledger.records.receipt import receipt_extra
from ledger.tlog.note import Signer
from ledger.tlog.policy import parse_policy

HOUR = 3_600
EXPIRES = DECIDED + 168 * HOUR


def check(text: bytes, **more: Any) -> Admission:
    given: dict[str, Any] = {"policy": POLICY, "now": DECIDED + HOUR, "gpu_count": 8}
    return check_admission(text, **(given | more))


def refused(text: bytes, **more: Any) -> AdmissionRefused:
    with pytest.raises(AdmissionRefused) as caught:
        check(text, **more)
    return caught.value


def test_a_true_receipt_says_what_was_admitted() -> None:
    assert check(paper().receipt()) == Admission(
        job_id=JOB,
        author="deepseek",
        workload_type="eval_suite",
        gpu_count=8,
        wall_limit_seconds=7_200,
        egress_ceiling_bytes=1_000_000,
        submitted_index=3,
        admitted_index=4,
        decided_at=DECIDED,
        expires_at=EXPIRES,
    )


def test_a_run_may_use_fewer_gpus_and_less_time_than_were_admitted() -> None:
    check(paper().receipt(), gpu_count=1, wall_seconds=60)
    check(paper().receipt(), job_id=JOB, workload="eval_suite", wall_seconds=7_200)


def test_more_gpus_than_were_admitted_are_refused_with_both_numbers() -> None:
    found = refused(paper().receipt(), gpu_count=9)
    assert found.code is Code.Q_QUOTA
    assert found.finding == f"The run asks for 9 GPUs; job {JOB} was admitted with 8."


@pytest.mark.parametrize("count", [0, -1, -8])
def test_no_gpus_and_fewer_than_none_are_refused(count: int) -> None:
    assert refused(paper().receipt(), gpu_count=count).code is Code.Q_MALFORMED


@pytest.mark.parametrize("seconds", [7_201, 0, -1])
def test_more_time_than_was_admitted_is_refused_and_so_is_none(seconds: int) -> None:
    assert refused(paper().receipt(), wall_seconds=seconds).code is Code.Q_QUOTA


def test_a_receipt_expires_at_its_very_second() -> None:
    text = paper().receipt()
    check(text, now=EXPIRES - 1)
    assert refused(text, now=EXPIRES).code is Code.R3_MISSING_RECORD
    check(text, now=DECIDED + HOUR - 1, valid_hours=1)
    assert "within 1 hours" in refused(text, now=DECIDED + HOUR, valid_hours=1).finding


def test_a_clock_before_the_decision_is_refused_once_it_is_no_small_difference() -> None:
    text = paper().receipt()
    check(text, now=DECIDED - 300)
    found = refused(text, now=DECIDED - 301)
    assert found.code is Code.R3_MISSING_RECORD
    assert "clock" in found.finding


@pytest.mark.parametrize("hours", [0, -1, 366 * 24 + 1])
def test_a_time_of_validity_that_makes_no_sense_is_refused(hours: int) -> None:
    assert refused(paper().receipt(), valid_hours=hours).code is Code.Q_MALFORMED


def test_the_receipt_of_another_job_is_refused() -> None:
    found = refused(paper().receipt(), job_id=OTHER_JOB)
    assert found.code is Code.R3_MISSING_RECORD
    assert JOB in found.finding


def test_another_class_of_work_than_was_admitted_is_refused() -> None:
    found = refused(paper().receipt(), workload="linear_probe")
    assert found.code is Code.R3_MISSING_RECORD
    assert "'linear_probe'" in found.finding
    assert refused(paper().receipt(), workload="lora").code is Code.R1_FORBIDDEN_WORKLOAD
    for strange in ("", "Eval_suite", "eval_suite ", "eval\u2044suite"):
        assert refused(paper().receipt(), workload=strange).code is Code.R3_MISSING_RECORD


def test_a_receipt_of_another_log_is_refused() -> None:
    other = Signer("other.example/log", bytes([7]) * 32)
    assert refused(paper().but(log=other).receipt()).code is Code.R3_MISSING_RECORD


def test_a_log_of_the_same_name_with_another_key_is_refused() -> None:
    impostor = Signer(LOG.name, bytes([8]) * 32)
    assert refused(paper().but(log=impostor).receipt()).code is Code.R3_MISSING_RECORD


def test_a_checkpoint_without_its_quorum_is_refused() -> None:
    for heard in ((), WITNESSES[:1], WITNESSES[1:2]):
        found = refused(paper().but(witnesses=heard).receipt())
        assert found.code is Code.R3_MISSING_RECORD
        assert "quorum two of the policy is not met" in found.finding


def test_a_policy_without_witnesses_believes_the_log_alone() -> None:
    policy = parse_policy(f"log {LOG.vkey}\nquorum none\n")
    check(paper().but(witnesses=()).receipt(), policy=policy)


def test_a_policy_that_knows_other_witnesses_refuses() -> None:
    strangers = [Signer(f"else.example/{n}", bytes([n]) * 32, key_type=4) for n in range(30, 33)]
    policy = parse_policy(policy_text(witnesses=strangers))
    assert refused(paper().receipt(), policy=policy).code is Code.R3_MISSING_RECORD


def test_the_receipt_of_a_rejected_job_is_refused_with_the_code_that_rejected_it() -> None:
    found = refused(paper(code=Code.R1_FORBIDDEN_WORKLOAD).receipt())
    assert found.code is Code.R1_FORBIDDEN_WORKLOAD
    assert found.finding.startswith(f"The ledger rejected job {JOB}: ")


def test_the_ordinary_receipt_of_a_submission_is_refused() -> None:
    made = paper()
    alone = made.but(admitted_index=3).receipt(extra=receipt_extra(made.submission))
    assert "/api/v1/jobs/JOB/admission" in refused(alone).finding


def test_the_ordinary_receipt_of_a_decision_is_refused_for_it_lacks_the_submission() -> None:
    made = paper()
    assert refused(made.receipt(extra=receipt_extra(made.decision))).code is Code.Q_MALFORMED


def test_a_submission_in_the_place_of_the_decision_is_refused() -> None:
    made = paper()
    found = refused(made.but(admitted_index=3, decision=made.submission).receipt())
    assert found.code is Code.R3_MISSING_RECORD
    assert "'submitted'" in found.finding


def test_the_submission_of_another_job_is_refused_though_its_proof_is_true() -> None:
    made = paper()
    found = refused(made.but(submission=made.leaves[5], submitted_index=5).receipt())
    assert found.code is Code.R3_MISSING_RECORD
    assert "does not answer" in found.finding


def test_a_decision_that_refers_elsewhere_is_refused() -> None:
    made = paper()
    for refers_to in (2, 5):
        leaves = (*made.leaves[:4], decided(refers_to), *made.leaves[5:])
        found = refused(made.but(leaves=leaves, decision=leaves[4]).receipt())
        assert "does not answer" in found.finding


def test_a_decision_that_does_not_stand_behind_its_submission_is_refused() -> None:
    made = paper()
    leaves = (*made.leaves[:7], decided(3))
    late = made.but(leaves=leaves, decision=leaves[7], admitted_index=7)
    assert "does not answer" in refused(late.receipt()).finding


def test_a_submission_of_the_same_job_with_more_gpus_is_refused_without_its_proof() -> None:
    made = paper()
    bigger = made.but(submission=submitted(gpu_count=4_096))
    assert refused(bigger.receipt(), gpu_count=4_096).code is Code.R3_MISSING_RECORD


def test_an_altered_gpu_count_is_refused() -> None:
    made = paper()
    altered = made.but(
        submission=edited(made.submission, "statement.public.gpu_count", 4_096)
    ).receipt()
    assert refused(altered, gpu_count=4_096).code is Code.R3_MISSING_RECORD


def test_an_altered_decision_is_refused() -> None:
    rejected = paper(code=Code.R1_FORBIDDEN_WORKLOAD)
    altered = rejected.but(decision=decided(3)).receipt()
    assert refused(altered).code is Code.R3_MISSING_RECORD


def test_a_job_that_was_admitted_without_an_egress_limit_is_refused() -> None:
    found = refused(paper(egress_ceiling_bytes=None).receipt())
    assert found.code is Code.R2_UNMETERED_EGRESS


def test_an_entry_that_is_none_of_this_ledger_is_refused() -> None:
    made = paper()
    strange = made.but(decision=made.leaves[1], admitted_index=1)
    assert refused(strange.receipt()).code is Code.Q_MALFORMED


def _twice(made: Paper) -> bytes:
    return made.extra().replace(b'"index":3', b'"index":3,"index":3')


def _spaced(made: Paper) -> bytes:
    return made.extra().replace(b'"index":3', b'"index": 3')


def _unordered(made: Paper) -> bytes:
    return b'{"submission":%b,"entry":%b}' % (
        canonical.encode(canonical.decode(made.extra(), limit=10**6)["submission"]),
        made.decision,
    )


def _with_more(made: Paper) -> bytes:
    return made.extra()[:-1] + b',"zebra":1}'


def _other_digits(made: Paper) -> bytes:
    return made.extra().replace(b'"index":3', '"index":"\u0663"'.encode())


def _fraction(made: Paper) -> bytes:
    return made.extra().replace(b'"index":3', b'"index":3.0')


def _negative(made: Paper) -> bytes:
    return made.extra().replace(b'"index":3', b'"index":-3')


def _list(made: Paper) -> bytes:
    return b"[" + made.extra() + b"]"


@pytest.mark.parametrize(
    "spelling",
    [_twice, _spaced, _unordered, _with_more, _other_digits, _fraction, _negative, _list],
)
def test_a_second_spelling_of_what_a_receipt_carries_is_refused(
    spelling: Callable[[Paper], bytes],
) -> None:
    made = paper()
    extra = spelling(made)
    assert extra != made.extra()
    assert refused(made.receipt(extra=extra)).code is Code.Q_MALFORMED


def test_a_gpu_count_twice_in_the_submission_is_refused() -> None:
    made = paper()
    extra = made.extra().replace(b'"gpu_count":8', b'"gpu_count":8,"gpu_count":4096')
    assert refused(made.receipt(extra=extra), gpu_count=4_096).code is Code.Q_MALFORMED


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"index 4\n", "index \u0664\n".encode()),
        lambda text: text.replace(b"index 4\n", b"index +4\n"),
        lambda text: text.replace(b"index 4\n", b"index 04\n"),
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text + b"\n",
        lambda text: text[:-1],
        lambda text: b"",
        lambda text: b"\x00" * 100,
    ],
)
def test_a_second_spelling_of_the_file_is_refused(change: Callable[[bytes], bytes]) -> None:
    text = paper().receipt()
    assert refused(change(text)).code is Code.Q_MALFORMED


def test_an_oversize_receipt_is_refused_before_it_is_read() -> None:
    found = refused(paper().receipt() + b"x" * MAX_RECEIPT_BYTES)
    assert found.code is Code.Q_MALFORMED
    assert str(MAX_RECEIPT_BYTES) in found.finding


def test_no_flipped_byte_of_a_receipt_is_let_through() -> None:
    text = paper().receipt()
    # Lines by witnesses whom nobody needs to believe may say what they like: there are none here.
    for at in range(len(text)):
        changed = bytearray(text)
        changed[at] ^= 1
        refused(bytes(changed))


def test_no_proof_with_a_hash_less_more_or_swapped_is_let_through() -> None:
    made = paper()
    path = made.path(made.submitted_index)
    value = canonical.decode(made.extra(), limit=10**6)
    given = value["submission"]["proof"]
    assert len(path) == 3
    for wrong in (given[1:], given[:-1], [*given, given[0]], given[::-1], []):
        value["submission"]["proof"] = wrong
        assert refused(made.receipt(extra=canonical.encode(value))).code is Code.R3_MISSING_RECORD


def test_a_finding_of_the_log_is_shown_without_control_characters_and_not_endlessly() -> None:
    found = AdmissionRefused(Code.Q_QUOTA, "a\x1b[31m\n\u202e" + "b" * 600)
    assert found.finding.isprintable()
    assert len(found.finding) == 500
    assert str(found).startswith("Q_quota: a\ufffd[31m")
