"""Tabs that complain: whatever a page's console says or its scripts throw is a failure."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, Protocol

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

WIDE = 1280
PHONE = 390
PATIENCE_MS = 120_000
"""For whatever is waited for: a limit that only a test which has failed comes to."""

expect.set_options(timeout=PATIENCE_MS)

Colours = Literal["light", "dark"]


class OpenTab(Protocol):
    """Opens a tab in a context of its own, with addresses relative to the site.

    ``allowing`` is a pattern of complaints that the test expects; ``site`` the address of another
    site than the shared one; ``more`` goes to Playwright's ``new_context``.
    """

    def __call__(
        self,
        *,
        scripts: bool = True,
        colours: Colours = "light",
        width: int = WIDE,
        height: int = 900,
        locale: str = "en-GB",
        allowing: str | None = None,
        site: str | None = None,
        **more: Any,
    ) -> Page: ...


def followed(page: Page, act: Callable[[], object]) -> None:
    """Do what leads to another page, and wait until all of that one is there.

    A click alone waits for the page to begin.
    """
    with page.expect_navigation():
        act()


@contextmanager
def tabs(browser: Browser, site_url: Callable[[], str]) -> Iterator[OpenTab]:
    """The function that opens them; they are closed, and their complaints told, in the end."""
    contexts: list[BrowserContext] = []
    complaints: list[str] = []

    def open_tab(
        *,
        scripts: bool = True,
        colours: Colours = "light",
        width: int = WIDE,
        height: int = 900,
        locale: str = "en-GB",
        allowing: str | None = None,
        site: str | None = None,
        **more: Any,
    ) -> Page:
        context = browser.new_context(
            base_url=site or site_url(),
            java_script_enabled=scripts,
            color_scheme=colours,
            viewport={"width": width, "height": height},
            locale=locale,
            timezone_id="UTC",
            **more,
        )
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)

        def complain(page: Page | None, what: str) -> None:
            if allowing is None or not re.search(allowing, what):
                complaints.append(f"{page.url if page else '?'}: {what}")

        def on_console(message: ConsoleMessage) -> None:
            if message.type in {"error", "warning"}:
                where = message.location.get("url", "")
                complain(message.page, f"{message.type}: {message.text} ({where})")

        context.on("console", on_console)
        context.on("weberror", lambda error: complain(error.page, f"thrown: {error.error}"))
        return context.new_page()

    yield open_tab
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)
