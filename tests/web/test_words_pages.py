"""The pages of words on the site: what they say of addresses, commands and figures holds here."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
from browser import Browser
from ledger_world import World
from site_map import languages

from web.contract import DOOR
from web.i18n import LANGUAGES
from web.telling.runs import SECTIONS
from web.words import facts
from web.words.library import LIBRARY, Document

PUBLIC_URL = "https://ledger.example"
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify.py"


class Anchors(HTMLParser):
    """The ids, links, elements and code of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.elements: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.elements.add(tag)
        self.ids.update(filter(None, [given.get("id")]))
        if tag == "a":
            self.links.append(given["href"] or "")


def _texts() -> Iterator[tuple[str, Document]]:
    for translations in LIBRARY.documents.values():
        yield from translations.items()


@pytest.fixture(scope="module")
def verify() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_as_shown", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


# --- what the pages show ----------------------------------------------------------------------


def test_every_place_that_a_text_leads_to_is_there(site: Browser) -> None:
    found: dict[str, set[str]] = {}
    for tag in languages():
        for slug in LIBRARY.documents:
            target = f"/{tag}/{slug}"
            page = Anchors(site.get(target).text)
            found[target] = page.ids
            for link in page.links:
                address, _, place = link.partition("#")
                address = address or target
                if address not in found:
                    reply = site.get(address)
                    assert (target, link, reply.status) == (target, link, 200)
                    is_page = reply.headers["content-type"].startswith("text/html")
                    found[address] = Anchors(reply.text).ids if is_page else set()
                if place:
                    assert (target, link, place in found[address]) == (target, link, True)


def test_every_fact_is_filled_in_and_escaped(site: Browser, world: World) -> None:
    for tag in languages():
        for slug in LIBRARY.documents:
            text = site.get(f"/{tag}/{slug}").text
            assert "{{" not in text
            assert "\x00" not in text
        about = site.get(f"/{tag}/about").text
        assert f"--vkey {world.ledger.vkey} --state" in unescape(about)
        assert "1\u00a0TB" in about
        assert "25,000" in about
        assert "<code>beta</code>" in about
        assert "Beta <b>" not in about
    used = {
        part.name
        for _, document in _texts()
        for part in document.text.parts
        if not isinstance(part, str) and hasattr(part, "name")
    }
    assert used <= {*facts.NAMES, "architecture", "members", "terms", "threats", *SECTIONS}


def test_an_older_page_of_words_speaks_of_its_own_size(site: Browser, world: World) -> None:
    size = world.reader.tree_size() - 7
    text = site.get(f"/en/press?at={size}").text
    assert f"Now it has {size}." in text
    assert f'href="/en/jobs?member=alpha&amp;at={size}"' in text
    assert f'href="/en/glossary?at={size}"' in text
    assert 'href="/feeds/published.json"' in text
    glossary = site.get(f"/zh-Hans/glossary?at={size}").text
    assert '<div id="tree-size">' in glossary


def test_the_anchors_that_other_pages_lead_to_stay(site: Browser) -> None:
    for tag in languages():
        assert {"check", "feed", "api"} <= Anchors(site.get(f"/{tag}/about").text).ids
        assert {"cron", "compare", "fails"} <= Anchors(site.get(f"/{tag}/docs/verify").text).ids
        assert "limits" in Anchors(site.get(f"/{tag}/press").text).ids


def test_long_pages_begin_with_their_contents(site: Browser) -> None:
    text = site.get("/en/press").text
    contents = re.search('<nav class="contents".*?</nav>', text, re.DOTALL)
    assert contents
    assert re.findall('href="#([a-z-]+)"', contents[0])[:3] == ["quote", "lab", "share"]


def test_words_for_machines_are_the_same_words(site: Browser, world: World) -> None:
    every = site.get("/api/v1/words").json()
    assert [each["slug"] for each in every["data"]] == list(LIBRARY.documents)
    one = site.get("/api/v1/words/docs/verify").json()["data"]
    assert [text["language"] for text in one["texts"]] == list(LANGUAGES)
    assert one["texts"][0]["markdown"].startswith("A site that says")
    assert world.ledger.vkey in one["texts"][1]["markdown"]
    terms = site.get("/api/v1/words/glossary").json()["data"]
    assert len(terms) == len(LIBRARY.terms)
    assert site.get("/api/v1/words/nothing").status == 404
    twin = '<link rel="alternate" type="application/json" href="/api/v1/words/docs/verify">'
    assert twin in site.get("/zh-Hans/docs/verify").text


# --- commands and addresses that the texts show -------------------------------------------------


def _code(document: Document) -> list[str]:
    return re.findall(r"```\w*\n(.*?)```", document.source, re.DOTALL)


def test_every_command_is_one_that_the_script_takes(verify: ModuleType) -> None:
    seen = 0
    for _tag, document in _texts():
        for block in _code(document):
            for line in block.splitlines():
                _, shown, rest = line.partition("python verify.py ")
                if not shown:
                    continue
                words = re.sub(r"\{\{\w+\}\}", "x", rest.partition(" >>")[0]).split()
                options = verify.arguments(words)
                assert (
                    options.receipt
                    or options.url
                    or options.offline
                    or options.file
                    or options.code
                )
                seen += 1
    assert seen >= 6 * len(LANGUAGES)


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_code_of_the_script_is_explained_and_no_other(tag: str, verify: ModuleType) -> None:
    codes = set(verify.CHECKS)
    assert len(codes) > 40
    source = LIBRARY.documents["docs/verify"][tag].source
    part = source[source.index("{#checks}") : source.index("{#fails}")]
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)*)`", part)) == codes
    threats = LIBRARY.documents["docs/threat-model"][tag].source
    assert set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", threats)) <= codes


def _routes(site: Browser) -> set[str]:
    routes = site._app._app.routes  # type: ignore[attr-defined] # Litestar within the front
    paths = {re.sub(r"\{\w+:\w+\}", "{}", route.path) for route in routes}
    return {path for path in paths if path.startswith("/api/v1/")}


@pytest.mark.parametrize("tag", LANGUAGES)
def test_every_address_of_the_api_is_documented_and_no_other(site: Browser, tag: str) -> None:
    source = LIBRARY.documents["docs/api"][tag].source
    shown = {re.sub(r"\{\w+\}", "{}", each) for each in re.findall(r"`(/api/v1/[^`?]*)`", source)}
    routes = _routes(site)
    assert len(routes) > 20
    # What is answered in front of the router.
    door = {re.sub(r"\{\w+\}", "{}", each.address) for each in DOOR}
    assert routes | door | {"/api/v1/openapi.json"} == shown


def test_every_address_in_the_documents_answers(site: Browser, world: World) -> None:
    some = {
        "job_id": world.job_id("opened"),
        "index": "3",
        "slug": "docs/verify",
        "level": "0",
        "number": "000",
        "series": "member-share",
        "name": "alpha",
        "model": "sha256:" + world.digest("opened", "weights"),
        "artifact": "sha256:" + world.digest("opened", "artifact"),
        "list": "state",
        "schema": "job-shown",
    }
    size = world.reader.tree_size()
    given = {
        "public_url": PUBLIC_URL,
        "tree_size": str(size),
        "member": "alpha",
        "month": "2026-09",
    }
    asked = set()
    for _tag, document in _texts():
        spans = re.findall(r"`(/[a-z]+[/.][^`… ]*|/oembed)`", document.source)
        lines = re.findall(r"^GET (\S+)$", document.source, re.MULTILINE)
        asked |= {*spans, *lines}
    assert len(asked) > 15
    for target in sorted(asked):
        address = re.sub(r"\{\{(\w+)\}\}", lambda found: given[found[1]], target)
        address = re.sub(r"\{(\w+)\}", lambda found: some[found[1]], address)
        address = address.removeprefix(PUBLIC_URL)
        if address in {"/log", "/api/v1", "/oembed"}:
            continue
        if address == "/api/v1/consistency":
            address += "?from=1"
        if address.endswith("/artifacts/alpha"):
            # The door says this of every artifact that is not public.
            assert site.get(address).status == 404
        elif address.startswith("/api/v1/statements"):
            assert site.get(address).status == 405
        else:
            assert (target, site.get(address).status) == (target, 200)


# --- the worked questions -----------------------------------------------------------------------


def test_the_answers_to_the_worked_questions_stand_where_the_text_says(
    site: Browser, world: World
) -> None:
    def shows(address: str, *words: str) -> None:
        text = unescape(re.sub("<[^>]+>", "", site.get(f"/en/{address}").text))
        assert [each for each in words if each not in text] == [], address

    size = world.reader.tree_size()
    shows("jobs?member=alpha", "newest first", "Alpha Lab", "Link to this state")
    shows("statistics", "GPU-hours")
    shows("rejections", "R1_forbidden_workload", "Rejected jobs", "Beta")
    shows(f"jobs/{world.job_id('rejected')}", "The workload lora changes the uploaded model")
    shows("embargo", "Nothing is overdue")
    shows(f"jobs/{world.job_id('opened')}", "Plan", "Results", "How refusals generalise")
    shows(f"jobs/{world.job_id('opened')}", "Was the model changed?", "What left the cluster")
    shows("corrections", "a typing mistake")
    shows(f"log?from=1&to={size}", "From 1 to")
    shows(f"jobs?at={size - 3}", f"{size - 3} entries")
    shows("verify", "tlog-proof")
