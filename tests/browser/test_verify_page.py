"""The box on the pages and the page "verify": what a reader can do there, and what never leaves."""

import gzip
import hashlib
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from ledger_world import World
from playwright.sync_api import Browser, Page, expect
from tabs import PATIENCE_MS, OpenTab
from test_browser_axe import ALL_RULES, COLOUR_RULES, violations
from test_verify_tampering import NEEDED, SAME_NAME, TAMPERINGS
from verifying import (
    answer_with,
    failing,
    in_page,
    open_at,
    press,
    receipt_of,
    requests_of,
    show_time,
    spoil,
    steps,
    verdict,
)

import web
from ledger.tlog.cosignature import cosign
from ledger.tlog.note import COSIGNATURE, Signer, parse_note

SCRIPTS = Path(web.__file__).parent / "static" / "verify"
LIMIT = 30_000
WITNESS = Signer("witness.example/w1", b"\x55" * 32, key_type=COSIGNATURE)
NOT_SAID = {"boolean", "string", "object", "raw", "verify", "genesis", "registry", "retire", "log"}
NOT_SAID |= {"disclosed", "witness", "group", "quorum", "none"}
CLOSED = "--host-resolver-rules=MAP ledger.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"


def imported(name: str, seen: set[str] | None = None) -> set[str]:
    """A module and all that it imports."""
    seen = set() if seen is None else seen
    if name not in seen:
        seen.add(name)
        for each in re.findall(r'from "\./([\w-]+\.js)"', (SCRIPTS / name).read_text("utf-8")):
            imported(each, seen)
    return seen


def test_what_verifies_is_less_than_30_kb_with_its_cryptography() -> None:
    modules = imported("verify.js")
    assert modules == {"verify.js", "formats.js", "sha2.js", "noble-ed25519.js"}
    assert sum(len((SCRIPTS / name).read_bytes()) for name in modules) < LIMIT
    # Only a log of which one key has followed another has keys.js fetched.
    files = [file for file in SCRIPTS.glob("*.js") if file.name != "keys.js"]
    every = b"".join(file.read_bytes() for file in files)
    assert len(gzip.compress(every)) < LIMIT / 2


def test_the_vendored_file_is_the_one_that_its_readme_tells_of() -> None:
    digest = hashlib.sha256((SCRIPTS / "noble-ed25519.js").read_bytes()).hexdigest()
    assert f"`{digest}`" in (SCRIPTS / "README.md").read_text("utf-8")


def test_the_scripts_say_nothing_themselves(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    words = page.locator(".verify template").evaluate(
        "each => Array.from(each.content.children, (word) => word.dataset.word)"
    )
    assert len(set(words)) == len(words)
    told = "".join((SCRIPTS / name).read_text("utf-8") for name in ("verify.js", "formats.js"))
    codes = set(re.findall(r'"([a-z_]+)"', told)) - NOT_SAID
    assert sorted(codes - set(words) - set(in_page(page, "return v.STEPS"))) == []


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
@pytest.mark.parametrize("rest", ["jobs/{job}", "jobs/{job}/proof", "entries/1", "entries/6"])
def test_the_box_is_on_every_page_with_a_proof(
    open_tab: OpenTab, world: World, tag: str, rest: str
) -> None:
    page = open_at(world, open_tab, f"/{tag}/{rest.format(job=world.job_id('opened'))}")
    found = press(page)
    assert verdict(page) == "holds"
    assert {each for each in found if found[each] == "holds"} >= NEEDED
    expect(page.get_by_role("status")).to_contain_text("ledger.example/apsci")
    leaf = page.locator("[data-step=leaf] code").first.inner_text()
    assert re.fullmatch(r"[0-9a-f]{64}", leaf)
    assert leaf in page.locator("main").inner_text()


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
def test_without_scripts_the_pages_say_how_to_do_the_same(
    open_tab: OpenTab, world: World, tag: str
) -> None:
    page = open_tab(scripts=False)
    for rest in ("verify", f"jobs/{world.job_id('opened')}", "entries/1"):
        page.goto(f"/{tag}/{rest}")
        text = page.locator("main").inner_text()
        assert "verify.py proof" in text
        assert world.ledger.vkey in text
        assert page.locator("[name=verify]:visible").count() == 0
        assert page.locator(".verify input:visible, .verify textarea:visible").count() == 0
    page.goto(f"/{tag}/jobs/{world.job_id('opened')}")
    assert page.locator("a[download][href*='.proof']").count() > 0


def test_keys_alone_verify_and_the_result_is_announced(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    status = page.get_by_role("status")
    expect(status).to_have_text("")
    page.locator("[name=verify]").focus()
    page.keyboard.press("Enter")
    expect(status).to_contain_text("Verified: entry 1")
    for item in page.locator("[data-step]").all():
        mark = item.locator("[data-mark]")
        assert mark.inner_text() in {"Holds", "Not checked", "Holds, but late"}
        shape = mark.evaluate("each => getComputedStyle(each, '::before').content")
        assert shape.strip('"').strip() in {"✓", "–", "!"}  # noqa: RUF001 - the dash is a shape here


def test_nothing_is_uploaded_and_nothing_leaves_the_site(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    asked = requests_of(page)
    secret = receipt_of(world, 1).decode()
    page.locator("[name=record]").fill(secret)
    press(page)
    assert verdict(page) == "holds"
    assert {request.method for request in asked} == {"GET"}
    assert {urlsplit(each.url).netloc for each in asked} == {urlsplit(page.url).netloc}
    assert all(each.post_data is None for each in asked)
    # Tiles tell which 256 entries; of the record itself only the job's public events are asked.
    assert not any(part in each.url for each in asked for part in secret.split() if len(part) > 20)
    assert page.context.cookies() == []


def test_a_receipt_is_checked_offline_without_any_request(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    page.locator("[name=record]").fill(receipt_of(world, 6).decode())
    page.locator("[name=offline]").check()
    asked = requests_of(page)
    found = press(page)
    assert asked == []
    assert {each for each in found if found[each] == "holds"} >= NEEDED | {"opening"}
    assert (found["author"], verdict(page)) == ("open", "holds")
    expect(page.get_by_role("status")).to_contain_text("Who signed the statement was not checked")


@pytest.mark.parametrize("what", TAMPERINGS)
def test_a_spoilt_receipt_never_verifies_offline(
    open_tab: OpenTab, world: World, what: str
) -> None:
    case = TAMPERINGS[what]
    index = 6 if case.job == "withheld" else 1
    page = open_at(world, open_tab, "/en/verify")
    page.locator("[name=record]").fill(spoil(receipt_of(world, index), case.change).decode())
    page.locator("[name=offline]").check()
    where = {"leaf": {"root"}, "index": {"root"}, "order": {"root"}, "path hash": {"root"}}
    where["size"] = {"signature"}
    fails = where.get(what, case.fails)
    assert failing(press(page)) >= fails
    assert verdict(page) == "fails"


def test_a_file_can_be_chosen_or_dropped(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    receipt = receipt_of(world, 19)
    page.locator("[name=file]").set_input_files(
        {"name": "x.tlog-proof", "mimeType": "text/plain", "buffer": receipt}
    )
    assert steps(page)["author"] == "holds"
    page.reload()
    page.evaluate(
        """text => {
          const data = new DataTransfer();
          data.items.add(new File([text], "x.tlog-proof"));
          const event = new DragEvent("drop", { dataTransfer: data, bubbles: true });
          document.querySelector(".drop").dispatchEvent(event);
        }""",
        receipt.decode(),
    )
    assert steps(page)["author"] == "holds"
    assert verdict(page) == "holds"


def _records(world: World) -> dict[str, tuple[Any, str]]:
    """Every form in which a record may be given, and what the verdict on it is."""
    with world.reader.at() as view:
        entries = {index: json.loads(bytes(view.entry(index).entry)) for index in (0, 1, 2, 14)}
        detail = view.job(world.job_id("opened"))
        envelope = {"data": {"index": 1, "entry": entries[1]}}
    import msgspec  # noqa: PLC0415 - to spell the answer as the API does

    answer = json.loads(msgspec.json.encode({"data": detail}))
    opening = {key: entries[14][key] for key in ("fields", "seed")}
    lying = json.loads(json.dumps(answer))
    lying["data"]["sealed"][0]["disclosure"]["fields"]["title"] = "Another"
    boasting = json.loads(json.dumps(answer))
    boasting["data"]["events"][0]["public"]["gpu_count"] = 9
    summing_up = {}
    for name, value in (("title", "Another"), ("gpu_count", 9), ("member", "beta")):
        wrong = json.loads(json.dumps(answer))
        wrong["data"]["job"][name] = value
        summing_up[f"job with another {name}"] = (wrong, "fails")
    fields = opening["fields"] | {"title": "Another"}
    return {
        "genesis": (entries[0], "holds"),
        "entry": (entries[1], "holds"),
        "admitted": (entries[2], "holds"),
        "disclosed": (entries[14], "holds"),
        "entry and opening": ({"entry": entries[1], "opening": opening}, "holds"),
        "answer": (envelope, "holds"),
        "job": (answer, "holds"),
        "job, bare": (answer["data"], "holds"),
        "job that lies about what was sealed": (lying, "fails"),
        "job that lies about what is public": (boasting, "fails"),
        **summing_up,
        "another entry": (entries[1] | {"publish_by": "2026-12-20T14:13:21Z"}, "fails"),
        "another opening": (
            {"entry": entries[1], "opening": opening | {"fields": fields}},
            "fails",
        ),
        "something else": ({"a": 1}, "fails"),
        "no object": ([1], "fails"),
        "null": (None, "fails"),
    }


def test_records_are_checked_in_every_form(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    found = {}
    records = _records(world)
    for name, (record, _) in records.items():
        page.locator("[name=record]").fill(json.dumps(record, indent=2, ensure_ascii=False))
        page.locator(".verify").evaluate("box => delete box.dataset.status")
        page.locator("[name=verify]").click()
        found[name] = verdict(page)
    assert found == {name: wanted for name, (_, wanted) in records.items()}
    right = json.dumps(records["entry and opening"][0])
    twice = right.replace('"title":', '"title": "Shown first", "title":')
    assert twice != right
    for text in ("", "nothing of the kind", "{", twice, '{"entry": 1, ' + right[1:]):
        page.locator("[name=record]").fill(text)
        page.locator(".verify").evaluate("box => delete box.dataset.status")
        page.locator("[name=verify]").click()
        assert verdict(page) == "fails"


def test_a_record_is_found_beside_others_of_its_kind_and_second(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, "/en/verify")

    def doubled(body: bytes) -> bytes:
        answer = json.loads(body)
        first = answer["data"]["events"][0]
        answer["data"]["events"][1:1] = [first | {"index": 2}]
        return json.dumps(answer).encode()

    answer_with(page, r"/api/v1/jobs/[^/?]+$", doubled)
    with world.reader.at() as view:
        entry = json.loads(bytes(view.entry(1).entry))
    page.locator("[name=record]").fill(json.dumps(entry))
    assert failing(press(page)) == set()
    assert verdict(page) == "holds"


def test_a_key_of_the_readers_own_decides_and_nothing_is_fetched(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, "/en/verify")
    asked = requests_of(page)
    page.get_by_text("Whose signatures count").click()
    page.locator("[name=record]").fill(receipt_of(world, 1).decode())
    page.locator("[name=vkey]").fill(SAME_NAME.vkey)
    assert failing(press(page)) == {"signature"}
    page.locator("[name=vkey]").fill("not a key")
    page.locator(".verify").evaluate("box => delete box.dataset.status")
    page.locator("[name=verify]").click()
    expect(page.get_by_role("status")).to_contain_text("not the public key")
    assert asked == []


def test_a_policy_decides_whose_cosignatures_count(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, "/en/verify")
    receipt = receipt_of(world, 1)
    note = receipt[receipt.index(b"\n\n") + 2 :]
    line = cosign(parse_note(note).text, signer=WITNESS, time_s=world.clock.now).line.encode()
    policy = f"log {world.ledger.vkey}\nwitness W {WITNESS.vkey}\nquorum W\n"
    page.locator("[name=record]").fill((receipt + line).decode())
    assert press(page)["witnesses"] == "open"
    expect(page.locator("[data-step=witnesses]")).to_contain_text("Other signatures: 1")
    page.locator("[name=file]").set_input_files(
        {"name": "policy.txt", "mimeType": "text/plain", "buffer": policy.encode()}
    )
    expect(page.locator("[name=policy]")).to_have_value(policy)
    assert press(page)["witnesses"] == "holds"
    page.locator("[name=record]").fill(receipt.decode())
    assert failing(press(page)) == {"witnesses"}
    page.locator("[name=policy]").fill(policy.replace(world.ledger.vkey, SAME_NAME.vkey))
    assert failing(press(page)) >= {"signature"}
    page.locator("[name=policy]").fill(policy.replace("quorum W", "quorum V"))
    page.locator(".verify").evaluate("box => delete box.dataset.status")
    page.locator("[name=verify]").click()
    expect(page.get_by_role("status")).to_contain_text("line 3")


def test_the_browser_remembers_only_what_the_reader_lets_it(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    press(page)
    kept = page.evaluate("() => ({ ...localStorage })")
    assert list(kept) == ["checkpoint ledger.example/apsci"]
    assert parse_note(next(iter(kept.values())).encode()).text.startswith("ledger.example/apsci\n")
    page.locator("[name=remember]").uncheck()
    assert press(page)["memory"] == "open"
    assert "checkpoint ledger.example/apsci" not in page.evaluate("() => ({ ...localStorage })")
    page.goto("/en/verify")
    assert not page.locator("[name=remember]").is_checked()


def test_a_browser_that_may_keep_nothing_verifies_all_the_same(
    open_tab: OpenTab, world: World
) -> None:
    page = open_tab()
    page.add_init_script(
        "Object.defineProperty(window, 'localStorage', { get() { throw new Error('no'); } })"
    )
    show_time(page, world.clock.now)
    page.goto(f"/en/jobs/{world.job_id('sealed')}")
    assert press(page)["memory"] == "open"
    assert verdict(page) == "holds"


def test_as_of_an_older_size_the_record_is_verified_as_of_then(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    press(page)
    with world.reader.at() as view:
        old = view.checkpoints(limit=4)[-1].tree_size
    page.goto(f"/en/jobs/{world.job_id('opened')}?at={old}")
    found = press(page)
    assert (found["memory"], verdict(page)) == ("holds", "holds")
    expect(page.locator("[data-step=signature]")).to_contain_text(f"{old}")


def test_what_cannot_be_fetched_is_not_called_verified(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    page.route(re.compile("/log/tile/"), lambda route: route.abort())
    found = press(page)
    assert (found["leaf"], failing(found), verdict(page)) == ("open", set(), "open")
    page.route(re.compile(r"/entries/1\.proof$"), lambda route: route.fulfill(status=503))
    page.locator(".verify").evaluate("box => delete box.dataset.status")
    page.locator("[name=verify]").click()
    assert verdict(page) == "open"


def test_an_answer_that_is_no_receipt_fails(open_tab: OpenTab, world: World) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    answer_with(page, r"/entries/1\.proof$", lambda _body: b"<html>")
    page.locator("[name=verify]").click()
    assert verdict(page) == "fails"


def test_over_plain_http_the_scripts_verify_without_webcrypto(
    browser: Browser, chromium: str, site_url: str, world: World
) -> None:
    arguments = [CLOSED, "--no-sandbox"]
    running = browser.browser_type.launch(
        executable_path=chromium, args=arguments, timeout=PATIENCE_MS
    )
    page: Page = running.new_page()
    page.set_default_timeout(PATIENCE_MS)
    try:
        port = urlsplit(site_url).port
        show_time(page, world.clock.now)
        page.goto(f"http://ledger.test:{port}/en/jobs/{world.job_id('withheld')}")
        assert page.evaluate("() => [isSecureContext, typeof crypto.subtle]") == [
            False,
            "undefined",
        ]
        found = press(page)
        assert {each for each in found if found[each] == "holds"} >= NEEDED | {"opening", "author"}
        assert verdict(page) == "holds"
    finally:
        running.close()


def test_a_browser_with_webcrypto_and_without_its_ed25519_verifies(
    open_tab: OpenTab, world: World
) -> None:
    page = open_at(world, open_tab, f"/en/jobs/{world.job_id('opened')}")
    in_page(
        page,
        """const { subtle } = globalThis.crypto;
        m.engine.subtle = { digest: (...given) => subtle.digest(...given),
          importKey: () => Promise.reject(new DOMException("no", "NotSupportedError")) };""",
    )
    assert press(page)["author"] == "holds"
    answer_with(
        page,
        r"/entries/1\.proof$",
        lambda body: spoil(body, TAMPERINGS["signature"].change),
    )
    assert failing(press(page)) == {"signature"}


@pytest.mark.parametrize("tag", ["en", "zh-Hans"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_read_what_was_found(
    open_tab: OpenTab, world: World, tag: str, width: int
) -> None:
    page = open_at(world, open_tab, f"/{tag}/jobs/{world.job_id('withheld')}")
    page.set_viewport_size({"width": width, "height": 900})
    page.evaluate(Axe().axe_script)
    for wanted in ("holds", "fails"):
        press(page)
        assert verdict(page) == wanted
        page.locator(".verify details").evaluate_all("all => all.forEach((one) => one.open = true)")
        page.emulate_media(color_scheme="light")
        assert violations(page, ALL_RULES) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page, COLOUR_RULES) == []
        assert page.evaluate("() => document.documentElement.scrollWidth") <= width
        answer_with(page, r"/log/tile/0/000$", lambda body: bytes(32) + body[32:])
