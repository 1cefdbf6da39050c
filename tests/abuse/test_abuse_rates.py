"""How often one key may write and one address may read, over real HTTP with tiny budgets."""

import base64
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from abused import HEAD, Abused, Heard, abused, recent_world
from ledger_world import World

from ledger.assembly import Ledger
from ledger.assembly.desk import CHECKERS
from ledger.errors import AuthorUnknown, CommitmentError, LedgerError, SignatureError, TooOften
from ledger.quota import Quota
from ledger.storage.keyring import KeyRing
from ledger.storage.shapes import StoredKey

BUDGET = 3


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def world(tmp_path: Path, database_url: str) -> Iterator[World]:
    with World(tmp_path / "ledger", database_url) as made:
        yield made


def limited(world: World, time: Time) -> Ledger:
    """The ledger of ``world``, opened again with a budget for each key."""
    world.ledger.close()
    quota = Quota(BUDGET, clock=time)
    world.ledger = Ledger(world.ledger.settings, clock=world.clock, authors=quota)
    return world.ledger


def refusal(ledger: Ledger, body: bytes) -> LedgerError | None:
    error = ledger.submit(body).exception()
    assert error is None or isinstance(error, LedgerError)
    return error


def test_a_key_that_writes_too_often_waits_and_no_other_key_does(world: World) -> None:
    time = Time()
    ledger = limited(world, time)
    bodies = [world.submission(f"job{number}") for number in range(BUDGET + 2)]
    for body in bodies[:BUDGET]:
        assert refusal(ledger, body) is None
    late = refusal(ledger, bodies[BUDGET])
    assert isinstance(late, TooOften)
    assert late.retry_after_s == 60 // BUDGET
    assert "send it again in 20 s" in str(late)
    assert refusal(ledger, world.submission("other", author="beta")) is None
    time.now += 60 // BUDGET
    assert refusal(ledger, bodies[BUDGET]) is None
    assert isinstance(refusal(ledger, bodies[BUDGET + 1]), TooOften)


def test_nobody_can_use_up_what_another_may_write(world: World) -> None:
    ledger = limited(world, Time())
    forged = json.loads(world.submission("forged"))
    forged["signature"]["value"] = forged["signature"]["value"][:-8] + "AAAAAA=="
    body = json.dumps(forged, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    for _ in range(3 * BUDGET):
        assert isinstance(refusal(ledger, body), SignatureError)
    assert refusal(ledger, world.submission("honest")) is None


def test_in_a_batch_only_what_is_too_much_is_refused(world: World) -> None:
    ledger = limited(world, Time())
    batch = [world.submission(f"job{number}") for number in range(BUDGET + 2)]
    answers = ledger.submit_batch(batch).result()
    assert [isinstance(each, TooOften) for each in answers] == [False] * BUDGET + [True] * 2


def test_what_is_sent_again_uses_up_nothing_of_its_authors_share(world: World) -> None:
    body = world.submission("public")
    world.log(body)
    # With the signature, which the log shows, and an opening that anybody can make up.
    spoilt = json.loads(body)
    spoilt["opening"]["seed"] = base64.b64encode(bytes(32)).decode()
    spoilt_body = json.dumps(
        spoilt, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    ledger = limited(world, Time())
    for _ in range(3 * BUDGET):
        assert refusal(ledger, body) is None
        assert isinstance(refusal(ledger, spoilt_body), CommitmentError)
    ledger.submit_batch([body] * 3 * BUDGET).result()
    honest = [world.submission(f"job{number}") for number in range(BUDGET + 1)]
    answers = ledger.submit_batch(honest).result()
    assert [isinstance(each, TooOften) for each in answers] == [False] * BUDGET + [True]


def test_all_keys_are_read_once_for_whatever_unknown_authors_send(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    of_stored = KeyRing.of_stored
    body = json.loads(world.submission("unknown"))
    body["statement"]["author"] = "nobody"
    line = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def counted(rows: Sequence[StoredKey]) -> KeyRing:
        reads.append(rows)
        return of_stored(rows)

    monkeypatch.setattr(KeyRing, "of_stored", counted)
    for _ in range(3):
        answers = world.ledger.submit_batch([line] * 50).result()
        assert {type(each) for each in answers} == {AuthorUnknown}
    assert len(reads) <= 1 + CHECKERS


def posted(server: Abused, body: bytes) -> Heard:
    return server.post("/api/v1/statements", body)


def problem_of(heard: Heard) -> dict[str, object]:
    found: dict[str, object] = json.loads(heard.bytes.partition(b"\r\n\r\n")[2])
    return found


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Abused, World]]:
    """A server with tiny budgets, that believes what the loopback says of its clients."""
    world = recent_world(tmp_path_factory.mktemp("rates"))
    tiny = {"LEDGER_RATE_PER_MINUTE": "4", "LEDGER_AUTHOR_PER_MINUTE": "2"}
    with abused(world, LEDGER_TRUSTED_PROXIES="127.0.0.1", **tiny) as running:
        yield running, world


def test_over_http_a_key_gets_429_with_the_time_to_wait(served: tuple[Abused, World]) -> None:
    server, world = served
    # A token comes back each half minute, so that one of some is too early on any machine.
    numbers = iter(range(20))
    late = posted(server, world.submission(f"http{next(numbers)}"))
    assert late.statuses == [201]
    while late.statuses == [201]:
        late = posted(server, world.submission(f"http{next(numbers)}"))
    assert late.statuses == [429]
    assert b"\r\nretry-after: " in late.bytes.lower()
    problem = problem_of(late)
    assert problem["type"] == "/en/docs/problems/too-many-statements"
    assert int(str(problem["retry_after"])) >= 1


def test_over_http_an_address_has_a_budget_of_its_own(served: tuple[Abused, World]) -> None:
    server, _ = served

    def read(client: str, number: int) -> list[int]:
        target = f"/api/v1/entries?limit={number}"
        return server.get(target, f"X-Forwarded-For: {client}").statuses

    # Each of one /64 asks for something that is not at hand yet.
    seen = [read(f"2001:db8::{number:x}", number) for number in range(1, 40)]
    assert [429] in seen
    assert read("2001:db8:0:1::1", 50) == [200]


def test_an_untrusted_client_cannot_take_another_address(tmp_path: Path) -> None:
    with abused(recent_world(tmp_path), LEDGER_RATE_PER_MINUTE="4") as server:
        seen = [
            server.get(f"/api/v1/entries?limit={number}", f"X-Forwarded-For: 192.0.2.{number}")
            for number in range(1, 40)
        ]
        assert [429] in [each.statuses for each in seen]
        assert server.say(b"GET /log/checkpoint HTTP/1.1\r\n" + HEAD + b"\r\n").statuses == [200]
