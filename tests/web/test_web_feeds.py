"""Feeds in both forms: every item once by every way through them, and nothing that is sealed."""

import re
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import feedparser
import pytest
from browser import Browser, Reply
from feed_reading import (
    ATOM,
    HISTORY,
    PUBLIC_URL,
    archives_of,
    ids_of,
    indices_of,
    links_of,
    local,
    pages_of,
)
from ledger_world import HOSTILE, World, words_of
from site_map import feeds

from ledger.records.deadline import format_time
from web.app import create_app
from web.feed_addresses import RANGE
from web.telling.plain import shown

RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)")
NAMED = (
    *("published", "submitted", "rejected", "findings", "corrections", "checkpoints"),
    "jobs",
)


def _forms(world: World, form: str) -> list[str]:
    return [each for each in feeds(world) if each.partition("?")[0].endswith(form)]


def _url(value: object) -> None:
    assert isinstance(value, str)
    parts = urlsplit(value)
    assert (parts.scheme, parts.netloc) == ("https", "ledger.example")
    assert value.isascii()


def test_every_json_feed_has_what_the_specification_asks_for(site: Browser, world: World) -> None:
    """https://www.jsonfeed.org/version/1.1/, field by field."""
    for target in _forms(world, ".json"):
        reply = site.get(target)
        assert (target, reply.status) == (target, 200)
        assert reply.headers["content-type"] == "application/feed+json"
        assert len(reply.body) < 100_000
        feed = reply.json()
        assert feed.keys() <= {
            "version", "title", "home_page_url", "feed_url", "description", "language",
            "authors", "items", "next_url", "_apsci",
        }  # fmt: skip
        assert feed["version"] == "https://jsonfeed.org/version/1.1"
        for name in ("title", "description"):
            assert isinstance(feed[name], str)
            assert feed[name]
        for name in ("home_page_url", "feed_url", *(("next_url",) if "next_url" in feed else ())):
            _url(feed[name])
        assert feed.get("next_url") != feed["feed_url"]
        assert feed["language"] in {"en", "zh-Hans"}
        assert feed["_apsci"]["tree_size"] == world.reader.tree_size()
        _check_authors(feed["authors"])
        assert site.get(local(feed["home_page_url"])).status == 200
        assert isinstance(feed["items"], list)
        assert len({item["id"] for item in feed["items"]}) == len(feed["items"])
        for item in feed["items"]:
            _check_item(item)


def _check_authors(authors: list[dict[str, str]]) -> None:
    assert authors
    for author in authors:
        assert author.keys() <= {"name", "url", "avatar"}
        assert author["name"]
        _url(author["url"])


def _check_item(item: dict[str, object]) -> None:
    assert item.keys() <= {
        "id", "url", "title", "content_text", "date_published", "date_modified", "authors",
        "tags", "language", "attachments", "_apsci",
    }  # fmt: skip
    _url(item["id"])
    _url(item["url"])
    assert isinstance(item["content_text"], str)
    assert item["content_text"]
    assert isinstance(item["title"], str)
    assert RFC3339.fullmatch(str(item["date_published"]))
    _check_authors(item["authors"])  # type: ignore[arg-type] # JSON
    assert all(isinstance(tag, str) for tag in item["tags"])  # type: ignore[attr-defined] # JSON
    for each in item["attachments"]:  # type: ignore[attr-defined] # JSON
        assert each.keys() == {"url", "mime_type", "title"}
        _url(each["url"])
        assert re.fullmatch(r"[a-z]+/[a-z+-]+", each["mime_type"])


def test_every_atom_feed_is_read_by_a_feed_reader_and_is_what_the_rfc_asks_for(
    site: Browser, world: World
) -> None:
    """RFC 4287, sections 4.1.1 and 4.1.2."""
    for target in _forms(world, ".atom"):
        reply = site.get(target)
        assert (target, reply.status) == (target, 200)
        assert reply.headers["content-type"] == "application/atom+xml; charset=utf-8"
        parsed = feedparser.parse(reply.body)
        assert (target, parsed.bozo, parsed.version) == (target, 0, "atom10")
        feed = ET.fromstring(reply.text)
        assert feed.tag == f"{ATOM}feed"
        for name in ("id", "title", "updated"):
            assert len(feed.findall(f"{ATOM}{name}")) == 1
        assert RFC3339.fullmatch(feed.findtext(f"{ATOM}updated", ""))
        links = links_of(feed)
        assert links["self"] == PUBLIC_URL + target
        assert feed.find(f"{HISTORY}archive") is None
        ids = ids_of(feed)
        assert len(set(ids)) == len(ids) == len(parsed.entries)
        for entry in feed.findall(f"{ATOM}entry"):
            for name in ("id", "title", "updated", "summary"):
                assert len(entry.findall(f"{ATOM}{name}")) == 1
            assert RFC3339.fullmatch(entry.findtext(f"{ATOM}updated", ""))
            assert entry.find(f"{ATOM}author/{ATOM}name") is not None
            alternate = [
                each for each in entry.findall(f"{ATOM}link") if each.get("rel") == "alternate"
            ]
            assert len(alternate) == 1


def test_both_forms_hold_the_same_items(site: Browser, world: World) -> None:
    for name in (*NAMED, "overdue", "members/alpha"):
        items = site.get(f"/feeds/{name}.json?limit=100").json()["items"]
        entries = feedparser.parse(site.get(f"/feeds/{name}.atom?limit=100").body).entries
        assert [entry.id for entry in entries][: len(items)] == [item["id"] for item in items]
        assert [entry.title for entry in entries][: len(items)] == [item["title"] for item in items]
    assert world.jobs


def test_a_feed_has_the_entries_that_it_is_about_in_log_order(site: Browser, world: World) -> None:
    size = world.reader.tree_size()
    with world.reader.at() as view:
        kinds = [each.kind for each in view.entries(start=0, limit=size)]
    told = {"published": "disclosed", "rejected": "rejected", "corrections": "corrected"}
    for name, kind in {**told, "submitted": "submitted", "jobs": "submitted"}.items():
        wanted = [index for index in range(size) if kinds[index] == kind]
        assert indices_of(site, f"/feeds/{name}.json?limit=7") == wanted[::-1], name
        assert indices_of(site, f"/feeds/{name}.json?limit=7&since=0") == wanted, name


def test_a_member_has_a_feed_of_what_it_did_and_what_became_of_it(
    site: Browser, world: World
) -> None:
    items = [
        item
        for page in pages_of(site, "/feeds/members/beta.json?limit=2")
        for item in page["items"]  # type: ignore[attr-defined] # JSON
    ]
    found = [(item["_apsci"]["job_id"], item["_apsci"]["entry_kind"]) for item in items[::-1]]
    withheld, hostile, rejected = (world.jobs[job] for job in ("withheld", "hostile", "rejected"))
    assert found == [
        (withheld, "submitted"),
        (hostile, "submitted"),
        (withheld, "disclosed"),
        (withheld, "disclosed"),
        (hostile, "disclosed"),
        (rejected, "submitted"),
        (rejected, "rejected"),
    ]
    assert items[0]["_apsci"]["codes"]
    alpha = site.get("/feeds/members/alpha.json?since=0&limit=100").json()
    kinds = {item["_apsci"]["entry_kind"] for item in alpha["items"]}
    assert {"submitted", "disclosed", "corrected"} <= kinds
    assert site.get("/feeds/members/nobody.json").status == 404


def test_a_search_is_a_feed_of_how_jobs_came_to_match_it(fresh: World, shop: Browser) -> None:
    def matched(search: str) -> list[tuple[str, int]]:
        items = shop.get(f"/feeds/jobs.json?since=0&{search}").json()["items"]
        return [(item["_apsci"]["entry_kind"], item["_apsci"]["index"]) for item in items]

    first = fresh.log(fresh.submission("first", title="Zebras in the wild"))[0].index
    second = fresh.log(fresh.submission("second", author="beta"))[0].index
    assert matched("state=admitted") == [("submitted", first), ("submitted", second)]
    assert matched("member=beta") == [("submitted", second)]
    assert matched("state=completed") == matched("q=zebras") == []
    seen = fresh.reader.tree_size() - 1
    fresh.run("first")
    (completed,) = matched("state=completed")
    assert completed[0] == "completed"
    assert completed[1] > seen
    fresh.days(91)
    fresh.sweep()
    ((kind, opened),) = matched("q=zebras")
    assert (kind, opened > completed[1]) == ("disclosed", True)
    assert matched("q=zebras&state=completed") == [("disclosed", opened)]
    assert matched("q=zebras&state=started") == []
    assert matched(f"model={fresh.digest('first', 'weights')}") == [("disclosed", opened)]
    assert matched("state=started") == [("started", completed[1] - 2)]
    assert matched("q=zebras&member=beta") == []


def test_an_interrupted_job_comes_into_a_search_each_time_that_it_starts(
    fresh: World, shop: Browser
) -> None:
    fresh.log(fresh.submission("job"))
    indices = []
    for _ in range(3):
        begun = {"started_at": format_time(fresh.clock.now), "gpu_count": 8}
        indices += fresh.log(
            fresh.statement("orchestrator", "started", "job-started/1", begun, job="job")
        )
        fresh.clock.now += 60
        broken = {"ended_at": format_time(fresh.clock.now), "exit_status": "preempted"}
        fresh.log(
            fresh.statement("orchestrator", "interrupted", "job-interrupted/1", broken, job="job")
        )
        fresh.clock.now += 60
    items = shop.get("/feeds/jobs.json?state=started&since=0").json()["items"]
    assert [item["_apsci"]["index"] for item in items] == [each.index for each in indices]


def test_an_item_says_the_same_for_ever(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("early"))
    fresh.run("early")
    before = shop.get("/feeds/submitted.json").json()["items"]
    fresh.days(91)
    fresh.sweep()
    fresh.log(fresh.submission("later"))
    assert shop.get("/feeds/submitted.json").json()["items"][1:] == before


def test_archives_never_change_and_meet_without_a_gap(fresh: World, shop: Browser) -> None:
    fresh.log(*[fresh.submission(f"job{n}") for n in range(400)])
    documents = list(archives_of(shop, "/feeds/submitted.atom"))
    assert len(documents) == 1 + fresh.reader.tree_size() // RANGE
    subscription, *archives = documents
    assert subscription.find(f"{HISTORY}archive") is None
    addresses = [local(links_of(each)["self"]) for each in archives]
    before: dict[str, Reply] = {}
    for address, feed in zip(addresses, archives, strict=True):
        reply = before[address] = shop.get(address)
        assert feed.find(f"{HISTORY}archive") is not None
        assert links_of(feed)["current"] == links_of(subscription)["self"]
        assert feed.findtext(f"{ATOM}id") == subscription.findtext(f"{ATOM}id")
        assert reply.headers["cache-control"].endswith("immutable")
    flat = [each for feed in archives for each in ids_of(feed)]
    assert len(flat) == len(set(flat))
    fresh.run("job0")
    fresh.days(91)
    fresh.sweep()
    for address, reply in before.items():
        again = shop.get(address)
        assert (again.body, again.headers["etag"]) == (reply.body, reply.headers["etag"])
    size = fresh.reader.tree_size()
    assert shop.get(f"/feeds/submitted/{size // RANGE}.atom").status == 404
    assert shop.get("/feeds/submitted/0.atom?at=2").status == 400
    for wrong in ("00", "x", "-1", "0.json"):
        assert shop.get(f"/feeds/submitted/{wrong}.atom").status == 404
    assert shop.get("/feeds/overdue/0.atom").status == 404
    assert shop.get("/feeds/corrections/0.atom").status == 200


def test_what_is_overdue_stays_in_its_feed_after_it_was_opened(fresh: World, shop: Browser) -> None:
    fresh.log(*[fresh.submission(f"job{n}") for n in range(5)])
    fresh.clock.now += 100
    fresh.log(fresh.submission("last"))
    fresh.sweep()
    assert shop.get("/feeds/overdue.json").json()["items"] == []
    fresh.days(91)
    first = shop.get("/feeds/overdue.json?limit=2").json()
    assert first["_apsci"]["seen_at"] == format_time(fresh.clock.now)
    indices = indices_of(shop, "/feeds/overdue.json?limit=2")
    assert len(indices) == 6
    assert indices == sorted(indices, reverse=True)
    assert [item["_apsci"]["days_late"] for item in first["items"]] == [2, 2]
    fresh.sweep()
    later = shop.get("/feeds/overdue.json").json()["items"]
    assert [item["_apsci"]["index"] for item in later] == indices
    assert all(item["_apsci"]["opened_by"] and item["date_modified"] for item in later)
    assert shop.get("/feeds/overdue.json?since=1").status == 400
    ahead = format_time(fresh.clock.now + 1)
    assert shop.get(f"/feeds/overdue.json?seen={ahead}").status == 400


def test_what_is_opened_in_time_was_never_overdue(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("job"))
    fresh.days(90)
    fresh.clock.now += 299
    fresh.sweep()
    fresh.days(1)
    assert shop.get("/feeds/overdue.json").json()["items"] == []


def test_what_members_write_is_text_in_a_feed_and_nothing_else(site: Browser, world: World) -> None:
    parsed = feedparser.parse(site.get("/feeds/published.atom").body, sanitize_html=False)
    titles = [entry.title for entry in parsed.entries]
    assert any(shown(HOSTILE) in title for title in titles)
    items = site.get("/feeds/published.json").json()["items"]
    assert any(shown(HOSTILE) in item["title"] for item in items)
    assert "Beta <b>Lab</b>" in titles[0] + titles[-1] + " ".join(titles)
    raw = site.get("/feeds/published.atom").text
    assert "<script" not in raw
    assert "<b>" not in raw
    assert world.jobs


@pytest.mark.parametrize("title", ["\ufffe\uffff", "a\x01b\x0bc", "]]>", "\U0001f4a3" * 100])
def test_no_title_keeps_a_feed_from_being_xml(fresh: World, shop: Browser, title: str) -> None:
    fresh.log(fresh.submission("odd", title=title, purpose=f"<p>{title}&amp;</p>"))
    fresh.days(91)
    fresh.sweep()
    body = shop.get("/feeds/published.atom").body
    parsed = feedparser.parse(body, sanitize_html=False)
    assert parsed.bozo == 0
    assert len(parsed.entries) == 1
    assert "&lt;p&gt;" in parsed.entries[0].summary
    assert ET.fromstring(body.decode()).find(f"{ATOM}entry") is not None


def test_no_feed_shows_what_is_sealed(site: Browser, world: World) -> None:
    sealed = words_of(world, ["sealed", "many0", "many149", "rejected"])
    assert sealed
    for target in feeds(world):
        text = site.get(target).text
        assert [word for word in sealed if word in text] == [], target


def test_a_feed_is_there_in_chinese_too(site: Browser) -> None:
    feed = site.get("/feeds/rejected.json?lang=zh-Hans").json()
    assert feed["language"] == "zh-Hans"
    assert re.match("[\u4e00-\u9fff]", feed["title"])
    assert feed["home_page_url"].startswith(f"{PUBLIC_URL}/zh-Hans/")
    assert feed["feed_url"].endswith("?lang=zh-Hans")
    atom = ET.fromstring(site.get("/feeds/rejected.atom?lang=zh-Hans").text)
    assert atom.get("{http://www.w3.org/XML/1998/namespace}lang") == "zh-Hans"


def test_what_no_feed_has_is_refused(site: Browser) -> None:
    for target, status in {
        "/feeds/nothing.json": 404,
        "/feeds/published.xml": 404,
        "/feeds/published": 404,
        "/feeds/published.json?limit=101": 400,
        "/feeds/published.json?since=x": 400,
        "/feeds/published.json?since=1&cursor=aTU": 400,
        "/feeds/published.atom?lang=fr": 400,
        "/feeds/submitted.json?member=alpha": 400,
        "/feeds/jobs.json?state=asleep": 400,
    }.items():
        reply = site.get(target)
        assert (target, reply.status) == (target, status)
        assert reply.headers["content-type"] == "application/problem+json"


def test_a_hub_is_named_where_there_is_one(fresh: World) -> None:
    hub = "https://hub.example/"
    app = create_app(fresh.ledger, public_url=PUBLIC_URL, websub_hub=hub)
    with Browser(app) as shop:
        reply = shop.get("/feeds/published.json")
        assert reply.json()["hubs"] == [{"type": "WebSub", "url": hub}]
        assert f'<{hub}>; rel="hub"' in reply.headers["link"]
        assert f'<{PUBLIC_URL}/feeds/published.json>; rel="self"' in reply.headers["link"]
        assert links_of(ET.fromstring(shop.get("/feeds/published.atom").text))["hub"] == hub
        for untold in ("jobs.json?state=failed", "overdue.json", "published.json?lang=zh-Hans"):
            assert "hubs" not in shop.get(f"/feeds/{untold}").json()
            assert 'rel="hub"' not in shop.get(f"/feeds/{untold}").headers["link"]
