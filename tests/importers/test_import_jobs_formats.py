"""What each tool's file becomes, held against the schemas that the ledger takes statements by."""

import json
from pathlib import Path
from typing import Any

import pytest
from jobs_world import FILES, FIXTURES, Importer, leaves, objects
from kit import MADE_AT, ORIGIN

from ledger.records.authoring import author_statement
from ledger.tlog.note import generate_key
from schemas.statements import SCHEMAS

BY_HAND = {
    "gpu_count": 1,
    "gpu_seconds": 0,
    "h200e_seconds": 0,
    "weights_unchanged": True,
    "weights_check": "oms_root",
}
"""What a slice of a GPU or a writable volume leaves for people to say."""
SIGNER, _ = generate_key(f"{ORIGIN}/deepseek", bytes(32))


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys)


@pytest.mark.parametrize("name", FILES)
def test_every_draft_is_a_statement_that_can_be_signed_once_nothing_is_missing(
    importer: Importer, name: str
) -> None:
    found = importer.ok(FIXTURES / name)
    drafts = [json.loads(each.read_text()) for each in sorted(found.folder.glob("0*.json"))]
    assert len(drafts) == found.report["statements"] > 0
    for draft in drafts:
        fields = SCHEMAS[draft["schema"]].public.__struct_fields__
        filled = {name: value for name, value in BY_HAND.items() if name in fields}
        assert "missing" in found.codes() or filled.keys() <= draft["public"].keys()
        author_statement(
            signer=SIGNER,
            kind=draft["kind"],
            schema=draft["schema"],
            public=filled | draft["public"],
            made_at=MADE_AT,
            job_id=draft["job_id"],
            sealed=draft.get("sealed"),
            seed=bytes(32) if "sealed" in draft else None,
        )


def test_a_slurm_job_is_read_with_its_gpus_once_and_its_limit_in_seconds(
    importer: Importer,
) -> None:
    submitted, started, ended = importer.ok(FIXTURES / "slurm_v0041.json").drafts()
    assert submitted["public"] == {
        "workload_type": "linear_probe",
        "gradient_scope": "none",
        "optimizer_targets": [],
        "accelerator": "nvidia_h100",
        "gpu_count": 8,
        "wall_limit_seconds": 7200,
        "egress_ceiling_bytes": 1_000_000,
    }
    assert submitted["sealed"]["source"]["record_id"] == "4211"
    assert started["public"] == {"started_at": "2026-02-02T02:50:00Z", "gpu_count": 8}
    assert ended["kind"] == "completed"
    assert ended["public"]["wall_seconds"] == 3600
    assert ended["public"]["gpu_seconds"] == ended["public"]["h200e_seconds"] == 28_800
    assert ended["sealed"]["energy_joules"] == 7200


def test_plain_numbers_say_what_numbers_with_set_and_infinite_say(importer: Importer) -> None:
    plain = importer.ok(FIXTURES / "slurm_v0043_plain.json")
    objects_ = importer.ok(FIXTURES / "slurm_v0041.json")
    for one, other in zip(plain.drafts(), objects_.drafts(), strict=True):
        assert one["public"] == other["public"]
    assert [each["kind"] for each in plain.drafts(2)] == ["submitted", "started"]
    assert plain.drafts(2)[0]["public"]["workload_type"] == "sae_analysis"
    assert plain.drafts(2)[0]["public"]["wall_limit_seconds"] == 3600


def test_a_requeued_slurm_job_is_one_job_with_an_interruption(importer: Importer) -> None:
    found = importer.ok(FIXTURES / "slurm_v0045.json")
    drafts = found.drafts()
    kinds = ["submitted", "started", "interrupted", "started", "failed"]
    assert [each["kind"] for each in drafts] == kinds
    assert len({each["job_id"] for each in drafts}) == 1
    assert drafts[2]["public"]["exit_status"] == "preempted"
    assert drafts[4]["public"]["exit_status"] == "timeout"
    assert drafts[4]["public"]["wall_seconds"] == 4200
    assert "several_periods" not in found.codes()


def test_no_record_is_dropped_without_its_reason(importer: Importer) -> None:
    found = importer.ok(FIXTURES / "slurm_v0045.json")
    assert [(each["reason"], each["where"]) for each in found.report["skipped"]] == [
        ("no_gpu", ["jobs[2]"])
    ]
    assert "gpu_slice (public.gpu_count), 1 times" in found.out
    assert "gpu_count" not in found.drafts(2)[0]["public"]
    assert [each["kind"] for each in found.drafts(3)] == ["submitted"]


def test_a_job_of_kubernetes_has_the_gpus_of_all_its_pods(importer: Importer) -> None:
    submitted, _, ended = importer.ok(FIXTURES / "kubernetes_job.json").drafts()
    assert submitted["public"]["gpu_count"] == 16
    assert submitted["public"]["accelerator"] == "nvidia_h100"
    assert submitted["public"]["workload_type"] == "sae_training"
    assert submitted["public"]["optimizer_targets"] == ["auxiliary_sae"]
    assert ended["public"]["weights_check"] == "readonly_mount"
    listed = importer.ok(FIXTURES / "kubernetes_job_list.json")
    assert listed.drafts(2)[-1]["public"]["exit_status"] == "timeout"
    assert "weights_check" not in listed.drafts(2)[-1]["public"]


def test_a_workload_of_kueue_has_what_was_assigned_and_its_earlier_time(
    importer: Importer,
) -> None:
    found = importer.ok(FIXTURES / "kueue_v1beta1.json")
    submitted, _, ended = found.drafts()
    assert submitted["public"]["gpu_count"] == 16
    assert submitted["public"]["accelerator"] == "nvidia_h200"
    assert ended["public"]["wall_seconds"] == 4200
    assert ended["public"]["h200e_seconds"] == 4200 * 16 * 3 // 2
    assert "several_periods" in found.codes()
    second = importer.ok(FIXTURES / "kueue_v1beta2_list.json")
    assert [each["kind"] for each in second.drafts(2)] == ["submitted"]
    assert second.place("check_rejected") == "items[1].status.admissionChecks[0]"


def test_an_inspect_log_gives_scores_and_tokens_with_those_from_the_cache(
    importer: Importer,
) -> None:
    submitted, _, ended = importer.ok(FIXTURES / "inspect_log.json").drafts()
    assert submitted["sealed"]["model.name"] == "mockllm/model"
    assert ended["sealed"]["tokens.input"] == 72 + 48
    assert ended["sealed"]["samples.completed"] == 6
    assert ended["sealed"]["metrics"] == [
        {"name": "match/accuracy", "value": "0.5", "stderr": "0", "n": 3}
    ]


def test_evaluation_tools_say_eval_suite_where_nobody_says_otherwise(importer: Importer) -> None:
    for name in ("inspect_log.json", "lm_eval_results.json"):
        (public, *_) = [importer.ok(FIXTURES / name, defaults=None).drafts()[0]["public"]]
        assert public == {
            "workload_type": "eval_suite",
            "gradient_scope": "none",
            "optimizer_targets": [],
        }


def test_results_of_lm_eval_become_metrics_and_what_is_not_a_number_is_left_out(
    importer: Importer,
) -> None:
    file = importer.changed(
        "lm_eval_results.json",
        lambda value: value["results"]["sums"].update(
            {
                "acc,none": 0.8125,
                "acc_stderr,none": "N/A",
                "ppl,none": float("nan"),
                "big,none": 1234567890123.25,
                "tiny,none": 1e-30,
                "huge,none": 1e300,
            }
        ),
    )
    found = importer.ok(file)
    assert found.drafts()[-1]["sealed"]["metrics"] == [
        {"name": "sums/exact_match,none", "value": "0", "stderr": "0", "n": 3},
        {"name": "sums/acc,none", "value": "0.8125", "n": 3},
        {"name": "sums/big,none", "value": "1234567890123.25", "n": 3},
        {"name": "sums/tiny,none", "value": "0", "n": 3},
    ]
    assert "left_out (sealed.metrics)" in found.out


def test_what_nobody_says_is_missing_in_the_draft_and_named(importer: Importer) -> None:
    found = importer.ok(FIXTURES / "slurm_v0041.json", defaults=None)
    missing = {each["field"] for each in found.report["findings"] if each["code"] == "missing"}
    assert missing == {
        "public.gradient_scope", "public.optimizer_targets", "public.egress_ceiling_bytes",
        "public.h200e_seconds", "public.h200e_basis", "public.weights_unchanged",
        "public.weights_check",
    }  # fmt: skip
    assert "egress_ceiling_bytes" not in found.drafts()[0]["public"]


TAKEN = {
    "slurm": {
        "jobs[].job_id", "jobs[].sluid", "jobs[].wckey.wckey", "jobs[].wckey.flags[]",
        "jobs[].comment.job", "jobs[].state.current", "jobs[].restart_cnt",
    },
    "kueue": {"apiVersion", "kind"},
    "kubernetes": {"apiVersion", "kind"},
    "inspect": {
        "status", "eval.run_id", "eval.model", "eval.created", "stats.started_at",
        "stats.completed_at", "eval.task_registry_name",
    },
    "lm": {"date", "total_evaluation_time_seconds", "model_name", "config.model_num_parameters",
           "config.model_revision", "config.model_dtype"},
}  # fmt: skip
TAKEN_BELOW = (
    "jobs[].time", "jobs[].tres", "jobs[].steps[].statistics.energy",
    "spec.podSets[].count", "status.conditions[].type", "status.conditions[].status",
    "status.conditions[].reason", "status.conditions[].lastTransitionTime",
    "status.admissionChecks[].state", "status.admission.podSetAssignments[].flavors",
    "status.admission.podSetAssignments[].resourceUsage", "metadata.uid",
    "metadata.creationTimestamp", "metadata.labels.ledger", "metadata.annotations.ledger",
    "spec.parallelism", "spec.activeDeadlineSeconds", "spec.maximumExecutionTimeSeconds",
    "status.startTime", "status.completionTime", "status.accumulatedPastEx",
    "resources.limits.", "nodeSelector", ".readOnly",
    "stats.model_usage", "results", "n-samples",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_nothing_of_the_file_but_the_listed_fields_is_ever_written(
    importer: Importer, name: str
) -> None:
    taken = TAKEN[name.partition("_")[0].removesuffix("v1beta1").removesuffix("v1beta2")]
    planted: list[str] = []

    def plant(value: Any) -> None:
        for holder, _ in list(objects(value)):
            if all(not isinstance(each, dict) for each in holder.values()):
                holder["canary_extra"] = "canary-extra /home/canary --password canary"
        for holder, key, path in list(leaves(value)):
            plain = path.removeprefix("items[].").removeprefix("jobs[].spec")
            if key in ("apiVersion", "kind") or plain in taken:
                continue
            if any(each in plain for each in TAKEN_BELOW) and key != "canary_extra":
                continue
            if isinstance(holder[key], str) or holder[key] is None or holder[key] in ([], {}):
                planted.append(path)
                if not (isinstance(holder[key], list | dict)):
                    holder[key] = f"canary-{len(planted)}"

    found = importer.ok(importer.changed(name, plant))
    assert len(planted) > 5
    assert "canary" not in found.written()


def test_a_comment_becomes_the_title_and_is_to_be_read_before_it_is_signed(
    importer: Importer,
) -> None:
    def comment(value: Any) -> None:
        value["jobs"][0]["comment"] = {"job": "Probes of refusal", "administrator": "canary"}

    found = importer.ok(importer.changed("slurm_v0041.json", comment))
    assert found.drafts()[0]["sealed"]["title"] == "Probes of refusal"
    assert "free_text" in found.codes()
    assert "canary" not in found.written()
    assert found.folder.stat().st_mode & 0o777 == 0o700
    assert {each.stat().st_mode & 0o777 for each in found.files()} == {0o600}
