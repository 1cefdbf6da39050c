"""The list of jobs: one box, facets, chips, and the same list as JSON and as CSV."""

import asyncio
import csv
import io
import json
import re
import threading
from html import unescape
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from browser import Browser, Reply
from ledger_world import HOSTILE, World

from ledger.reader import View
from ledger.reader.columns import Columns
from web.app import create_app
from web.files import jobs_csv
from web.files.jobs_csv import FileAnswer
from web.search import narrowing
from web.search.filters import JOB_FILTERS
from web.search.places import place_of

TITLES = ("安全评测基准", "红队提示与拒答", "稀疏自编码器的特征", "=1+1 is a formula")
MONTHS = ("2026-09", "2026-12")


@pytest.fixture(scope="module")
def titled(world: World) -> World:
    """The usual history and four more jobs, opened, one of a kind that only labels name."""
    kinds = ("eval_suite", "red_team_prompting", "eval_suite", "eval_suite")
    world.log(
        *[
            world.submission(f"titled{n}", title=title, workload_type=kind)
            for n, (title, kind) in enumerate(zip(TITLES, kinds, strict=True))
        ],
        world.submission("features", workload_type="sae_analysis"),
    )
    world.days(91)
    world.sweep()
    return world


def _jobs_in(text: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/[\w-]+/jobs/([0-9A-Z]{26})', text)


def _count_in(text: str) -> int:
    found = re.search(r'<p class="count" id="count">(?:([0-9,]+) |No job has)', text)
    assert found
    return int((found[1] or "0").replace(",", ""))


def _digest(world: World, index: int) -> str:
    """The SHA-256 of the statement that an entry holds."""
    with world.ledger.store.snapshot() as snapshot:
        entry = snapshot.entry(index)
    assert entry is not None
    assert entry.statement_digest is not None
    return entry.statement_digest.hex()


def _options(text: str) -> list[tuple[str, int]]:
    """The links of the facets, and how many jobs each promises."""
    facets = text.partition('<div class="facets">')[2].partition("</details>\n<div")[0]
    found = re.findall(
        r'<a href="([^"]+)"( aria-current="true")?><span>[^<]*</span> <span class="n">([0-9,]+)',
        facets,
    )
    return [
        (unescape(href), int(jobs.replace(",", ""))) for href, current, jobs in found if not current
    ]


def test_what_names_one_thing_leads_to_its_page(site: Browser, titled: World) -> None:
    job = titled.job_id("opened")
    with titled.reader.at() as view:
        model = view.job(job).job.model_digest
    digest = _digest(titled, 3)
    for text, place in (
        (job, f"jobs/{job}"),
        (f" {job.lower()} ", f"jobs/{job}"),
        ("7", "entries/7"),
        ("#0", "entries/0"),
        (digest, "entries/3"),
        (digest.upper(), "entries/3"),
        (f"sha256:{model}", f"models/sha256:{model}"),
        ("alpha", "members/alpha"),
        ("ALPHA lab", "members/alpha"),
        ("Egress gateway", "members/gateway"),
    ):
        for tag in ("en", "zh-Hans"):
            reply = site.get(f"/{tag}/jobs?q={quote(text)}")
            assert (reply.status, reply.headers["location"]) == (302, f"/{tag}/{place}"), text
            assert "immutable" not in reply.headers["cache-control"]
            pinned = site.get(f"/{tag}/jobs?q={quote(text)}&at=300")
            assert pinned.headers.get("location", "").endswith("?at=300") == (pinned.status == 302)


def test_what_names_nothing_is_looked_for_as_words(site: Browser, titled: World) -> None:
    size = titled.reader.tree_size()
    for text in (str(size), "0" * 26, "7Z" + "0" * 24, "ab" * 32, "007", "refusals"):
        reply = site.get(f"/en/jobs?q={text}")
        assert reply.status == 200
        assert f'value="{text}"' in reply.text
    assert _count_in(site.get("/en/jobs?q=refusals").text) == 1


def test_nothing_leads_to_what_the_size_does_not_have_yet(site: Browser, titled: World) -> None:
    job = titled.job_id("features")
    with titled.reader.at() as view:
        index = view.submission_of(job)
        opened = view.job(titled.job_id("titled0")).job
    for text in (job, str(index), _digest(titled, index)):
        assert site.get(f"/en/jobs?q={text}").status == 302
        assert site.get(f"/en/jobs?q={text}&at={index}").status == 200
    assert opened.disclosed_index is not None
    for at, count in ((opened.disclosed_index + 1, 1), (opened.disclosed_index, 0)):
        page = site.get(f"/en/jobs?q={quote('安全')}&at={at}").text
        assert _count_in(page) == count
        assert (TITLES[0] in page) == bool(count)


def test_the_search_without_a_language_goes_on_in_the_readers(site: Browser) -> None:
    reply = site.get("/search?q=a+b&at=9", accept_language="zh")
    assert (reply.status, reply.headers["location"]) == (302, "/zh-Hans/jobs?q=a+b&at=9")
    assert site.get("/search?x=1").status == 400


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("安全", {"titled0"}),
        ("红队", {"titled1"}),
        ("自编码器", {"titled2", "features"}),
        ("autoencoder", {"features"}),
        ("sae_analysis", {"features"}),
        ("red team", {"titled1"}),
        ("红队 拒答", {"titled1"}),
        ("红队 安全", set()),
        ("sparse alpha", {"features"}),
    ],
)
def test_words_are_found_in_titles_and_in_labels_of_every_language(
    site: Browser, titled: World, text: str, names: set[str]
) -> None:
    expected = {titled.job_id(name) for name in names}
    for tag in ("en", "zh-Hans"):
        assert set(_jobs_in(site.get(f"/{tag}/jobs?q={quote(text)}").text)) == expected
    answer = site.get(f"/api/v1/jobs?q={quote(text)}").json()
    assert {job["job_id"] for job in answer["data"]} == expected
    assert answer["page"]["count"] == len(expected)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=" + "a" * 201, "q"),
        ("q=a+b+c+d+e+f+g+h+i", "q"),
        ("q=" + quote("安全评测基准与红队提示的拒答行为研究"), "q"),
        ("q=%21%3F", "q"),
        ("from=2026-02-30", "from"),
        ("from=yesterday", "from"),
        ("to=2026-1-1", "to"),
        ("from=2026-12-02&to=2026-12-01", "to"),
        ("month=2026-13", "month"),
        ("month=2026-1", "month"),
        ("decision=maybe", "decision"),
        ("code=R9", "code"),
        ("model=ab", "model"),
        ("accelerator=H200", "accelerator"),
        ("workload=x", "workload"),
        ("page=2", "page"),
    ],
)
def test_what_is_no_filter_is_refused_by_name_everywhere(
    site: Browser, query: str, field: str
) -> None:
    for path in ("/api/v1/jobs", "/api/v1/facets", "/jobs.csv"):
        reply = site.get(f"{path}?{query}")
        assert (reply.status, reply.json()["field"]) == (400, field)
    reply = site.get(f"/en/jobs?{query}")
    assert reply.status == 400
    assert reply.headers["content-type"] == "text/html; charset=utf-8"


def test_every_facet_leads_to_as_many_jobs_as_it_promises(site: Browser, titled: World) -> None:
    for start in (
        "/en/jobs",
        "/en/jobs?member=beta",
        "/en/jobs?q=canary&state=completed&limit=9",
        f"/en/jobs?from=2026-12-01&at={titled.reader.tree_size() - 20}",
    ):
        options = _options(site.get(start).text)
        assert len(options) > 3
        for href, jobs in options:
            text = site.get(href).text
            assert (href, _count_in(text)) == (href, jobs)
            assert jobs > 0
            given = dict(parse_qsl(urlsplit(start).query))
            kept = dict(parse_qsl(urlsplit(href).query))
            assert given.keys() <= kept.keys()
            assert len([name for name in given if kept[name] != given[name]]) <= 1


@pytest.mark.parametrize("typed", ["16889", "16,889", "#16,889", " 16,889 "])
def test_an_entry_is_found_by_its_number_as_pages_show_it(typed: str) -> None:
    view = cast("View", SimpleNamespace(size=16_890, titles=dict))
    assert place_of(view, typed) == "entries/16889"
    for other in ("16,890", "1,68,89", "16,88", ",889", "0,889"):
        assert place_of(view, other) is None


def test_a_value_without_jobs_stays_where_it_is_chosen(site: Browser) -> None:
    text = site.get("/en/jobs?state=cancelled&accelerator=amd_mi300x").text
    assert "No job has these properties." in text
    for label in ("Cancelled", "AMD MI300X"):
        assert re.search(
            rf'aria-current="true"><span>{label}</span> <span class="n">0</span>', text
        )
    assert "amd_mi300x" not in site.get("/en/jobs").text


def test_each_chip_takes_its_own_filter_off(site: Browser, titled: World) -> None:
    query = "q=canary&member=alpha&month=2026-12&decision=admitted&from=2026-12-01&to=2026-12-31"
    text = site.get(f"/en/jobs?{query}").text
    chips = re.findall(r'<li><a href="([^"]+)"><span class="visually-hidden">Remove', text)
    given = dict(parse_qsl(query))
    assert [parse_qsl(urlsplit(unescape(chip)).query) for chip in chips] == [
        [(name, value) for name, value in given.items() if name != gone] for gone in given
    ]
    for words in ("Words: “canary”", "Month of submission: December", "First day: 1"):
        assert words in text.replace("\u00a0", " ")


def test_the_forms_keep_every_other_filter(site: Browser) -> None:
    query = "q=canary&member=alpha&from=2026-12-01&limit=9&at=300"
    text = site.get(f"/en/jobs?{query}").text
    seek, days = re.findall(r'<form class="(?:seek|days)".*?</form>', text, re.DOTALL)
    for form, own in ((seek, {"q"}), (days, {"from", "to"})):
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', form)
        assert dict(hidden) == {k: v for k, v in parse_qsl(query) if k not in own}
        assert len(hidden) == len(dict(hidden))


def test_the_list_works_without_scripts_and_by_keyboard_alone(site: Browser) -> None:
    for target in ("/en/jobs", "/zh-Hans/jobs?member=alpha&q=canary"):
        text = site.get(target).text
        main = text.partition('<main id="main"')[2].partition("</main>")[0]
        assert '<details class="narrow">\n  <summary>' in main
        assert "tabindex" not in main
        assert "onclick" not in main
        for control in re.findall(r"<(?:input|select)[^>]*>", main):
            if 'type="hidden"' not in control:
                name = re.search(r'id="(\w+)"', control)
                assert name
                assert f'<label for="{name[1]}"' in main
        assert main.count("<form") == main.count('<button type="submit">') == 2


def test_paging_keeps_the_filters_and_the_size(site: Browser, titled: World) -> None:
    target: str | None = "/en/jobs?member=alpha&decision=admitted&limit=40"
    first = site.get(target or "").text
    seen: list[str] = []
    while target:
        text = site.get(target).text
        seen += _jobs_in(text)
        found = re.search(r'rel="next" href="([^"]+)"', text)
        target = unescape(found[1]) if found else None
        if target:
            given = dict(parse_qsl(urlsplit(target).query))
            assert given.keys() == {"at", "cursor", "limit", "member", "decision"}
    assert len(seen) == len(set(seen)) == _count_in(first)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return " ".join(value)
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _rows(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_the_same_filters_give_the_same_jobs_as_page_json_and_csv(
    site: Browser, titled: World
) -> None:
    for query in (
        "",
        "member=beta",
        "q=canary&decision=admitted",
        f"state=completed&at={titled.reader.tree_size() - 9}",
        f"q={quote('红队')}",
    ):
        page = site.get(f"/en/jobs?{query}&limit=200" if query else "/en/jobs?limit=200").text
        links = [
            unescape(href) for href in re.findall(r'<link rel="alternate"[^>]+href="([^"]+)"', page)
        ]
        (as_json,) = [href for href in links if href.startswith("/api/v1/jobs")]
        (as_csv,) = [href for href in links if href.startswith("/jobs.csv")]
        listed = site.get(f"{as_json}{'&' if '?' in as_json else '?'}limit=1000").json()
        rows = _rows(site.get(as_csv).body)
        ids = [job["job_id"] for job in listed["data"]]
        assert _jobs_in(page) == ids
        assert [row["job_id"] for row in rows] == ids[::-1]
        assert _count_in(page) == listed["page"]["count"] == len(rows)


def test_the_csv_holds_every_value_in_log_order_and_no_formula(
    site: Browser, titled: World
) -> None:
    reply = site.get("/jobs.csv")
    assert reply.headers["content-type"] == "text/csv; charset=utf-8"
    assert reply.headers["content-length"] == str(len(reply.body))
    assert reply.headers["access-control-allow-origin"] == "*"
    size = titled.reader.tree_size()
    assert reply.headers["ledger-tree-size"] == str(size)
    assert f'filename="apsci-jobs-{size}.csv"' in reply.headers["content-disposition"]
    rows = _rows(reply.body)
    indices = [int(row["submitted_index"]) for row in rows]
    assert indices == sorted(indices)
    answer = site.get("/api/v1/jobs?limit=1000").json()["data"][::-1]
    assert list(rows[0]) == list(answer[0])
    for row, job in zip(rows, answer, strict=True):
        for name, value in job.items():
            assert row[name].removeprefix("'") == _cell(value)
    titles = {row["title"] for row in rows}
    assert f"'{TITLES[3]}" in titles
    assert HOSTILE in titles
    assert not [cell for row in rows for cell in row.values() if cell[:1] in "=+@" and cell]
    assert site.get("/jobs.csv?bom=1").body == b"\xef\xbb\xbf" + reply.body
    assert site.get("/jobs.csv?bom=2").status == 400


def test_a_list_too_large_for_memory_is_sent_from_a_file_and_never_kept(
    site: Browser, titled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = site.get("/jobs.csv").body
    monkeypatch.setattr(jobs_csv, "IN_MEMORY", 1_000)
    for _ in range(2):
        reply = site.get("/jobs.csv?bom=0")
        assert reply.body == whole
        assert reply.headers["content-length"] == str(len(whole))
    head = site.request("HEAD", "/jobs.csv?bom=0")
    assert (head.body, head.headers["content-length"]) == (b"", str(len(whole)))
    tag = reply.headers["etag"]
    assert site.get("/jobs.csv?bom=0", if_none_match=tag).status == 304


def test_who_reads_slowly_keeps_only_so_many_files(
    site: Browser, titled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_csv, "IN_MEMORY", 1_000)
    monkeypatch.setattr(jobs_csv, "MOST", 2)
    real = FileAnswer.send
    both, going_on = asyncio.Barrier(3), asyncio.Event()

    async def slowly(self: FileAnswer, *given: Any, **named: Any) -> None:
        await both.wait()
        await going_on.wait()
        await real(self, *given, **named)

    async def three() -> list[int]:
        first = [asyncio.create_task(site.ask("GET", "/jobs.csv?bom=0")) for _ in range(2)]
        async with asyncio.timeout(120):
            await both.wait()
        refused = await site.ask("GET", "/jobs.csv?bom=0")
        assert refused.headers["retry-after"] == "30"
        going_on.set()
        return [refused.status, *[reply.status for reply in await asyncio.gather(*first)]]

    monkeypatch.setattr(FileAnswer, "send", slowly)
    assert site.run(three()) == [503, 200, 200]
    monkeypatch.setattr(FileAnswer, "send", real)
    for _ in range(4):
        assert site.get("/jobs.csv?bom=x").status == 400
        assert site.get("/jobs.csv?bom=0").status == 200


def test_a_list_that_cannot_be_finished_is_an_error_and_not_a_shorter_list(
    site: Browser, titled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> list[object]:
        raise OSError("the disk is full")

    monkeypatch.setattr(jobs_csv, "_lines", break_off)
    reply = site.get("/jobs.csv?member=alpha")
    assert reply.status == 500
    assert reply.headers["content-type"] == "application/problem+json"
    assert "disk" not in reply.text


def test_the_facets_of_the_api_are_those_of_the_page(site: Browser, titled: World) -> None:
    answer = site.get("/api/v1/facets?member=alpha").json()
    assert set(answer["data"]) == set(narrowing.FACETS)
    assert {each["value"] for each in answer["data"]["member"]} == {"alpha", "beta"}
    assert [each["value"] for each in answer["data"]["month"]] == sorted(
        (each["value"] for each in answer["data"]["month"]), reverse=True
    )
    assert answer["ledger"]["tree_size"] == titled.reader.tree_size()


def test_a_list_can_be_cited_as_it_is_now(site: Browser, titled: World) -> None:
    size = titled.reader.tree_size()
    text = site.get("/en/jobs?member=beta").text
    assert f"https://ledger.example/en/jobs?member=beta&amp;at={size}</pre>" in text
    assert "list of jobs (Member: " in text
    pinned = site.get(f"/en/jobs?member=beta&at={size}")
    assert pinned.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert _jobs_in(pinned.text) == _jobs_in(text)


def test_what_is_sealed_is_found_by_no_word_of_it(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("secret", title="Unmentionable 秘密"), fresh.submission("other"))
    for word in ("unmentionable", "秘密", "nowhere"):
        text = shop.get(f"/en/jobs?q={quote(word)}").text
        assert _count_in(text) == 0
        assert _options(text) == []
        assert shop.get(f"/api/v1/jobs?q={quote(word)}").json()["data"] == []
        assert len(_rows(shop.get(f"/jobs.csv?q={quote(word)}").body)) == 0
    fresh.days(91)
    fresh.sweep()
    for word in ("unmentionable", "秘密"):
        assert _count_in(shop.get(f"/en/jobs?q={quote(word)}").text) == 1


def test_pages_wait_for_the_columns_and_proofs_do_not(
    fresh: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh.log(fresh.submission("one"))
    job = fresh.job_id("one")
    go_on = threading.Event()
    real = Columns.at

    def slow(self: Columns, *rest: object) -> object:
        go_on.wait()
        return real(self, *rest)  # type: ignore[arg-type]

    async def both(shop: Browser) -> Reply:
        page = asyncio.create_task(shop.ask("GET", "/en/jobs"))
        try:
            for target in ("/log/checkpoint", f"/jobs/{job}.proof", "/api/v1/entries/1/proof"):
                proof = await shop.ask("GET", target)
                assert proof.status == 200, target
            assert not page.done()
        finally:
            go_on.set()
        return await page

    monkeypatch.setattr(Columns, "at", slow)
    with Browser(create_app(fresh.ledger, public_url="https://x")) as shop:
        page = shop.run(both(shop))
        assert _count_in(page.text) == 1


def test_every_filter_has_a_name_and_a_form_in_the_answer(site: Browser, titled: World) -> None:
    with titled.reader.at() as view:
        model = view.job(titled.job_id("titled0")).job.model_digest
    values = dict(
        zip(
            JOB_FILTERS,
            (
                *("canary", "alpha", "eval_suite", "admitted", "nvidia_h200", "2026-12"),
                *("admitted", "R1_forbidden_workload", "R1_digest_mismatch", model),
                *("2026-12-01", "2026-12-31"),
            ),
            strict=True,
        )
    )
    for name, value in values.items():
        reply = site.get(f"/en/jobs?{name}={value}")
        assert reply.status == 200
        assert "Remove the filter" in reply.text
        assert json.loads(site.get(f"/api/v1/jobs?{name}={value}").body)["page"]["count"] > 0
