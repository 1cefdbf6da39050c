"""What a server says to requests that two readers could read in two ways, and to lying headers."""

import re
from collections.abc import Iterator

import pytest
from abused import HEAD, PUBLIC_URL, Abused, abused, recent_world

GET = b"GET /robots.txt HTTP/1.1\r\n"
POST = b"POST /api/v1/statements HTTP/1.1\r\n"
END = b"\r\n"
HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: ledger.example\r\n\r\n"
"""A second request, which must never be answered where it stands in the body of a first one."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abused]:
    world = recent_world(tmp_path_factory.mktemp("requests"))
    with abused(world, LEDGER_RATE_PER_MINUTE="0") as running:
        yield running
        assert running.answers()
        assert "Traceback" not in running.log.read_text("utf-8", "replace")


@pytest.mark.parametrize(
    "request_bytes",
    [
        GET + HEAD + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\n",
        GET + HEAD + b"Content-Length: 0, 5\r\n\r\n",
        GET + HEAD + b"Content-Length: +0\r\n\r\n",
        GET + HEAD + b"Content-Length: 0x0\r\n\r\n",
        GET + HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        GET + HEAD + b"X-Folded: one\r\n two\r\n\r\n",
        GET + HEAD + b"X-Return: one\rX-Two: two\r\n\r\n",
        GET + HEAD + b"X-Nul: one\0two\r\n\r\n",
        GET + HEAD + HEAD + END,
        GET + HEAD + b"Host: evil.example\r\n\r\n",
        b"GET /robots.txt HTTP/2.0\r\n" + HEAD + END,
        b"GET /robots.txt\r\n\r\n",
        b"GET /rob\0ots.txt HTTP/1.1\r\n" + HEAD + END,
        b"GET /en/\xff HTTP/1.1\r\n" + HEAD + END,
        b"GET /en\r\n X HTTP/1.1\r\n" + HEAD + END,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
    ],
)
def test_a_request_with_two_readings_is_refused_and_nothing_follows_it(
    server: Abused, request_bytes: bytes
) -> None:
    heard = server.say(request_bytes)
    assert heard.statuses == [400]
    assert b"ok\n" not in heard.bytes


def test_of_two_lengths_one_counts_and_nothing_behind_it_is_answered(server: Abused) -> None:
    both = b"Host: ledger.example\r\nContent-Length: 49\r\nTransfer-Encoding: chunked\r\n\r\n"
    heard = server.say(GET + both + b"0\r\n\r\n" + HIDDEN)
    assert heard.statuses == [200]
    assert b"ok\n" not in heard.bytes


@pytest.mark.parametrize(
    "chunks",
    [
        b"ZZ\r\n",
        b"FFFFFFFFFFFFFFFFF\r\n",
        b"-1\r\n",
        b"5\r\nabc",
        b"1;" + b"a" * 100_000,
        b"2\r\n{}x",
    ],
)
def test_a_body_that_breaks_off_is_no_statement_and_fills_no_log(
    server: Abused, chunks: bytes
) -> None:
    before = server.log.stat().st_size
    heard = server.say(POST + HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks, break_off=True)
    assert heard.statuses in ([], [400], [500])
    assert b"index" not in heard.bytes
    assert server.answers()
    assert server.log.stat().st_size - before == 0


def test_a_head_has_a_largest_size(server: Abused) -> None:
    for head in (
        b"X-Large: " + b"a" * 300_000 + END,
        b"Cookie: " + b"a=b; " * 60_000 + END,
        b"".join(b"X-%d: a\r\n" % number for number in range(1_000)),
    ):
        assert server.say(GET + HEAD + head + END).statuses in ([431], [])
    for target in ("/en/jobs?q=" + "a" * 1_000_000, "/" + "a" * 1_000_000):
        assert server.get(target).statuses in ([431], [414], [])
    long_query = server.get("/en/jobs?q=" + "a" * 60_000)
    assert long_query.statuses == [400]


def test_http_2_and_upgrades_are_not_spoken(server: Abused) -> None:
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"
    assert server.say(preface).statuses in ([400], [])
    upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
    assert server.say(GET + HEAD + upgrade + END).statuses == [200]
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    websocket += b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    assert server.say(GET + HEAD + websocket + END).statuses == [200]


LYING = (
    "Host: evil.example",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Proto: gopher",
    "X-Forwarded-For: evil.example",
    "X-Forwarded-Prefix: /evil.example",
    "Forwarded: host=evil.example;proto=gopher",
    "X-Original-URL: /evil.example",
    "X-Rewrite-URL: /evil.example",
    "X-HTTP-Method-Override: DELETE",
    "Origin: https://evil.example",
    "Referer: https://evil.example/",
    "Cookie: lang=evil.example",
    "Via: 1.1 evil.example",
)


@pytest.mark.parametrize(
    "target",
    [
        "/en/", "/zh-Hans/jobs", "/en/jobs?limit=2", "/feeds/submitted.atom",
        "/feeds/submitted.json", "/sitemap.xml", "/sitemaps/pages.xml", "/robots.txt",
        "/opensearch.xml?lang=en", "/.well-known/security.txt", "/api/v1/status",
        "/api/v1/openapi.json", "/api/v1/jobs", "/schemas/index.json", "/jobs.csv",
        "/embed/en/gpu-hours-by-member", "/entries/1", "/en/nowhere", "/api/v1/nowhere",
    ],
)  # fmt: skip
def test_no_header_of_a_client_gets_into_an_answer(server: Abused, target: str) -> None:
    lies = "".join(f"{line}\r\n" for line in LYING).encode()
    lying = f"GET {target} HTTP/1.1\r\nConnection: close\r\n".encode() + lies + END
    absolute = f"GET http://evil.example{target} HTTP/1.1\r\n".encode() + HEAD + END
    for request in (lying, absolute):
        # Some pages change with the minute: it is enough that once both were the same.
        for _ in range(8):
            before = _without_date(server.get(target).bytes)
            heard = server.say(request).bytes
            assert b"evil.example" not in heard
            assert b"gopher" not in heard
            if _without_date(heard) == before:
                break
        else:
            raise AssertionError("what a client says of itself changes the answer")


def _without_date(answer: bytes) -> bytes:
    """An answer without when it was made, its own number, and what is left of a budget."""
    number = re.search(rb"(?im)^x-request-id: ([!-~]+)\r$", answer)
    found = answer.replace(number[1], b"<number>") if number else answer
    found = re.sub(rb"(?im)^(date|ratelimit): .*\r\n", b"", found)
    return re.sub(rb"20[0-9]{2}-[0-9]{2}-[0-9]{2}[T ][0-9:]+( UTC|Z)?", b"<time>", found)


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/", "///evil.example", "//evil.example/en/", "/%2fevil.example/en/",
        "/\\evil.example", "/%5cevil.example", "/en//evil.example", "/;//evil.example",
        "/en/..%2f..%2fevil.example", "/en/../../evil.example", "/.%0a./evil.example",
        "/%0d%0aLocation:%20https://evil.example", "/jobs/%0d%0aX:%20evil.example",
        "/static/..%2f..%2fapp.py", "/static/%2e%2e/app.py", "/static/....//app.py",
        "/bulk/..%2f..%2fledger.db", "/bulk/%2e%2e/%2e%2e/ledger.db", "/bulk//etc/passwd",
        "/log/tile/..%2f..%2f..%2fkeys", "/log/tile/0/x%2f000", "/schemas/..%2fanswers.py",
        "/en/%00", "/en/jobs%00.json", "/en/%c0%ae%c0%ae/", "/en/%ff%fe", "/en/%252e%252e/",
        "/en/docs/..%2f..%2fwords.py", "/embed/..%2f..%2f", "/api/v1/jobs/..%2f..%2fstatus",
    ],
)  # fmt: skip
def test_a_path_leads_nowhere_but_to_an_address_of_the_site(server: Abused, path: str) -> None:
    heard = server.say(f"GET {path} HTTP/1.1\r\n".encode() + HEAD + END)
    assert heard.statuses in ([404], [400])
    head = heard.bytes.partition(b"\r\n\r\n")[0].lower()
    assert b"location:" not in head
    assert b"\nx: evil" not in head


def test_redirects_lead_to_paths_of_this_site_alone(server: Abused) -> None:
    for target in ("/entries/1", "/entries/1/", "/members/alpha", "/jobs/../entries/2"):
        heard = server.get(target, "X-Forwarded-Host: evil.example")
        for location in re.findall(rb"(?im)^location: (.*)\r$", heard.bytes):
            assert re.fullmatch(rb"/[a-zA-Z][^/\\].*", location)
    assert PUBLIC_URL.encode() in server.get("/robots.txt").bytes


def test_a_thousand_ranges_are_one_answer(server: Abused) -> None:
    ranges = ",".join(f"{number}-{number + 1}" for number in range(3_000))
    for target in ("/bulk/index.json", "/api/v1/openapi.json"):
        heard = server.get(target, f"Range: bytes={ranges}")
        whole = server.get(target)
        assert heard.statuses == [200]
        assert len(heard.bytes) <= len(whole.bytes) + 200


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
def test_a_compressed_body_is_never_unpacked(server: Abused, coding: str) -> None:
    body = b"\x1f\x8b\x08" + bytes(60)
    head = f"Content-Encoding: {coding}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    assert server.say(POST + HEAD + head + body).statuses == [400]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b'{"statement":{},"statement":{}}',
        b'{"statement":' + b"9" * 100_000 + b"}",
        b'{"statement":1e999999}',
        b'{"statement":"\\ud800"}',
        b'{"statement":"' + b"\xff" * 100 + b'"}',
        b"\xef\xbb\xbf{}",
        b"{}\n{}",
        b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n--x--\r\n",
        b"",
        b"null",
    ],
)
def test_json_made_to_hurt_is_refused_in_one_line(server: Abused, body: bytes) -> None:
    for target in ("/api/v1/statements", "/api/v1/check"):
        heard = server.post(target, body)
        assert heard.statuses in ([400], [413], [422])
        assert b"application/problem+json" in heard.bytes
        assert len(heard.bytes) < 4_096
    assert server.post("/api/v1/statements/batch", body).statuses in ([200], [400], [413])


def test_other_sites_may_read_and_never_with_credentials(server: Abused) -> None:
    preflight = (
        b"OPTIONS /api/v1/statements HTTP/1.1\r\nOrigin: https://evil.example\r\n"
        b"Access-Control-Request-Method: PUT\r\n" + HEAD + END
    )
    for heard in (
        server.say(preflight),
        server.get("/api/v1/jobs", "Origin: https://evil.example"),
    ):
        assert b"access-control-allow-origin: *\r\n" in heard.bytes.lower()
        assert b"access-control-allow-credentials" not in heard.bytes.lower()
    page = server.get("/en/", "Origin: https://evil.example").bytes.lower()
    assert b"access-control-allow-origin" not in page
