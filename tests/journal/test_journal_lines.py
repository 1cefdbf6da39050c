"""How log lines look, and what never stands in one."""

import asyncio
import gc
import json
import logging
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import journal
from ledger.journal import REQUEST, about, named

SECRET = "PRIVATE+KEY+ledger.example+0123abcd+c2VjcmV0"
RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")

log = logging.getLogger("ledger.test")


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_json_line_is_one_object_with_the_time_as_rfc_3339_has_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal.start("info", "json")
    assert journal.is_json()
    log.info('two\nlines, "quoted", \x1b[31m and \u2028')
    log.debug("not asked for")
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert RFC3339.fullmatch(said.pop("time"))
    assert isinstance(said.pop("process"), int)
    assert said == {
        "level": "info",
        "logger": "ledger.test",
        "message": 'two\nlines, "quoted", \x1b[31m and \u2028',
    }


def test_a_plain_line_cannot_be_made_to_look_like_two(capsys: pytest.CaptureFixture[str]) -> None:
    journal.start("info", "plain")
    assert not journal.is_json()
    log.info("one\n2026-11-22T00:00:00.000Z CRITICAL ledger: forged\x1b[2J")
    first, second = capsys.readouterr().err.splitlines()
    assert RFC3339.match(first)
    assert first.endswith(" INFO ledger.test: one")
    assert second == "  2026-11-22T00:00:00.000Z CRITICAL ledger: forged\\x1b[2J"


def test_a_line_names_the_request_that_it_is_about(capsys: pytest.CaptureFixture[str]) -> None:
    token = REQUEST.set("request-1")
    try:
        journal.start("info", "json")
        log.info("x")
        assert json.loads(capsys.readouterr().err)["request_id"] == "request-1"
        journal.start("info", "plain")
        log.info("x")
        assert capsys.readouterr().err.endswith(" INFO ledger.test: x [request request-1]\n")
    finally:
        REQUEST.reset(token)


def test_a_line_about_a_batch_names_its_requests_once_and_not_without_end() -> None:
    assert about([None, "a", "b", "a"]) == {"request": "a,b"}
    assert about([]) == {"request": None}
    many = (named(str(number) for number in range(2_000)) or "").split(",")
    assert len(many) == journal.MOST_NAMED + 1
    assert many[-1] == f"+{2_000 - journal.MOST_NAMED}"


@pytest.mark.parametrize("form", ["plain", "json"])
def test_what_an_exception_says_is_never_told(
    form: journal.Format, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.start("debug", form)
    try:
        int(SECRET)
    except ValueError:
        log.exception("it failed")
        log.debug("where it failed", exc_info=True)

    async def abandoned() -> None:
        async def fail() -> None:
            raise RuntimeError(SECRET)

        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        del task
        gc.collect()

    asyncio.run(abandoned())
    told = capsys.readouterr().err
    assert "Task exception was never retrieved" in told
    assert "RuntimeError" in told
    assert "test_journal_lines.py" in told
    assert SECRET not in told


def test_a_line_that_cannot_be_made_is_lost_without_its_arguments(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal.start("info", "plain")
    log.info("%d", SECRET)
    told = capsys.readouterr().err
    assert told == "a line of ledger.test could not be written\n"


def test_what_nobody_caught_in_a_thread_is_logged_by_its_type(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.excepthook", threading.excepthook)
    monkeypatch.setattr("sys.excepthook", lambda *_: None)
    monkeypatch.setattr("logging.captureWarnings", lambda **_: None)
    journal.start("info", "json")
    journal.guard()

    def fail() -> None:
        raise RuntimeError(SECRET)

    thread = threading.Thread(target=fail, name="doomed")
    thread.start()
    thread.join()
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"].startswith("the thread doomed ended: RuntimeError\n")
    assert SECRET not in line


def test_the_journal_is_told_how_serious_each_line_is_and_nobody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, is_journal in (("journal", True), ("file", False)):
        with (tmp_path / name).open("w+", encoding="utf-8") as stream:
            found = os.fstat(stream.fileno())
            told = f"{found.st_dev}:{found.st_ino if is_journal else 0}"
            monkeypatch.setenv("JOURNAL_STREAM", told)
            monkeypatch.setattr("sys.stderr", stream)
            journal.start("debug", "plain")
            log.debug("a")
            log.info("b")
            log.warning("c")
            log.error("d\ne")
            log.critical("f")
            stream.seek(0)
            levels = [line[:3] for line in stream]
        if is_journal:
            assert levels == ["<7>", "<6>", "<4>", "<3>", "<3>", "<2>"]
        else:
            assert [level for level in levels if level.startswith("<")] == []
