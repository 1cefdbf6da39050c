"""A server that lies, in every way that it could: each lie is caught, and by its right name."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from ledger_world import World
from serving import served
from tampering import Change, Open, Tampering, in_json

from ledger.client import Ledger
from ledger.client.opened import ArtifactsInOrder, NotOpened
from ledger.errors import (
    CommitmentError,
    FormatError,
    LedgerError,
    Misbehaviour,
    ProofError,
    SignatureError,
)
from ledger.records import canonical
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import generate_key, parse_vkey
from ledger.tlog.proof import TlogProof, format_proof, parse_proof

Read = Callable[[Ledger], object]


def _list(ledger: Ledger) -> object:
    return list(ledger.jobs())


def _bump(name: str) -> Callable[[Any], None]:
    def change(value: Any) -> None:
        for each in value["data"] if isinstance(value["data"], list) else [value["data"]["job"]]:
            if each.get(name) is not None:
                each[name] += 1

    return change


def _caught(open_ledger: Open, where: str, change: Change, read: Read) -> LedgerError:
    """What a client raises which is lied to wherever the path has ``where`` in it."""
    ledger = open_ledger()  # an honest look first: the state file knows the log
    ledger.close()
    lying = Tampering(lambda path: where in path, change)
    with pytest.raises(LedgerError) as caught:
        read(open_ledger(transport=lying))
    return caught.value


@pytest.mark.parametrize(
    "name",
    [
        "gpu_seconds",
        "gpu_count",
        "egress_bytes",
        "wall_seconds",
        "submitted_index",
        "h200e_seconds",
    ],
)
def test_a_changed_figure_in_a_list(open_ledger: Open, name: str) -> None:
    found = _caught(open_ledger, "/api/v1/jobs", in_json(_bump(name)), _list)
    assert isinstance(found, Misbehaviour)
    assert name in str(found) or "goes back" in str(found)
    assert {"answer.json", "checkpoint"} <= found.evidence.keys()


def test_a_changed_opening(open_ledger: Open, world: World) -> None:
    job_id = world.job_id("opened")

    def change(value: Any) -> None:
        value["data"]["sealed"][0]["disclosure"]["fields"]["purpose"] = "something harmless"

    found = _caught(open_ledger, f"/jobs/{job_id}", in_json(change), lambda it: it.job(job_id))
    assert isinstance(found, Misbehaviour)
    assert "disclosure.fields.purpose is 'something harmless'" in str(found)


def test_a_job_whose_events_are_others(open_ledger: Open, world: World) -> None:
    job_id, other = world.job_id("opened"), world.job_id("early")

    def of_another(value: Any) -> None:
        value["data"]["events"][1]["index"] += 400

    def without_the_end(value: Any) -> None:
        del value["data"]["events"][-1]

    def twice(value: Any) -> None:
        value["data"]["events"].append(value["data"]["events"][0])

    for change in (of_another, without_the_end, twice):
        found = _caught(open_ledger, job_id, in_json(change), lambda it: it.job(job_id))
        assert isinstance(found, Misbehaviour), change

    def answer_of_the_other(request: httpx.Request, _: bytes) -> bytes:
        return httpx.get(
            str(request.url).replace(job_id, other), trust_env=False, timeout=120
        ).content

    found = _caught(open_ledger, job_id, answer_of_the_other, lambda it: it.job(job_id))
    assert isinstance(found, Misbehaviour)
    assert f"the API tells of {other}" in str(found)


def test_a_dropped_page_and_a_dropped_item(open_ledger: Open, world: World) -> None:
    def no_second_page(_: httpx.Request, body: bytes) -> bytes:
        value = json.loads(body)
        if value["page"]["count"] is not None:
            value["data"] = value["data"][:3]
            value["page"] |= {"next": None, "cursor": None}
        return json.dumps(value).encode()

    found = _caught(open_ledger, "/api/v1/jobs", no_second_page, _list)
    assert isinstance(found, Misbehaviour)
    assert "announced" in str(found)
    assert {"first-page.json", "last-page.json"} == found.evidence.keys()

    # A list that hides a job and its count alike is caught by nothing but the log itself.
    hidden = world.job_id("rejected")

    def hide(_: httpx.Request, body: bytes) -> bytes:
        value = json.loads(body)
        if isinstance(value["data"], list) and any("job_id" in each for each in value["data"]):
            value["data"] = [each for each in value["data"] if each.get("job_id") != hidden]
            value["page"]["count"] = (value["page"]["count"] or 0) - 1
        return json.dumps(value).encode()

    ledger = open_ledger(transport=Tampering(lambda path: path == "/api/v1/jobs", hide))
    assert hidden not in {job.job_id for job in ledger.jobs()}
    assert hidden in {job.job_id for job in ledger.replay()}


def test_an_answer_from_another_tree_and_a_filter_that_is_ignored(open_ledger: Open) -> None:
    def other_root(value: Any) -> None:
        value["ledger"]["root"] = "0" * 64

    found = _caught(open_ledger, "/api/v1/jobs", in_json(other_root), _list)
    assert isinstance(found, Misbehaviour)
    assert "answers from a tree of" in str(found)

    def everybody(request: httpx.Request, _: bytes) -> bytes:
        asked = request.url.copy_remove_param("member")
        return httpx.get(asked, trust_env=False, timeout=120).content

    found = _caught(open_ledger, "/api/v1/jobs", everybody, lambda it: list(it.jobs(member="beta")))
    assert isinstance(found, Misbehaviour)
    assert "not one that was asked for" in str(found)


@pytest.mark.parametrize("what", ["entries/", "tile/0/", "tile/1/"])
def test_a_changed_byte_in_the_logs_files(open_ledger: Open, what: str) -> None:
    def flip(_: httpx.Request, body: bytes) -> bytes:
        return body[:-9] + bytes([body[-9] ^ 1]) + body[-8:]

    found = _caught(open_ledger, f"/log/tile/{what.removeprefix('tile/')}", flip, _replay)
    assert isinstance(found, ProofError)


def _replay(ledger: Ledger) -> object:
    return list(ledger.replay())


def test_files_of_another_length(open_ledger: Open) -> None:
    for change in (lambda _, body: body[:-32], lambda _, body: body + bytes(32)):
        found = _caught(open_ledger, "/log/tile/", change, _replay)
        assert isinstance(found, ProofError | FormatError)
    found = _caught(open_ledger, "/log/tile/", lambda _, __: b"", _replay)
    assert isinstance(found, FormatError)


def test_a_checkpoint_of_another_key(open_ledger: Open, world: World) -> None:
    def flip(_: httpx.Request, body: bytes) -> bytes:
        return body.replace(b"\n\n", b"\n\n", 1).replace(b"apsci\n", b"apscj\n", 1)

    found = _caught(open_ledger, "/log/checkpoint", flip, _replay)
    assert isinstance(found, SignatureError)

    stranger = generate_key(world.ledger.origin, b"s" * 32)[0].vkey
    with pytest.raises(SignatureError):
        open_ledger(vkey=stranger, state="/nonexistent/never-written")


def test_a_stale_checkpoint_is_refused_by_who_has_seen_a_newer_one(
    open_ledger: Open, world: World
) -> None:
    with world.reader.at() as view:
        newest, older = view.checkpoints(limit=2)
    assert older.tree_size < newest.tree_size
    found = _caught(open_ledger, "/log/checkpoint", lambda _, __: older.note.encode(), _replay)
    assert isinstance(found, ProofError)
    assert f"shows {older.tree_size} entries, and has shown {newest.tree_size}" in str(found)


def test_a_forked_log_is_proved_by_its_own_two_signatures(tmp_path: Path) -> None:
    """Two ledgers with one key: the one that somebody saw, and one that is shown later."""
    state = tmp_path / "state.json"
    with World(tmp_path / "one", keys="one") as one, served(one) as address:
        one.log(*(one.submission(name) for name in ("a", "b", "c")))
        vkey = one.ledger.vkey
        Ledger(address, vkey=vkey, state=state).close()
    before = state.read_bytes()
    for extra in (0, 300):
        with World(tmp_path / f"two-{extra}", keys="one") as two, served(two) as address:
            two.log(*(two.submission(name) for name in ("x", "b", "c")))
            two.log(*(two.submission(f"more-{n}") for n in range(extra)))
            assert two.ledger.vkey == vkey
            with pytest.raises(Misbehaviour, match="two histories") as caught:
                Ledger(address, vkey=vkey, state=state)
        assert set(caught.value.evidence) == {"checkpoint-before", "checkpoint-now"}
        for note in caught.value.evidence.values():
            open_checkpoint(note, [parse_vkey(vkey)])
        assert state.read_bytes() == before


def test_a_receipt_with_another_opening_or_of_another_entry(
    open_ledger: Open, world: World
) -> None:
    with world.reader.at() as view:
        index = view.submission_of(world.job_id("opened"))
        other = view.receipt(index + 1)

    def reopened(_: httpx.Request, body: bytes) -> bytes:
        proof = parse_proof(body)
        extra = canonical.decode(proof.extra or b"", limit=1 << 20)
        extra["opening"]["fields"]["purpose"] = "something harmless"
        return _with_extra(proof, extra)

    def malformed(_: httpx.Request, body: bytes) -> bytes:
        proof = parse_proof(body)
        extra = canonical.decode(proof.extra or b"", limit=1 << 20)
        extra["opening"]["seed"] = base64.b64encode(b"short").decode()
        return _with_extra(proof, extra)

    for change in (reopened, malformed):
        found = _caught(open_ledger, ".proof", change, lambda it: it.receipt(index))
        assert isinstance(found, CommitmentError)
    found = _caught(open_ledger, ".proof", lambda _, __: other, lambda it: it.receipt(index))
    assert isinstance(found, ProofError)


def _with_extra(proof: TlogProof, extra: Any) -> bytes:
    return format_proof(
        TlogProof(proof.index, proof.hashes, proof.checkpoint, canonical.encode(extra))
    )


def test_a_key_that_no_entry_registered(open_ledger: Open, world: World) -> None:
    def another(value: Any) -> None:
        vkey = generate_key("ledger.example/apsci/alpha", b"?" * 32)[0].vkey
        value["data"][0]["keys"][0]["vkey"] = vkey

    found = _caught(open_ledger, "/members", in_json(another), lambda it: list(it.members()))
    assert isinstance(found, Misbehaviour)
    assert "no entry registers the key" in str(found)


def test_without_verify_the_same_lies_pass(open_ledger: Open) -> None:
    lying = Tampering(lambda path: path == "/api/v1/jobs", in_json(_bump("gpu_seconds")))
    believed = list(open_ledger(transport=lying, verify=False).jobs())
    assert lying.changed
    assert [job for job in believed if job.gpu_seconds and job.gpu_seconds % 8 == 1]


# --- models and artifacts -----------------------------------------------------------------------


def _models(ledger: Ledger) -> object:
    return list(ledger.models())


def _artifacts(ledger: Ledger) -> object:
    return list(ledger.artifacts())


def _first(name: str, value: object) -> Callable[[Any], None]:
    """Says of the first item of a list that ``name`` is ``value``."""

    def change(answer: Any) -> None:
        answer["data"][0][name] = value

    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jobs", 2),
        ("gpu_seconds", 1),
        ("names", ["another model"]),
        ("revision", "r2"),
        ("parameter_count", 8),
        ("members", ["alpha", "beta", "gamma"]),
        ("first_disclosed_index", 1),
        ("digest", "ab" * 32),
    ],
)
def test_a_model_that_its_jobs_do_not_make(
    open_ledger: Open, world: World, name: str, value: object
) -> None:
    found = _caught(open_ledger, "/api/v1/models", in_json(_first(name, value)), _models)
    assert isinstance(found, Misbehaviour)
    assert "answer.json" in found.evidence


def test_a_job_of_a_model_that_is_hidden_shows_in_its_sums(open_ledger: Open, world: World) -> None:
    def hide(answer: Any) -> None:
        answer["data"] = []
        answer["page"]["count"] = 0

    found = _caught(open_ledger, "/api/v1/jobs", in_json(hide), _models)
    assert isinstance(found, Misbehaviour)
    assert "no opened record names a model" in str(found)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("digest", "ab" * 32, "digest is"),
        ("name", "harmless.json", "name is"),
        ("bytes", 1, "bytes is"),
        ("kind", "sae", "kind is"),
        ("content_access", "public", "content_access is"),
        ("uri", "https://elsewhere.example/", "uri is"),
        ("member", "gamma", "member is"),
        ("disclosed_at", "2020-01-01T00:00:00Z", "disclosed_at is"),
        ("disclosed_index", 1, "disclosed_index is"),
        ("place", 64, "an artifact -1, and 0 is shown"),
        ("place", 2**40, "there is no entry"),
        ("place", -64, "there is no entry"),
    ],
)
def test_an_artifact_that_its_opening_does_not_name(
    open_ledger: Open, name: str, value: object, said: str
) -> None:
    found = _caught(open_ledger, "/api/v1/artifacts", in_json(_first(name, value)), _artifacts)
    assert isinstance(found, Misbehaviour)
    assert said in str(found)
    assert {"answer.json", "checkpoint"} <= found.evidence.keys()


def test_an_artifact_of_another_job(open_ledger: Open, world: World) -> None:
    change = in_json(_first("job_id", world.job_id("sealed")))
    found = _caught(open_ledger, "/api/v1/artifacts", change, _artifacts)
    assert isinstance(found, Misbehaviour)
    assert f"is not about job {world.job_id('sealed')}" in str(found)


def test_artifacts_out_of_their_order(open_ledger: Open) -> None:
    def turn(answer: Any) -> None:
        answer["data"].reverse()

    found = _caught(open_ledger, "/api/v1/artifacts", in_json(turn), _artifacts)
    assert isinstance(found, Misbehaviour)
    assert "the list" in str(found)


def _read(places: list[int]) -> None:
    """A list of artifacts at ``places``, of entries that open two each."""
    order = ArtifactsInOrder(lambda _: 2)
    for place in places:
        order.take(place)
    order.end()


def test_of_an_opening_that_is_shown_no_artifact_is_left_out() -> None:
    for places, said in (
        ([200 * 64 + 1], "is left out"),
        ([200 * 64], "opens an artifact 1, and 0 is shown"),
        ([200 * 64 + 1, 100 * 64 + 1], "artifact 0 of entry 200 is left out"),
        ([200 * 64 + 1, 200 * 64, 200 * 64], "opens an artifact -1"),
        ([100 * 64 + 1, 100 * 64, 200 * 64 + 1], "goes back"),
        ([200 * 64 + 2], "opens an artifact 1, and 2 is shown"),
    ):
        with pytest.raises(NotOpened, match=said):
            _read(places)
    _read([200 * 64 + 1, 200 * 64, 100 * 64 + 1, 100 * 64])
    _read([])
