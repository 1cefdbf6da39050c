"""What the orchestrator says reaches a real log once, whatever happens on the way."""

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from admission_world import POLICY
from kit import NOON, SIGNERS, Clock, log, make_ledger, submitted, ulid

from ledger.admission.outbox import (
    MAX_FAILURES,
    NotTaken,
    Outbox,
    OutboxError,
    SameStatement,
    State,
)
from ledger.admission.reporting import PUBLIC_FINDINGS, Refusal, Reporter, report
from ledger.assembly import Ledger
from ledger.cli.client import Client
from ledger.cli.reporting import sender
from ledger.errors import LedgerError, LogUnavailable
from ledger.records.charter import Code
from ledger.records.entry import Entry, parse_entry
from ledger.settings import Settings

DAY = 86_400
JOB = ulid(1)


class Line:
    """The way to the ledger, which can be cut before or behind it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.cut = self.deaf = False
        self.sent: list[bytes] = []

    def __call__(self, body: bytes) -> bytes:
        if self.cut:
            raise LogUnavailable("nobody answers")
        self.sent.append(body)
        answer = self.ledger.submit_batch([body]).result(120)[0]
        if isinstance(answer, LedgerError):
            raise NotTaken(str(answer))
        if self.deaf:
            raise LogUnavailable("the answer was lost")
        return answer.accepted.receipt.encode()


@pytest.fixture
def settings(tmp_path: Path, database_url: str) -> Settings:
    return make_ledger(database_url, tmp_path / "ledger")


@pytest.fixture
def line(settings: Settings) -> Iterator[Line]:
    ledger = Ledger(settings, clock=Clock())
    log(ledger, submitted(JOB))
    yield Line(ledger)
    ledger.close()


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reporter(outbox: Outbox, clock: Clock) -> Reporter:
    return Reporter(outbox, SIGNERS["orchestrator"], clock)


def entries(line: Line) -> list[Entry]:
    with line.ledger.store.snapshot() as reads:
        return [parse_entry(row.data) for row in reads.entries(0, reads.head().size)]


def kinds(line: Line) -> list[str]:
    return [entry.kind for entry in entries(line)]


def started(key: str = "run-7-started") -> dict[str, object]:
    return {
        "key": key,
        "about": JOB,
        "kind": "started",
        "schema": "job-started/1",
        "public": {"started_at": "2026-11-21T12:00:00Z", "gpu_count": 8},
        "job_id": JOB,
    }


def test_a_refused_start_is_an_entry_of_fixed_words(line: Line, reporter: Reporter) -> None:
    refusal = Refusal("kubernetes", "uid-of-a-pod", Code.R3_MISSING_RECORD, gpu_count=4)
    assert reporter.refused(refusal)
    assert reporter.outbox.work(line).waiting == 0
    entry = entries(line)[-1]
    assert entry.kind == "refused"
    assert entry.signed is not None
    assert entry.signed.statement.public == {
        "code": "R3_missing_record",
        "finding": PUBLIC_FINDINGS[Code.R3_MISSING_RECORD],
        "gpu_count": 4,
        "member": None,
        "system": "kubernetes",
    }
    assert b"uid-of-a-pod" not in line.sent[0]


def test_every_code_of_the_record_has_words_that_fit_an_entry() -> None:
    assert set(PUBLIC_FINDINGS) == set(Code)
    assert all(1 <= len(words) <= 500 for words in PUBLIC_FINDINGS.values())


def test_the_same_refusal_is_said_once_a_day_and_another_at_once(
    line: Line, reporter: Reporter, clock: Clock
) -> None:
    refusal = Refusal("kubernetes", "job-1", Code.R3_MISSING_RECORD, gpu_count=4)
    assert reporter.refused(refusal)
    clock.now = NOON - NOON % DAY + DAY - 1
    assert not reporter.refused(refusal)
    clock.advance(seconds=1)
    assert reporter.refused(refusal)
    assert reporter.refused(Refusal("kubernetes", "job-2", Code.R3_MISSING_RECORD, gpu_count=4))
    reporter.outbox.work(line)
    assert kinds(line).count("refused") == 3


def test_what_cannot_be_sent_waits_and_arrives_later_in_its_order(
    line: Line, reporter: Reporter
) -> None:
    line.cut = True
    public = {"ended_at": "2026-11-21T12:30:00Z", "exit_status": "preempted"}
    stopped = {
        **started("run-7-stopped"),
        "kind": "interrupted",
        "schema": "job-interrupted/1",
        "public": public,
    }
    sent = report(reporter, line, started(), stopped)
    assert (sent.answered, sent.waiting, sent.trouble) == ((), 2, "nobody answers")
    line.cut = False
    sent = report(reporter, line)
    assert sent.answered == ("run-7-started", "run-7-stopped")
    assert kinds(line)[-2:] == ["started", "interrupted"]
    for key in sent.answered:
        assert reporter.outbox.receipt(key).read_text().startswith("c2sp.org/tlog-proof@v1\n")


def test_a_lost_answer_is_asked_for_with_the_same_bytes(
    line: Line, reporter: Reporter, clock: Clock
) -> None:
    line.deaf = True
    assert report(reporter, line, started()).waiting == 1
    line.deaf = False
    clock.advance(seconds=30)
    assert report(reporter, line, started()).answered == ("run-7-started",)
    assert line.sent[0] == line.sent[1]
    assert report(reporter, line, started()).answered == ()
    assert kinds(line).count("started") == 1


def test_what_the_ledger_refuses_for_good_is_not_sent_again(line: Line, reporter: Reporter) -> None:
    other = {**started(), "job_id": ulid(2)}
    (refused,) = report(reporter, line, other).refused
    assert refused.state is State.REFUSED
    assert refused.trouble
    assert report(reporter, line, other).refused == ()
    assert len(line.sent) == 1


@pytest.mark.parametrize(
    ("status", "media_type", "problem", "state"),
    [
        (409, "application/problem+json", "out-of-order", State.REFUSED),
        (422, "application/problem+json; charset=utf-8", "value-refused", State.REFUSED),
        (403, "application/problem+json", "author-unknown", State.REFUSED),
        # Proxies and firewalls, a wrong address, and a status that is not the problem's own.
        (403, "text/html", "author-unknown", State.WAITING),
        (403, "application/json", "author-unknown", State.WAITING),
        (404, "application/problem+json", "not-found", State.WAITING),
        (405, "application/problem+json", "method-not-allowed", State.WAITING),
        (403, "application/problem+json", "about:blank", State.WAITING),
        (407, "application/problem+json", "", State.WAITING),
        (500, "application/problem+json", "value-refused", State.WAITING),
    ],
)
def test_only_the_ledger_itself_can_refuse_a_statement_for_good(
    outbox: Outbox, status: int, media_type: str, problem: str, state: State
) -> None:
    content = json.dumps(
        {
            "type": f"/en/docs/problems/{problem}",
            "title": "No",
            "status": status if status != 500 else 422,
            "detail": "no",
        }
    )

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"Content-Type": media_type}, content=content)

    outbox.put("k", b"body", about="job")
    client = Client(
        "http://ledger.example", transport=httpx.MockTransport(answer), give_up_after_s=0
    )
    with client:
        sent = outbox.work(sender(client, POLICY.logs[0].key))
    kept = outbox.find("k")
    assert kept is not None
    assert kept.state is state
    assert sent.waiting == (state is State.WAITING)


def test_one_statement_that_never_gets_through_holds_up_its_own_job_alone(
    outbox: Outbox,
) -> None:
    for number in range(5):
        outbox.put(f"k-{number}", b"bad" if number == 0 else b"%d" % number, about=str(number % 4))

    def send(body: bytes) -> bytes:
        if body == b"bad":
            raise LogUnavailable("HTTP 500")
        return body

    sent = outbox.work(send)
    assert sent.answered == ("k-1", "k-2", "k-3")
    assert (sent.waiting, sent.trouble) == (2, "HTTP 500")


def test_a_ledger_that_is_away_is_not_asked_for_each_statement(outbox: Outbox) -> None:
    for number in range(10):
        outbox.put(f"k-{number}", b"%d" % number, about=str(number))
    asked = []

    def send(body: bytes) -> bytes:
        asked.append(body)
        raise LogUnavailable("nobody answers")

    assert outbox.work(send).waiting == 10
    assert len(asked) == MAX_FAILURES


def test_an_answered_statement_leaves_no_opening_on_the_disk(outbox: Outbox) -> None:
    outbox.put("k", b"SEALED-CANARY" * 300, about="job")
    file = outbox.folder / "outbox.db"
    assert b"SEALED-CANARY" in file.read_bytes()
    outbox.work(lambda _: b"receipt")
    assert b"SEALED-CANARY" not in file.read_bytes()
    assert file.stat().st_mode & 0o777 == 0o600
    assert outbox.folder.stat().st_mode & 0o777 == 0o700


def test_an_outbox_that_others_can_read_or_that_is_a_link_is_not_used(
    outbox: Outbox, tmp_path: Path
) -> None:
    outbox.put("k", b"body", about="job")
    file = outbox.folder / "outbox.db"
    file.chmod(0o640)
    with pytest.raises(OutboxError, match="its owner alone"):
        outbox.put("k2", b"body", about="job")
    file.unlink()
    file.symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(OutboxError, match="its owner alone"):
        outbox.find("k")


def test_a_broken_outbox_is_an_error_of_the_house(outbox: Outbox) -> None:
    outbox.folder.mkdir()
    file = outbox.folder / "outbox.db"
    file.write_bytes(b"not a database" * 100)
    file.chmod(0o600)
    with pytest.raises(OutboxError, match="not a database"):
        outbox.put("k", b"body", about="job")


@pytest.mark.parametrize("key", ["", "../x", "A", "a/b", "a" * 151, ".hidden", "é"])
def test_a_key_that_could_be_a_path_is_refused(outbox: Outbox, key: str) -> None:
    with pytest.raises(OutboxError, match="a key of an outbox"):
        outbox.put(key, b"body", about="job")


def test_the_same_bytes_under_another_key_are_refused(outbox: Outbox) -> None:
    outbox.put("k", b"body", about="job")
    with pytest.raises(SameStatement):
        outbox.put("other", b"body", about="job")
    assert not outbox.put("k", b"body", about="job")


def test_keys_of_one_run_are_found_in_their_order(outbox: Outbox) -> None:
    for key in ("u_1-b", "u_1-a", "ux1-c"):
        outbox.put(key, key.encode(), about="u")
    assert outbox.keys("u_1-") == ["u_1-b", "u_1-a"]


def test_the_file_itself_keeps_a_body_exactly_while_it_waits(outbox: Outbox) -> None:
    outbox.put("k", b"body", about="job")
    file = sqlite3.connect(outbox.folder / "outbox.db")
    with pytest.raises(sqlite3.IntegrityError):
        file.execute("UPDATE said SET body = NULL")
    with pytest.raises(sqlite3.IntegrityError):
        file.execute("UPDATE said SET state = 'answered'")
    file.close()
