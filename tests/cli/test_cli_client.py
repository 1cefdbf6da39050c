from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import kit
import pytest
from cli_world import ORIGIN

from ledger.assembly import Ledger
from ledger.cli.client import Client, log_key_of
from ledger.cli.common import CommandFailed, Disproved
from ledger.cli.posting import post
from ledger.settings import Settings
from ledger.tlog.note import VerifierKey, parse_vkey
from schemas.posting import Receipted

Answer = Callable[[httpx.Request], httpx.Response]


class Desk:
    """A real ledger behind a transport that can be made to fail."""

    def __init__(self, ledger: Ledger, *troubles: Answer) -> None:
        self._ledger = ledger
        self._troubles = list(troubles)
        self.posted: list[bytes] = []
        self.paused: list[float] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.posted.append(request.content)
        if self._troubles:
            return self._troubles.pop(0)(request)
        return self.answer(request)

    def answer(self, request: httpx.Request) -> httpx.Response:
        answered: Receipted = self._ledger.submit(request.content).result(120)
        accepted = answered.accepted
        return httpx.Response(
            201 if answered.created else 200,
            json={
                "index": accepted.index,
                "kind": accepted.kind,
                "logged_at": accepted.logged_at,
                "decision": None,
                "receipt": accepted.receipt,
            },
        )

    def client(self, *, give_up_after_s: float = 60) -> Client:
        return Client(
            "http://ledger.example",
            transport=httpx.MockTransport(self),
            give_up_after_s=give_up_after_s,
            pause=self.paused.append,
        )


@pytest.fixture
def settings(tmp_path: Path, sqlite_url: str) -> Settings:
    return kit.make_ledger(sqlite_url, tmp_path)


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    found = Ledger(settings, clock=kit.Clock())
    yield found
    found.close()


def busy(_: httpx.Request) -> httpx.Response:
    return httpx.Response(503, headers={"Retry-After": "2"}, json={"detail": "the queue is full"})


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadError("the connection broke", request=request)


def log_key(ledger: Ledger) -> VerifierKey:
    return parse_vkey(ledger.vkey)


def test_what_is_busy_or_lost_is_asked_again_with_the_same_bytes(ledger: Ledger) -> None:
    body = kit.submitted(kit.ulid(1))
    holder: list[Desk] = []

    def logged_and_lost(request: httpx.Request) -> httpx.Response:
        holder[0].answer(request)
        return lost(request)

    desk = Desk(ledger, busy, lost, logged_and_lost)
    holder.append(desk)
    with desk.client() as client:
        answered = client.post(body, log_key=log_key(ledger))
    assert answered.accepted.index == 1
    assert desk.posted == [body] * 4
    assert desk.paused[0] == 2
    with ledger.store.snapshot() as reads:
        assert reads.head().size == 3


@pytest.mark.parametrize("trouble", [busy, lost])
def test_after_a_bounded_time_it_gives_up(ledger: Ledger, trouble: Answer) -> None:
    desk = Desk(ledger, *[trouble] * 100)
    with desk.client(give_up_after_s=0) as client, pytest.raises(CommandFailed, match="takes"):
        client.post(kit.submitted(kit.ulid(1)), log_key=log_key(ledger))
    assert len(desk.posted) == 1


@pytest.mark.parametrize("status", [301, 400, 404, 409, 422, 500])
def test_a_refusal_is_final(ledger: Ledger, status: int) -> None:
    desk = Desk(ledger, lambda _: httpx.Response(status, text="<b>" * 9999))
    with desk.client() as client, pytest.raises(CommandFailed, match=f"HTTP {status}$"):
        client.post(kit.submitted(kit.ulid(1)), log_key=log_key(ledger))
    assert len(desk.posted) == 1


def test_a_receipt_of_another_statement_another_index_or_another_log_is_disproved(
    ledger: Ledger,
) -> None:
    other = kit.log(ledger, kit.submitted(kit.ulid(9)))[0].accepted

    def say(index: int, receipt: str) -> Answer:
        return lambda _: httpx.Response(
            201,
            json={
                "index": index,
                "kind": "submitted",
                "logged_at": other.logged_at,
                "decision": None,
                "receipt": receipt,
            },
        )

    cases = [
        (say(other.index, other.receipt), "another statement"),
        (say(other.index, other.receipt.replace("index 1", "index 2")), "another|does not verify"),
        (say(other.index, "c2sp.org/tlog-proof@v1\n"), "does not verify"),
        (say(other.index, ""), "does not verify"),
    ]
    for answer, said in cases:
        with Desk(ledger, answer).client() as client, pytest.raises(Disproved, match=said):
            client.post(kit.submitted(kit.ulid(1)), log_key=log_key(ledger))
    again = kit.submitted(kit.ulid(9))
    with (
        Desk(ledger, say(other.index + 1, other.receipt)).client() as client,
        pytest.raises(Disproved, match="index 1, and the answer of index 2"),
    ):
        client.post(again, log_key=log_key(ledger))
    stranger = kit.author_key("stranger").verifier
    with Desk(ledger).client() as client, pytest.raises(Disproved, match="no signature"):
        client.post(again, log_key=stranger)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"index":"x"}', b'{"data":1}'])
def test_what_is_not_a_ledger_is_said_not_to_be_one(ledger: Ledger, body: bytes) -> None:
    desk = Desk(ledger, lambda _: httpx.Response(200, content=body))
    with desk.client() as client, pytest.raises(CommandFailed, match="as a ledger does"):
        client.post(kit.submitted(kit.ulid(1)), log_key=log_key(ledger))


def test_a_log_key_has_to_be_one() -> None:
    with pytest.raises(CommandFailed, match="--vkey"):
        log_key_of(ORIGIN)


def test_what_was_not_answered_is_sent_again_by_the_next_run(
    ledger: Ledger, tmp_path: Path
) -> None:
    receipt = tmp_path / "job.tlog-proof"
    waiting = tmp_path / "job.tlog-proof.unanswered"
    first, anew = kit.submitted(kit.ulid(1)), kit.submitted(kit.ulid(2))

    def logged_and_lost(request: httpx.Request) -> httpx.Response:
        Desk(ledger).answer(request)
        return lost(request)

    with (
        Desk(ledger, logged_and_lost).client(give_up_after_s=0) as client,
        pytest.raises(CommandFailed, match="may have been logged"),
    ):
        post(client, first, log_key=log_key(ledger), receipt=receipt)
    assert waiting.read_bytes() == first
    assert waiting.stat().st_mode & 0o777 == 0o600
    assert not receipt.exists()

    desk = Desk(ledger)
    with desk.client() as client:
        answered = post(client, anew, log_key=log_key(ledger), receipt=receipt)
    assert desk.posted == [first]
    assert answered.accepted.index == 1
    assert receipt.read_bytes() == answered.proof
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".unanswered"] == []
    with ledger.store.snapshot() as reads:
        assert reads.head().size == 3


def test_another_statement_does_not_take_the_place_of_one_that_waits(
    ledger: Ledger, tmp_path: Path
) -> None:
    receipt = tmp_path / "job.tlog-proof"
    with (
        Desk(ledger, lost).client(give_up_after_s=0) as client,
        pytest.raises(CommandFailed, match="may have been logged"),
    ):
        post(client, kit.submitted(kit.ulid(1)), log_key=log_key(ledger), receipt=receipt)
    desk = Desk(ledger)
    with desk.client() as client, pytest.raises(CommandFailed, match="another statement"):
        post(client, kit.started(kit.ulid(1)), log_key=log_key(ledger), receipt=receipt)
    assert desk.posted == []


def test_what_is_refused_does_not_wait(ledger: Ledger, tmp_path: Path) -> None:
    receipt = tmp_path / "job.tlog-proof"
    refusal = Desk(ledger, lambda _: httpx.Response(409, json={"detail": "no"}))
    with refusal.client() as client, pytest.raises(CommandFailed, match="HTTP 409"):
        post(client, kit.submitted(kit.ulid(1)), log_key=log_key(ledger), receipt=receipt)
    assert not receipt.exists()
    assert not receipt.with_name("job.tlog-proof.unanswered").exists()
