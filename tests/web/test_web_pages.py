import re
from html.parser import HTMLParser

import pytest
from browser import Browser
from ledger_world import HOSTILE, World
from site_map import languages, pages

OWN = "https://ledger.example"
"""oEmbed is found by addresses in full; they are links of this site all the same."""
VOID = {"meta", "link", "img", "input", "br", "hr"}


class Outline(HTMLParser):
    """Checks that elements nest, and collects what the tests ask about."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.inline: list[str] = []
        self.labels: set[str] = set()
        self.controls: set[str] = set()
        self.foreign_scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag not in VOID:
            self.open.append(tag)
        own = tag == "script" and (given.get("src") or "").startswith("/static/")
        self.foreign_scripts += tag == "script" and not own
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += ["style"] if tag == "style" else []
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        for name in ("href", "src", "action"):
            if given.get(name):
                self.links.append((given[name] or "").removeprefix(OWN))
        if given.get("id"):
            self.ids.append(given["id"] or "")
        if tag == "label":
            self.labels.add(given["for"] or "")
        if tag in {"select", "input"} and given.get("type") != "hidden":
            self.controls.add(given["id"] or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def _outline(html: str) -> Outline:
    outline = Outline()
    outline.feed(html)
    outline.close()
    assert outline.open == []
    return outline


def test_every_page_is_well_formed_and_carries_nothing_inline(site: Browser, world: World) -> None:
    for target in pages(world):
        reply = site.get(target)
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert reply.text.startswith("<!doctype html>")
        assert f'<html lang="{target.split("/")[1]}">' in reply.text
        outline = _outline(reply.text)
        assert (target, outline.foreign_scripts, outline.inline) == (target, 0, [])
        assert outline.headings[0] == 1
        assert outline.headings.count(1) == 1
        steps = zip(outline.headings, outline.headings[1:], strict=False)
        assert all(below - above <= 1 for above, below in steps)
        assert len(outline.ids) == len(set(outline.ids))
        assert outline.controls <= outline.labels
        assert not [link for link in outline.links if link.startswith(("http:", "https:", "//"))]
        # The dictionary has every field of every record.
        assert len(reply.body) < (90_000 if target.endswith("/dictionary") else 64_000)


def test_every_link_of_every_page_leads_somewhere(site: Browser, world: World) -> None:
    seen: set[str] = set()
    for target in pages(world):
        seen.update(_outline(site.get(target).text).links)
    for link in sorted(seen):
        path = link.partition("#")[0]
        assert (link, site.get(path).status) in {(link, 200), (link, 302)}


def test_titles_say_what_the_page_is(site: Browser, world: World) -> None:
    titles = {}
    for target in pages(world):
        found = re.search("<title>(.*?)</title>", site.get(target).text)
        assert found
        titles[target.partition("?")[0]] = found[1]
    assert len(set(titles.values())) >= len(titles) - 3 * len(languages())


def test_what_members_write_is_text(site: Browser, world: World) -> None:
    job = world.job_id("hostile")
    for target in (f"/en/jobs/{job}", "/en/jobs?member=beta", "/en/", f"/en/jobs/{job}/proof"):
        text = site.get(target).text
        assert "<script>" not in text
        assert "<b>Lab</b>" not in text
        assert "49" not in re.findall(r"&lt;/script&gt;&#34;&amp;(.{2})", text)
    assert "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;" in site.get(f"/en/jobs/{job}").text
    assert HOSTILE not in site.get(f"/en/jobs/{job}").text


def test_the_address_cannot_write_into_the_page(site: Browser) -> None:
    for target in (
        "/en/%3Cscript%3Ealert(1)%3C/script%3E",
        "/en/jobs?state=%3Cscript%3E",
        "/en/jobs?%3Cscript%3E=1",
        "/en/jobs/%3Cscript%3E",
        "/en/docs/problems/%3Cscript%3E",
    ):
        reply = site.get(target)
        assert 400 <= reply.status < 500
        assert reply.headers["content-type"] == "text/html; charset=utf-8"
        assert "<script" not in reply.text
        _outline(reply.text)


def test_filters_are_kept_shown_and_removable(site: Browser, world: World) -> None:
    text = site.get("/en/jobs?member=beta&workload=&state=failed").text
    assert '<a href="/en/jobs?state=failed" aria-current="true"><span>Beta' in text
    assert '<a href="/en/jobs?member=beta" aria-current="true"><span>Failed' in text
    assert re.findall(r'href="(/en/jobs\?[^"]+)"><span class="visually-hidden">Remove', text) == [
        "/en/jobs?state=failed",
        "/en/jobs?member=beta",
    ]
    assert world.job_id("withheld") in text
    assert world.job_id("opened") not in text
    assert "1 job, newest first" in text


def test_a_list_without_jobs_says_so(site: Browser) -> None:
    text = site.get("/en/jobs?workload=sae_training").text
    assert "No job has these properties." in text


def test_older_pages_follow_until_the_first_job(site: Browser, world: World) -> None:
    target: str | None = "/en/jobs?limit=50"
    seen: list[str] = []
    while target:
        text = site.get(target).text
        seen += re.findall(r'<th scope="row"><a href="/en/jobs/([0-9A-Z]{26})', text)
        found = re.search(r'rel="next" href="([^"]+)"', text)
        target = found[1].replace("&amp;", "&") if found else None
    assert sorted(seen) == sorted(world.jobs.values())


def test_a_sealed_job_says_until_when(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('sealed')}").text
    assert "Opens on" in text
    assert "in 89 days" in text
    assert "12 fields are sealed" in text
    assert "verify.py proof" in text


def test_an_opened_job_shows_what_was_in_it(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('opened')}").text
    assert "How refusals generalise" in text
    assert "Opened at its deadline" in text
    assert [word for word in world.sealed["opened"].words if word not in text] == []


def test_a_withheld_field_is_named_and_not_shown(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('withheld')}").text
    closed = [word for word in world.sealed["withheld"].words if "purpose" in word]
    assert closed
    assert closed[0] not in text
    assert "Withheld" in text


def test_a_rejected_job_says_which_rule(site: Browser, world: World) -> None:
    text = site.get(f"/en/jobs/{world.job_id('rejected')}").text
    assert "R1_forbidden_workload" in text
    assert "Rule 1" in text
    assert "it never ran" in text


def test_what_is_late_is_listed_with_its_days(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("late"))
    assert "Nothing is overdue" in shop.get("/en/embargo").text
    fresh.days(89)
    assert "Nothing is overdue" in shop.get("/en/embargo").text
    fresh.days(1)
    text = shop.get("/en/embargo").text
    assert "1 sealed part has passed its deadline" in text
    assert "1 day" in text
    fresh.days(2)
    assert "3 days" in shop.get("/en/embargo").text
    assert "3 days late" in shop.get(f"/en/jobs/{fresh.job_id('late')}").text


def test_a_pinned_page_says_so_and_its_links_stay_there(site: Browser, world: World) -> None:
    size = world.reader.tree_size() - 5
    text = site.get(f"/en/jobs?at={size}").text
    assert "This page will never change" in text
    assert f"/en/embargo?at={size}" in text
    assert 'href="/en/jobs">See it as it is now' in text


def test_the_log_page_proves_consistency(site: Browser, world: World) -> None:
    text = site.get("/en/log?from=9&to=300").text
    assert "From 9 to 300 entries" in text
    assert site.get("/en/log?from=300&to=9").status == 404
    assert site.get("/en/log?from=nine").status == 400


@pytest.mark.parametrize(
    "target", ["/en/nothing", "/nothing", "/en/jobs/x", "/en/entries/99999999"]
)
def test_a_page_that_is_not_there_is_a_page_that_says_so(site: Browser, target: str) -> None:
    reply = site.get(target)
    assert reply.status == 404
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "/en/docs/problems/not-found" in reply.text
    _outline(reply.text)


def test_an_empty_ledger_has_all_its_pages(shop: Browser) -> None:
    for target in ("/en/", "/en/jobs", "/en/embargo", "/en/log", "/en/about", "/en/entries/0"):
        reply = shop.get(target)
        assert reply.status == 200
        _outline(reply.text)


def test_a_record_that_was_opened_late_stays_known_as_late(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("late"), fresh.submission("also"))
    fresh.days(90)
    fresh.clock.now += 299
    fresh.sweep()
    page = f"/en/jobs/{fresh.job_id('late')}"
    assert "after its deadline" not in shop.get(page).text
    fresh.log(fresh.submission("other"))
    fresh.days(92)
    fresh.sweep()
    text = shop.get(f"/en/jobs/{fresh.job_id('other')}").text
    assert "2\u00a0d after its deadline" in text
