"""What is sealed shows neither in what answers say nor in how long they are.

Two ledgers are made that differ in sealed values alone: in what they say, how much, and how many
there are. Whatever is asked of the two, the answers may differ in hashes and signatures only: same
status, same headers, same length, same words. And whatever is asked of either, with its sealed
words and their digests as the question, nothing of them comes back.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import quote

import pytest
from browser import Browser, Reply
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import World
from site_map import answers, files, pages

from web.app import create_app

PUBLIC_URL = "https://ledger.example"
TOKEN = re.compile(rb"[0-9A-Za-z+/=_-]+")
HASH = re.compile(rb"[0-9a-f]{4,64}")
"""In hex; pages show the beginnings of long ones."""
SIGNATURE = re.compile(rb"[0-9A-Za-z+/_-]{40,}={0,2}")
NAMES = (
    "at", "q", "member", "workload", "state", "accelerator", "month", "decision", "code", "model",
    "from", "to", "limit", "cursor", "count", "start", "size", "fields", "url", "format", "bom",
    "since", "by", "title", "purpose", "name", "digest",
)  # fmt: skip


class Other(World):
    """A world in which everything that is sealed is something else, and more of it."""

    def canary(self, job: str, what: str) -> str:
        word = super().canary(job, what)
        longer = f"{word[::-1]} 别的 {'and further ' * (len(word) % 7)}"
        self.sealed[job].words[-1] = longer
        return longer

    def digest(self, job: str, what: str) -> str:
        return super().digest(job, f"other {what}")

    def statement(
        self,
        author: str,
        kind: str,
        schema: str,
        public: dict[str, Any],
        *,
        job: str | None = None,
        sealed: dict[str, Any] | None = None,
    ) -> bytes:
        if sealed is not None:
            sealed = {name: _more(name, value) for name, value in sealed.items()}
        return super().statement(author, kind, schema, public, job=job, sealed=sealed)


def _more(name: str, value: Any) -> Any:
    match name, value:
        case "code", _:
            return None
        case "tokens.input", _:
            return 7
        case "metrics", [metric]:
            return [metric] * 9
        case "artifacts", [artifact]:
            return [artifact | {"name": f"{artifact['name']} {n}"} for n in range(5)]
        case _:
            return value


@dataclass(frozen=True)
class Pair:
    """Two worlds and a browser in front of each."""

    worlds: tuple[World, World]
    sites: tuple[Browser, Browser]

    def ask(self, target: str, **headers: str) -> tuple[Reply, Reply]:
        one, other = (site.get(target, **headers) for site in self.sites)
        return one, other


@pytest.fixture(scope="module")
def pair(
    new_database: Callable[[], str | None], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    worlds, sites = [], []
    with ExitStack() as opened:
        for kind in (World, Other):
            world = opened.enter_context(kind(tmp_path_factory.mktemp("pair"), new_database()))
            _live(world)
            worlds.append(world)
            sites.append(
                opened.enter_context(Browser(create_app(world.ledger, public_url=PUBLIC_URL)))
            )
        yield Pair((worlds[0], worlds[1]), (sites[0], sites[1]))


def _live(world: World) -> None:
    """A history in which nothing is opened."""
    world.log(*[world.submission(job) for job in ("one", "two")])
    world.days(3)
    world.log(*[world.submission(job, author="beta") for job in ("three", "four")])
    world.log(world.submission("ended"), world.submission("failed", author="beta"))
    world.run("ended")
    world.run("failed", kind="failed")
    forbidden = {
        "workload_type": "lora",
        "optimizer_targets": ["uploaded_model"],
        "gradient_scope": "auxiliary_only",
    }
    world.log(world.submission("rejected", **forbidden))
    world.days(40)


def _targets(world: World) -> list[str]:
    return [*pages(world), *answers(world), *files(world), "/en/nowhere", "/api/v1/nowhere"]


def _differences(one: Reply, other: Reply) -> list[str]:
    """In what two answers differ, but for hashes."""
    found = []
    if one.status != other.status:
        found.append(f"status {one.status} and {other.status}")
    if one.headers != other.headers:
        pairs = set(one.headers.items()) ^ set(other.headers.items())
        found.append(f"headers {sorted(pairs)}")
    if len(one.body) != len(other.body):
        found.append(f"lengths {len(one.body)} and {len(other.body)}")
    is_bundle = one.body[2:4] == b'{"'  # behind the length of its first entry
    if one.headers["content-type"] == "application/octet-stream" and not is_bundle:
        return found  # a tile of hashes
    if TOKEN.sub(b"", one.body) != TOKEN.sub(b"", other.body):
        found.append("what stands between the words")
    words = zip(TOKEN.findall(one.body), TOKEN.findall(other.body), strict=False)
    found += [f"{a!r} and {b!r}" for a, b in words if a != b and not _are_hashes(a, b)]
    return found


def _are_hashes(one: bytes, other: bytes) -> bool:
    return len(one) == len(other) and any(
        kind.fullmatch(one) and kind.fullmatch(other) for kind in (HASH, SIGNATURE)
    )


def test_the_two_ledgers_differ_in_what_is_sealed(pair: Pair) -> None:
    one, other = pair.worlds
    assert one.jobs == other.jobs
    assert one.reader.tree_size() == other.reader.tree_size()
    for job in one.sealed:
        assert one.sealed[job].seeds == other.sealed[job].seeds
        assert not set(one.sealed[job].words) & set(other.sealed[job].words)
    with one.reader.at() as view, other.reader.at() as twin:
        assert view.state().root != twin.state().root


@pytest.mark.parametrize(
    ("status", "body", "tag"),
    [
        (404, b"opens in May: 01ab", '"t"'),
        (200, b"opens in May: 01ab, twice", '"t"'),
        (200, b"opens in Mai: 01ab", '"t"'),
        (200, b"opens in May; 01ab", '"t"'),
        (200, b"opens in May: 01ab", '"u"'),
    ],
)
def test_a_difference_would_be_seen(status: int, body: bytes, tag: str) -> None:
    kind = {"content-type": "text/html; charset=utf-8"}
    one = Reply(200, {**kind, "etag": '"t"'}, (), b"opens in May: 01cd")
    assert _differences(one, Reply(200, one.headers, (), b"opens in May: 01ab")) == []
    assert _differences(one, Reply(status, {**kind, "etag": tag}, (), body)) != []


def test_what_is_sealed_changes_no_answer_but_in_its_hashes(pair: Pair) -> None:
    wrong = {
        target: found
        for target in _targets(pair.worlds[0])
        if (found := _differences(*pair.ask(target)))
    }
    assert wrong == {}


def test_what_is_sealed_changes_no_answer_to_one_who_sees_lengths_only(pair: Pair) -> None:
    for target in _targets(pair.worlds[0]):
        for one, other in (pair.ask(target), pair.ask(target, if_none_match='"x"')):
            assert (target, len(one.body)) == (target, len(other.body))
            assert one.headers["content-length"] == other.headers["content-length"]
            assert one.headers.get("etag") == other.headers.get("etag")


def _spellings(word: str) -> list[str]:
    """A word, its unsalted digests, and its length, as they may be asked for or come out."""
    digests = [hashlib.sha256(raw).digest() for raw in (word.encode(), json.dumps(word).encode())]
    return [
        word,
        *(digest.hex() for digest in digests),
        *(base64.b64encode(digest).decode() for digest in digests),
        *(base64.urlsafe_b64encode(digest).decode().rstrip("=") for digest in digests),
        base64.b64encode(word.encode()).decode().rstrip("="),
        word.encode().hex(),
    ]


def _secrets(world: World) -> list[str]:
    """Everything of a world that must not come out, in every spelling."""
    found = []
    for canaries in world.sealed.values():
        found += [spelt for word in canaries.words for spelt in _spellings(word)]
        for seed in canaries.seeds:
            found += [seed.hex(), base64.b64encode(seed).decode(), hashlib.sha256(seed).hexdigest()]
    return found


def _without(reply: Reply, asked: str) -> bytes:
    """An answer and its headers, without the question where that is told back."""
    seen = reply.body + repr(reply.headers).encode()
    raw = asked.encode()
    spelt = {raw, escape(asked).encode(), json.dumps(asked)[1:-1].encode(), quote(asked).encode()}
    spelt |= {quote(asked, safe="").encode(), asked.replace("'", "&#39;").encode()}
    spelt |= {quote(asked, safe="").replace("%20", "+").encode()}
    for each in sorted(spelt, key=len, reverse=True):
        seen = seen.replace(each, b"")
    return seen


@settings(deadline=None)
@given(data=st.data())
def test_no_question_brings_out_what_is_sealed(pair: Pair, data: st.DataObject) -> None:
    """The question may be the sealed word itself, a part of it, or its digest."""
    world, other = pair.worlds
    target = data.draw(st.sampled_from(_targets(world)).map(lambda each: each.partition("?")[0]))
    secret = data.draw(st.sampled_from(_secrets(world) + _secrets(other)))
    begin = data.draw(st.integers(0, max(0, len(secret) - 4)))
    part = secret[begin : begin + data.draw(st.integers(4, 200))]
    names = data.draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True))
    query = "&".join(f"{name}={quote(part, safe='')}" for name in names)
    one, twin = pair.ask(f"{target}?{query}")
    assert one.status in {200, 302, 303, 307, 308, 400, 404}
    assert [found for found in _differences(one, twin) if "headers" not in found] == []
    for reply, own in ((one, world), (twin, other)):
        shown = _without(reply, part)
        assert [word for word in _secrets(own) if word.encode() in shown] == []


@settings(deadline=None)
@given(data=st.data())
def test_an_address_made_of_what_is_sealed_leads_nowhere(pair: Pair, data: st.DataObject) -> None:
    world, _ = pair.worlds
    secret = data.draw(st.sampled_from(_secrets(world)))
    prefix = data.draw(
        st.sampled_from(
            [
                "/en/jobs/", "/zh-Hans/members/", "/en/models/sha256:", "/en/artifacts/sha256:",
                "/models/sha256:", "/artifacts/sha256:", "/api/v1/models/sha256:", "/jobs/",
                "/api/v1/artifacts/sha256:", "/api/v1/jobs/", "/en/entries/", "/embed/",
                "/log/tile/0/", "/en/docs/problems/", "/static/", "/feeds/", "/oembed/",
            ]
        )
    )  # fmt: skip
    one, twin = pair.ask(prefix + quote(secret, safe=""))
    assert one.status in {400, 404}
    assert [found for found in _differences(one, twin) if "headers" not in found] == []
    shown = _without(one, secret)
    assert [word for word in _secrets(world) if word.encode() in shown] == []


@pytest.mark.parametrize(
    "target",
    [
        "/en/jobs?q={}",
        "/zh-Hans/jobs?q={}",
        "/api/v1/jobs?q={}",
        "/api/v1/facets?q={}",
        "/jobs.csv?q={}",
    ],
)
def test_a_search_for_a_sealed_word_is_a_search_for_no_word(pair: Pair, target: str) -> None:
    """It answers as for a word of the same form that stands nowhere, in each of the two worlds."""
    for world, site in zip(pair.worlds, pair.sites, strict=True):
        for word in (word.split()[0] for word in world.sealed["ended"].words):
            nonsense = "".join("z" if each.isalpha() else each for each in word)
            real = site.get(f"{target}?q={quote(word)}")
            false = site.get(f"{target}?q={quote(nonsense)}")
            assert real.status == false.status
            assert _without(real, word).replace(_etag(real), b"") == _without(
                false, nonsense
            ).replace(_etag(false), b"")


def _etag(reply: Reply) -> bytes:
    return reply.headers.get("etag", "-").encode()
