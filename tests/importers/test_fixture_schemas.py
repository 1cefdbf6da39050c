"""The files that importers are tested with are what the tools' own models and schemas allow."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jobs_world import FIXTURES, Importer
from jsonschema import Draft202012Validator
from kubernetes.client import ApiClient

KUEUE = json.loads((Path(__file__).parent / "schemas" / "kueue_workload.json").read_text("utf-8"))
SLURM = [f"slurm_v00{number}.json" for number in (41, 42, 44, 46)]


@pytest.fixture
def importer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Importer:
    return Importer(tmp_path, capsys)


def read(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text("utf-8"))


def items(name: str) -> list[Any]:
    value = read(name)
    found = value.get("items", [value])
    assert isinstance(found, list)
    return found


def through(client: ApiClient, value: Any, model: str) -> Any:
    """What is left of ``value`` once the official client has read it as ``model``."""
    known = client.deserialize(json.dumps(value), model, "application/json")
    kept = client.sanitize_for_serialization(known)
    return json.loads(re.sub(r'\+00:00"', 'Z"', json.dumps(kept)))


@pytest.mark.parametrize("name", ["kubernetes_job.json", "kubernetes_job_list.json"])
def test_a_job_of_kubernetes_is_one_to_the_official_client(name: str) -> None:
    with ApiClient() as client:
        for job in items(name):
            assert through(client, job, "V1Job") == job


def test_the_official_client_keeps_nothing_that_kubernetes_does_not_know() -> None:
    """So that the test above can fail."""
    job = items("kubernetes_job.json")[0]
    job["spec"]["paralelism"] = 2
    with ApiClient() as client:
        assert "paralelism" not in through(client, job, "V1Job")["spec"]


@pytest.mark.parametrize("name", ["kueue_v1beta1.json", "kueue_v1beta2_list.json"])
def test_a_workload_is_one_to_kueues_own_schema(name: str) -> None:
    version = name.split("_")[1].removesuffix(".json")
    validator = Draft202012Validator(strict(KUEUE[version]))
    with ApiClient() as client:
        for workload in items(name):
            assert workload["apiVersion"] == f"kueue.x-k8s.io/{version}"
            assert [error.message for error in validator.iter_errors(workload)] == []
            assert through(client, workload["metadata"], "V1ObjectMeta") == workload["metadata"]
            for each in workload["spec"]["podSets"]:
                template = each["template"]
                assert through(client, template, "V1PodTemplateSpec") == template


@pytest.mark.parametrize(
    ("version", "other"),
    [
        ("v1beta1", "accumulatedPastExecutionTimeSeconds"),
        ("v1beta2", "accumulatedPastExexcutionTimeSeconds"),
    ],
)
def test_each_version_of_kueue_spells_the_earlier_time_its_own_way(
    version: str, other: str
) -> None:
    validator = Draft202012Validator(strict(KUEUE[version]))
    assert not validator.is_valid({"status": {other: 1}})
    assert validator.is_valid({"status": {}})


def strict(schema: Any) -> Any:
    """A schema that refuses fields it does not name; Kubernetes drops those."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: strict(each) for key, each in schema.items()}
    if isinstance(found.get("properties"), dict) and found.get("type") == "object":
        found.setdefault("additionalProperties", False)
    return found


def plain(value: Any) -> Any:
    """A record as the parser's flag ``complex`` prints it: plain numbers, null, "Infinity"."""
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, dict):
        if value.keys() == {"set", "infinite", "number"}:
            return "Infinity" if value["infinite"] else value["number"] if value["set"] else None
        return {key: plain(each) for key, each in value.items()}
    return None if value == "" else value


def numbers(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        if value.keys() == {"set", "infinite", "number"}:
            yield value
        for each in value.values():
            yield from numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers(each)


@pytest.mark.parametrize("name", SLURM)
def test_one_job_says_the_same_in_every_version_of_slurms_parser_and_both_shapes(
    importer: Importer, name: str
) -> None:
    value = read(name)
    version = value["meta"]["plugin"]["data_parser"]
    assert version.replace(".", "").endswith(name.removeprefix("slurm_").removesuffix(".json"))
    assert len(list(numbers(value["jobs"]))) > 5
    first = importer.ok(FIXTURES / SLURM[0])
    expected = [(each["kind"], each["public"]) for each in first.drafts()]
    assert [kind for kind, _ in expected] == ["submitted", "started", "completed"]
    for file in (value, plain(value)):
        found = importer.ok(importer.text(json.dumps(file)))
        assert [(each["kind"], each["public"]) for each in found.drafts()] == expected
        assert found.drafts()[-1]["sealed"]["energy_joules"] == 7200
        assert found.codes() == first.codes()


@pytest.mark.parametrize("limit", [{"set": True, "infinite": True, "number": 0}, "Infinity"])
@pytest.mark.parametrize("name", SLURM)
def test_no_limit_of_time_is_nothing_said_in_either_shape(
    importer: Importer, name: str, limit: object
) -> None:
    value = read(name)
    value["jobs"][0]["time"]["limit"] = limit
    found = importer.ok(importer.text(json.dumps(value)), defaults=None)
    assert "wall_limit_seconds" not in found.drafts()[0]["public"]
    assert "missing (public.wall_limit_seconds)" in found.out
