"""A job in other formats, judged by the libraries of those formats."""

import base64
import json

import pytest
from browser import Browser
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from ledger_world import World
from nacl.signing import VerifyKey

from ledger.records import canonical
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof

NAMES = ("opened", "withheld", "hostile", "early", "rejected", "sealed", "many0")


def _signed_by_spec(envelope: dict, public_key: bytes) -> None:
    """The DSSE protocol as its page has it, with nothing of ours."""
    body = base64.b64decode(envelope["payload"], validate=True)
    kind = envelope["payloadType"]
    signed = f"DSSEv1 {len(kind)} {kind} {len(body)} ".encode() + body
    (signature,) = envelope["signatures"]
    VerifyKey(public_key).verify(signed, base64.b64decode(signature["sig"], validate=True))


def test_the_envelope_of_every_statement_verifies_by_its_authors_key(
    site: Browser, world: World
) -> None:
    members = site.get("/api/v1/members").json()["data"]
    keys = {key["key_id"]: key["vkey"] for member in members for key in member["keys"]}
    signed = 0
    for shown in site.get("/api/v1/entries?limit=60").json()["data"]:
        answer = site.get(f"/entries/{shown['index']}.dsse.json")
        if "signature" not in shown["entry"]:
            assert answer.status == 404
            assert "no author signed it" in answer.json()["detail"]
            continue
        envelope = answer.json()
        (signature,) = envelope["signatures"]
        public_key = parse_vkey(keys[signature["keyid"]]).public_key
        _signed_by_spec(envelope, public_key)
        assert json.loads(base64.b64decode(envelope["payload"])) == shown["entry"]["statement"]
        envelope["payload"] = base64.b64encode(b"{}").decode()
        with pytest.raises(Exception, match="forged"):
            _signed_by_spec(envelope, public_key)
        signed += 1
    assert signed > 20


@pytest.mark.parametrize("name", NAMES)
def test_a_job_is_a_statement_that_in_totos_own_library_takes(
    site: Browser, world: World, name: str
) -> None:
    text = site.get(f"/jobs/{world.job_id(name)}.intoto.json").text
    message = json_format.Parse(text, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    assert all(len(each.digest["sha256"]) == 64 for each in message.subject)
    made = json.loads(text)
    assert made["predicateType"] == "https://ledger.example/en/docs/exchange#job-v1"
    assert 'id="job-v1"' in site.get("/en/docs/exchange").text
    roles = [each["annotations"]["role"] for each in made["subject"]]
    expected = {"opened": ["model", "artifact"], "sealed": ["entry"], "early": ["model"]}
    assert roles == expected.get(name, roles)


def test_what_proves_a_statement_stands_in_it(site: Browser, world: World) -> None:
    made = site.get(f"/jobs/{world.job_id('opened')}.intoto.json").json()
    log_key = parse_vkey(world.ledger.vkey)
    submission, outcome = made["predicate"]["evidence"]
    for evidence in (submission, outcome):
        proof = parse_proof(evidence["receipt"].encode())
        entry = canonical.decode(proof.extra or b"", limit=100_000)["entry"]
        checkpoint = verify_proof(
            proof, leaf=leaf_hash(canonical.encode(entry)), verifiers=[log_key]
        )
        assert checkpoint.size == made["predicate"]["ledger"]["state"]["tree_size"]
        assert proof.index == evidence["index"]
        payload = json.loads(base64.b64decode(evidence["envelope"]["payload"]))
        assert payload == entry["statement"]
    _signed_by_spec(submission["envelope"], bytes(world.signers["alpha"].verifier.public_key))
    # At a size without a checkpoint there is no receipt, and the rest is as it was.
    index = submission["index"]
    pinned = site.get(f"/jobs/{world.job_id('opened')}.intoto.json?at={index + 1}").json()
    assert [each["receipt"] for each in pinned["predicate"]["evidence"]] == [None]
    assert pinned["subject"][0]["annotations"]["role"] == "entry"


@pytest.mark.parametrize("name", NAMES)
def test_a_job_is_a_bill_that_cyclonedxs_own_schema_takes(
    site: Browser, world: World, name: str
) -> None:
    answer = site.get(f"/jobs/{world.job_id(name)}.cdx.json")
    assert answer.headers["content-type"].startswith("application/vnd.cyclonedx+json")
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(answer.text) is None
    assert JsonStrictValidator(SchemaVersion.V1_7).validate_str(answer.text[:-1] + ',"x":1}')


def test_a_bill_names_what_is_open_and_counts_its_versions_by_tree_size(
    site: Browser, world: World
) -> None:
    address = f"/jobs/{world.job_id('opened')}.cdx.json"
    bill = site.get(address).json()
    assert [each["type"] for each in bill["components"]] == [
        "machine-learning-model",
        "application",
        "data",
    ]
    model, _, artifact = bill["components"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": world.digest("opened", "weights")}]
    assert artifact["hashes"][0]["content"] == world.digest("opened", "artifact")
    (workflow,) = bill["formulation"][0]["workflows"]
    told = {each["name"]: each["value"] for each in workflow["properties"]}
    assert told["apsci:gpu_seconds"] == str(8 * 3600)
    assert told["apsci:weights_unchanged"] == "true"
    size = world.reader.tree_size()
    state = site.get("/api/v1/jobs?limit=1").json()["ledger"]
    assert (bill["version"], bill["metadata"]["timestamp"]) == (size, state["logged_at"])
    early = site.get(f"{address}?at=5")
    assert early.json()["components"] == []
    assert early.json()["serialNumber"] == bill["serialNumber"]
    assert early.body == site.get(f"{address}?at=5").body


def test_no_sealed_value_is_in_any_of_them(site: Browser, world: World) -> None:
    for name in ("sealed", "rejected", "many0"):
        for suffix in (".intoto.json", ".cdx.json"):
            text = site.get(f"/jobs/{world.job_id(name)}{suffix}").text
            assert world.sealed[name].words
            assert not [word for word in world.sealed[name].words if word in text]
