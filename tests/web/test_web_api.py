import json
from urllib.parse import urlsplit

import pytest
from browser import Browser, Reply
from ledger_world import HOSTILE, World

from ledger.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from ledger.tlog.tiles import decode_bundle
from web import api
from web.problems import KINDS
from web.telling.plain import shown


def _problem(reply: Reply, status: int, slug: str) -> dict[str, object]:
    assert reply.status == status
    assert reply.headers["content-type"] == "application/problem+json"
    problem: dict[str, object] = reply.json()
    assert problem["type"] == f"/en/docs/problems/{slug}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


def _crawl(site: Browser, target: str) -> list[Reply]:
    found = []
    following: str | None = target
    while following:
        reply = site.get(following)
        assert reply.status == 200
        found.append(reply)
        following = reply.json()["page"]["next"]
        if following:
            assert f'<{following}>; rel="next"' in reply.headers["link"]
    return found


def test_every_list_has_the_envelope(site: Browser, world: World) -> None:
    for path in ("jobs", "entries", "members", f"jobs/{world.job_id('opened')}/events"):
        answer = site.get(f"/api/v1/{path}").json()
        assert set(answer) == {"data", "page", "ledger"}
        assert set(answer["page"]) == {"next", "cursor", "count"}
        assert set(answer["ledger"]) == {"tree_size", "root", "logged_at", "checkpoint"}
        assert answer["page"]["count"] >= len(answer["data"]) > 0


def test_a_crawl_of_jobs_finds_each_once_even_while_the_log_grows(
    fresh: World, shop: Browser
) -> None:
    fresh.log(*[fresh.submission(f"job{n}") for n in range(23)])
    first = shop.get("/api/v1/jobs?limit=5")
    fresh.log(*[fresh.submission(f"later{n}") for n in range(9)])
    rest = _crawl(shop, first.json()["page"]["next"])
    seen = [job["job_id"] for page in (first, *rest) for job in page.json()["data"]]
    assert seen == [fresh.jobs[f"job{n}"] for n in reversed(range(23))]
    assert {page.json()["page"]["count"] for page in (first, *rest)} == {23}


def test_a_crawl_of_entries_finds_the_whole_log(site: Browser, world: World) -> None:
    pages = _crawl(site, "/api/v1/entries?limit=100")
    entries = [entry for page in pages for entry in page.json()["data"]]
    assert [entry["index"] for entry in entries] == list(range(world.reader.tree_size()))
    bundle = decode_bundle(site.get("/log/tile/entries/000").body)
    for index, leaf in enumerate(bundle):
        assert json.loads(leaf) == entries[index]["entry"]
        assert leaf_hash(leaf).hex() == entries[index]["leaf_hash"]


def test_a_page_of_large_entries_is_shorter_and_the_next_goes_on(
    site: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "ENTRIES_AT_ONCE", 3)
    monkeypatch.setattr(api, "ENTRIES_BYTES", 2_000)
    pages = [page.json() for page in _crawl(site, "/api/v1/entries?limit=7&count=none")]
    assert max(len(page["data"]) for page in pages) <= 7
    assert min(len(page["data"]) for page in pages[:-1]) == 3
    found = [each["index"] for page in pages for each in page["data"]]
    assert found == list(range(world.reader.tree_size()))


def test_a_crawl_of_a_jobs_events_finds_them_all(site: Browser, world: World) -> None:
    job = world.job_id("opened")
    pages = _crawl(site, f"/api/v1/jobs/{job}/events?limit=2")
    kinds = [event["kind"] for page in pages for event in page.json()["data"]]
    assert kinds[:3] == ["submitted", "admitted", "started"]
    assert len(pages) == 4
    assert {page.json()["page"]["count"] for page in pages} == {7}


def test_counting_can_be_left_out(site: Browser) -> None:
    assert site.get("/api/v1/jobs?count=none").json()["page"]["count"] is None
    assert site.get("/api/v1/jobs?count=exact&limit=1").json()["page"]["count"] > 100


def test_proofs_verify_against_the_roots_they_name(site: Browser, world: World) -> None:
    size = world.reader.tree_size()
    for asked in ("", "?size=200", f"?size={size}"):
        data = site.get(f"/api/v1/entries/7/proof{asked}").json()["data"]
        verify_inclusion(
            [bytes.fromhex(each) for each in data["hashes"]],
            index=7,
            size=data["tree_size"],
            leaf=bytes.fromhex(data["leaf_hash"]),
            root=bytes.fromhex(data["root"]),
        )
    data = site.get("/api/v1/consistency?from=99&to=300").json()["data"]
    verify_consistency(
        [bytes.fromhex(each) for each in data["hashes"]],
        old_size=99,
        old_root=bytes.fromhex(data["old_root"]),
        new_size=300,
        new_root=bytes.fromhex(data["new_root"]),
    )


def test_every_entry_of_a_job_has_a_proof_and_a_receipt(site: Browser, world: World) -> None:
    key = parse_vkey(site.get("/log/vkey").text.strip())
    proofs = site.get(f"/api/v1/jobs/{world.job_id('opened')}/proof").json()["data"]
    assert len(proofs) == 7
    for proof in proofs:
        reply = site.get(proof["receipt"])
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        receipt = parse_proof(reply.body)
        assert receipt.index == proof["index"]
        verify_proof(receipt, leaf=bytes.fromhex(proof["leaf_hash"]), verifiers=[key])


def test_the_checkpoint_is_the_file_of_the_log(site: Browser) -> None:
    data = site.get("/api/v1/checkpoint").json()["data"]
    assert data["note"].encode() == site.get("/log/checkpoint").body


def test_permalinks_send_people_to_their_language(site: Browser, world: World) -> None:
    job = world.job_id("opened")
    for target, page in (
        ("/", "/"),
        (f"/jobs/{job}", f"/jobs/{job}"),
        ("/entries/3", "/entries/3"),
        ("/entries/3?at=40", "/entries/3?at=40"),
    ):
        for header, tag in (
            ("de, en;q=0.5, zh;q=0.1", "en"),
            ("de, zh;q=0.5, en;q=0.1", "zh-Hans"),
        ):
            reply = site.get(target, accept_language=header)
            assert (reply.status, reply.headers["location"]) == (302, f"/{tag}{page}")
            assert reply.headers["vary"] == "Accept-Language"


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ("/api/v1/jobs?foo=1", "foo"),
        ("/api/v1/jobs?limit=0", "limit"),
        ("/api/v1/jobs?limit=1001", "limit"),
        ("/api/v1/jobs?limit=%2B5", "limit"),
        ("/api/v1/jobs?limit=007", "limit"),
        ("/api/v1/jobs?limit=1_0", "limit"),
        ("/api/v1/jobs?limit=%D9%A3", "limit"),
        ("/api/v1/jobs?limit=5&limit=6", "limit"),
        ("/api/v1/jobs?limit=99999999999999999999999", "limit"),
        ("/api/v1/jobs?state=open;drop", "state"),
        ("/api/v1/jobs?state=%00", "state"),
        ("/api/v1/jobs?workload=nothing", "workload"),
        ("/api/v1/jobs?member=%27%20OR%201=1--", "member"),
        ("/api/v1/jobs?cursor=abc", "cursor"),
        ("/api/v1/jobs?cursor=aTc=", "cursor"),
        ("/api/v1/jobs?cursor=aTAwNw", "cursor"),
        ("/api/v1/jobs?count=some", "count"),
        ("/api/v1/jobs?at=x", "at"),
        ("/api/v1/jobs?at=0", "at"),
        ("/api/v1/jobs?%ff=1", "query"),
        ("/api/v1/jobs?limit=%ff", "query"),
        ("/api/v1/jobs?" + "a" * 5000, "query"),
        ("/api/v1/jobs?" + "&".join(f"a{n}=1" for n in range(40)), "query"),
        ("/api/v1/entries?start=-1", "start"),
        ("/api/v1/entries/x", "index"),
        ("/api/v1/entries/01", "index"),
        ("/api/v1/entries/3/proof?size=0", "size"),
        ("/api/v1/entries/3/proof?size=9&at=9", "size"),
        ("/api/v1/consistency", "from"),
        ("/api/v1/consistency?from=a", "from"),
        ("/api/v1/checkpoint?limit=1", "limit"),
        ("/api/v1/members?member=alpha", "member"),
        ("/feeds/published.json?limit=101", "limit"),
        ("/feeds/published.json?since=x", "since"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_by_name(
    site: Browser, target: str, field: str
) -> None:
    problem = _problem(site.get(target), 400, "parameter-refused")
    assert problem["field"] == field
    assert len(str(problem["detail"])) < 1_500


@pytest.mark.parametrize(
    "target",
    [
        "/api/v1/nothing",
        "/api/",
        "/api/v1/jobs/" + "0" * 26,
        "/api/v1/jobs/x",
        "/api/v1/jobs/%2e%2e%2fetc",
        "/api/v1/entries/999999",
        "/api/v1/entries/3/proof?size=3",
        "/api/v1/entries/3/proof?size=999999",
        "/api/v1/consistency?from=5&to=4",
        "/api/v1/consistency?from=1&to=999999",
        "/api/v1/jobs?at=999999",
        "/feeds/nothing.json",
        "/jobs/x.json",
        "/jobs/x.proof",
        "/entries/999999.proof",
        "/entries/2.proof?at=2",
        "/log/tile/0/900",
        "/log/tile/0/000.p/0",
        "/log/tile/0/000.p/256",
        "/log/tile/00/000",
        "/log/tile/0/0",
        "/log/tile/0/x000/000",
        "/log/tile/entries/-01",
        "/log/tile/0/000/",
        "/log/",
        "/log/checkpoint/",
        "/log/../en/",
    ],
)
def test_what_does_not_exist_is_a_problem_that_says_so(site: Browser, target: str) -> None:
    _problem(site.get(target), 404, "not-found")


def test_other_methods_are_refused_with_what_is_allowed(site: Browser) -> None:
    for method, target in (
        ("DELETE", "/api/v1/jobs"),
        ("POST", "/api/v1/jobs"),
        ("PUT", "/api/v1/statements"),
        ("GET", "/api/v1/statements"),
        ("DELETE", "/log/checkpoint"),
    ):
        reply = site.request(method, target)
        _problem(reply, 405, "method-not-allowed")
        assert reply.headers["allow"]


def test_every_problem_type_is_a_page(site: Browser) -> None:
    listing = site.get("/en/docs/problems").text
    for slug, kind in KINDS.items():
        page = site.get(f"/en/docs/problems/{slug}")
        assert page.status == 200
        assert kind.title in page.text
        assert f"/en/docs/problems/{slug}" in listing


def test_an_unforeseen_error_says_nothing_about_itself(
    world: World, site: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret = world.canary("nowhere", "seed")

    def explode(*_: object, **__: object) -> None:
        raise RuntimeError(secret)

    monkeypatch.setattr(type(world.reader), "at", explode)
    for target in ("/api/v1/jobs?limit=411", "/en/jobs?limit=111"):
        reply = site.get(target)
        assert reply.status == 500
        assert secret.encode() not in reply.body
        assert b"RuntimeError" not in reply.body
        assert b"Traceback" not in reply.body
    request_id = site.get("/api/v1/jobs?limit=412").json()["request_id"]
    assert request_id in caplog.text
    assert "RuntimeError" in caplog.text
    assert secret not in caplog.text


def test_the_feed_is_a_json_feed(site: Browser, world: World) -> None:
    reply = site.get("/feeds/published.json?limit=4")
    assert reply.headers["content-type"] == "application/feed+json"
    feed = reply.json()
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    required = {"version", "title", "home_page_url", "feed_url", "items"}
    known = required | {"description", "language", "authors", "next_url", "_apsci"}
    assert required <= set(feed) <= known
    for name in ("home_page_url", "feed_url", "next_url"):
        assert urlsplit(feed[name]).netloc == "ledger.example"
    items = list(feed["items"])
    target: str | None = feed["next_url"]
    while target:
        page = site.get(target.removeprefix("https://ledger.example")).json()
        items += page["items"]
        target = page.get("next_url")
    assert len(items) == 6
    indices = [item["_apsci"]["index"] for item in items]
    assert indices == sorted(indices, reverse=True)
    assert len({item["id"] for item in items}) == 6
    item_keys = {
        "id",
        "url",
        "title",
        "content_text",
        "date_published",
        "authors",
        "tags",
        "language",
        "attachments",
        "_apsci",
    }
    for item in items:
        assert set(item) == item_keys
        assert all(isinstance(tag, str) for tag in item["tags"])
        assert item["date_published"].endswith("Z")
        record, proof = (each["url"] for each in item["attachments"])
        assert proof == item["_apsci"]["proof"]
        entry = site.get(record.removeprefix("https://ledger.example")).json()["data"]
        assert entry["kind"] == "disclosed"
        assert entry["entry"]["discloses"] == item["_apsci"]["discloses"]
        receipt = parse_proof(site.get(proof.removeprefix("https://ledger.example")).body)
        assert receipt.index == item["_apsci"]["discloses"]
        assert receipt.extra is not None
        assert "opening" in json.loads(receipt.extra)
    assert any(shown(HOSTILE) in item["title"] for item in items)
    assert len(reply.body) < 100_000
    assert world.jobs
