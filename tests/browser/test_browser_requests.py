"""What pages ask for, keep and break: nothing of others, nothing at all, and no rule of the CSP."""

from contextlib import suppress
from typing import Any

import pytest
from ledger_world import World
from playwright.sync_api import Error, Page, Request, Response, Route
from site_map import languages, pages
from tabs import OpenTab

GROUPS = 2
REPORTING = "content-security-policy-report-only"
LISTEN = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event => window.violations.push(
  [event.violatedDirective, event.blockedURI, event.sample, event.sourceFile].join(" ")
));
"""
KEPT = """async () => ({
  local: Object.entries(localStorage), session: Object.entries(sessionStorage),
  databases: (await indexedDB.databases()).map(each => each.name),
  workers: (await navigator.serviceWorker.getRegistrations()).length,
  caches: window.caches ? await caches.keys() : [],
})"""
OPEN = "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"
NOTHING: dict[str, Any] = {
    "local": [], "session": [], "databases": [], "workers": 0, "caches": []
}  # fmt: skip


def opened(page: Page, path: str) -> None:
    """Open a page, and everything in it that can be opened."""
    page.goto(path, wait_until="networkidle" if "/verify" in path else "load")
    page.evaluate(
        "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"
    )


@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("language", languages())
def test_no_page_breaks_the_policy_that_is_only_reported(
    open_tab: OpenTab, world: World, language: str, group: int
) -> None:
    """The policy reports instead of enforcing: a script that it would stop runs on, and is seen."""
    page = open_tab()
    page.add_init_script(LISTEN)

    def report_only(route: Route) -> None:
        # A page that is left while it still fetches wants no answer.
        with suppress(Error):
            reply = route.fetch()
            headers = reply.headers
            headers[REPORTING] = headers.pop("content-security-policy")
            route.fulfill(response=reply, headers=headers)

    page.route("**/*", report_only)
    broken = []
    paths = [path for path in pages(world) if path.startswith(f"/{language}/")]
    for path in paths[group::GROUPS]:
        opened(page, path)
        broken += [f"{path}: {each}" for each in page.evaluate("() => window.violations")]
    assert not broken, "\n".join(broken)


def test_a_violation_would_be_seen(open_tab: OpenTab) -> None:
    page = open_tab(allowing="violates the following|Content Security Policy")
    page.add_init_script(LISTEN)
    page.goto("/en/about")
    page.evaluate("() => { document.body.innerHTML += '<p style=\"color: red\">red</p>'; }")
    page.wait_for_function("() => window.violations.length > 0")
    assert page.evaluate("() => window.violations")[0].startswith("style-src")


@pytest.mark.parametrize("language", languages())
def test_every_request_stays_at_home_and_nothing_is_kept(
    open_tab: OpenTab, world: World, site_url: str, language: str
) -> None:
    """No other origin, no cookie, no storage of any kind, no service worker."""
    page = open_tab()
    asked: list[str] = []
    cookies: list[str] = []

    def on_request(request: Request) -> None:
        asked.append(request.url)

    def on_response(response: Response) -> None:
        if "set-cookie" in response.headers:
            cookies.append(response.url)

    page.on("request", on_request)
    page.on("response", on_response)
    kept = {}
    for path in [each for each in pages(world) if each.startswith(f"/{language}/")]:
        opened(page, path)
        found = page.evaluate(KEPT)
        if found != NOTHING:
            kept[path] = found
    assert kept == {}
    assert cookies == []
    assert page.context.cookies() == []
    assert [each for each in asked if not each.startswith((f"{site_url}/", "data:"))] == []
    assert len(asked) > len(pages(world)) // 2
