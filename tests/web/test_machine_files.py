"""What programs look for under fixed names: sitemaps, robots.txt, security.txt, OpenSearch."""

import re
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
from browser import Browser
from ledger_world import World
from site_map import languages

from web.app import create_app
from web.files import sitemaps
from web.files.machine_files import expires

PUBLIC_URL = "https://ledger.example"
SITEMAP = "{http://www.sitemaps.org/schemas/sitemap/0.9}"
LINK = "{http://www.w3.org/1999/xhtml}link"
OPENSEARCH = "{http://a9.com/-/spec/opensearch/1.1/}"


def _xml(site: Browser, target: str) -> ET.Element:
    reply = site.get(target)
    assert (target, reply.status) == (target, 200)
    return ET.fromstring(reply.body)


def _locations(site: Browser, target: str) -> list[str]:
    found = [each.text or "" for each in _xml(site, target).iter(f"{SITEMAP}loc")]
    assert all(each.startswith(f"{PUBLIC_URL}/") for each in found)
    return [each.removeprefix(PUBLIC_URL) for each in found]


def test_the_sitemap_leads_to_every_job_in_every_language(
    site: Browser, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sitemaps, "ENTRIES_A_FILE", 100)
    size = world.reader.tree_size()
    parts = _locations(site, f"/sitemap.xml?at={size - 1}")
    assert len(parts) == 1 + -(-(size - 1) // 100)
    seen: list[str] = []
    for part in parts:
        seen += _locations(site, part)
    jobs = [address for address in seen if "/jobs/" in address]
    assert len(set(seen)) == len(seen)
    assert sorted(jobs) == sorted(
        f"/{tag}/jobs/{job}" for tag in languages() for job in world.jobs.values()
    )
    for address in seen[:80]:
        assert (address, site.get(address).status) == (address, 200)
    assert site.get(f"/sitemaps/jobs-{len(parts)}.xml").status == 404


def test_each_address_of_a_sitemap_names_its_translations(site: Browser) -> None:
    for url in _xml(site, "/sitemaps/pages.xml").iter(f"{SITEMAP}url"):
        links = {link.get("hreflang"): link.get("href") for link in url.iter(LINK)}
        assert set(links) == {*languages(), "x-default"}
        location = url.findtext(f"{SITEMAP}loc")
        assert location in links.values()
        assert links["x-default"] == links["en"]


def test_a_jobs_date_in_the_sitemap_is_that_of_its_last_known_event(
    fresh: World, shop: Browser
) -> None:
    fresh.log(fresh.submission("one"))
    fresh.run("one")
    ended = shop.get(f"/api/v1/jobs/{fresh.job_id('one')}").json()["data"]["job"]["ended_at"]
    dates = [each.text for each in _xml(shop, "/sitemaps/jobs-0.xml").iter(f"{SITEMAP}lastmod")]
    assert dates == [ended] * len(languages())


@pytest.mark.parametrize(
    "name", ["jobs", "jobs-", "jobs-x.xml", "jobs-01.xml", "jobs--1.xml", "pages", "x.xml"]
)
def test_there_is_no_other_sitemap(site: Browser, name: str) -> None:
    assert site.get(f"/sitemaps/{name}").status in {400, 404}


def test_robots_may_read_everything_but_the_past(site: Browser) -> None:
    reply = site.get("/robots.txt")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    rules = [line.split(": ", 1) for line in reply.text.splitlines() if not line.startswith("#")]
    assert rules[0] == ["User-agent", "*"]
    assert ["Allow", "/"] in rules
    assert ["Disallow", "/"] not in rules
    assert ["Sitemap", f"{PUBLIC_URL}/sitemap.xml"] in rules


def test_security_txt_has_what_rfc_9116_asks_for(fresh: World, shop: Browser) -> None:
    reply = shop.get("/.well-known/security.txt")
    assert reply.headers["content-type"] == "text/plain; charset=utf-8"
    lines = reply.text.splitlines()
    fields = dict(line.split(": ", 1) for line in lines)
    assert len(fields) == len(lines)
    assert {"Contact", "Expires", "Canonical", "Preferred-Languages"} <= set(fields)
    assert fields["Canonical"] == f"{PUBLIC_URL}/.well-known/security.txt"
    for name in ("Contact", "Policy"):
        address, _, anchor = fields[name].removeprefix(PUBLIC_URL).partition("#")
        page = shop.get(address)
        assert page.status == 200
        assert not anchor or f'id="{anchor}"' in page.text
    assert fields["Expires"] == expires(fresh.clock.now)
    fresh.days(45)
    assert f"Expires: {expires(fresh.clock.now)}" in shop.get("/.well-known/security.txt").text


def test_security_txt_names_the_operators_own_contact_first(fresh: World) -> None:
    app = create_app(fresh.ledger, public_url=PUBLIC_URL, contact="mailto:log@ledger.example")
    with Browser(app) as browser:
        lines = browser.get("/.well-known/security.txt").text.splitlines()
    assert lines[0] == "Contact: mailto:log@ledger.example"
    assert lines[1].startswith(f"Contact: {PUBLIC_URL}/")


def test_security_txt_is_valid_for_half_a_year_and_less_than_a_whole_one() -> None:
    for month in range(1, 13):
        for day in (1, 28):
            now = datetime(2026, month, day, 12, tzinfo=UTC)
            end = datetime.strptime(expires(int(now.timestamp())), "%Y-%m-%dT%H:%M:%S%z")
            assert 180 <= (end - now).days <= 7 * 31
            assert end.day == 1


def test_a_browser_can_learn_to_search_the_site(site: Browser) -> None:
    for tag in languages():
        reply = site.get(f"/opensearch.xml?lang={tag}")
        assert reply.headers["content-type"].startswith("application/opensearchdescription+xml")
        root = ET.fromstring(reply.body)
        assert root.tag == f"{OPENSEARCH}OpenSearchDescription"
        name = root.findtext(f"{OPENSEARCH}ShortName") or ""
        assert 1 <= len(name) <= 16
        templates = {url.get("type"): url.get("template") for url in root.iter(f"{OPENSEARCH}Url")}
        search = re.sub(r"\{searchTerms\}", "refusals", templates["text/html"] or "")
        assert search == f"{PUBLIC_URL}/{tag}/jobs?q=refusals"
        assert site.get(search.removeprefix(PUBLIC_URL)).status == 200
    assert site.get("/opensearch.xml?lang=xx").status == 400
