"""A debit whose witnesses came too late: whoever asked for it uploads or reads once, nobody else.

Under a strict policy the debit is in the log, and spent, before the quorum has cosigned it.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import kit
import pytest
from artifact_world import JOB, counters, header, opened, read, write
from browser import Browser, Reply

from ledger.artifacts.claims import KEPT_S, Claims
from ledger.artifacts.door import UNSETTLED_KEPT, USED
from ledger.assembly import Ledger
from ledger.errors import Conflict, Unwitnessed
from ledger.settings import Settings
from web.app import create_app

REPORT = b'{"accuracy":"0.8125","n":2000}'
MINE, OTHER = "a" * 22, "b" * 22
AT = f"/api/v1/jobs/{JOB}/artifacts"


class NoWitnesses:
    """A quorum that does not come."""

    wait_s = 1.0

    def holds(self, _size: int) -> bool:
        return False

    def wait(self, size: int, **_: Any) -> bytes | None:
        raise Unwitnessed(f"nobody has cosigned {size}. Send the same statement again")


@pytest.fixture
def site(ledger: Ledger) -> Iterator[Browser]:
    with Browser(create_app(ledger)) as browser:
        yield browser


def lose_witnesses(ledger: Ledger) -> None:
    ledger.sequencer._quorum = NoWitnesses()


def find_witnesses(ledger: Ledger) -> None:
    ledger.sequencer._quorum, ledger.sequencer._unsettled = None, 0


def send(
    site: Browser, method: str, statement: bytes, secret: str | None, *, name: str = "report.json"
) -> Reply:
    headers = header(statement)
    if method == "PUT":
        headers["Content-Length"] = str(len(REPORT))
    if secret is not None:
        headers["Idempotency-Key"] = secret
    chunks = [REPORT] if method == "PUT" else []
    return site.request(method, f"{AT}/{name}", headers=headers, chunks=chunks)


def refuses_all_others(site: Browser, method: str, statement: bytes) -> None:
    """Check that the statement, which everybody may copy, is worth nothing without the secret."""
    for secret, name in ((None, "report.json"), (OTHER, "report.json"), (MINE, "other.json")):
        reply = send(site, method, statement, secret, name=name)
        assert (reply.status, reply.json()["detail"]) == (409, USED)


def test_an_upload_finds_its_debit_again_and_spends_nothing_more(
    site: Browser, ledger: Ledger
) -> None:
    statement = write(1, len(REPORT), artifact_class="document")
    lose_witnesses(ledger)
    for _ in range(2):
        reply = send(site, "PUT", statement, MINE)
        assert (reply.status, reply.json()["detail"]) == (503, UNSETTLED_KEPT)
        assert int(reply.headers["retry-after"]) > 0
        refuses_all_others(site, "PUT", statement)
    spent = counters(ledger)
    assert spent[f"job {JOB}"] == len(REPORT)
    find_witnesses(ledger)
    refuses_all_others(site, "PUT", statement)
    assert send(site, "PUT", statement, MINE).status == 201
    assert send(site, "PUT", statement, MINE).status == 409
    refuses_all_others(site, "PUT", statement)
    assert counters(ledger) == spent
    (listed,) = site.get(AT).json()["data"]
    assert listed["egress_bytes"] == len(REPORT)


def test_a_reading_that_was_paid_for_is_given_once_however_many_ask(
    site: Browser, ledger: Ledger
) -> None:
    assert send(site, "PUT", write(1, len(REPORT), artifact_class="document"), None).status == 201
    statement = read(1, 0, 5)
    lose_witnesses(ledger)
    assert send(site, "GET", statement, MINE).status == 503
    spent = counters(ledger)
    find_witnesses(ledger)
    refuses_all_others(site, "GET", statement)

    def ask(_: int) -> bytes | str:
        door = ledger.artifacts
        try:
            given = door.member(statement, job_id=JOB, name="report.json", secret=MINE)
        except Conflict as refused:
            return str(refused)
        return b"".join(door.parts(given))

    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(ask, range(4)))
    assert sorted(replies, key=str) == [REPORT[:5], USED, USED, USED]
    assert counters(ledger) == spent


def test_who_sent_it_second_has_no_right_to_what_the_first_one_paid_for(
    site: Browser, ledger: Ledger
) -> None:
    statement = write(1, len(REPORT), artifact_class="document")
    lose_witnesses(ledger)
    assert send(site, "PUT", statement, None).status == 503
    find_witnesses(ledger)
    refuses_all_others(site, "PUT", statement)
    assert send(site, "PUT", statement, MINE).status == 409


def test_a_debit_is_found_again_after_a_restart_and_by_another_process(
    settings: Settings, ledger: Ledger, clock: kit.Clock, site: Browser
) -> None:
    statement = write(1, len(REPORT), artifact_class="document")
    lose_witnesses(ledger)
    assert send(site, "PUT", statement, MINE).status == 503
    find_witnesses(ledger)
    ledger.close()
    with opened(settings, clock) as again, Browser(create_app(again)) as beside:
        assert send(beside, "PUT", statement, MINE).status == 201
        assert counters(again)[f"job {JOB}"] == len(REPORT)


def test_a_right_that_nobody_takes_up_ends(site: Browser, ledger: Ledger, clock: kit.Clock) -> None:
    statements = [write(number, len(REPORT), artifact_class="document") for number in (1, 2)]
    lose_witnesses(ledger)
    assert send(site, "PUT", statements[0], MINE).status == 503
    find_witnesses(ledger)
    clock.advance(seconds=KEPT_S)
    lose_witnesses(ledger)
    assert send(site, "PUT", statements[1], MINE, name="second.json").status == 503
    find_witnesses(ledger)
    assert send(site, "PUT", statements[0], MINE).status == 409


def test_a_secret_that_can_be_guessed_is_refused_before_anything_is_debited(
    site: Browser, ledger: Ledger
) -> None:
    for secret in ("", "1", "a" * 21, "a" * 129, "ä" * 22, "a" * 21 + " "):
        reply = send(site, "PUT", write(1, len(REPORT)), secret)
        assert reply.status == 422, secret
        assert "Idempotency-Key" in reply.json()["detail"]
    assert f"job {JOB}" not in counters(ledger)


def test_a_right_to_a_debit_that_a_recovery_gave_up_is_worth_nothing(
    site: Browser, ledger: Ledger
) -> None:
    assert send(site, "PUT", write(1, len(REPORT), artifact_class="document"), None).status == 201
    statement = read(1, 0, 5)
    # The log has lost the debit, and the folder has not.
    door = ledger.artifacts
    digest = door._check(statement).parsed.digest
    door._claims.of(digest, "GET report.json", MINE).keep()
    assert send(site, "GET", statement, MINE).body == REPORT[:5]
    reply = send(site, "GET", statement, MINE)
    assert (reply.status, reply.json()["detail"]) == (409, USED)


def test_rights_that_are_taken_while_one_is_kept_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(tmp_path / "rights", key=bytes(32), clock=lambda: 1_000)
    mine, other = (claims.of(bytes(32), "GET report.json", each) for each in (MINE, OTHER))
    other.keep()
    listed, dated = Path.iterdir, os.utime

    def taken_when_listed(folder: Path) -> Iterator[Path]:
        found = list(listed(folder))
        assert other.take()
        return iter(found)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "iterdir", taken_when_listed)
        mine.keep()
    assert mine.take()

    def taken_when_made(path: Path, times: tuple[int, int] | None) -> None:
        if times is not None:
            assert mine.take()
        dated(path, times)

    with monkeypatch.context() as patched:
        patched.setattr(os, "utime", taken_when_made)
        mine.keep()
    assert not mine.take()
