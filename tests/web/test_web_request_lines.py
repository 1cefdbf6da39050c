"""Every request has an id and, where it is asked for, a line; no line holds a secret."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from browser import Browser, Reply
from ledger_world import World
from sqlalchemy.exc import OperationalError

from ledger import journal
from ledger.assembly.desk import Desk
from ledger.storage import tables
from ledger.storage.driver import Driver
from web.app import create_app
from web.request_lines import NO_ROUTE, Routes

ID = "proxy.0123-4567_89ab"
MADE = re.compile(r"[0-9a-f]{16}")
TOKEN = "token-that-opens-the-metrics-0123456789"
KEY = "PRIVATE+KEY+ledger.example/site/alpha+0123abcd+AQc9mYwC"
ASKED = "what-somebody-looked-for"
READ = (
    "/", "/en/", "/zh-Hans/jobs", "/en/status", "/api/v1/jobs", "/api/v1/status", "/search",
    "/feeds/published.json", "/log/checkpoint", "/bulk/index.json", "/static/x", "/schemas/x",
    "/healthz", "/readyz", "/metrics",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def talkative(fresh: World) -> Iterator[Browser]:
    """A site that logs every request."""
    with Browser(create_app(fresh.ledger, log_requests=True)) as browser:
        yield browser


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_every_answer_gives_an_id_back_the_one_that_came_if_it_is_one(
    world: World, site: Browser
) -> None:
    for target in ("/en/", "/api/v1/jobs", "/log/checkpoint", "/en/none", "/healthz", "/jobs/x"):
        assert site.get(target, x_request_id=ID).headers["x-request-id"] == ID
        first, second = (
            site.get(target, x_request_id="").headers["x-request-id"] for _ in range(2)
        )
        assert MADE.fullmatch(first)
        assert MADE.fullmatch(second)
        assert first != second
    posted = site.request("POST", "/api/v1/statements", headers={"x-request-id": ID})
    assert posted.headers["x-request-id"] == ID
    exposed = posted.headers["access-control-expose-headers"]
    assert "X-Request-Id" in exposed.split(", ")


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 41, "0" * 64, "two words 1", KEY, "a,b,c,d,e", "\x1b[31mred!"]
)
def test_what_is_no_id_is_not_taken_for_one(site: Browser, given: str) -> None:
    found = site.get("/api/v1/status", x_request_id=given).headers["x-request-id"]
    assert MADE.fullmatch(found)


def test_a_problem_names_its_request(site: Browser) -> None:
    for target in ("/api/v1/jobs?limit=x", "/api/v1/none", "/log/none", "/healthz?x=1"):
        reply = site.get(target, x_request_id=ID)
        assert reply.json()["request_id"] == ID
    reply = site.request("POST", "/api/v1/statements", headers={"x-request-id": ID}, chunks=[b"{}"])
    assert reply.json()["request_id"] == ID


def test_a_line_tells_the_template_the_status_and_how_long_it_took(
    fresh: World, talkative: Browser, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh.log(fresh.submission("one"))
    job = fresh.job_id("one")
    journal.start("info", "json")
    expected = [
        (f"/en/jobs/{job}?at=3", "/en/jobs/{job_id}", 200),
        (f"/api/v1/jobs/{job}/events", "/api/v1/jobs/{job_id}/events", 200),
        (f"/jobs/{job}.proof", "/jobs/{name}", 200),
        ("/log/checkpoint", "/log/{path}", 200),
        ("/schemas/none", "/schemas/{path}", 404),
        ("/api/v1/vocab/fields?limit=1", "/api/v1/vocab/{name}", 200),
        ("/healthz", "/healthz", 200),
        (f"/{ASKED}", NO_ROUTE, 404),
        (f"/api/v1/jobs/{job}/artifacts/{ASKED}", "/api/v1/jobs/{job_id}/artifacts/{name}", 404),
    ]
    for target, route, status in expected:
        talkative.get(target, x_request_id=ID)
        (line,) = _lines(capsys)
        assert (line["method"], line["route"], line["status"]) == ("GET", route, status)
        assert (line["level"], line["request_id"]) == ("info", ID)
        assert line["duration_ms"] >= 0
        assert line["message"].startswith(f"GET {route} {status} in ")
    talkative.request("BREW", "/en/")
    assert _lines(capsys)[0]["method"] == "other"


def test_a_word_in_a_template_comes_before_a_parameter() -> None:
    routes = Routes(["/jobs/{name:str}", "/jobs/new", "/{tag:str}/{rest:str}", "/"])
    assert [routes.of(path) for path in ("/jobs/new", "/jobs/x", "/a/b", "/", "/a/b/c")] == [
        "/jobs/new", "/jobs/{name}", "/{tag}/{rest}", "/", NO_ROUTE,
    ]  # fmt: skip


def test_only_what_failed_here_gets_a_line_where_none_are_asked_for(
    shop: Browser, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.start("info", "json")
    for target in ("/en/", "/en/none", "/api/v1/jobs?limit=x"):
        shop.get(target)
    assert _lines(capsys) == []
    monkeypatch.setattr(Desk, "enter", lambda *_: 1 / 0)
    reply = shop.request("POST", "/api/v1/statements", chunks=[b"{}"])
    why, line = _lines(capsys)
    assert (reply.status, line["status"], line["level"]) == (500, 500, "warning")
    assert why["request_id"] == line["request_id"] == reply.json()["request_id"]
    assert "ZeroDivisionError" in why["message"]


def test_where_a_batch_fails_the_log_names_the_requests_that_were_in_it(
    fresh: World,
    shop: Browser,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal.start("info", "json")
    body = fresh.submission("one")
    _break_the_database(monkeypatch)
    reply = shop.request("POST", "/api/v1/statements", headers={"x-request-id": ID}, chunks=[body])
    assert (reply.status, reply.json()["request_id"]) == (503, ID)
    by_logger = {line["logger"]: line for line in _lines(capsys)}
    assert by_logger["ledger.sequencer.sequencer"]["request_id"] == ID
    assert by_logger["web.request_lines"]["status"] == 503


def _break_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every insertion of entries fail with an error that quotes what was to be inserted."""
    real = Driver.insert

    def insert(self: Driver, into: Any, rows: Any) -> None:
        if into is tables.ENTRIES:
            raise OperationalError(f"INSERT {rows!r}", rows, psycopg.OperationalError(repr(rows)))
        real(self, into, rows)

    monkeypatch.setattr(Driver, "insert", insert)


def _every_way_in(world: World, site: Browser) -> list[Reply]:
    """Secrets in every place of a request that can hold something."""
    body = world.submission("one")
    broken = [body[:-1], body.replace(b'"seed":"', b'"seed":"A'), KEY.encode(), b'{"a":' * 50]
    opening = json.loads(body)["opening"]
    headers = {
        "authorization": f"Bearer {TOKEN}",
        "cookie": f"session={TOKEN}",
        "x-request-id": KEY,
        "if-none-match": f'"{TOKEN}"',
        "referer": f"https://lab.example/{TOKEN}",
        "user-agent": KEY,
        "x-forwarded-for": TOKEN,
        "ledger-statement": base64.b64encode(body).decode(),
    }
    posted = ("/api/v1/statements", "/api/v1/statements/batch", "/api/v1/check", "/en/jobs")
    artifact = f"/api/v1/jobs/{world.job_id('one')}/artifacts/a.txt"
    asked = [
        *(
            ("POST", address, sent)
            for address in posted
            for sent in (body, *broken, json.dumps(opening).encode())
        ),
        ("GET", artifact, b""),
        ("PUT", artifact, KEY.encode()),
        *(("GET", f"{target}?q={ASKED}", b"") for target in READ),
        *(("GET", f"{folder}{ASKED}", b"") for folder in ("/", "/en/jobs/", "/log/", "/feeds/")),
    ]
    return [site.request(how, to, headers=headers, chunks=[sent]) for how, to, sent in asked]


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize("fails", ["nothing", "the database", "everything"])
def test_no_log_line_holds_an_opening_a_key_a_token_or_a_question(
    fresh: World,
    talkative: Browser,
    *,
    form: journal.Format,
    fails: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    journal.start("debug", form)
    if fails == "the database":
        _break_the_database(monkeypatch)
    if fails == "everything":

        def explode(*given: object, **named: object) -> None:
            raise RuntimeError(f"{given!r} {named!r} {KEY} {TOKEN} {ASKED}")

        monkeypatch.setattr(Desk, "_check", explode)
        monkeypatch.setattr(type(fresh.reader), "at", explode)
        monkeypatch.setattr("web.kept_pages.parse_query", explode)
    replies = _every_way_in(fresh, talkative)
    expected = {"nothing": 201, "the database": 503, "everything": 500}[fails]
    assert expected in {reply.status for reply in replies}
    told = capsys.readouterr().err
    if form == "json":
        lines = [json.loads(line) for line in told.splitlines()]
        told = "".join(str(value) for line in lines for value in line.values())
    assert told.count("/api/v1/statements") >= 6
    seeds = [spelt for seed in fresh.sealed["one"].seeds for spelt in _spellings(seed)]
    hidden = [*fresh.sealed["one"].words, *seeds, KEY, KEY[-8:], TOKEN, ASKED]
    assert [each for each in hidden if each in told] == []


def _spellings(seed: bytes) -> list[str]:
    return [seed.hex(), base64.b64encode(seed).decode(), repr(seed)[2:-1]]


def test_a_long_address_is_not_kept() -> None:
    routes = Routes(["/jobs/{name:str}"])
    long = "/jobs/" + "x" * 60_000
    assert [routes.of(long), routes.of("/jobs/x")] == [NO_ROUTE, "/jobs/{name}"]
    assert routes._known.cache_info().currsize == 1
