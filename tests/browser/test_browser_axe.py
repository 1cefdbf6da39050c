"""Whether everybody can read every page: the rules of axe-core, for WCAG 2.2 AA and beyond."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from ledger_world import World
from playwright.sync_api import Page
from site_map import answers, languages, pages
from tabs import PHONE, OpenTab

GROUPS = 6
ALL_RULES = {"rules": {"target-size": {"enabled": True}}}
"""Everything that is on by default, and WCAG 2.2's 2.5.8, which is not yet."""
COLOUR_RULES = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""What can differ between light and dark: everything else is judged once, in light."""


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """Each rule that the page breaks, with the nodes that do; axe is in the page already."""
    script = "options => axe.run({...options, resultTypes: ['violations']})"
    found = page.evaluate(script, options)["violations"]
    return [
        f"{page.url}: {each['id']} ({each['help']}): {node['target']} {node['html'][:200]}"
        for each in found
        for node in each["nodes"]
    ]


def judged(page: Page, path: str) -> list[str]:
    """What is wrong with the page at ``path``, in light and in dark."""
    page.emulate_media(color_scheme="light")
    page.goto(path)
    page.evaluate(Axe().axe_script)
    broken = violations(page, ALL_RULES)
    page.emulate_media(color_scheme="dark")
    return broken + [f"dark: {each}" for each in violations(page, COLOUR_RULES)]


def of_every_kind(paths: list[str]) -> list[str]:
    """The first page of each kind, ids and queries aside."""
    kinds: dict[str, str] = {}
    for path in paths:
        parts = path.partition("?")[0].split("/")
        kinds.setdefault("/".join([*parts[:3], *parts[4:]]), path)
    return list(kinds.values())


@pytest.mark.parametrize("group", range(GROUPS))
@pytest.mark.parametrize("language", languages())
def test_no_page_breaks_a_rule_of_axe(
    open_tab: OpenTab, world: World, language: str, group: int
) -> None:
    page = open_tab()
    paths = [path for path in pages(world) if path.startswith(f"/{language}/")]
    paths += [path for path in answers(world) if path.startswith(f"/embed/{language}/")]
    broken = [each for path in paths[group::GROUPS] for each in judged(page, path)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("language", languages())
def test_no_page_breaks_a_rule_of_axe_on_a_phone(
    open_tab: OpenTab, world: World, language: str
) -> None:
    page = open_tab(width=PHONE, is_mobile=True)
    paths = [path for path in pages(world) if path.startswith(f"/{language}/")]
    broken = [each for path in of_every_kind(paths) for each in judged(page, path)]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("language", languages())
def test_no_page_is_wider_than_a_phone(open_tab: OpenTab, world: World, language: str) -> None:
    """WCAG 1.4.10, reflow: at 320 CSS pixels nothing but a table or code scrolls sideways."""
    page = open_tab(width=320, is_mobile=True)
    too_wide = {}
    for path in of_every_kind([each for each in pages(world) if each.startswith(f"/{language}/")]):
        page.goto(path)
        over = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if over > 0:
            too_wide[path] = over
    assert too_wide == {}


def test_axe_does_find_what_is_wrong(open_tab: OpenTab) -> None:
    page = open_tab()
    page.goto("/en/about")
    page.evaluate("() => { document.documentElement.lang = ''; }")
    page.evaluate(Axe().axe_script)
    assert "html-has-lang" in violations(page, ALL_RULES)[0]
    page.evaluate("() => { document.querySelector('main').style.color = '#888'; }")
    assert any("color-contrast" in each for each in violations(page, COLOUR_RULES))
