"""A real Chromium in front of a real server process in front of a ledger with a history.

``site_url`` is the shared site, which tests only read, and ``world`` the ledger behind it;
``open_tab`` opens a tab on it. Every test process has its own server, on a port of its own.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1] / "reader"))  # ledger_world lies there
sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # site_map
sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))  # _browser

import _browser
from ledger_world import World, with_history
from serving import served
from tabs import PATIENCE_MS, OpenTab, tabs

# Nothing but this machine can be reached, whatever a page asks for.
CLOSED = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The ledger behind the shared site, on SQLite."""
    with World(tmp_path_factory.mktemp("browsed")) as made:
        yield with_history(made)


@pytest.fixture(scope="session")
def site_url(world: World) -> Iterator[str]:
    """The address of the shared site, without a slash at its end."""
    with served(world) as address:
        yield address


@pytest.fixture
def postgresql_site_url(postgresql_url: str, tmp_path: Path) -> Iterator[str]:
    """The address of a site with the same history, on PostgreSQL."""
    with World(tmp_path / "pg", postgresql_url) as made, served(with_history(made)) as address:
        yield address


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser: scripts/test has found it, or got it."""
    try:
        return os.environ.get(_browser.VARIABLE) or _browser.get()
    except _browser.BrowserMissing as missing:
        pytest.exit(str(missing), returncode=2)


# Not for the session: as long as Playwright runs, its event loop runs in this thread, and the
# tests of other modules in this process need their own.
@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """One running browser; ``open_tab`` is how to use it."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(
            executable_path=chromium, args=[CLOSED], timeout=PATIENCE_MS
        )
        yield running
        running.close()


@pytest.fixture
def open_tab(browser: Browser, request: pytest.FixtureRequest) -> Iterator[OpenTab]:
    """Opens tabs on the shared site; a complaint of any of their pages fails the test."""

    def shared() -> str:
        address: str = request.getfixturevalue("site_url")
        return address

    with tabs(browser, shared) as opened:
        yield opened
