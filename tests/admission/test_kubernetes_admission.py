"""Which pods Kubernetes may start, decided on objects that the official client has made."""

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from admission_world import JOB, Paper, decided, paper
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes import client
from kubernetes_world import (
    IN_BASE64,
    JOB_CONTROLLER,
    RECEIPT,
    Clock,
    annotations,
    claim,
    cluster,
    container,
    job,
    owner,
    plain,
    pod,
    review,
    spec,
    uid,
)

from ledger.admission.kubernetes import Cluster, Judged, judge, judge_ended, parse_review
from ledger.errors import FormatError
from ledger.records.charter import Code

NODES = ("system:nodes",)
SIDECAR = {"restart_policy": "Always"}
_ASKED = (
    b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","request":{"uid":"1",'
    b'"kind":{"group":"","version":"v1","kind":"Pod"},"operation":"CREATE"}}'
)


@pytest.fixture
def here(tmp_path: Path) -> Cluster:
    return cluster(tmp_path)


def ask(here: Cluster, thing: dict[str, Any] | None, **more: Any) -> Judged:
    asked = review(thing, **more)
    judged = judge(parse_review(json.dumps(asked).encode()), here)
    answer = judged.answer
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == asked["request"]["uid"]
    assert "patch" not in answer["response"]
    return judged


def allowed(here: Cluster, thing: dict[str, Any] | None, **more: Any) -> None:
    judged = ask(here, thing, **more)
    assert judged.answer["response"].keys() == {"uid", "allowed"}, judged
    assert judged.answer["response"]["allowed"] is True
    assert judged.refusal is None


def refused(here: Cluster, thing: dict[str, Any] | None, code: Code, **more: Any) -> str:
    """The message of a refusal with this code, as the user sees it."""
    judged = ask(here, thing, **more)
    response = judged.answer["response"]
    assert response["allowed"] is False, judged
    # The models refuse what Kubernetes would: each field is one that V1Status has.
    status = client.V1Status(**response["status"])
    assert (status.code, status.reason) == (403, "Forbidden")
    assert status.message.startswith(f"ledger.apsci: {code.value}: ")
    if not more.get("dry_run"):
        assert judged.refusal is not None
        assert judged.refusal.code is code
    message: str = status.message
    return message


def ended(here: Cluster, thing: dict[str, Any] | None, **more: Any) -> None:
    judged = judge_ended(parse_review(json.dumps(review(thing, **more)).encode()), here)
    assert judged.answer["response"]["allowed"] is True
    assert judged.refusal is None


def test_a_pod_with_its_receipt_starts(here: Cluster) -> None:
    allowed(here, pod())


def test_a_pod_without_gpus_is_left_alone_whatever_it_says(here: Cluster) -> None:
    lame = spec(container(None, security_context=client.V1SecurityContext(privileged=True)))
    allowed(here, pod(lame, said={"ledger.apsci/receipt": "nonsense"}))
    allowed(here, pod(spec(container(0)), said={}))


@pytest.mark.parametrize(
    "resource",
    [
        "nvidia.com/gpu",
        "amd.com/gpu",
        "nvidia.com/mig-1g.5gb",
        "nvidia.com/gpu.shared",
        "nvidia.com/mig-3g.20gb.shared",
    ],
)
def test_a_pod_with_gpus_of_any_kind_needs_a_receipt(here: Cluster, resource: str) -> None:
    plan = spec(container(1, resource=resource))
    message = refused(here, pod(plan, said=annotations(None)), Code.R3_MISSING_RECORD)
    assert "/api/v1/jobs/JOB/admission" in message


def test_a_resource_that_the_operator_calls_a_gpu_is_one(tmp_path: Path) -> None:
    thing = pod(spec(container(1, resource="gpu.intel.com/xe")), said={})
    allowed(cluster(tmp_path), thing)
    strict = cluster(tmp_path, further_gpus=frozenset({"gpu.intel.com/xe"}))
    refused(strict, thing, Code.R3_MISSING_RECORD)


@pytest.mark.parametrize("where", ["containers", "init_containers", "ephemeral_containers"])
@pytest.mark.parametrize("how", ["limits", "requests"])
def test_gpus_are_found_wherever_a_pod_asks_for_them(here: Cluster, where: str, how: str) -> None:
    thing = plain(spec(container(None)))
    camel = {"init_containers": "initContainers", "ephemeral_containers": "ephemeralContainers"}
    asking = {"name": "gpu", "resources": {how: {"nvidia.com/gpu": 1}}}
    thing.setdefault(camel.get(where, where), []).append(asking)
    refused(here, pod(said=annotations(None)) | {"spec": thing}, Code.R3_MISSING_RECORD)


def test_a_receipt_counts_as_it_is_and_in_base64_with_line_breaks(tmp_path: Path) -> None:
    for number, text in enumerate(
        (RECEIPT.decode(), IN_BASE64, base64.encodebytes(RECEIPT).decode())
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        allowed(cluster(folder), pod(said=annotations(text)))


@pytest.mark.parametrize("text", ["", " ", "nonsense", IN_BASE64[:-4], "A" * 1_000_000, "é"])
def test_what_is_no_receipt_is_refused(here: Cluster, text: str) -> None:
    refused(here, pod(said=annotations(text)), Code.Q_MALFORMED)


def _said(made: Paper) -> dict[str, str]:
    return annotations(base64.b64encode(made.receipt()).decode())


def test_a_receipt_that_no_witness_has_seen_is_refused(here: Cluster) -> None:
    said = _said(paper().but(witnesses=()))
    assert "quorum" in refused(here, pod(said=said), Code.R3_MISSING_RECORD)


def test_a_rejected_job_is_refused_with_its_own_code(here: Cluster) -> None:
    said = _said(paper(code=Code.R1_FORBIDDEN_WORKLOAD))
    refused(here, pod(said=said), Code.R1_FORBIDDEN_WORKLOAD)


def test_a_rejection_that_somebody_turned_into_an_admission_is_refused(here: Cluster) -> None:
    said = _said(paper(code=Code.R1_FORBIDDEN_WORKLOAD).but(decision=decided(3)))
    refused(here, pod(said=said), Code.R3_MISSING_RECORD)


def test_an_admission_that_has_run_out_is_refused(here: Cluster) -> None:
    assert isinstance(here.clock, Clock)
    here.clock.now += 168 * 3_600
    refused(here, pod(), Code.R3_MISSING_RECORD)


def test_more_gpus_than_were_admitted_are_refused_with_both_numbers(here: Cluster) -> None:
    message = refused(here, pod(spec(container(9))), Code.Q_QUOTA)
    assert "9 GPUs" in message
    assert "admitted with 8" in message


def test_more_time_than_was_admitted_is_refused(here: Cluster) -> None:
    refused(here, pod(spec(active_deadline_seconds=7_201)), Code.Q_QUOTA)
    allowed(here, pod(spec(active_deadline_seconds=7_200)))


ENDLESS = {"active_deadline_seconds": None}


def with_limit(made: dict[str, Any], seconds: int | None) -> dict[str, Any]:
    return made | {"spec": made["spec"] | {"activeDeadlineSeconds": seconds}}


def test_a_pod_with_gpus_that_nothing_ends_is_refused(here: Cluster) -> None:
    message = refused(here, pod(spec(**ENDLESS)), Code.Q_QUOTA)
    assert "activeDeadlineSeconds of at most 7200" in message
    allowed(here, pod(spec(container(None), **ENDLESS), said={}))
    allowed(here, pod())


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet"])
def test_the_pods_of_an_endless_controller_have_no_gpus(here: Cluster, kind: str) -> None:
    made = pod(spec(**ENDLESS), owners=[owner(uid(), kind=kind)])
    refused(here, made, Code.Q_QUOTA, user=JOB_CONTROLLER)
    if kind != "DaemonSet":
        plan = {"replicas": 1, "template": job(1, spec(**ENDLESS))["spec"]["template"]}
        # A limit that stands where only a Job has one is none.
        plan["activeDeadlineSeconds"] = 60
        message = refused(
            here, job() | {"apiVersion": "apps/v1", "kind": kind, "spec": plan}, Code.Q_QUOTA
        )
        assert f"Nothing ends this {kind}" in message


def test_the_limit_of_a_job_ends_its_pods_and_cannot_be_taken_away(here: Cluster) -> None:
    endless = job(1, spec(**ENDLESS))
    refused(here, endless, Code.Q_QUOTA)
    refused(here, with_limit(endless, 7_201), Code.Q_QUOTA)
    limited = with_limit(endless, 7_200)
    allowed(here, limited)
    refused(here, endless, Code.Q_QUOTA, old=limited, operation="UPDATE")
    refused(here, with_limit(endless, 7_201), Code.Q_QUOTA, old=limited, operation="UPDATE")
    owners = [owner(limited["metadata"]["uid"])]
    # Who is no controller of the cluster can only claim that a Job ends the pod.
    refused(here, pod(spec(**ENDLESS), owners=owners), Code.Q_QUOTA)
    allowed(here, pod(spec(**ENDLESS), owners=owners), user=JOB_CONTROLLER)


def test_a_job_of_another_maker_is_not_taken_for_one_that_was_looked_at(tmp_path: Path) -> None:
    mine = "system:serviceaccount:batch:controller"
    here = cluster(tmp_path, controllers=frozenset({mine}))
    theirs = owner(uid())
    theirs.api_version = "batch.example/v1"
    refused(here, pod(spec(**ENDLESS), owners=[theirs]), Code.Q_QUOTA, user=mine)
    allowed(here, pod(owners=[theirs]), user=mine)


@pytest.mark.parametrize(
    ("main", "init", "count"),
    [
        ([4, 4], [], 8),
        ([1], [(8, {})], 8),
        ([8], [(8, {})], 8),
        ([6], [(2, SIDECAR)], 8),
        ([1], [(2, SIDECAR), (6, {})], 8),
        ([1], [(6, {}), (2, SIDECAR)], 6),
        ([2], [(2, SIDECAR), (2, SIDECAR), (3, {})], 7),
        ([0, 3], [], 3),
    ],
)
def test_gpus_are_counted_as_kubernetes_reserves_them(
    tmp_path: Path, main: list[int], init: list[tuple[int, dict[str, str]]], count: int
) -> None:
    plan = spec(
        *(container(each, name=f"c{n}") for n, each in enumerate(main)),
        init_containers=[
            container(each, name=f"i{n}", **more) for n, (each, more) in enumerate(init)
        ],
    )
    for admitted in (count, count - 1):
        folder = tmp_path / str(admitted)
        folder.mkdir()
        said = _said(paper(gpu_count=admitted))
        if admitted == count:
            allowed(cluster(folder), pod(plan, said=said))
        else:
            refused(cluster(folder), pod(plan, said=said), Code.Q_QUOTA)


def test_slices_and_gpus_of_two_makers_are_added_up(here: Cluster) -> None:
    def plan(more: int) -> client.V1PodSpec:
        return spec(
            container(3, name="a"),
            container(2, name="b", resource="amd.com/gpu"),
            container(more, name="c", resource="nvidia.com/mig-1g.5gb"),
        )

    refused(here, pod(plan(4)), Code.Q_QUOTA)
    allowed(here, pod(plan(3)))


@pytest.mark.parametrize("quantity", ["1k", "1Ki", "2e1", "1e6"])
def test_a_quantity_in_another_unit_is_counted(here: Cluster, quantity: str) -> None:
    refused(here, pod(spec(container(quantity))), Code.Q_QUOTA)


@pytest.mark.parametrize("quantity", ["1.5", "-1", "", "8 ", "٨", "1E1", "0x8", "1G"])
def test_a_quantity_that_is_no_whole_number_is_refused(here: Cluster, quantity: str) -> None:
    refused(here, pod(spec(container(quantity))), Code.Q_MALFORMED)


def test_devices_by_resource_claims_are_refused_for_they_cannot_be_counted(here: Cluster) -> None:
    named = client.V1PodResourceClaim(name="gpu", resource_claim_template_name="eight-gpus")
    plan = spec(container(None), resource_claims=[named])
    assert "resource claims" in refused(here, pod(plan, said={}), Code.Q_MALFORMED)


# --- one receipt, one run ------------------------------------------------------------------------


def test_a_receipt_starts_one_pod_and_not_a_second(here: Cluster) -> None:
    first = pod()
    allowed(here, first)
    allowed(here, first)
    assert "already" in refused(here, pod(), Code.R3_MISSING_RECORD)


def test_the_pods_of_one_job_share_what_was_admitted(here: Cluster) -> None:
    owners = [owner(uid())]
    for _ in range(2):
        allowed(here, pod(spec(container(4)), owners=owners), user=JOB_CONTROLLER)
    third = pod(spec(container(1)), owners=owners)
    message = refused(here, third, Code.Q_QUOTA, user=JOB_CONTROLLER)
    assert "other pods of its run hold 8" in message


def test_the_pods_of_another_job_do_not_share_the_receipt(here: Cluster) -> None:
    allowed(here, pod(spec(container(4)), owners=[owner(uid())]), user=JOB_CONTROLLER)
    other = pod(spec(container(4)), owners=[owner(uid())])
    refused(here, other, Code.R3_MISSING_RECORD, user=JOB_CONTROLLER)


def test_an_owner_that_a_person_claims_is_not_believed(here: Cluster) -> None:
    owners = [owner(uid())]
    allowed(here, pod(spec(container(4)), owners=owners), user=JOB_CONTROLLER)
    refused(here, pod(spec(container(4)), owners=owners), Code.R3_MISSING_RECORD)


def test_a_pod_that_has_ended_gives_its_gpus_back_to_its_run(here: Cluster) -> None:
    owners = [owner(uid())]
    first = pod(owners=owners)
    allowed(here, first, user=JOB_CONTROLLER)
    again = pod(owners=owners)
    refused(here, again, Code.Q_QUOTA, user=JOB_CONTROLLER)
    over = first | {"status": {"phase": "Failed"}}
    ended(here, over, old=first, operation="UPDATE", sub_resource="status", groups=NODES)
    allowed(here, again, user=JOB_CONTROLLER)


def test_a_run_that_has_had_its_time_starts_no_further_pod_and_pauses_do_not_count(
    here: Cluster,
) -> None:
    assert isinstance(here.clock, Clock)
    owners = [owner(uid())]
    # An hour, by two pods of which one began within the other's time; a pause; a second hour.
    for periods in ((3_600, 1_800), (3_599,)):
        pods = []
        begun = here.clock.now
        for length in periods:
            here.clock.now = begun + periods[0] - length
            pods.append(pod(spec(container(4)), owners=owners))
            allowed(here, pods[-1], user=JOB_CONTROLLER)
        here.clock.now = begun + periods[0]
        for each in pods:
            over = each | {"status": {"phase": "Failed"}}
            ended(here, over, old=each, operation="UPDATE", sub_resource="status", groups=NODES)
        here.clock.now += 40_000
    last = pod(owners=owners)
    allowed(here, last, user=JOB_CONTROLLER)
    here.clock.now += 1
    again = pod(spec(container(0)), owners=owners)
    allowed(here, again, user=JOB_CONTROLLER)
    over = last | {"status": {"phase": "Failed"}}
    ended(here, over, old=last, operation="UPDATE", sub_resource="status", groups=NODES)
    message = refused(here, pod(owners=owners), Code.Q_QUOTA, user=JOB_CONTROLLER)
    assert "have had 7200 seconds" in message


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
@pytest.mark.parametrize(
    ("who", "believed"),
    [
        ({}, False),
        ({"user": "system:serviceaccount:deepseek:job-controller"}, False),
        ({"groups": ("system:serviceaccounts", "system:serviceaccounts:kube-system")}, False),
        ({"groups": NODES}, True),
        ({"user": "system:serviceaccount:kube-system:pod-garbage-collector"}, True),
        ({"user": JOB_CONTROLLER}, True),
    ],
)
def test_that_a_pod_has_ended_is_believed_of_the_cluster_alone(
    here: Cluster, phase: str, who: dict[str, Any], *, believed: bool
) -> None:
    owners = [owner(uid())]
    first = pod(owners=owners)
    allowed(here, first, user=JOB_CONTROLLER)
    over = first | {"status": {"phase": phase}}
    ended(here, over, old=first, operation="UPDATE", sub_resource="status", **who)
    if believed:
        allowed(here, pod(owners=owners), user=JOB_CONTROLLER)
    else:
        refused(here, pod(owners=owners), Code.Q_QUOTA, user=JOB_CONTROLLER)


@pytest.mark.parametrize(
    ("phase", "node", "group", "grace", "over"),
    [
        ("Running", "n1", "system:authenticated", 30, False),
        ("Running", "n1", "system:authenticated", 0, False),
        ("Running", "n1", "system:nodes", 30, False),
        ("Running", "n1", "system:nodes", 0, True),
        ("Running", "n1", "system:nodes", None, False),
        ("Succeeded", "n1", "system:authenticated", None, False),
        ("Succeeded", "n1", "system:nodes", None, True),
        ("Pending", None, "system:authenticated", None, True),
    ],
)
def test_a_deletion_gives_gpus_back_only_where_nothing_can_run_any_more(
    here: Cluster, *, phase: str, node: str | None, group: str, grace: int | None, over: bool
) -> None:
    owners = [owner(uid())]
    first = pod(owners=owners)
    allowed(here, first, user=JOB_CONTROLLER)
    gone = first | {"spec": first["spec"] | {"nodeName": node}, "status": {"phase": phase}}
    options = {"apiVersion": "meta.k8s.io/v1", "kind": "DeleteOptions", "gracePeriodSeconds": grace}
    ended(here, None, old=gone, operation="DELETE", groups=(group,), options=options)
    if over:
        allowed(here, pod(owners=owners), user=JOB_CONTROLLER)
    else:
        refused(here, pod(owners=owners), Code.Q_QUOTA, user=JOB_CONTROLLER)


def test_a_list_of_living_pods_gives_back_what_was_let_in_and_never_came_to_be(
    here: Cluster,
) -> None:
    assert isinstance(here.clock, Clock)
    owners = [owner(uid())]
    ghost, living = pod(spec(container(4)), owners=owners), pod(spec(container(4)), owners=owners)
    for each in (ghost, living):
        allowed(here, each, user=JOB_CONTROLLER)
    alive = {living["metadata"]["uid"]}
    assert here.pods.compare(alive, here.clock() + 299) == []
    assert here.pods.compare(alive, here.clock() + 300) == [ghost["metadata"]["uid"]]
    allowed(here, pod(spec(container(4)), owners=owners), user=JOB_CONTROLLER)


def test_a_dry_run_is_judged_and_uses_nothing_up(here: Cluster) -> None:
    allowed(here, pod(), dry_run=True)
    allowed(here, pod())
    judged = ask(here, pod(said={}), dry_run=True)
    assert judged.answer["response"]["allowed"] is False
    assert judged.refusal is None


def test_a_refused_pod_does_not_use_its_receipt_up(here: Cluster) -> None:
    refused(here, pod(spec(volumes=[claim(ro=False)])), Code.R1_WEIGHT_DELTA)
    allowed(here, pod())


def test_a_register_that_cannot_be_used_starts_nothing(here: Cluster, tmp_path: Path) -> None:
    (tmp_path / "register.db").write_bytes(b"not a database" * 100)
    refused(here, pod(), Code.R3_MISSING_RECORD)


def test_a_list_of_pods_that_cannot_be_used_starts_nothing(here: Cluster, tmp_path: Path) -> None:
    (tmp_path / "register.db.pods").mkdir()
    refused(here, pod(), Code.R3_MISSING_RECORD)


def test_a_list_of_pods_that_cannot_be_used_uses_no_receipt_up(
    here: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "register.db.pods").mkdir()
    refused(here, pod(), Code.R3_MISSING_RECORD)
    (tmp_path / "register.db.pods").rmdir()
    allowed(here, pod())


def test_a_path_of_the_host_is_what_the_operator_lets_through(tmp_path: Path) -> None:
    mount = client.V1VolumeMount(name="host", mount_path="/run/x", read_only=True)
    weights = client.V1VolumeMount(name="weights", mount_path="/model", read_only=True)
    source = client.V1HostPathVolumeSource(path="/run/containerd/containerd.sock")
    plan = spec(
        container(volume_mounts=[weights, mount]),
        volumes=[claim(), client.V1Volume(name="host", host_path=source)],
    )
    assert "hostPath" in refused(cluster(tmp_path), pod(plan), Code.R1_WEIGHT_DELTA)
    allowed(cluster(tmp_path, host_paths=frozenset({source.path})), pod(plan))


def test_the_receipt_of_somebody_else_does_not_name_them_in_what_the_log_hears(
    tmp_path: Path,
) -> None:
    judged = ask(cluster(tmp_path, members={"deepseek": "zhipu"}), pod(spec(container(9))))
    assert judged.refusal is not None
    assert (judged.refusal.job_id, judged.refusal.member) == (None, None)


def test_of_many_pods_at_once_as_many_start_as_were_admitted(here: Cluster) -> None:
    owners = [owner(uid())]
    pods = [pod(spec(container(1)), owners=owners) for _ in range(24)]
    bodies = [json.dumps(review(each, user=JOB_CONTROLLER)).encode() for each in pods]
    with ThreadPoolExecutor(8) as threads:
        judged = list(threads.map(lambda body: judge(parse_review(body), here), bodies))
    assert sum(each.answer["response"]["allowed"] for each in judged) == 8
    assert {each.refusal.code for each in judged if each.refusal} == {Code.Q_QUOTA}


def test_a_namespace_runs_the_jobs_of_its_member_alone(tmp_path: Path) -> None:
    refused(cluster(tmp_path, members={"deepseek": "zhipu"}), pod(), Code.R3_MISSING_RECORD)
    refused(cluster(tmp_path, members={"other": "deepseek"}), pod(), Code.R3_MISSING_RECORD)
    allowed(cluster(tmp_path, members={"deepseek": "deepseek"}), pod())


# --- what the pod says of its work ---------------------------------------------------------------


def test_a_pod_that_says_what_was_admitted_starts(here: Cluster) -> None:
    said = annotations(optimizer_targets="none", gradient_scope="none")
    allowed(here, pod(said=said, labels={"ledger.apsci/workload-type": "eval_suite"}))


@pytest.mark.parametrize("as_label", [True, False])
@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("workload-type", "forward_pass", Code.R3_MISSING_RECORD),
        ("workload-type", "lora", Code.R1_FORBIDDEN_WORKLOAD),
        ("workload-type", "", Code.R3_MISSING_RECORD),
        ("gradient-scope", "inputs", Code.R3_MISSING_RECORD),
        ("optimizer-targets", "auxiliary_probe", Code.R3_MISSING_RECORD),
        ("optimizer-targets", "uploaded_model", Code.R1_OPTIMIZER_ON_UPLOADED_MODEL),
    ],
)
def test_a_pod_that_says_other_than_was_admitted_is_refused(
    here: Cluster, name: str, value: str, code: Code, as_label: bool
) -> None:
    mark = {f"ledger.apsci/{name}": value}
    thing = pod(labels=mark) if as_label else pod(said=annotations() | mark)
    refused(here, thing, code)


def test_a_label_does_not_speak_for_an_annotation_that_says_other(here: Cluster) -> None:
    thing = pod(
        said=annotations(workload_type="eval_suite"),
        labels={"ledger.apsci/workload-type": "forward_pass"},
    )
    refused(here, thing, Code.R3_MISSING_RECORD)


def test_optimizer_targets_agree_in_any_order(here: Cluster) -> None:
    made = paper(
        gradient_scope="auxiliary_only",
        workload_type="sae_training",
        optimizer_targets=["auxiliary_probe", "auxiliary_sae"],
    )
    said = _said(made) | {"ledger.apsci/optimizer-targets": "auxiliary_sae, auxiliary_probe"}
    allowed(here, pod(said=said))


# --- who asks, and what is asked -----------------------------------------------------------------


def test_an_update_that_changes_nothing_of_this_is_let_through_for_good(here: Cluster) -> None:
    assert isinstance(here.clock, Clock)
    thing = pod()
    allowed(here, thing)
    here.clock.now += 1_000 * 3_600
    bound = thing | {"spec": thing["spec"] | {"nodeName": "n1"}}
    bound = bound | {"metadata": bound["metadata"] | {"labels": {"team": "a"}}}
    allowed(here, bound, old=thing, operation="UPDATE")


def test_an_update_that_takes_the_receipt_away_is_refused(here: Cluster) -> None:
    thing = pod()
    allowed(here, thing)
    bare = thing | {"metadata": thing["metadata"] | {"annotations": {}}}
    refused(here, bare, Code.R3_MISSING_RECORD, old=thing, operation="UPDATE")


def test_an_update_is_judged_for_the_run_that_the_pod_was_let_in_for(here: Cluster) -> None:
    thing = pod(owners=[owner(uid())])
    allowed(here, thing, user=JOB_CONTROLLER)
    more = {"ledger.apsci/workload-type": "eval_suite"}
    said = thing | {
        "metadata": thing["metadata"]
        | {"annotations": thing["metadata"]["annotations"] | more, "ownerReferences": []}
    }
    allowed(here, said, old=thing, operation="UPDATE")


def test_an_ephemeral_container_that_could_write_to_the_model_is_refused(here: Cluster) -> None:
    thing = pod()
    allowed(here, thing)
    mount = {"name": "weights", "mountPath": "/w"}
    debug = {"name": "debug", "image": "registry.example/sh", "volumeMounts": [mount]}
    changed = thing | {"spec": thing["spec"] | {"ephemeralContainers": [debug]}}
    more = {"old": thing, "operation": "UPDATE", "sub_resource": "ephemeralcontainers"}
    refused(here, changed, Code.R1_WEIGHT_DELTA, **more)
    debug["volumeMounts"] = []
    allowed(here, changed, **more)


def test_a_job_is_judged_by_its_template_and_uses_nothing_up(here: Cluster) -> None:
    allowed(here, job())
    allowed(here, job(None))
    allowed(here, job(2, spec(container(4))))
    assert "9 GPUs" in refused(here, job(3, spec(container(3))), Code.Q_QUOTA)
    allowed(here, job(0, spec(container(900))))
    allowed(here, pod())


def test_a_job_that_is_made_larger_is_judged_anew(here: Cluster) -> None:
    small = job(1)
    large = small | {"spec": small["spec"] | {"parallelism": 2}}
    refused(here, large, Code.Q_QUOTA, old=small, operation="UPDATE")
    allowed(here, small, old=large, operation="UPDATE")


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "ReplicaSet"])
def test_replicas_of_a_template_are_counted_together(here: Cluster, kind: str) -> None:
    made = job()
    made = made | {"apiVersion": "apps/v1", "kind": kind}
    allowed(here, made | {"spec": {"replicas": 1, "template": made["spec"]["template"]}})
    two = {"replicas": 2, "template": made["spec"]["template"]}
    refused(here, made | {"spec": two}, Code.Q_QUOTA)


def test_a_kind_and_an_operation_that_nobody_knows_are_refused(here: Cluster) -> None:
    refused(here, pod() | {"kind": "PodTemplate"}, Code.Q_MALFORMED)
    refused(here, pod() | {"apiVersion": "evil.example/v1"}, Code.Q_MALFORMED)
    refused(here, pod(), Code.Q_MALFORMED, operation="CONNECT")
    refused(here, pod(), Code.Q_MALFORMED, sub_resource="binding")


@pytest.mark.parametrize(
    "change",
    [
        {"spec": None},
        {"spec": {"containers": "none"}},
        {"spec": {"containers": [{"resources": {"limits": ["nvidia.com/gpu"]}}]}},
        {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": 1.5}}}]}},
        {"spec": {"containers": [{"resources": {"limits": {"nvidia.com/gpu": True}}}]}},
        {"metadata": {"annotations": {"ledger.apsci/receipt": 7}}},
    ],
)
def test_an_object_of_other_types_than_it_has_is_refused(
    here: Cluster, change: dict[str, Any]
) -> None:
    thing = pod()
    asked = review(thing)
    asked["request"]["object"] = thing | change
    judged = judge(parse_review(json.dumps(asked).encode()), here)
    assert judged.answer["response"]["allowed"] is False


def test_an_update_without_what_it_updates_is_refused(here: Cluster) -> None:
    refused(here, pod(), Code.Q_MALFORMED, operation="UPDATE")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}',
        _ASKED.replace(b"/v1", b"/v1beta1"),
        _ASKED.replace(b'"uid":"1"', b'"uid":""'),
        _ASKED.replace(b"AdmissionReview", b"ConversionReview"),
        _ASKED.replace(b'"operation":"CREATE"', b'"operation":7'),
        b"[" * 100_000,
    ],
)
def test_what_is_no_review_is_malformed(body: bytes) -> None:
    with pytest.raises(FormatError):
        parse_review(body)


def test_a_review_of_the_form_that_the_malformed_ones_almost_have_is_read() -> None:
    assert parse_review(_ASKED).uid == "1"


_PATHS = [
    ("metadata",), ("metadata", "annotations"), ("metadata", "uid"), ("metadata", "labels"),
    ("metadata", "annotations", "ledger.apsci/receipt"),
    ("metadata", "annotations", "ledger.apsci/model-volume"),
    ("metadata", "ownerReferences"), ("spec",), ("spec", "containers"), ("spec", "volumes"),
    ("spec", "initContainers"), ("spec", "containers", 0), ("spec", "containers", 0, "resources"),
    ("spec", "containers", 0, "resources", "limits", "nvidia.com/gpu"),
    ("spec", "containers", 0, "volumeMounts"), ("spec", "volumes", 0),
    ("spec", "volumes", 0, "persistentVolumeClaim"), ("spec", "activeDeadlineSeconds"),
    ("spec", "containers", 0, "volumeMounts", 0), ("spec", "containers", 0, "securityContext"),
]  # fmt: skip
_ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda below: (
        st.lists(below, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "limits", "nvidia.com/gpu", "readOnly", "claimName", "emptyDir"]
            ),
            below,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(path=st.sampled_from(_PATHS), value=_ANYTHING)
def test_whatever_stands_in_a_pod_it_is_answered_and_nothing_fails_inside(
    tmp_path_factory: pytest.TempPathFactory, path: tuple[Any, ...], value: object
) -> None:
    here = cluster(tmp_path_factory.mktemp("cluster"))
    asked = review(pod())
    thing = asked["request"]["object"]
    place: Any = thing
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    judged = judge(parse_review(json.dumps(asked).encode()), here)
    response = judged.answer["response"]
    # 500 is for what nobody thought of.
    assert response["allowed"] or response["status"]["code"] == 403, response


def test_a_fault_inside_starts_nothing_and_shows_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> int:
        raise RuntimeError("SECRET-OF-THE-POD")

    judged = judge(
        parse_review(json.dumps(review(pod())).encode()), cluster(tmp_path, clock=broken)
    )
    response = judged.answer["response"]
    assert response["allowed"] is False
    assert client.V1Status(**response["status"]).code == 500
    assert "SECRET" not in json.dumps(judged.answer) + caplog.text


def test_a_refusal_names_job_and_member_only_where_the_receipt_proves_them(here: Cluster) -> None:
    judged = ask(here, pod(spec(container(9))))
    assert judged.refusal is not None
    known = (judged.refusal.job_id, judged.refusal.member, judged.refusal.gpu_count)
    assert known == (JOB, "deepseek", 9)
    judged = ask(here, pod(said=annotations("c2sp.org/tlog-proof@v1\nnonsense")))
    assert judged.refusal is not None
    assert (judged.refusal.job_id, judged.refusal.member) == (None, None)
