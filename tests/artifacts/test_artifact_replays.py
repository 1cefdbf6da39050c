"""Statements stand in the log for all to copy: sent again they tell nothing that is sealed."""

from collections.abc import Iterator

import kit
import pytest
from artifact_world import JOB, counters, header, read, write
from browser import Browser

from ledger.artifacts.door import USED
from ledger.assembly import Ledger
from web.app import create_app

REPORT = b'{"accuracy":"0.8125","n":2000}'
AT = f"/api/v1/jobs/{JOB}/artifacts"


@pytest.fixture
def site(ledger: Ledger) -> Iterator[Browser]:
    with Browser(create_app(ledger)) as browser:
        yield browser


def test_a_statement_from_the_log_says_the_same_of_every_name(
    site: Browser, ledger: Ledger
) -> None:
    kept = write(1, len(REPORT), artifact_class="document")
    broken = write(2, len(REPORT), artifact_class="document")
    reading = read(1, 0, 5)

    def send(statement: bytes, method: str, name: str, data: bytes) -> tuple[int, bytes]:
        sized = {"Content-Length": str(len(REPORT))} if method == "PUT" else {}
        headers = {**header(statement), **sized}
        reply = site.request(method, f"{AT}/{name}", headers=headers, chunks=[data])
        return reply.status, reply.body

    assert send(kept, "PUT", "report.json", REPORT)[0] == 201
    assert send(broken, "PUT", "second.json", REPORT[:-1])[0] == 422
    assert send(reading, "GET", "report.json", b"") == (206, REPORT[:5])
    before = counters(ledger)
    names = ("report.json", "second.json", "guess.json")
    replies = {
        send(statement, "PUT", name, data)
        for statement in (kept, broken)
        for name in names
        for data in (REPORT, bytes(len(REPORT)))
    }
    # By its own id, by another's, by one that nobody has: all of it is as sealed as the names.
    ids = [kit.ulid(number) for number in (1_001, 1_002, 1_009)]
    replies |= {send(reading, "GET", name, b"") for name in (*names, *ids)}
    ((status, body),) = replies
    assert status == 409
    assert USED.encode() in body
    assert counters(ledger) == before
