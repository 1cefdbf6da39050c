"""Each rule of the charter, met and just not met."""

from typing import Any

import msgspec
import pytest
from record_samples import PUBLIC

from ledger.errors import ValueRefused
from ledger.records.charter import (
    Charter,
    Code,
    Finding,
    default_charter,
    judge,
    parse_charter,
)
from schemas.charter import ALLOWED_WORKLOADS, FORBIDDEN_WORKLOADS, Workload
from schemas.statements import GradientScope, JobSubmitted


def submission(**changed: object) -> JobSubmitted:
    return msgspec.convert(PUBLIC["job-submitted/1"] | changed, JobSubmitted)


def charter(**changed: object) -> Charter:
    return parse_charter(default_charter().to_dict() | changed)


def codes(findings: tuple[Finding, ...]) -> list[tuple[int, str]]:
    return [(finding.rule, finding.code) for finding in findings]


def test_a_submission_within_the_rules_has_no_findings() -> None:
    assert judge(submission(), default_charter()) == ()


@pytest.mark.parametrize("workload", ALLOWED_WORKLOADS)
def test_every_allowed_workload_is_admitted(workload: Workload) -> None:
    assert judge(submission(workload_type=workload.value), default_charter()) == ()


@pytest.mark.parametrize("workload", FORBIDDEN_WORKLOADS)
def test_every_forbidden_workload_breaks_rule_1(workload: Workload) -> None:
    (finding,) = judge(submission(workload_type=workload.value), default_charter())
    assert (finding.rule, finding.code) == (1, "R1_forbidden_workload")
    assert f"The workload {workload} " in finding.finding
    assert "eval_suite" in finding.finding


def test_an_optimizer_on_the_uploaded_model_breaks_rule_1_among_other_targets() -> None:
    for targets in (["uploaded_model"], ["auxiliary_sae", "uploaded_model"]):
        asked = submission(optimizer_targets=targets, gradient_scope="auxiliary_only")
        (finding,) = judge(asked, default_charter())
        assert (finding.rule, finding.code) == (1, "R1_optimizer_on_uploaded_model")
        assert "uploaded_model" in finding.finding
        assert "auxiliary_probe" in finding.finding


@pytest.mark.parametrize("target", ["auxiliary_probe", "auxiliary_sae", "auxiliary_other"])
def test_an_optimizer_on_another_model_is_admitted(target: str) -> None:
    asked = submission(optimizer_targets=[target], gradient_scope="auxiliary_only")
    assert judge(asked, default_charter()) == ()


@pytest.mark.parametrize("scope", list(GradientScope))
def test_gradients_without_an_optimizer_are_admitted(scope: GradientScope) -> None:
    assert judge(submission(gradient_scope=scope.value), default_charter()) == ()


def test_unmetered_egress_breaks_rule_2() -> None:
    (finding,) = judge(submission(egress_ceiling_bytes=None), charter(egress_ceiling_bytes=77))
    assert (finding.rule, finding.code) == (2, "R2_unmetered_egress")
    assert "77 bytes" in finding.finding


def test_a_ceiling_above_the_charters_breaks_rule_2_and_one_at_it_does_not() -> None:
    rules = charter(egress_ceiling_bytes=1000)
    assert judge(submission(egress_ceiling_bytes=0), rules) == ()
    assert judge(submission(egress_ceiling_bytes=1000), rules) == ()
    (finding,) = judge(submission(egress_ceiling_bytes=1001), rules)
    assert (finding.rule, finding.code) == (2, "R2_egress_ceiling")
    assert "1001 bytes" in finding.finding
    assert "1000 bytes" in finding.finding


def test_more_gpus_than_there_are_is_over_quota_and_all_of_them_is_not() -> None:
    assert judge(submission(gpu_count=25_000), default_charter()) == ()
    (finding,) = judge(submission(gpu_count=25_001), default_charter())
    assert (finding.rule, finding.code) == (4, "Q_quota")
    assert "25001" in finding.finding
    assert "25000" in finding.finding


def test_an_optimizer_without_gradients_is_malformed() -> None:
    asked = submission(optimizer_targets=["auxiliary_sae"], gradient_scope="none")
    (finding,) = judge(asked, default_charter())
    assert (finding.rule, finding.code) == (4, "Q_malformed")
    assert "auxiliary_sae" in finding.finding
    assert "none" in finding.finding


def test_a_workload_that_the_charter_does_not_know_is_malformed() -> None:
    rules = charter(allowed_workloads=["forward_pass"], forbidden_workloads=["sft"])
    (finding,) = judge(submission(workload_type="eval_suite"), rules)
    assert (finding.rule, finding.code) == (4, "Q_malformed")
    assert "eval_suite" in finding.finding
    assert "forward_pass" in finding.finding


def test_everything_that_is_wrong_is_found_at_once_in_the_order_of_the_rules() -> None:
    asked = submission(
        workload_type="lora",
        optimizer_targets=["uploaded_model"],
        egress_ceiling_bytes=None,
        gpu_count=10**6,
    )
    assert codes(judge(asked, default_charter())) == [
        (1, "R1_forbidden_workload"),
        (1, "R1_optimizer_on_uploaded_model"),
        (2, "R2_unmetered_egress"),
        (4, "Q_quota"),
        (4, "Q_malformed"),
    ]


def test_a_finding_is_one_plain_sentence() -> None:
    asked = submission(workload_type="sft", optimizer_targets=["uploaded_model"], gpu_count=10**6)
    for finding in judge(asked, charter(egress_ceiling_bytes=1)):
        assert finding.finding[0].isupper()
        assert finding.finding.endswith(".")
        assert finding.to_dict() == {
            "rule": finding.rule,
            "code": str(finding.code),
            "finding": finding.finding,
        }


def test_the_codes_are_those_of_the_record_and_no_others() -> None:
    assert {code.value for code in Code} == {
        "R1_weight_delta",
        "R1_optimizer_on_uploaded_model",
        "R1_forbidden_workload",
        "R1_digest_mismatch",
        "R2_egress_ceiling",
        "R2_unmetered_egress",
        "R3_missing_record",
        "R3_private_run_requested",
        "Q_quota",
        "Q_malformed",
    }


FIRST: dict[str, Any] = {
    "version": "charter/1",
    "embargo_days": 90,
    "egress_ceiling_bytes": 10**12,
    "gpu_total": 25_000,
    "allowed_workloads": [workload.value for workload in ALLOWED_WORKLOADS],
    "forbidden_workloads": [workload.value for workload in FORBIDDEN_WORKLOADS],
}


def test_a_charter_is_parsed_back_from_what_it_is_written_as() -> None:
    rules = charter(embargo_days=30, gpu_total=5)
    assert parse_charter(rules.to_dict()) == rules
    assert default_charter().to_dict() == FIRST | {
        "version": "charter/2",
        "artifact_ceilings": {
            "document": 10**9,
            "table": 10**10,
            "image": 10**9,
            "opaque": 10**8,
            "tensor": 0,
        },
        "quotas": {
            "job_wall_seconds": None,
            "member_gpus": None,
            "member_egress_bytes": 10**13,
            "member_model_egress_bytes": 10**13,
        },
        "admission_hours": 168,
        "council_threshold": 1,
    }


def test_a_charter_of_the_first_version_stays_as_it_was_written() -> None:
    first = parse_charter(FIRST)
    assert first.to_dict() == FIRST
    assert first.artifact_ceilings == default_charter().artifact_ceilings
    assert [first.signers_needed(council) for council in range(1, 6)] == [1, 2, 2, 3, 3]


@pytest.mark.parametrize(("wall", "limit", "refused"), [(60, 60, False), (61, 60, True)])
def test_a_wall_limit_above_the_quota_is_found(wall: int, limit: int, *, refused: bool) -> None:
    quotas = default_charter().to_dict()["quotas"] | {"job_wall_seconds": limit}
    findings = judge(submission(wall_limit_seconds=wall), charter(quotas=quotas))
    assert codes(findings) == ([(4, "Q_quota")] if refused else [])


@pytest.mark.parametrize(("held", "refused"), [(36, False), (37, True)])
def test_gpus_that_a_member_holds_already_count_against_its_quota(
    held: int, *, refused: bool
) -> None:
    quotas = default_charter().to_dict()["quotas"] | {"member_gpus": 100}
    rules = charter(quotas=quotas)
    findings = judge(submission(gpu_count=64), rules, held_gpus=held)
    assert codes(findings) == ([(4, "Q_quota")] if refused else [])
    assert judge(submission(gpu_count=64), default_charter(), held_gpus=10**9) == ()


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"embargo_days": 91}, "charter.embargo_days"),
        ({"embargo_days": 0}, "charter.embargo_days"),
        ({"gpu_total": 0}, "charter.gpu_total"),
        ({"gpu_total": True}, "charter.gpu_total"),
        ({"egress_ceiling_bytes": None}, "charter.egress_ceiling_bytes"),
        ({"version": "charter/3"}, "charter.version"),
        ({"council_threshold": 0}, "charter.council_threshold"),
        ({"admission_hours": 0}, "charter.admission_hours"),
        ({"artifact_ceilings": {"tensor": 0}}, "charter.artifact_ceilings.document"),
        ({"allowed_workloads": ["no_such"]}, "charter.allowed_workloads[0]"),
        ({"allowed_workloads": ["sft"]}, "charter.allowed_workloads"),
        ({"loophole": 1}, "charter.loophole"),
    ],
)
def test_a_charter_with_a_wrong_field_is_refused_by_its_name(
    changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValueRefused) as refusal:
        charter(**changed)
    assert refusal.value.field == field


@pytest.mark.parametrize("name", list(default_charter().to_dict()))
def test_a_charter_without_one_of_its_fields_is_refused(name: str) -> None:
    value = {key: each for key, each in default_charter().to_dict().items() if key != name}
    with pytest.raises(ValueRefused, match=f"charter.{name}: this field is missing"):
        parse_charter(value)


def test_no_charter_in_memory_has_more_than_ninety_days() -> None:
    with pytest.raises(ValueRefused):
        Charter(
            embargo_days=91,
            egress_ceiling_bytes=1,
            gpu_total=1,
            allowed_workloads=(),
            forbidden_workloads=(),
        )
