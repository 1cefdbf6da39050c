"""Runs the site's own verification scripts in a tab, and spoils what they are given."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from ledger_world import World
from playwright.sync_api import Page, Request, Route
from tabs import OpenTab

from ledger.records import canonical
from ledger.tlog.proof import TlogProof, format_proof, parse_proof

ENDED = ".verify[data-status]:not([data-status=running])"
FLAT = """
const flat = (value) =>
  value instanceof Uint8Array ? m.toHex(value)
  : typeof value === "bigint" ? Number(value)
  : Array.isArray(value) ? value.map(flat)
  : value && value.constructor === Object
    ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, flat(each)]))
    : value;
const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
"""


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def show_time(page: Page, now: int) -> None:
    """Let the page's clock stand at ``now``, in Unix seconds."""
    page.clock.set_fixed_time(datetime.fromtimestamp(now, UTC))


def open_at(world: World, open_tab: OpenTab, address: str, *, webcrypto: bool = True) -> Page:
    """A tab on ``address`` that shows the world's time, with or without WebCrypto."""
    page = open_tab(allowing="Failed to load resource")
    show_time(page, world.clock.now)
    page.goto(address)
    if not webcrypto:
        in_page(page, "m.engine.subtle = undefined")
    return page


def in_page(page: Page, body: str, given: object = None) -> Any:
    """What ``body`` returns: ``m`` is the module of formats, ``v`` that of the steps."""
    scripts = page.locator("script[src$='/verify/page.js']").get_attribute("src")
    assert scripts is not None
    folder = scripts.removesuffix("page.js")
    return page.evaluate(
        f"""async (given) => {{
          const m = await import("{folder}formats.js"), v = await import("{folder}verify.js");
          {FLAT}
          return flat(await (async () => {{ {body} }})());
        }}""",
        given,
    )


def attempts(page: Page, call: str, values: list[Any]) -> list[Any]:
    """What ``call``, an expression over ``value``, gives for each; a refusal gives its code."""
    body = f"""
      const found = [];
      for (const value of given) {{
        try {{ found.push([await ({call})]); }}
        catch (error) {{ found.push(error instanceof m.Refused ? error.code : String(error)); }}
      }}
      return found;"""
    found: list[Any] = in_page(page, body, values)
    return found


def steps(page: Page) -> dict[str, str]:
    """How each step has ended."""
    page.wait_for_selector(ENDED)
    items = page.locator("[data-step]").all()
    return {
        item.get_attribute("data-step") or "": item.get_attribute("data-status") or ""
        for item in items
    }


def press(page: Page) -> dict[str, str]:
    """Press the button, and wait for how each step ends."""
    page.locator(".verify").evaluate("box => delete box.dataset.status")
    page.locator("[name=verify]").click()
    return steps(page)


def verdict(page: Page) -> str:
    page.wait_for_selector(ENDED)
    return page.locator(".verify").get_attribute("data-status") or ""


def failing(found: dict[str, str]) -> set[str]:
    return {name for name, status in found.items() if status == "fails"}


def receipt_of(world: World, index: int, *, size: int | None = None) -> bytes:
    with world.reader.at(size) as view:
        found: bytes = view.receipt(index)
        return found


def spoil(receipt: bytes, change: Callable[[TlogProof, Any], tuple[TlogProof, Any]]) -> bytes:
    """The receipt with its proof and its extra changed, in its one spelling."""
    proof = parse_proof(receipt)
    assert proof.extra is not None
    proof, extra = change(proof, json.loads(proof.extra))
    return format_proof(replace(proof, extra=canonical.encode(extra)))


def answer_with(page: Page, pattern: str, change: Callable[[bytes], bytes]) -> None:
    """Let the site answer falsely wherever the address matches ``pattern``."""

    def tell(route: Route, _request: Request) -> None:
        route.fulfill(body=change(route.fetch().body()), content_type="text/plain")

    page.route(re.compile(pattern), tell)


def requests_of(page: Page) -> list[Request]:
    """Every request that the page makes from now on, as they come; its own icon is none."""
    asked: list[Request] = []

    def note(request: Request) -> None:
        if not request.url.endswith("/mark.svg"):
            asked.append(request)

    page.on("request", note)
    return asked
