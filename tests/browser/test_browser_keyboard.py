"""The site without a mouse: everything is reached, seen when it is reached, and used."""

import pytest
from ledger_world import World
from playwright.sync_api import Page, expect
from tabs import PHONE, OpenTab

MOST_STOPS = 600
FOCUSABLE = """() => [...document.querySelectorAll(
  "a[href], button, input, select, textarea, summary, [tabindex]:not([tabindex='-1'])"
)].filter(each => !each.disabled && each.type !== "hidden" && each.checkVisibility({
  visibilityProperty: true, contentVisibilityAuto: true
})).map(each => { each.dataset.stop ??= String(window.stops = (window.stops ?? 0) + 1);
  return each.dataset.stop; })"""
FOCUSED = """() => {
  const each = document.activeElement;
  if (!each || each === document.body) return null;
  const style = getComputedStyle(each), box = each.getBoundingClientRect();
  return {
    stop: each.dataset.stop ?? each.outerHTML.slice(0, 120),
    what: each.outerHTML.slice(0, 120),
    ringed: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    shown: box.width > 1 && box.height > 1 && box.bottom > 0 && box.top < innerHeight
      && box.right > 0 && box.left < innerWidth,
  };
}"""


def stops(page: Page) -> list[dict[str, object]]:
    """Where Tab leads, from the top of the page until it leaves it."""
    found: list[dict[str, object]] = []
    for _ in range(MOST_STOPS):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None or (found and focused["stop"] == found[0]["stop"]):
            return found
        found.append(focused)
    raise AssertionError(f"{page.url}: Tab never leaves the page; last at {found[-1]}")


def paths(world: World) -> list[str]:
    job = world.job_id("opened")
    return [
        "/en/", "/en/jobs?limit=3", f"/en/jobs/{job}", f"/en/jobs/{job}/proof", "/en/embargo",
        "/en/log", "/en/statistics", "/en/members", "/en/verify", "/zh-Hans/jobs?limit=3",
    ]  # fmt: skip


@pytest.mark.parametrize("width", [1280, PHONE])
def test_tab_reaches_every_control_and_shows_where_it_is(
    open_tab: OpenTab, world: World, width: int
) -> None:
    page = open_tab(width=width)
    missed, unseen = {}, []
    for path in paths(world):
        page.goto(path)
        wanted = set(page.evaluate(FOCUSABLE))
        reached = stops(page)
        missed[path] = [
            page.locator(f"[data-stop='{each}']").evaluate("each => each.outerHTML.slice(0, 120)")
            for each in wanted - {stop["stop"] for stop in reached}
        ]
        # A date field is several stops; which of its parts has the focus is not for us to draw.
        seen = {stop["stop"] for stop in reached if stop["ringed"] and stop["shown"]}
        unseen += [f"{path}: {stop['what']}" for stop in reached if stop["stop"] not in seen]
    assert {path: found for path, found in missed.items() if found} == {}
    assert not unseen, "\n".join(unseen)


def test_the_first_stop_leads_past_what_all_pages_share(open_tab: OpenTab) -> None:
    page = open_tab()
    for path in ("/en/", "/zh-Hans/jobs"):
        page.goto(path)
        skip = page.locator("a.skip")
        page.keyboard.press("Tab")
        expect(skip).to_be_focused()
        expect(skip).to_be_in_viewport()
        page.keyboard.press("Enter")
        page.wait_for_function("() => location.hash !== ''")
        page.keyboard.press("Tab")
        assert page.evaluate(
            "() => document.querySelector('main').contains(document.activeElement)"
        )


def test_a_search_is_typed_and_sent(open_tab: OpenTab, world: World) -> None:
    page = open_tab()
    page.goto("/en/")
    box = page.locator("header input[type='search']").first
    for _ in range(30):
        page.keyboard.press("Tab")
        if box.evaluate("each => each === document.activeElement"):
            break
    expect(box).to_be_focused()
    page.keyboard.type(world.job_id("early"))
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/jobs/{world.job_id('early')}*")


def test_a_list_is_narrowed_by_a_facet_and_by_days(open_tab: OpenTab) -> None:
    page = open_tab(width=PHONE)
    page.goto("/en/jobs")
    page.locator("details.narrow > summary").focus()
    page.keyboard.press("Enter")
    facet = page.locator(".facets a[href*='state=failed']")
    expect(facet).to_be_visible()
    facet.focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**state=failed*")
    page.locator("details.narrow > summary").focus()
    page.keyboard.press("Enter")
    page.locator("input[name='from']").focus()
    page.keyboard.type("10102026")  # day and month in either order
    page.keyboard.press("Enter")
    page.wait_for_url("**from=2026-10-10*")
    assert "state=failed" in page.url
    page.locator(".chips a").first.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda address: "state=failed" not in address)


def test_what_is_folded_opens_and_closes(open_tab: OpenTab, world: World) -> None:
    page = open_tab()
    page.goto(f"/en/jobs/{world.job_id('opened')}")
    details = page.locator("main details:not([hidden])").first
    expect(details).not_to_have_attribute("open", "")
    details.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(details).to_have_attribute("open", "")
    page.keyboard.press("Space")
    expect(details).not_to_have_attribute("open", "")
