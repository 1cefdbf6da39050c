"""Pages of a ledger whose authors are all hostile, in a real browser: no script of theirs runs."""

import sys
from pathlib import Path

from ledger_world import World
from playwright.sync_api import Browser
from serving import served
from tabs import tabs

sys.path.insert(0, str(Path(__file__).parents[1] / "abuse"))  # hostile_words

from hostile_words import ELEMENT, PAYLOADS, TRAP, HostileWorld

SHOWN = ("script", "attribute", "image", "breakout", "javascript", "template", "direction", "xml")
"""What a browser could take for more than text; the other payloads are read without one."""


def _hostile(folder: Path) -> HostileWorld:
    world = HostileWorld(folder)
    for number, name in enumerate(SHOWN):
        bodies = world.bodies(name, PAYLOADS[name], at=world.reader.tree_size())
        # One by one: a correction names an entry that is there.
        for body in (*bodies, world.registration(number, PAYLOADS[name])):
            world.log(body)
    world.days(91)
    world.sweep()
    return world


def _targets(world: World) -> list[str]:
    size = world.reader.tree_size()
    with world.reader.at() as view:
        artifacts = [f"artifacts/sha256:{each.digest}" for each in view.artifacts(limit=1)]
        models = [f"models/sha256:{each.digest}" for each in view.models(limit=1)]
    lists = ["", "jobs", "corrections", "rejections", "members", "models", "artifacts", "entries"]
    jobs = [f"jobs/{job}" for job in world.jobs.values()]
    entries = [f"entries/{index}" for index in (1, 4, size - 1)]
    slugs = [*lists, *jobs, *artifacts, *models, *entries, "members/hostile-0", "members/alpha"]
    return [f"/en/{slug}" for slug in slugs]


def test_no_script_of_an_author_runs_and_no_policy_is_broken(
    browser: Browser, tmp_path: Path
) -> None:
    with _hostile(tmp_path / "hostile") as world, served(world) as address:
        # A tab fails its test for whatever the console or the policy reports.
        with tabs(browser, lambda: address) as opened:
            page = opened()
            for target in _targets(world):
                page.goto(target)
                # Scripts that wait for a pointer, a key or the focus get one.
                page.keyboard.press("Tab")
                page.locator("main").hover()
                assert page.evaluate("() => document.body.dataset.trapped") is None, target
                assert page.locator(ELEMENT).count() == 0, target
                assert page.locator("[onerror], [onload], [onfocus]").count() == 0, target
        with tabs(browser, lambda: address) as opened:
            trap = opened()
            trap.goto("/en/about")
            trap.evaluate(f"() => {{ {TRAP} }}")
            assert trap.evaluate("() => document.body.dataset.trapped") == "1"
