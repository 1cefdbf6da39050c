"""The whole site with JavaScript off: every page is reached by links and forms from the first."""

import re
from urllib.parse import urlsplit

import pytest
from ledger_world import World
from playwright.sync_api import Page, expect
from site_map import languages, pages
from tabs import OpenTab, followed

EXAMPLES = 3
"""So many of a kind are opened, of pages that there are many of."""
MANY = re.compile(r"(/(?:jobs|entries|members|models|artifacts|docs/problems)/)[^/]+")


def links(page: Page) -> list[str]:
    """Where the page's links lead on this site, without queries and fragments."""
    found: list[str] = page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")
    home = urlsplit(page.url).netloc
    return [parts.path for each in found if (parts := urlsplit(each)).netloc == home]


@pytest.mark.parametrize("language", languages())
def test_every_page_is_reached_by_links_from_the_first(
    open_tab: OpenTab, world: World, language: str
) -> None:
    """Of pages that there are many of a few are opened; the links to the others lead somewhere."""
    page = open_tab(scripts=False, allowing="404")
    start = f"/{language}/"
    waiting, reached = [start], {start}
    opened: dict[str, int] = {}
    while waiting:
        path = waiting.pop(0)
        reply = page.goto(path)
        assert reply is not None
        assert (path, reply.status) == (path, 200)
        expect(page.locator("main h1")).to_be_visible()
        assert page.title()
        for each in links(page):
            kind = MANY.sub(r"\1*", each)
            if each not in reached and each.startswith(start):
                opened[kind] = opened.get(kind, 0) + 1
                waiting += [each] if opened[kind] <= EXAMPLES else []
            reached.add(each)
    for each in sorted(reached):
        head = page.request.head(each)
        assert (each, head.status) == (each, 200)
    wanted = {each.partition("?")[0] for each in pages(world) if each.startswith(start)}
    # What lies deep in a list is found through the list's own pages.
    assert {MANY.sub(r"\1*", each) for each in wanted} <= {
        MANY.sub(r"\1*", each) for each in reached
    }


def test_the_language_switch_keeps_the_page_and_its_query(open_tab: OpenTab) -> None:
    page = open_tab(scripts=False)
    page.goto("/en/jobs?state=failed&limit=3")
    followed(page, page.locator("nav.languages a[hreflang='zh-Hans']").click)
    assert page.url.endswith("/zh-Hans/jobs?state=failed&limit=3")
    expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
    followed(page, page.locator("nav.languages a[hreflang='en']").click)
    assert page.url.endswith("/en/jobs?state=failed&limit=3")


def test_the_browsers_language_chooses_the_first_page(open_tab: OpenTab) -> None:
    for locale, start in (("zh-CN", "/zh-Hans/"), ("en-GB", "/en/"), ("fr-FR", "/en/")):
        page = open_tab(scripts=False, locale=locale)
        page.goto("/")
        assert urlsplit(page.url).path == start


def test_one_box_finds_a_job_by_its_id(open_tab: OpenTab, world: World) -> None:
    page = open_tab(scripts=False)
    page.goto("/en/")
    box = page.locator("header input[type='search']").first
    box.fill(world.job_id("opened"))
    followed(page, lambda: box.press("Enter"))
    assert world.job_id("opened") in page.url
    expect(page.locator("main h1")).to_contain_text("How refusals generalise")


def test_filters_narrow_a_list_and_are_taken_off_again(open_tab: OpenTab) -> None:
    page = open_tab(scripts=False)
    page.goto("/en/jobs")
    every = page.locator("main").inner_text()
    followed(page, page.locator(".facets a[href*='state=failed']").first.click)
    assert "state=failed" in page.url
    assert page.locator("main").inner_text() != every
    page.locator("input[name='to']").fill("2026-12-31")
    followed(page, page.locator("form.days button").click)
    assert "state=failed" in page.url
    assert "to=2026-12-31" in page.url
    followed(page, page.locator("main .chips a[href*='to=']").first.click)
    assert "state=failed" not in page.url
    assert "to=2026-12-31" in page.url


def test_a_list_is_turned_page_by_page_to_its_end(open_tab: OpenTab, world: World) -> None:
    page = open_tab(scripts=False)
    page.goto("/en/jobs?limit=60")
    seen: list[str] = []
    while True:
        seen += [
            each for each in dict.fromkeys(links(page)) if re.fullmatch(r"/en/jobs/\w{26}", each)
        ]
        onwards = page.locator("a[rel='next']")
        if onwards.count() == 0:
            break
        followed(page, onwards.first.click)
    assert len(seen) == len(set(seen))
    assert {each.rpartition("/")[2] for each in seen} == set(world.jobs.values())
