import json
from collections.abc import Callable

import pytest
from browser import Browser
from ledger_world import World

from ledger.assembly import Ledger
from ledger.assembly.desk import Settled
from ledger.errors import LedgerError, LogUnavailable, Overloaded
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof

ONE = "/api/v1/statements"
MANY = "/api/v1/statements/batch"


def test_a_statement_is_answered_with_index_decision_and_receipt(
    fresh: World, shop: Browser
) -> None:
    body = fresh.submission("one")
    reply = shop.request("POST", ONE, chunks=[body])
    assert reply.status == 201
    assert reply.headers["location"] == "/api/v1/entries/1"
    assert reply.headers["content-type"] == "application/json"
    answer = reply.json()
    assert set(answer) == {"index", "kind", "logged_at", "decision", "receipt"}
    assert (answer["index"], answer["kind"]) == (1, "submitted")
    assert answer["decision"] == {"index": 2, "kind": "admitted", "findings": []}
    receipt = parse_proof(answer["receipt"].encode())
    assert receipt.extra is not None
    entry = receipt.extra[len(b'{"entry":') : -1]
    verify_proof(receipt, leaf=leaf_hash(entry), verifiers=[parse_vkey(fresh.ledger.vkey)])


def test_the_same_statement_again_has_the_same_answer(fresh: World, shop: Browser) -> None:
    body = fresh.submission("one")
    first = shop.request("POST", ONE, chunks=[body])
    again = shop.request("POST", ONE, chunks=[body[:100], body[100:]])
    assert (first.status, again.status) == (201, 200)
    assert again.body == first.body


def test_a_refused_statement_says_what_to_change_and_writes_nothing(
    fresh: World, shop: Browser
) -> None:
    good = fresh.submission("one")
    size = fresh.reader.tree_size()
    wrong = json.loads(good)
    wrong["statement"]["public"]["gpu_count"] = 0
    reply = shop.request("POST", ONE, chunks=[_canonical(wrong)])
    assert reply.status == 422
    assert reply.json()["field"] == "statement.public.gpu_count"
    assert shop.request("POST", ONE, chunks=[good + b" "]).status == 400
    assert shop.request("POST", ONE, chunks=[b""]).status == 400
    forged = json.loads(good)
    forged["statement"]["public"]["gpu_count"] = 9
    reply = shop.request("POST", ONE, chunks=[_canonical(forged)])
    assert (reply.status, reply.json()["type"]) == (403, "/en/docs/problems/signature-refused")
    assert fresh.reader.tree_size() == size
    shop.request("POST", ONE, chunks=[good])
    second = fresh.submission("one", gpu_count=99)
    assert shop.request("POST", ONE, chunks=[second]).status == 409


def test_a_refusal_never_shows_what_is_sealed(fresh: World, shop: Browser) -> None:
    good = json.loads(fresh.submission("one"))
    for change in (
        {"title": 5},
        {"title": "x" * 500},
        {"source": "secret-word"},
        {"x": "secret-word"},
    ):
        wrong = json.loads(json.dumps(good))
        wrong["opening"]["fields"] |= change
        reply = shop.request("POST", ONE, chunks=[_canonical(wrong)])
        assert 400 <= reply.status < 500
        assert "secret-word" not in reply.text
        assert not [word for word in fresh.sealed["one"].words if word in reply.text]
        assert good["opening"]["seed"] not in reply.text


@pytest.mark.parametrize(("target", "limit"), [(ONE, 2**20), (MANY, 32 * 2**20)])
def test_a_body_over_the_limit_is_refused_while_it_is_read(
    shop: Browser, target: str, limit: int
) -> None:
    read = 0

    def endless() -> object:
        nonlocal read
        while True:
            read += 2**18
            assert read < limit + 2**20, "the server went on reading"
            yield b"x" * 2**18

    declared = shop.request(
        "POST", target, headers={"content-length": str(limit + 1)}, chunks=[b"{"]
    )
    assert declared.status == 413
    assert declared.json()["limit"] == limit
    assert declared.json()["size"] == limit + 1
    reply = shop.request("POST", target, chunks=_some(limit // 2**18 + 2))
    assert reply.status == 413
    assert reply.json()["type"] == "/en/docs/problems/too-large"
    assert reply.json()["limit"] == limit


def test_each_line_of_a_batch_has_its_own_answer(fresh: World, shop: Browser) -> None:
    first, second = fresh.submission("one"), fresh.submission("two", egress_ceiling_bytes=None)
    lines = [first, b"{}", second, b"", first]
    reply = shop.request("POST", MANY, chunks=[b"\n".join(lines) + b"\n"])
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/x-ndjson"
    answers = [json.loads(line) for line in reply.body.splitlines()]
    assert [answer["line"] for answer in answers] == [1, 2, 3, 4, 5]
    assert [answer["status"] for answer in answers][:4] == [201, 422, 201, 400]
    assert answers[0]["answer"]["index"] == 1
    assert answers[2]["answer"]["decision"]["findings"][0]["code"] == "R2_unmetered_egress"
    assert answers[1]["problem"]["type"].startswith("/en/docs/problems/")
    assert answers[4]["answer"]["index"] == 1


def test_batches_of_nothing_and_of_too_much_are_refused(shop: Browser) -> None:
    for body in (b"", b"\n", b" \n "):
        assert shop.request("POST", MANY, chunks=[body]).status == 400
    reply = shop.request("POST", MANY, chunks=[b"{}\n" * 1_001])
    assert reply.status == 413
    assert (reply.json()["limit"], reply.json()["size"]) == (1_000, 1_001)
    assert shop.request("POST", MANY, chunks=[b"{}\n" * 1_000]).status == 200


@pytest.mark.parametrize(
    ("error", "slug", "seconds"),
    [
        (Overloaded("the queue is full", retry_after_s=7), "overloaded", "7"),
        (LogUnavailable("disk /secret/path is full"), "unavailable", "5"),
    ],
)
def test_a_ledger_that_cannot_answer_says_when_to_come_back(
    shop: Browser,
    monkeypatch: pytest.MonkeyPatch,
    error: LedgerError,
    slug: str,
    seconds: str,
) -> None:
    def refuse(
        _self: Ledger, _body: bytes, asking: object, settle: Callable[[Settled[object]], None]
    ) -> None:
        settle([(asking, error)])

    monkeypatch.setattr(Ledger, "enter", refuse)
    reply = shop.request("POST", ONE, chunks=[b"{}"])
    assert reply.status == 503
    assert reply.headers["retry-after"] == seconds
    assert reply.json()["type"] == f"/en/docs/problems/{slug}"
    assert reply.json()["retry_after"] == int(seconds)
    assert "/secret/path" not in reply.text
    assert reply.headers["ledger-tree-size"]
    assert reply.headers["access-control-allow-origin"] == "*"


def _some(count: int) -> list[bytes]:
    return [b"x" * 2**18] * count


def _canonical(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
