"""A pod with GPUs cannot write to a model, however its volumes and mounts are put."""

from typing import Any

import msgspec
import pytest
from kubernetes import client
from kubernetes_world import annotations, claim, container, plain, spec

from ledger.admission.pod_shapes import Metadata, PodSpec
from ledger.admission.pod_volumes import check_volumes
from ledger.admission.refusal import AdmissionRefused
from ledger.records.charter import Code

LISTED = frozenset({"/dev/infiniband"})


def check(
    plan: client.V1PodSpec | dict[str, Any],
    *,
    host_paths: frozenset[str] = frozenset(),
    **said: str,
) -> None:
    shown = plan if isinstance(plan, dict) else plain(plan)
    metadata = Metadata(annotations=annotations(None, **said))
    read = msgspec.json.decode(msgspec.json.encode(shown), type=PodSpec)
    check_volumes(metadata, read, host_paths=host_paths)


def refused(plan: client.V1PodSpec | dict[str, Any], **more: Any) -> str:
    with pytest.raises(AdmissionRefused) as caught:
        check(plan, **more)
    assert caught.value.code is Code.R1_WEIGHT_DELTA
    return caught.value.finding


def mount(name: str, *, ro: bool | None = None) -> client.V1VolumeMount:
    return client.V1VolumeMount(name=name, mount_path=f"/{name}", read_only=ro)


def volume(name: str, **kind: Any) -> client.V1Volume:
    return client.V1Volume(name=name, **kind)


def with_output(source: client.V1Volume, *more: client.V1VolumeMount) -> client.V1PodSpec:
    mounts = [mount("weights", ro=True), mount(source.name), *more]
    return spec(container(volume_mounts=mounts), volumes=[claim(), source])


def scratch(name: str = "tmp") -> client.V1Volume:
    return volume(name, empty_dir=client.V1EmptyDirVolumeSource())


def test_a_model_that_is_read_only_at_source_and_mount_is_taken() -> None:
    check(spec())
    for each in (
        volume("weights", nfs=client.V1NFSVolumeSource(path="/m", server="s", read_only=True)),
        volume("weights", csi=client.V1CSIVolumeSource(driver="d", read_only=True)),
        volume("weights", image=client.V1ImageVolumeSource(reference="registry.example/m")),
    ):
        check(spec(volumes=[each]))


def test_a_pod_that_names_no_model_is_refused() -> None:
    assert "ledger.apsci/model-volume" in refused(spec(), model_volume=" ")
    bare = msgspec.json.decode(msgspec.json.encode(plain(spec())), type=PodSpec)
    with pytest.raises(AdmissionRefused, match="has to name the volumes"):
        check_volumes(Metadata(), bare)


@pytest.mark.parametrize("names", ["weights,", ",", "weights weights", "Weights", "a" * 20_000])
def test_a_list_of_volumes_that_cannot_be_read_is_refused(names: str) -> None:
    assert "not a list of volumes" in refused(spec(), model_volume=names)


def test_a_model_volume_that_the_pod_lacks_is_refused() -> None:
    assert "does not have" in refused(spec(), model_volume="weights,other")


@pytest.mark.parametrize("group", ["containers", "initContainers", "ephemeralContainers"])
@pytest.mark.parametrize("flag", [False, None])
def test_a_mount_of_the_model_that_can_be_written_is_refused_in_every_container(
    group: str, flag: bool | None
) -> None:
    plan = plain(spec())
    writing = {"name": "w", "volumeMounts": [{"name": "weights", "mountPath": "/w"}]}
    if flag is not None:
        writing["volumeMounts"][0]["readOnly"] = flag  # type: ignore[index]
    plan.setdefault(group, []).append(writing)
    assert "'w' can write to the volume 'weights'" in refused(plan)


def test_a_second_mount_of_the_model_in_the_same_container_counts_too() -> None:
    mounts = [mount("weights", ro=True), mount("weights")]
    refused(spec(container(volume_mounts=mounts)))


@pytest.mark.parametrize("flag", [False, None])
def test_a_model_that_is_writable_at_its_source_is_refused(flag: bool | None) -> None:
    assert "persistentVolumeClaim.readOnly" in refused(spec(volumes=[claim(ro=flag)]))
    nfs = client.V1NFSVolumeSource(path="/m", server="s", read_only=flag)
    refused(spec(volumes=[volume("weights", nfs=nfs)]))
    csi = client.V1CSIVolumeSource(driver="d", read_only=flag)
    refused(spec(volumes=[volume("weights", csi=csi)]))


@pytest.mark.parametrize(
    "kind",
    [
        {"empty_dir": client.V1EmptyDirVolumeSource()},
        {"host_path": client.V1HostPathVolumeSource(path="/models")},
        {"config_map": client.V1ConfigMapVolumeSource(name="m")},
        {},
    ],
)
def test_a_model_in_a_volume_that_nobody_keeps_read_only_is_refused(kind: dict[str, Any]) -> None:
    plan = spec(volumes=[volume("weights", **kind)])
    assert "of the kind" in refused(plan, host_paths=frozenset({"/models"}))


def test_a_model_as_a_block_device_is_refused() -> None:
    device = client.V1VolumeDevice(name="weights", device_path="/dev/w")
    assert "device" in refused(spec(container(volume_devices=[device])))


def test_a_volume_of_two_kinds_is_refused() -> None:
    two = plain(claim()) | {"emptyDir": {}}
    assert "of the kind 'unknown'" in refused(plain(spec()) | {"volumes": [two]})


def test_two_volumes_of_one_name_are_refused() -> None:
    assert "one name each" in refused(spec(volumes=[claim(), scratch("weights")]))


def test_scratch_space_may_be_written() -> None:
    for each in (
        scratch(),
        volume("tmp", config_map=client.V1ConfigMapVolumeSource(name="model-config")),
        volume("tmp", ephemeral=client.V1EphemeralVolumeSource()),
    ):
        check(with_output(each))


@pytest.mark.parametrize("name", ["model", "models", "model-copy", "weights-2", "weight-cache"])
def test_scratch_space_that_is_called_a_model_is_refused(name: str) -> None:
    assert "looks like a model" in refused(with_output(scratch(name)))


def test_a_claim_that_is_called_a_model_has_to_be_named_as_one() -> None:
    other = claim("data", claim="models-of-zhipu")
    plan = spec(volumes=[claim(), other])
    assert "looks like a model" in refused(plan)
    check(plan, model_volume="weights,data")


def test_a_lasting_volume_is_read_only_unless_it_is_named_as_an_output() -> None:
    out = claim("out", claim="results", ro=None)
    assert "ledger.apsci/output-volume" in refused(with_output(out))
    check(with_output(out), output_volume="out")


def test_an_output_cannot_be_a_model() -> None:
    out = claim("out", claim="results", ro=None)
    refused(with_output(out), output_volume="out", model_volume="weights,out")
    refused(with_output(claim("out", claim="model-pvc", ro=None)), output_volume="out")
    refused(with_output(claim("out", claim="model-9", ro=None)), output_volume="out")
    refused(with_output(claim("model-out", claim="results", ro=None)), output_volume="model-out")


@pytest.mark.parametrize(
    ("model", "other"),
    [
        (
            {"nfs": client.V1NFSVolumeSource(path="/x/m", server="s", read_only=True)},
            {"nfs": client.V1NFSVolumeSource(path="/x", server="s")},
        ),
        (
            {"csi": client.V1CSIVolumeSource(driver="d", read_only=True)},
            {"csi": client.V1CSIVolumeSource(driver="d", volume_attributes={"a": "b"})},
        ),
    ],
)
def test_an_output_cannot_lead_to_where_the_model_is(
    model: dict[str, Any], other: dict[str, Any]
) -> None:
    plan = spec(
        container(volume_mounts=[mount("weights", ro=True), mount("out")]),
        volumes=[volume("weights", **model), volume("out", **other)],
    )
    assert "cannot be an output" in refused(plan, output_volume="out")


@pytest.mark.parametrize(
    "path",
    ["/", "/run/containerd/containerd.sock", "/dev/infiniband/..", "/dev", "/dev/infiniband/"],
)
def test_a_path_of_the_host_that_is_not_listed_is_refused_even_read_only(path: str) -> None:
    host = volume("host", host_path=client.V1HostPathVolumeSource(path=path))
    read = container(volume_mounts=[mount("weights", ro=True), mount("host", ro=True)])
    plan = spec(read, volumes=[claim(), host])
    assert "hostPath" in refused(plan)
    assert "hostPath" in refused(plan, host_paths=LISTED)


def test_a_folder_of_the_host_that_is_listed_is_read_only_all_the_same() -> None:
    host = volume("host", host_path=client.V1HostPathVolumeSource(path="/dev/infiniband"))
    assert "can write" in refused(with_output(host), host_paths=LISTED)
    said = refused(with_output(host), host_paths=LISTED, output_volume="host")
    assert "folder of the host" in said
    read = container(volume_mounts=[mount("weights", ro=True), mount("host", ro=True)])
    check(spec(read, volumes=[claim(), host]), host_paths=LISTED)


@pytest.mark.parametrize(
    "power",
    [
        client.V1SecurityContext(privileged=True),
        client.V1SecurityContext(capabilities=client.V1Capabilities(add=["SYS_ADMIN"])),
        client.V1SecurityContext(capabilities=client.V1Capabilities(add=["cap_sys_admin"])),
        client.V1SecurityContext(capabilities=client.V1Capabilities(add=["ALL"])),
    ],
)
def test_a_container_that_can_remount_is_refused(power: client.V1SecurityContext) -> None:
    refused(spec(container(security_context=power)))
    refused(spec(container(), container(0, name="side", security_context=power)))


def test_a_container_with_other_powers_is_none_of_this_matter() -> None:
    power = client.V1SecurityContext(
        privileged=False, capabilities=client.V1Capabilities(add=["IPC_LOCK"], drop=["ALL"])
    )
    check(spec(container(security_context=power)))


def test_a_pod_that_sees_the_processes_of_the_host_is_refused() -> None:
    assert "hostPID" in refused(spec(host_pid=True))


def test_a_mount_of_a_volume_that_is_not_there_is_refused() -> None:
    refused(spec(container(volume_mounts=[mount("nowhere", ro=True)])))
