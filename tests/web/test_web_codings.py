"""What goes over the wire: content codings, their entity tags, and how much it weighs."""

import gzip
import re
from collections.abc import Iterator

import brotli
import pytest
from browser import Browser, Reply
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import World
from site_map import answers, files, pages

import web.telling.codings
from ledger.reader import Reader
from web.answer import answer
from web.telling.codings import LEAST_BYTES, accepted

CODINGS = ("br", "gzip")
MOST_BYTES = 60_000
ASSET = re.compile(r'(?:href|src)="(/static/[^"]+\.(?:css|js))"')
IMPORTED = re.compile(r"""(?:from|import)\s*\(?["']\./([^"']+\.js)["']""")


def decoded(reply: Reply) -> bytes:
    """The body as it was before its coding."""
    match reply.headers.get("content-encoding"):
        case None:
            return reply.body
        case "br":
            plain: bytes = brotli.decompress(reply.body)
            return plain
        case "gzip":
            return gzip.decompress(reply.body)
        case other:
            raise AssertionError(other)


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("gzip, deflate, br, zstd", ("br", "gzip", "identity")),
        ("gzip", ("gzip", "identity")),
        ("x-gzip", ("gzip", "identity")),
        ("GZIP;Q=0.5, Br", ("br", "gzip", "identity")),
        ("gzip;q=1.0, br;q=0.5", ("gzip", "br", "identity")),
        ("br;q=0, gzip;q=0", ("identity",)),
        ("br;q=0, *", ("gzip", "identity")),
        ("*", ("br", "gzip", "identity")),
        ("*;q=0", ("identity",)),
        ("identity", ("identity",)),
        ("identity;q=1, gzip;q=0.5", ("identity", "gzip")),
        ("identity;q=0, gzip", ("gzip",)),
        ("gzip;q=0.0001", ("identity",)),
        ("gzip;q=2", ("identity",)),
        ("gzip;q=-1", ("identity",)),
        ("gzip;level=9", ("identity",)),
        ("g zip", ("identity",)),
        ("gzip ; q=0.3 ,\tbr ;q=0.300", ("br", "gzip", "identity")),
        ("gzip;q=0, gzip;q=1", ("identity",)),
        ("", ("identity",)),
        (", ,", ("identity",)),
    ],
)
def test_the_client_says_what_it_takes(said: str, taken: tuple[str, ...]) -> None:
    assert accepted([(b"Accept-Encoding", said.encode())]) == taken


def test_headers_that_are_repeated_count_as_one() -> None:
    assert accepted([(b"accept-encoding", b"gzip"), (b"accept-encoding", b"br;q=0")]) == (
        "gzip",
        "identity",
    )
    assert accepted([]) == ("identity",)


@given(st.binary(max_size=60))
def test_nothing_that_a_client_says_breaks_the_choice(said: bytes) -> None:
    assert set(accepted([(b"accept-encoding", said)])) <= {"br", "gzip", "identity"}


def test_every_page_is_the_same_in_every_coding(site: Browser, world: World) -> None:
    for target in (*pages(world), *answers(world), *files(world), "/en/nowhere", "/api/v1/no"):
        plain = site.get(target)
        assert "content-encoding" not in plain.headers
        text = not plain.headers["content-type"].startswith("application/octet-stream")
        varies = text and len(plain.body) >= LEAST_BYTES
        assert ("accept-encoding" in plain.headers.get("vary", "")) == varies
        tags = {plain.headers.get("etag")}
        for coding in CODINGS:
            coded = site.get(target, accept_encoding=coding)
            assert coded.status == plain.status
            assert coded.repeated == ()
            assert (target, decoded(coded)) == (target, plain.body)
            assert coded.headers.get("content-encoding") == (coding if varies else None)
            assert int(coded.headers["content-length"]) == len(coded.body)
            assert len(coded.body) <= len(plain.body)
            tags.add(coded.headers.get("etag"))
            unlike = {"content-encoding", "content-length", "etag", "date"}
            for name in {*plain.headers, *coded.headers} - unlike:
                assert plain.headers.get(name) == coded.headers.get(name)
        assert len(tags) == (3 if varies and "etag" in plain.headers else 1)


def test_head_says_of_a_coded_page_what_get_does(site: Browser, world: World) -> None:
    for target in (*pages(world), *answers(world), *files(world)):
        for said in ("br", "gzip"):
            headers = {"accept-encoding": said}
            get = site.request("GET", target, headers=headers)
            head = site.request("HEAD", target, headers=headers)
            assert (head.status, head.body) == (get.status, b"")
            assert head.headers == get.headers


def test_a_copy_in_any_coding_is_known_again_without_looking_at_the_ledger(
    site: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = {
        (target, coding): site.get(target, accept_encoding=coding).headers["etag"]
        for target in (*pages(world), *answers(world))
        for coding in ("br", "gzip", "identity")
    }

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the ledger was read for a page that the client has")

    for name in set(vars(Reader)) - {
        *("shown", "still_shown", "newest", "_newest_in", "_saw", "__init__")
    }:
        if callable(getattr(Reader, name)):
            monkeypatch.setattr(Reader, name, refuse)
    for (target, coding), tag in tags.items():
        for said in (coding, "gzip, br"):
            again = site.get(target, accept_encoding=said, if_none_match=f'"x", W/{tag}')
            assert (target, again.status, again.body) == (target, 304, b"")
            assert again.headers["etag"] == tag
            assert "content-encoding" not in again.headers
            assert "accept-encoding" in again.headers["vary"]


def test_a_copy_in_a_coding_that_the_client_refuses_now_is_sent_anew(site: Browser) -> None:
    tag = site.get("/en/", accept_encoding="br").headers["etag"]
    anew = site.get("/en/", accept_encoding="gzip, br;q=0", if_none_match=tag)
    assert (anew.status, anew.headers["content-encoding"]) == (200, "gzip")


def test_a_page_in_memory_is_not_compressed_again(
    site: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = ["/en/", "/zh-Hans/jobs", "/api/v1/jobs"]
    targets += ASSET.findall(site.get("/en/").text)
    first = [site.get(target, accept_encoding=coding) for target in targets for coding in CODINGS]

    def refuse(*_: object) -> bytes:
        raise AssertionError("compressed again")

    monkeypatch.setattr(web.telling.codings, "_compress", refuse)
    again = [site.get(target, accept_encoding=coding) for target in targets for coding in CODINGS]
    assert again == first


def test_a_static_file_that_the_client_has_is_not_sent_again(site: Browser) -> None:
    for target in ASSET.findall(site.get("/en/").text):
        for coding in (*CODINGS, "identity"):
            first = site.get(target, accept_encoding=coding)
            again = site.get(target, accept_encoding=coding, if_none_match=first.headers["etag"])
            assert (again.status, again.body) == (304, b"")
            assert again.headers["cache-control"] == first.headers["cache-control"]


def test_small_answers_and_bytes_of_the_log_are_left_as_they_are(site: Browser) -> None:
    for target in ("/log/vkey", "/log/checkpoint", "/log/tile/entries/000"):
        reply = site.get(target, accept_encoding="br, gzip")
        assert "content-encoding" not in reply.headers
        assert "vary" not in reply.headers


def test_an_answer_that_depends_on_more_says_both(site: Browser) -> None:
    reply = site.get("/en/nowhere", accept_encoding="br")
    assert reply.status == 404
    assert reply.headers["vary"] == "accept-language, accept-encoding"


def _scripts(site: Browser, address: str) -> Iterator[str]:
    """A script's address, and those of all that it imports."""
    yield address
    for name in IMPORTED.findall(site.get(address).text):
        yield from _scripts(site, f"{address.rpartition('/')[0]}/{name}")


def test_no_page_weighs_more_than_60_kilobytes_with_its_style_and_scripts(
    site: Browser, world: World
) -> None:
    weights: dict[str, int] = {}

    def weight(target: str) -> int:
        if target not in weights:
            weights[target] = len(site.get(target, accept_encoding="gzip, br").body)
        return weights[target]

    heavy = []
    for target in pages(world):
        assets = set(ASSET.findall(site.get(target).text))
        scripts = {each for one in assets if one.endswith(".js") for each in _scripts(site, one)}
        whole = weight(target) + sum(map(weight, assets | scripts))
        if whole > MOST_BYTES:
            heavy.append((target, whole))
    assert heavy == []


def test_a_long_body_is_compressed_beside_the_event_loop(
    site: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web.telling.codings, "THREAD_BYTES", 0)
    reply = site.get("/en/jobs?at=50", accept_encoding="br")
    assert decoded(reply) == site.get("/en/jobs?at=50").body


def test_compressing_the_same_bytes_gives_the_same_bytes() -> None:
    made = answer(200, b"one and the same " * 500, "text/plain; charset=utf-8")
    for coding in CODINGS:
        one, other = (web.telling.codings._compress(made.body, coding, 5) for _ in range(2))
        assert one == other
