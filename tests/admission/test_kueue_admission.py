"""What Kueue is told about a Workload, held to the schema that Kueue's own API servers check."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from admission_world import JOB, POLICY, paper, policy_text
from cli_world import Shell
from kubernetes import client
from kubernetes_world import Clock, annotations, cluster, container, plain, spec, uid

from ledger.__main__ import run
from ledger.admission.kubernetes import Cluster
from ledger.admission.kueue import Decided, State, decide, parse_workload, patch
from ledger.cli import kueue_admitting, reporting
from ledger.errors import FormatError
from ledger.records.charter import Code

SCHEMAS = json.loads((Path(__file__).parent / "fixtures/kueue_admission_checks.json").read_text())
BEFORE = "2026-11-18T12:00:00Z"
CHECK = "ledger"


@pytest.fixture(params=["v1beta1", "v1beta2"])
def version(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def here(tmp_path: Path) -> Cluster:
    return cluster(tmp_path)


def pod_set(
    gpus: int = 8, count: int = 1, *, name: str = "main", said: dict[str, str] | None = None
) -> dict[str, Any]:
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(annotations=annotations() if said is None else said),
        spec=spec(container(gpus)),
    )
    return {"name": name, "count": count, "template": plain(template)}


def workload(version: str, *pod_sets: dict[str, Any], state: str = "Pending") -> dict[str, Any]:
    checks = [
        {"name": "other", "state": "Ready", "lastTransitionTime": BEFORE, "message": "",
         "podSetUpdates": [{"name": "main", "labels": {"a": "b"}}]},
        {"name": CHECK, "state": state, "lastTransitionTime": BEFORE, "message": "Reset"},
    ]  # fmt: skip
    return {
        "apiVersion": f"kueue.x-k8s.io/{version}",
        "kind": "Workload",
        "metadata": {"name": "job-eval", "namespace": "deepseek", "uid": uid(),
                     "resourceVersion": "77"},
        "spec": {"podSets": list(pod_sets) or [pod_set()], "queueName": "lq", "active": True},
        "status": {"admissionChecks": checks},
    }  # fmt: skip


def ask(here: Cluster, thing: dict[str, Any]) -> Decided:
    """What is decided; its patch is one that Kueue's schema of this version takes."""
    parsed = parse_workload(json.dumps(thing).encode())
    decided = decide(parsed, here)
    made = patch(parsed, decided, check=CHECK, clock=here.clock, merge=False)
    assert made["apiVersion"] == thing["apiVersion"]
    jsonschema.validate(
        made["status"]["admissionChecks"],
        SCHEMAS[thing["apiVersion"].rpartition("/")[2]],
        format_checker=jsonschema.FormatChecker(),
    )
    return decided


def rejected(here: Cluster, thing: dict[str, Any], code: Code) -> str:
    decided = ask(here, thing)
    assert decided.state is State.REJECTED
    assert decided.refusal is not None
    assert decided.refusal.code is code
    assert decided.message.startswith(f"{code.value}: ")
    return decided.message


def test_an_admitted_workload_is_ready(here: Cluster, version: str) -> None:
    decided = ask(here, workload(version))
    assert decided == Decided(
        State.READY, f"Admitted by the ledger as job {JOB} with 8 GPUs.", None
    )


def test_a_receipt_on_the_workload_itself_counts(here: Cluster, version: str) -> None:
    thing = workload(version, pod_set(said={"ledger.apsci/model-volume": "weights"}))
    thing["metadata"]["annotations"] = {
        "ledger.apsci/receipt": annotations()["ledger.apsci/receipt"]
    }
    assert ask(here, thing).state is State.READY


def test_a_workload_without_gpus_is_ready_without_a_receipt(here: Cluster, version: str) -> None:
    assert ask(here, workload(version, pod_set(0, said={}))).state is State.READY


def test_a_workload_without_a_receipt_is_rejected(here: Cluster, version: str) -> None:
    message = rejected(here, workload(version, pod_set(said={})), Code.R3_MISSING_RECORD)
    assert "/api/v1/jobs/JOB/admission" in message


def test_the_pods_of_all_sets_are_counted_together(here: Cluster, version: str) -> None:
    sets = (pod_set(4), pod_set(2, 2, name="more"))
    assert ask(here, workload(version, *sets)).state is State.READY
    sets = (*sets, pod_set(1, name="one"))
    assert "9 GPUs" in rejected(here, workload(version, *sets), Code.Q_QUOTA)


def test_fewer_pods_that_were_assigned_are_what_counts(here: Cluster, version: str) -> None:
    thing = workload(version, pod_set(4, 3))
    rejected(here, thing, Code.Q_QUOTA)
    assigned = [{"name": "main", "count": 2, "resourceUsage": {"nvidia.com/gpu": "8"}}]
    thing["status"]["admission"] = {"clusterQueue": "cq", "podSetAssignments": assigned}
    assert ask(here, thing).state is State.READY


def test_two_receipts_are_rejected(here: Cluster, version: str) -> None:
    other = annotations(paper(gpu_count=16).receipt().decode())
    thing = workload(version, pod_set(1), pod_set(1, name="more", said=other))
    assert "more than one receipt" in rejected(here, thing, Code.Q_MALFORMED)


def test_more_time_than_was_admitted_is_rejected(here: Cluster, version: str) -> None:
    thing = workload(version)
    thing["spec"]["maximumExecutionTimeSeconds"] = 7_200
    assert ask(here, thing).state is State.READY
    thing["spec"]["maximumExecutionTimeSeconds"] = 7_201
    rejected(here, thing, Code.Q_QUOTA)


def test_a_set_that_says_other_or_could_write_is_rejected(here: Cluster, version: str) -> None:
    said = annotations(workload_type="lora")
    rejected(here, workload(version, pod_set(said=said)), Code.R1_FORBIDDEN_WORKLOAD)
    said = annotations(model_volume="nothing")
    rejected(here, workload(version, pod_set(said=said)), Code.R1_WEIGHT_DELTA)


def test_the_namespace_of_another_member_is_rejected(tmp_path: Path, version: str) -> None:
    here = cluster(tmp_path, members={"deepseek": "zhipu"})
    rejected(here, workload(version), Code.R3_MISSING_RECORD)


def test_a_clock_that_is_wrong_is_tried_again_and_a_run_out_receipt_is_not(
    here: Cluster, version: str
) -> None:
    assert isinstance(here.clock, Clock)
    here.clock.now -= 2 * 3_600
    decided = ask(here, workload(version))
    assert (decided.state, decided.refusal) == (State.RETRY, None)
    here.clock.now += 1_000 * 3_600
    rejected(here, workload(version), Code.R3_MISSING_RECORD)


def test_a_fault_inside_is_never_ready(tmp_path: Path, version: str) -> None:
    def broken() -> int:
        raise RuntimeError("SECRET")

    here = cluster(tmp_path, clock=broken)
    parsed = parse_workload(json.dumps(workload(version)).encode())
    decided = decide(parsed, here)
    assert decided.state is State.RETRY
    assert "SECRET" not in decided.message


def test_the_patch_to_apply_has_its_own_check_alone(here: Cluster, version: str) -> None:
    parsed = parse_workload(json.dumps(workload(version)).encode())
    decided = Decided(State.RETRY, "later")
    assert patch(parsed, decided, check=CHECK, clock=here.clock, merge=False) == {
        "apiVersion": f"kueue.x-k8s.io/{version}",
        "kind": "Workload",
        "metadata": {"name": "job-eval", "namespace": "deepseek"},
        "status": {
            "admissionChecks": [
                {
                    "name": "ledger",
                    "state": "Retry",
                    "lastTransitionTime": "2026-11-18T12:06:40Z",
                    "message": "later",
                    "requeueAfterSeconds": 60,
                }
            ]
        },
    }


def test_the_patch_to_merge_keeps_every_other_check_as_it_was_read(
    here: Cluster, version: str
) -> None:
    thing = workload(version)
    parsed = parse_workload(json.dumps(thing).encode())
    made = patch(parsed, decide(parsed, here), check=CHECK, clock=here.clock, merge=True)
    assert made["metadata"]["resourceVersion"] == "77"
    other, own = made["status"]["admissionChecks"]
    assert other == thing["status"]["admissionChecks"][0]
    assert (own["name"], own["state"]) == ("ledger", "Ready")
    del thing["metadata"]["resourceVersion"]
    bare = parse_workload(json.dumps(thing).encode())
    with pytest.raises(FormatError, match="resourceVersion"):
        patch(bare, decide(bare, here), check=CHECK, clock=here.clock, merge=True)


def test_a_state_that_stays_keeps_its_time(here: Cluster, version: str) -> None:
    parsed = parse_workload(json.dumps(workload(version, state="Ready")).encode())
    made = patch(parsed, decide(parsed, here), check=CHECK, clock=here.clock, merge=False)
    (own,) = made["status"]["admissionChecks"]
    assert own["lastTransitionTime"] == BEFORE


def test_a_workload_that_does_not_wait_for_the_check_gets_no_patch(here: Cluster) -> None:
    parsed = parse_workload(json.dumps(workload("v1beta1")).encode())
    with pytest.raises(FormatError, match="does not wait for"):
        patch(parsed, decide(parsed, here), check="mine", clock=here.clock, merge=False)


@pytest.mark.parametrize(
    "change",
    [
        {"apiVersion": "kueue.x-k8s.io/v1"},
        {"apiVersion": "batch/v1"},
        {"kind": "Job"},
        {"spec": None},
        {"spec": {"podSets": [{"name": "main", "count": -1, "template": {}}]}},
        {"spec": {"podSets": [{"name": "main", "count": 1}]}},
        {"metadata": None},
    ],
)
def test_what_is_no_workload_of_a_known_version_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(FormatError):
        parse_workload(json.dumps(workload("v1beta2") | change).encode())
    with pytest.raises(FormatError):
        parse_workload(b"")
    with pytest.raises(FormatError, match="more than"):
        parse_workload(b" " * (3 << 20) + b"{")


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def asked(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    shell.write("policy", policy_text())
    monkeypatch.setattr(kueue_admitting, "system_clock", Clock())
    monkeypatch.setattr(reporting, "GIVE_UP_AFTER_S", 0.0)
    return shell


def test_the_command_prints_the_patch(asked: Shell) -> None:
    asked.write("w.json", json.dumps(workload("v1beta2")))
    made = json.loads(asked.ok("admit-workload", "w.json", "--policy", "policy", "--check", CHECK))
    assert made["status"]["admissionChecks"][0]["state"] == "Ready"
    assert sorted(each.name for each in asked.folder.iterdir()) == ["policy", "w.json"]


def test_a_rejection_is_kept_for_a_ledger_that_is_away(asked: Shell) -> None:
    asked.ok("keys", "new", f"{POLICY.logs[0].key.name}/orchestrator", "--out", "o.key")
    asked.write("w.json", json.dumps(workload("v1beta1", pod_set(said={}))))
    given = ("admit-workload", "w.json", "--policy", "policy", "--check", CHECK)
    saying = ("--ledger", "http://127.0.0.1:9", "--author-key", "o.key", "--outbox", "outbox")
    said = asked(*given, *saying)
    assert said.status == 0
    assert json.loads(said.out)["status"]["admissionChecks"][0]["state"] == "Rejected"
    assert "1 statements wait in the outbox" in said.err
    asked(*given, *saying[:4]).refused("each needs the others")


def test_the_command_says_what_it_cannot_read_in_one_line(asked: Shell) -> None:
    asked.write("w.json", "{}")
    given = ("--policy", "policy", "--check", CHECK)
    asked("admit-workload", "w.json", *given).refused("w.json: this is not a Workload")
    asked("admit-workload", "nowhere.json", *given).refused("nowhere.json: ")
    asked.write("w.json", json.dumps(workload("v1beta2")))
    asked("admit-workload", "w.json", "--policy", "policy", "--check", "x").refused("not wait for")
    assert run(["admit-workload", "--help"]) == 0
