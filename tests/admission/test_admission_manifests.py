"""The manifests are what Kubernetes takes, and say what keeps the gate shut."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client
from kubernetes_world import plain

import ledger.admission
from ledger.__main__ import cli

FOLDER = Path(ledger.admission.__file__).parent / "manifests"


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((FOLDER / name).read_text("utf-8")))


def modelled(thing: dict[str, Any]) -> Any:
    """An object as the official client's model of its kind; a required field that lacks raises."""
    kind = f"V1{thing['kind']}"
    return client.ApiClient().deserialize(json.dumps(thing), kind, "application/json")


@pytest.mark.parametrize("thing", documents("webhook.yaml"), ids=lambda each: each["kind"])
def test_every_object_is_one_of_the_official_models_and_has_no_field_beside_it(
    thing: dict[str, Any],
) -> None:
    # What the models do not know would be missing from what they say again.
    assert plain(modelled(thing)) == thing


def webhook(name: str) -> client.V1ValidatingWebhook:
    configuration = modelled(documents("webhook.yaml")[-1])
    (found,) = [each for each in configuration.webhooks if each.name == name]
    return found


def test_the_gate_is_shut_when_nobody_answers() -> None:
    gate = webhook("validate.ledger.apsci")
    assert gate.failure_policy == "Fail"
    assert gate.admission_review_versions == ["v1"]
    assert gate.side_effects == "NoneOnDryRun"
    assert gate.client_config.service.path == "/validate"
    assert gate.object_selector is None
    assert gate.match_conditions is None
    asked = {
        (group, resource)
        for rule in gate.rules
        for group in rule.api_groups
        for resource in rule.resources
        if {"CREATE", "UPDATE"} <= set(rule.operations)
    }
    assert asked >= {("", "pods"), ("", "pods/ephemeralcontainers"), ("batch", "jobs")}
    # One namespace alone is outside of it: its own.
    (outside,) = gate.namespace_selector.match_expressions
    assert (outside.operator, outside.values) == ("NotIn", ["ledger-admission"])


def test_the_ear_holds_nothing_up() -> None:
    ear = webhook("ended.ledger.apsci")
    assert ear.failure_policy == "Ignore"
    assert ear.client_config.service.path == "/ended"
    assert [rule.operations for rule in ear.rules] == [["DELETE"], ["UPDATE"]]


def test_there_is_one_webhook_process_and_its_command_is_one_that_there_is() -> None:
    (deployment,) = [modelled(e) for e in documents("webhook.yaml") if e["kind"] == "Deployment"]
    assert deployment.spec.replicas == 1
    assert deployment.spec.strategy.type == "Recreate"
    (container,) = deployment.spec.template.spec.containers
    program, command, *options = container.command
    assert program == "ledger"
    known = cli.get_command(None, command)  # type: ignore[arg-type]
    assert known is not None
    names = {name for each in known.params for name in each.opts}
    assert {each.partition("=")[0] for each in options} <= names
    security = container.security_context
    assert (security.allow_privilege_escalation, security.capabilities.drop) == (False, ["ALL"])


def test_the_admission_check_is_of_a_version_that_is_answered() -> None:
    (check,) = documents("kueue.yaml")
    assert (check["apiVersion"], check["kind"]) == ("kueue.x-k8s.io/v1beta2", "AdmissionCheck")
    assert check["spec"] == {"controllerName": "ledger.apsci/admission"}
