"""The first pages in a real browser, over both databases; and that the fixtures do complain."""

import pytest
from ledger_world import World
from playwright.sync_api import Browser, expect
from tabs import OpenTab, tabs


def test_the_first_page_shows_the_newest_jobs(open_tab: OpenTab, world: World) -> None:
    page = open_tab()
    page.goto("/en/")
    expect(page.locator("h1")).to_be_visible()
    assert page.locator(f'a[href$="/jobs/{world.job_id("many149")}"]').count() > 0


def test_on_postgresql_the_pages_are_the_same(open_tab: OpenTab, postgresql_site_url: str) -> None:
    shared, other = open_tab(), open_tab(site=postgresql_site_url)
    for page in (shared, other):
        page.goto("/zh-Hans/jobs")
    assert other.locator("main").inner_text() == shared.locator("main").inner_text()


@pytest.mark.parametrize(
    ("script", "what", "event"),
    [
        ("console.error('woe')", "error: woe", "console"),
        ("setTimeout(() => { throw new Error('thrown woe') })", "thrown woe", "weberror"),
        ("fetch('/nowhere')", "404", "console"),
        ("fetch('http://example.com/').catch(() => 0)", "example", "console"),
    ],
)
def test_what_a_page_complains_of_fails_the_test(
    browser: Browser, site_url: str, script: str, what: str, event: str
) -> None:
    def misbehave(*, allowing: str | None) -> None:
        with tabs(browser, lambda: site_url) as opened:
            page = opened(allowing=allowing)
            page.goto("/en/about")
            with page.context.expect_event(event):
                page.evaluate(f"() => {{ {script} }}")

    misbehave(allowing=what)
    with pytest.raises(AssertionError, match=what):
        misbehave(allowing=None)
