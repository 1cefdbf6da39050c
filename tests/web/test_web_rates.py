from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser
from ledger_world import World

from ledger.errors import SettingsError
from ledger.settings import Settings, load_settings
from web.app import create_app
from web.rates import RateExceeded, RateLimits

ONE = "/api/v1/statements"
BATCH = "/api/v1/statements/batch"


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def _scope(peer: str | None, *forwarded: str) -> dict[str, Any]:
    headers = [(b"x-forwarded-for", each.encode()) for each in forwarded]
    return {"client": (peer, 1) if peer else None, "headers": headers}


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def busy(fresh: World, time: Time) -> Iterator[Browser]:
    """A site that makes six answers a minute for one address."""
    rates = RateLimits(6, clock=time)
    with Browser(create_app(fresh.ledger, public_url="https://x", rates=rates)) as browser:
        yield browser


def test_an_address_that_asks_too_often_is_told_when_to_come_back(
    busy: Browser, time: Time
) -> None:
    for left in range(5, -1, -1):
        reply = busy.get(f"/api/v1/entries?limit={left + 1}")
        assert reply.status == 200
        assert reply.headers["ratelimit-policy"] == '"default";q=6;w=60'
        assert reply.headers["ratelimit"] == f'"default";r={left};t=10'
    time.now += 4
    reply = busy.get("/api/v1/entries?limit=7")
    assert reply.status == 429
    assert reply.headers["retry-after"] == "6"
    assert reply.headers["ratelimit"] == '"default";r=0;t=6'
    assert reply.headers["cache-control"] == "no-store"
    assert reply.json()["type"] == "/en/docs/problems/too-many-requests"
    assert reply.json()["retry_after"] == 6
    assert "RateLimit" in reply.headers["access-control-expose-headers"]
    page = busy.get("/en/members")
    # What costs least to make, on every address.
    assert (page.status, page.headers["content-type"]) == (429, "application/problem+json")
    time.now += 6
    assert busy.get("/api/v1/entries?limit=7").status == 200
    assert busy.get("/api/v1/entries?limit=8").status == 429


def test_files_and_what_is_at_hand_are_not_counted(busy: Browser) -> None:
    made = busy.get("/api/v1/jobs")
    for _ in range(20):
        assert busy.get("/api/v1/jobs").headers["ratelimit"] == made.headers["ratelimit"]
        assert busy.get("/api/v1/jobs", if_none_match=made.headers["etag"]).status == 304
        for file in ("/log/checkpoint", "/log/tile/entries/000.p/1", "/schemas/index.json"):
            reply = busy.get(file)
            assert reply.status == 200
            assert "ratelimit" not in reply.headers


def test_statements_that_are_accepted_are_not_counted_and_refused_ones_are(
    fresh: World, busy: Browser
) -> None:
    for number in range(10):
        body = fresh.submission(f"job{number}")
        assert busy.request("POST", ONE, chunks=[body]).status == 201
    for _ in range(6):
        assert busy.request("POST", ONE, chunks=[b"{}"]).status in {400, 422}
    reply = busy.request("POST", ONE, chunks=[fresh.submission("late")])
    assert (reply.status, reply.headers["retry-after"]) == (429, "10")


def test_a_statement_that_is_sent_again_costs_a_token(fresh: World, busy: Browser) -> None:
    body = fresh.submission("once")
    assert busy.request("POST", ONE, chunks=[body]).status == 201
    for _ in range(6):
        assert busy.request("POST", ONE, chunks=[body]).status == 200
    assert busy.request("POST", ONE, chunks=[body]).status == 429


def test_each_line_of_a_batch_that_makes_no_entry_costs_a_token(
    fresh: World, busy: Browser, time: Time
) -> None:
    def sent(*lines: bytes) -> tuple[int, str]:
        reply = busy.request("POST", BATCH, chunks=[b"\n".join(lines)])
        return reply.status, reply.headers["ratelimit"]

    new = [fresh.submission(f"job{number}") for number in range(20)]
    assert sent(*new) == (200, '"default";r=6;t=10')
    assert sent(fresh.submission("last"), new[0], b"{}") == (200, '"default";r=4;t=10')
    # As long as there is one token a batch is taken whole, and paid for after.
    assert sent(*[b"{}"] * 10) == (200, '"default";r=0;t=70')
    assert sent(b"{}") == (429, '"default";r=0;t=70')
    time.now += 69
    assert sent(b"{}")[0] == 429
    time.now += 1
    assert sent(fresh.submission("late"))[0] == 200


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/en//x", 404),
        ("GET", "/en/jobs?at=99999999", 404),
        ("GET", "/en/jobs?at=1&at=1", 400),
        ("GET", "/en/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV", 404),
        ("GET", "/static/none", 404),
        ("POST", "/en/jobs", 405),
        ("DELETE", "/nothing/at/all", 404),
        ("OPTIONS", "/en/jobs", 204),
        ("GET", ONE, 405),
        ("PUT", "/log/checkpoint", 405),
    ],
)
def test_what_is_refused_costs_a_token_and_is_refused_shortly_without_one(
    busy: Browser, method: str, target: str, status: int
) -> None:
    for _ in range(6):
        assert busy.request(method, target).status == status
    reply = busy.request(method, target)
    assert (reply.status, reply.headers["content-type"]) == (429, "application/problem+json")


def test_what_lists_artifacts_costs_nothing_where_it_has_not_changed(
    fresh: World, busy: Browser
) -> None:
    fresh.log(fresh.submission("listed"))
    target = f"/en/jobs/{fresh.job_id('listed')}"
    made = busy.get(target)
    assert made.headers["ratelimit"] == '"default";r=5;t=10'
    for _ in range(10):
        again = busy.get(target, if_none_match=made.headers["etag"])
        assert (again.status, busy.get(target).status) == (304, 200)
    assert busy.get("/en/members").headers["ratelimit"] == '"default";r=4;t=10'


def test_without_a_limit_nothing_is_said_of_one(shop: Browser) -> None:
    reply = shop.get("/api/v1/jobs")
    assert not [name for name in reply.headers if name.startswith("ratelimit")]


def test_each_address_has_a_bucket_and_a_subscriber_of_ipv6_has_one(time: Time) -> None:
    rates = RateLimits(1, clock=time)
    for peer in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1", "pipe", None):
        rates.take(_scope(peer))
    for peer in ("192.0.2.1", "::ffff:192.0.2.2", "2001:db8::ffff:1", "pipe", None):
        with pytest.raises(RateExceeded):
            rates.take(_scope(peer))


def test_a_forwarded_address_is_believed_from_trusted_proxies_alone() -> None:
    rates = RateLimits(1, trusted=Settings(trusted_proxies="10.0.0.0/8, ::1").proxy_networks)
    for scope, client in (
        (_scope("192.0.2.9", "198.51.100.1"), "192.0.2.9"),
        (_scope("10.0.0.1", "198.51.100.1"), "198.51.100.1"),
        (_scope("10.0.0.1", "203.0.113.5, 198.51.100.1, 10.2.2.2"), "198.51.100.1"),
        (_scope("10.0.0.1", "203.0.113.5", "198.51.100.1"), "198.51.100.1"),
        (_scope("::1", "10.1.1.1"), "10.1.1.1"),
        # A listener for both families maps what comes by IPv4.
        (_scope("::ffff:10.0.0.1", "198.51.100.1"), "198.51.100.1"),
        (_scope("::ffff:10.0.0.1", "198.51.100.1, ::ffff:10.2.2.2"), "198.51.100.1"),
        (_scope("10.0.0.1", "198.51.100.1:4711"), "198.51.100.1"),
        (_scope("10.0.0.1", "[2001:db8::7]:4711"), "2001:db8::/64"),
        (_scope("10.0.0.1", "[2001:db8::7]"), "2001:db8::/64"),
        (_scope("10.0.0.1", "2001:db8::7%zone"), "2001:db8::/64"),
        (_scope("10.0.0.1", "198.51.100.1, unknown"), "10.0.0.1"),
        (_scope("10.0.0.1", "unknown, 10.2.2.2"), "10.2.2.2"),
        (_scope("10.0.0.1"), "10.0.0.1"),
    ):
        assert rates.client(scope) == client
    assert RateLimits(1).client(_scope("10.0.0.1", "198.51.100.1")) == "10.0.0.1"


def test_buckets_take_a_bounded_room(time: Time) -> None:
    rates = RateLimits(1, clock=time, most=100)
    for number in range(1000):
        rates.take(_scope(f"10.1.{number // 250}.{number % 250}"))
    assert len(rates._buckets) == 100


def test_the_settings_of_the_limit_are_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings(data_dir=tmp_path).rate_per_minute >= 1000
    assert Settings(data_dir=tmp_path).trusted_proxies is None
    for wrong in ("10.0.0.1/8", "proxy.example", "10.0.0.1,"):
        monkeypatch.setenv("LEDGER_TRUSTED_PROXIES", wrong)
        with pytest.raises(SettingsError, match="LEDGER_TRUSTED_PROXIES"):
            load_settings()
