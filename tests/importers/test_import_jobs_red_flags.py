"""Signs of training are named, and the charter's own rules see them in the draft."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jobs_world import FIXTURES, Imported, Importer

from ledger.records.charter import default_charter, judge
from schemas.statements import JobSubmitted


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys)


def judged(found: Imported) -> set[str]:
    """The charter's codes against the first job's submission."""
    public = msgspec.convert(found.drafts()[0]["public"], JobSubmitted)
    return {finding.code.value for finding in judge(public, default_charter())}


def env(name: str, value: str) -> Callable[[Any], object]:
    def change(job: Any) -> None:
        job["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": name, "value": value}]

    return change


def args(*words: str) -> Callable[[Any], object]:
    def change(job: Any) -> None:
        job["spec"]["template"]["spec"]["containers"][0]["args"] = list(words)

    return change


SECRET = "0123abcdsecret"
FORBIDDEN, OPTIMIZER = "R1_forbidden_workload", "R1_optimizer_on_uploaded_model"
FLAGS: dict[str, tuple[str, Callable[[Any], object], str, str, str]] = {
    "peft_sha": (
        "lm_eval_results.json", lambda file: file["config"].update(peft_sha=SECRET),
        "peft_loaded", "config.peft_sha", FORBIDDEN,
    ),
    "delta_sha": (
        "lm_eval_results.json", lambda file: file["config"].update(delta_sha=SECRET),
        "delta_loaded", "config.delta_sha", FORBIDDEN,
    ),
    "peft in model_args": (
        "lm_eval_results.json",
        lambda file: file["config"].update(model_args=f"pretrained=x,peft={SECRET}"),
        "peft_loaded", "config: peft", FORBIDDEN,
    ),
    "lora_alpha in task_args": (
        "inspect_log.json", lambda file: file["eval"]["task_args"].update(lora_alpha=16),
        "lora_settings", "eval.lora_alpha", FORBIDDEN,
    ),
    "opt_name in metadata": (
        "inspect_log.json", lambda file: file["eval"].update(metadata={"opt_secret": SECRET}),
        "optimizer_settings", "eval.opt_*", OPTIMIZER,
    ),
    "lora_alpha on sbatch's line": (
        "slurm_v0041.json",
        lambda file: file["jobs"][0].update(submit_line=f"sbatch x --lora_alpha=16 {SECRET}"),
        "lora_settings", "jobs[0].submit_line: lora_*", FORBIDDEN,
    ),
    "optimizer in a script": (
        "slurm_v0041.json",
        lambda file: file["jobs"][0].update(script=f"#!/bin/sh\nrun --optimizer adamw {SECRET}\n"),
        "optimizer_settings", "jobs[0].script: opt_*", OPTIMIZER,
    ),
    "a workload that is forbidden": (
        "slurm_v0041.json", lambda file: file["jobs"][0]["wckey"].update(wckey="dpo"),
        "forbidden_workload", "jobs[0]", FORBIDDEN,
    ),
    "LORA_ALPHA in the environment": (
        "kubernetes_job.json", env("LORA_ALPHA", SECRET), "lora_settings", "spec.lora_*", FORBIDDEN,
    ),
    "lora_alpha in a setting's text": (
        "kubernetes_job.json", args("--config", '{"lora_alpha": 16}'),
        "lora_settings", "spec: lora_*", FORBIDDEN,
    ),
    "an optimizer on the model": (
        "kubernetes_job.json",
        lambda job: job["metadata"]["annotations"].update(
            {"ledger.apsci/optimizer-targets": f"auxiliary_sae,{SECRET}"}
        ),
        "optimizer_on_model", "metadata.annotations.ledger.apsci/optimizer-targets", OPTIMIZER,
    ),
    "gradients of the weights": (
        "kueue_v1beta1.json",
        lambda job: job["metadata"]["annotations"].update(
            {"ledger.apsci/gradient-scope": SECRET, "ledger.apsci/optimizer-targets": "none"}
        ),
        "gradients_of_weights", "metadata.annotations.ledger.apsci/gradient-scope", FORBIDDEN,
    ),
}  # fmt: skip


@pytest.mark.parametrize("flag", FLAGS)
def test_a_red_flag_is_found_and_the_charter_rejects_the_draft(
    importer: Importer, flag: str
) -> None:
    name, change, code, place, rule = FLAGS[flag]
    found = importer.ok(importer.changed(name, change))
    assert found.place(code) == place
    assert rule in judged(found)
    (listed,) = [each for each in found.report["findings"] if each["code"] == code]
    assert listed["red_flag"]
    assert listed["rule"] == rule
    assert found.out.splitlines()[1].startswith(f"RED FLAG {rule}, {code}")
    assert SECRET not in found.written()


@pytest.mark.parametrize("name", ["lm_eval_results.json", "inspect_log.json", "slurm_v0041.json",
                                  "kubernetes_job.json", "kueue_v1beta1.json"])  # fmt: skip
def test_a_job_without_red_flags_is_admitted(importer: Importer, name: str) -> None:
    found = importer.ok(FIXTURES / name)
    assert judged(found) == set()
    assert "RED FLAG" not in found.out


def test_settings_of_an_optimizer_are_fine_where_a_probe_is_all_it_updates(
    importer: Importer,
) -> None:
    found = importer.ok(importer.changed("kubernetes_job.json", args("--optimizer", "adam")))
    assert judged(found) == set()
    assert "optimizer_settings" not in found.codes()


def test_defaults_do_not_outweigh_what_a_file_shows(importer: Importer) -> None:
    def lora(file: Any) -> None:
        file["config"]["lora_alpha"] = 8

    found = importer.ok(importer.changed("lm_eval_results.json", lora))
    assert found.drafts()[0]["public"]["workload_type"] == "lora"


def test_a_red_flag_in_a_later_period_is_one_of_the_whole_job(importer: Importer) -> None:
    def train(file: Any) -> None:
        file["jobs"][1].update(script="x --lora_alpha 4 --opt_name adam")

    found = importer.ok(importer.changed("slurm_v0045.json", train))
    assert len(found.drafts()) == 5
    assert {FORBIDDEN, OPTIMIZER} <= judged(found)
    assert "weights_unchanged" not in found.drafts()[-1]["public"]


def test_a_place_names_no_member_that_the_tool_does_not_have(importer: Importer) -> None:
    def hide(file: Any) -> None:
        file["jobs"][0]["canary_member"] = {"canary_below": "--lora_alpha 1", "opt_canary": 1}

    found = importer.ok(importer.changed("slurm_v0041.json", hide))
    assert found.place("lora_settings") == "jobs[0]: lora_*"
    assert found.place("optimizer_settings") == "jobs[0].opt_*"
    assert "canary" not in found.written()


def test_an_empty_setting_is_no_red_flag(importer: Importer) -> None:
    def nothing(file: Any) -> None:
        file["config"].update(peft_sha=None, delta_sha="", lora_alpha=0)

    assert judged(importer.ok(importer.changed("lm_eval_results.json", nothing))) == set()


def mount(**changed: object) -> Callable[[Any], object]:
    def change(job: Any) -> None:
        pod = job["spec"]["template"]["spec"]
        pod["containers"][0]["volumeMounts"][0] |= {"readOnly": False} | changed

    return change


def test_a_model_that_pods_may_write_to_leaves_unchanged_weights_unsaid(
    importer: Importer,
) -> None:
    found = importer.ok(importer.changed("kubernetes_job.json", mount()))
    place = "spec.template.spec.containers[0].volumeMounts[0]"
    assert found.place("writable_model_volume") == place
    public = found.drafts()[-1]["public"]
    assert public.keys().isdisjoint({"weights_unchanged", "weights_check"})


@pytest.mark.parametrize(
    "source",
    [{"persistentVolumeClaim": {"claimName": "w", "readOnly": True}}, {"image": {"reference": "x"}},
     {"nfs": {"path": "/w", "server": "s", "readOnly": True}}],
)  # fmt: skip
def test_a_volume_that_is_read_only_by_itself_is_no_finding(
    importer: Importer, source: dict[str, Any]
) -> None:
    def change(job: Any) -> None:
        mount()(job)
        job["spec"]["template"]["spec"]["volumes"][0] = {"name": "weights"} | source

    found = importer.ok(importer.changed("kubernetes_job.json", change))
    assert "writable_model_volume" not in found.codes()


def test_a_volume_is_known_by_its_claim_whatever_it_is_mounted_as(importer: Importer) -> None:
    def change(job: Any) -> None:
        mount(name="data", mountPath="/data")(job)
        volume = {"name": "data", "persistentVolumeClaim": {"claimName": "llm-checkpoint-7"}}
        job["spec"]["template"]["spec"]["volumes"] = [volume]

    found = importer.ok(importer.changed("kubernetes_job.json", change))
    assert "writable_model_volume" in found.codes()


def test_a_finding_of_many_jobs_stands_once_with_its_first_hundred_places(
    importer: Importer,
) -> None:
    def many(file: Any) -> None:
        (job,) = file["jobs"]
        file["jobs"] = [job | {"job_id": n, "script": "x --lora_alpha 1"} for n in range(1, 131)]

    report = importer.ok(importer.changed("slurm_v0041.json", many)).report
    (found,) = [each for each in report["findings"] if each["code"] == "lora_settings"]
    assert found["count"] == 130
    assert len(found["where"]) == 100
    assert json.dumps(found["where"][99]) == '{"job": 100, "place": "jobs[99].script: lora_*"}'
