"""Every text that an author chooses is hostile, and stays text wherever the ledger shows it."""

import csv
import io
import json
import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # site_map, browser

from browser import Browser, Reply
from hostile_words import (
    ELEMENT,
    NO_CHOICE,
    PAYLOADS,
    TRAP,
    HostileWorld,
    texts_of_all_schemas,
)
from ledger_world import World
from site_map import answers, bulk, pages

from ledger.__main__ import run
from web.app import create_app

ONE = "/api/v1/statements"
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?\Z")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
STEERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2067\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Controls and marks of direction, but for the pair that isolates what runs right to left."""
EMPTY = {"br", "img", "input", "link", "meta", "hr", "source", "wbr"}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[HostileWorld, Browser]]:
    """A ledger all of whose authors are hostile, everything in it open."""
    with (
        HostileWorld(tmp_path_factory.mktemp("hostile")) as world,
        Browser(create_app(world.ledger, public_url="https://ledger.example")) as site,
    ):
        for number, (name, payload) in enumerate(PAYLOADS.items()):
            bodies = world.bodies(name, payload, at=world.reader.tree_size())
            for body in (*bodies, world.registration(number, payload)):
                reply = site.request("POST", ONE, chunks=[body])
                assert reply.status == 201, (name, reply.text)
        world.days(91)
        world.sweep()
        yield world, site


def test_no_text_of_any_statement_is_left_out(
    hostile: tuple[HostileWorld, Browser],
) -> None:
    world, _ = hostile
    assert texts_of_all_schemas() - NO_CHOICE.keys() - world.reached.texts == set()
    assert NO_CHOICE.keys() <= texts_of_all_schemas()
    assert len(world.jobs) == len(PAYLOADS)


def test_no_page_takes_a_payload_for_more_than_text(
    hostile: tuple[HostileWorld, Browser],
) -> None:
    world, site = hostile
    for target in dict.fromkeys([*pages(world), *pages_of_jobs(world)]):
        reply = site.get(target)
        assert (target, reply.status) == (target, 200)
        assert faults_of_page(reply.text) == [], target


def test_no_answer_for_programs_takes_a_payload_for_more_than_text(
    hostile: tuple[HostileWorld, Browser],
) -> None:
    world, site = hostile
    read = set()
    for target in dict.fromkeys([*answers(world), *answers_of_jobs(world), *bulk(world)]):
        reply = site.get(target)
        assert (target, reply.status) == (target, 200)
        assert "set-cookie" not in reply.headers
        assert faults_of_answer(reply) == [], target
        read.add(reply.headers["content-type"].partition(";")[0])
    assert {"application/json", "text/csv", "application/atom+xml", "text/html"} <= read


def test_what_the_checks_look_for_they_would_find() -> None:
    for payload in ("script", "attribute", "image", "breakout"):
        assert faults_of_page(f'<p title="{PAYLOADS[payload]}">{PAYLOADS[payload]}</p>')
    assert faults_of_page(f'<a href="{PAYLOADS["javascript"]}">x</a>')
    assert faults_of_page(f"<p>{PAYLOADS['direction']}</p>")
    assert faults_of_page(f"<p>{PAYLOADS['terminal']}</p>")
    assert faults_of_page("<p>1337$1337</p>")
    assert faults_of_csv("a,b\r\n1,=1+1\r\n")
    assert faults_of_csv('a,b\r\n1,"x;=1+1"\r\n')
    assert not faults_of_csv("a,b\r\n1,-2\r\n")


def test_half_a_character_is_refused_and_nothing_is_logged(
    hostile: tuple[HostileWorld, Browser],
) -> None:
    world, site = hostile
    before = world.reader.tree_size()
    body = world.bodies("surrogate", "SURROGATE", at=0)[0]
    for escape in (rb"\ud800", rb"\udc00\ud800", rb"\u0000", b"\xed\xa0\x80", b"\xc0\x80"):
        reply = site.request("POST", ONE, chunks=[body.replace(b"SURROGATE", escape)])
        assert reply.status in {400, 403, 422}
        assert escape not in reply.body
    assert world.reader.tree_size() == before


def test_the_command_line_prints_no_escape_and_no_mark_of_direction(
    hostile: tuple[HostileWorld, Browser],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    world, site = hostile
    settings = world.ledger.settings
    monkeypatch.setenv("LEDGER_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("LEDGER_DATABASE_URL", settings.database_url)
    monkeypatch.chdir(tmp_path)
    receipts = []
    for number, job in enumerate(world.jobs.values()):
        receipt = tmp_path / f"{number}.tlog-proof"
        receipt.write_bytes(site.get(f"/jobs/{job}.proof").body)
        receipts.append(receipt)
    commands: list[list[object]] = [["status"], ["fsck"], ["signals"], ["charter", "show"]]
    commands += [["verify-proof", receipt, "--vkey", world.ledger.vkey] for receipt in receipts[:8]]
    commands += [["check", payload] for payload in PAYLOADS.values() if "\0" not in payload]
    commands += [["witness", "add-log", payload] for payload in PAYLOADS.values()]
    for command in commands:
        status = run([str(each) for each in command])
        captured = capsys.readouterr()
        said = captured.out + captured.err
        assert status in {0, 1, 2}
        assert "Traceback" not in said
        assert STEERING.findall(said.replace("\n", "")) == [], command


def pages_of_jobs(world: World) -> list[str]:
    """The pages of every job and of all that they name, in one language."""
    size = world.reader.tree_size()
    with world.reader.at() as view:
        models = [f"models/sha256:{each.digest}" for each in view.models(limit=50)]
        artifacts = [f"artifacts/sha256:{each.digest}" for each in view.artifacts(limit=50)]
    members = [f"members/hostile-{number}" for number in range(len(PAYLOADS))]
    jobs = [f"jobs/{job}" for job in world.jobs.values()]
    entries = [f"entries/{index}" for index in range(1, size, 3)]
    found = [*models, *artifacts, *members, *jobs, *entries]
    return [f"/zh-Hans/{slug}" for slug in (*found, "corrections", "jobs?limit=100")]


def answers_of_jobs(world: World) -> list[str]:
    """What programs get of every job."""
    forms = (".json", ".csv", ".bib", ".csl.json", ".intoto.json", ".cdx.json")
    jobs = list(world.jobs.values())
    return [
        *(f"/jobs/{job}{form}" for job in jobs for form in forms),
        *(f"/embed/en/jobs/{job}" for job in jobs),
        "/jobs.csv",
        "/feeds/published.atom?limit=100",
        "/feeds/published.json?limit=100",
        "/feeds/corrections.atom?limit=100",
        "/feeds/findings.atom?limit=100",
    ]


class Reading(HTMLParser):
    """A page as a browser splits it into elements."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.faults: list[str] = []
        self.scripts: list[dict[str, str]] = []
        self.inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag == ELEMENT:
            self.faults.append("a payload is an element")
        if tag == "script":
            self.scripts.append(given)
        for name, value in given.items():
            if name.startswith("on") or name in {"hostile-attribute", "srcdoc", "style"}:
                self.faults.append(f"a payload is the attribute {name}")
            if name in {"href", "src", "action", "formaction", "data", "poster"}:
                plain = re.sub(r"[\x00-\x20]", "", value).lower()
                if re.match(r"(javascript|data|vbscript|file):", plain) and tag != "img":
                    self.faults.append(f"{name} leads to {plain[:30]}")
            if STEERING.search(re.sub(r"[\r\n\t]", "", value)):
                self.faults.append(f"{name} of {tag} steers")
        if tag not in EMPTY:
            # The bytes that were hashed are shown as they are, in a block of their own.
            self.inside.append("bytes" if given.get("class") == "bytes wrap" else tag)

    def handle_endtag(self, tag: str) -> None:
        tag = "bytes" if tag == "pre" and self.inside[-1:] == ["bytes"] else tag
        if tag in self.inside:
            while self.inside.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if "script" in self.inside:
            json.loads(data)
        elif "bytes" not in self.inside and (
            found := STEERING.findall(re.sub(r"[\r\n\t]", "", data))
        ):
            self.faults.append(f"text steers: {found}")
        if "1337$" in data:
            self.faults.append("a payload was evaluated")


def faults_of_page(text: str) -> list[str]:
    """What a payload did to a page."""
    reading = Reading()
    try:
        reading.feed(text)
        reading.close()
    except json.JSONDecodeError:
        reading.faults.append("a payload broke a script out of its form")
    for script in reading.scripts:
        own = script.get("src", "").startswith("/static/")
        if not own and script.get("type") not in {"application/json", "application/ld+json"}:
            reading.faults.append(f"a script that is not ours: {script}")
    return reading.faults


def faults_of_csv(text: str) -> list[str]:
    """The cells that a spreadsheet would compute, whatever it takes for what parts them."""
    plain = text.removeprefix("\ufeff")
    cells = [cell for row in csv.reader(io.StringIO(plain, newline="")) for cell in row]
    # Where the comma is the decimal sign, cells are parted elsewhere, whatever the quotes say.
    cells += [part.lstrip('"').partition(",")[0] for part in re.split("[;\t\r\n]", plain)]
    formulas = (cell for cell in cells if cell.startswith(FORMULA))
    return [cell[:40] for cell in formulas if not NUMBER.match(cell)]


def faults_of_answer(reply: Reply) -> list[str]:
    """What a payload did to an answer for programs."""
    kind = reply.headers["content-type"].partition(";")[0]
    if kind == "text/html":
        return faults_of_page(reply.text)
    assert reply.headers["x-content-type-options"] == "nosniff"
    match kind:
        case "text/csv":
            return faults_of_csv(reply.text)
        case "application/x-ndjson":
            for line in reply.text.splitlines():
                json.loads(line)
        case _ if kind.endswith("json"):
            reply.json()
        case _ if kind.endswith("xml"):
            return faults_of_xml(reply.body)
        case _ if kind.startswith("text/"):
            if found := STEERING.findall(re.sub(r"[\n\r\t]", "", reply.text)):
                return [f"text steers: {found}"]
    return []


def faults_of_xml(body: bytes) -> list[str]:
    """A payload among the elements; what a feed's reader shows as HTML is judged as a page."""
    found: list[str] = []
    root: Any = ET.fromstring(body)
    for element in root.iter():
        if ELEMENT in str(element.tag):
            found.append("a payload is an element")
        if element.get("type") == "html":
            found += faults_of_page(element.text or "")
        for name, value in element.attrib.items():
            if name in {"href", "src"} and TRAP in value and not value.startswith("https://"):
                found.append(f"{name} leads to {value[:40]}")
    return found
