# ruff: noqa: RUF001 - the punctuation of Chinese is full-width, and that is what is tested here

import csv
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import PoFileError, read_po
from browser import Browser
from ledger_world import HOSTILE, World
from site_map import languages, pages

import web
from ledger.records.deadline import DAY_S, format_time
from web import i18n
from web.app import create_app
from web.i18n import LANGUAGES, preferred, read_catalogue, speaking
from web.telling import formats, sentences
from web.telling.plain import shown

HOME = Path(web.__file__).parent
OTHERS = [tag for tag in LANGUAGES if tag != i18n.DEFAULT]
HAN = re.compile(r"[\u2e80-\u9fff\uff00-\uffef]")
WORD = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:[.-][A-Za-z0-9_]+)*")
NOON = 1_790_000_000

LATIN = {
    # names and abbreviations that Chinese keeps
    *(
        "AI",
        "API",
        "APSCI",
        "C2SP",
        "Cookie",
        "DPO",
        "DSSE",
        "Feed",
        "GPU",
        "H200",
        "HTTP",
        "IPv6",
        "Linux",
    ),
    *("JSON", "LoRA", "MiB", "OpenSSF", "QLoRA", "RFC", "SHA-256", "UTC", "base64"),
    *("GET", "HEAD", "POST", "tlog-proof", "tlog-tiles", "verify.py", "B", "kB", "MB", "GB", "TB"),
    *("BibTeX", "CSL-JSON", "CSV", "HTML", "ML-DSA-44", "NVIDIA", "kWh"),
    *("DuckDB", "Datasette", "Ed25519", "Excel", "Go", "Google", "LibreOffice", "R", "ULID"),
    *("PostgreSQL", "Prometheus"),
    *("aics-tlog", "ms", "nginx", "pgbench", "pymerkle", "µs"),
    *("curl", "jq", "sha256", "signed-note", "tlog-checkpoint"),
    # databases and disks
    *("CDN", "NVMe", "PostgreSQL", "SQL", "SQLite", "WAL", "libpq", "s"),
    # what stands in addresses and in the feed
    *(
        "Atom",
        "WebSub",
        "Standard",
        "Webhook",
        "Webhooks",
        "atom",
        "submitted",
        "rejected",
        "overdue",
        "corrections",
        "checkpoints",
        "failed",
    ),
    *("api", "v1", "members", "feeds", "published.json", "at", "state"),
    *("apsci", "index", "discloses", "reason"),
    # of what artifacts are
    *("Arrow", "GGUF", "HDF5", "NumPy", "ONNX", "PNG", "Parquet", "PyTorch", "S3", "UTF-8"),
    *("pickle", "safetensors", "zip"),
    # schedulers, and what they call things
    *("KiB", "Kubernetes", "Kueue", "Model", "Pod", "Signing", "Slurm", "TLS", "webhook"),
    *("DaemonSet", "Deployment", "Job", "JobSet", "ReplicaSet", "StatefulSet", "Workload"),
    # formats of other trades
    *("CycloneDX", "Python", "in-toto"),
    # of the page that verifies: endings of files, and a specification
    *("json", "tlog-policy"),
    # of the contract of the interface
    *("JSON", "OpenAPI", "Schema"),
    # forms of the bulk files
    *(
        "Croissant",
        "Data",
        "Frictionless",
        "NDJSON",
        "Package",
        "Parquet",
        "SQLite",
        "UTF-8",
        "pandas",
        "schema.org",
    ),
    # what the reader of a list has typed
    *("canary", "refusals"),
    # of the pages of words: names of rules, licences, formats and tools
    *("AA", "Apache", "BY", "CC", "Markdown", "Python", "WCAG", "Web", "axe", "crontab", "oEmbed"),
}


def _catalogue(tag: str) -> Catalog:
    with (i18n.HERE / f"{tag.replace('-', '_')}.po").open("rb") as file:
        return read_po(file, abort_invalid=True)


def _in_code() -> set[tuple[str | None, str | tuple[str, ...]]]:
    """Context and string of whatever the code and the templates want translated."""
    found = extract_from_dir(
        HOME,
        method_map=[("**.py", "python"), ("templates/**.html", "jinja2")],
        options_map={"**.html": {"newstyle_gettext": "true", "silent": "false"}},
        keywords={
            "gettext": None,
            "noted": None,
            "ngettext": (1, 2),
            "pgettext": ((1, "c"), 2),
            "npgettext": ((1, "c"), 2, 3),
            "_": None,
        },
    )
    return {(context, message) for _file, _line, message, _comments, context in found}


def _translations(tag: str) -> Iterator[tuple[str, str]]:
    """Each English string, singular and plural, with what it is in the other language."""
    for message in _catalogue(tag):
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        # A language without a plural has one text for both.
        for at in range(max(len(ids), len(texts))):
            yield ids[min(at, len(ids) - 1)], texts[min(at, len(texts) - 1)]


@pytest.mark.parametrize("tag", OTHERS)
def test_every_string_of_the_site_is_translated_and_no_translation_is_stale(tag: str) -> None:
    there = {(message.context, message.id): message for message in _catalogue(tag) if message.id}
    wanted = _in_code()
    assert len(wanted) > 400
    assert sorted(map(str, wanted - there.keys())) == []
    assert sorted(map(str, there.keys() - wanted)) == []
    for message in there.values():
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert (message.id, all(texts), message.fuzzy) == (message.id, True, False)


@pytest.mark.parametrize("tag", OTHERS)
def test_translations_have_the_same_values_and_the_same_markup_in_them(tag: str) -> None:
    def parts(text: str) -> list[str]:
        return sorted(re.findall(r"%\(\w+\)s|%%|</?\w+>|`[^`]*`", text))

    for message in _catalogue(tag):
        # The singular of English may say "one" in a word: the plural has every value.
        english = message.id[-1] if isinstance(message.id, tuple) else message.id
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert {text: parts(text) for text in texts} == dict.fromkeys(texts, parts(english))


@pytest.mark.parametrize("tag", OTHERS)
def test_a_term_of_the_glossary_is_always_translated_the_same_way(tag: str) -> None:
    with (i18n.HERE / "glossary.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["english"] for row in rows}) == len(rows) > 50
    # The longest first: the public key is not a key of the glossary, it has a line of its own.
    rows.sort(key=lambda row: -len(row["english"].partition("|")[0].split()))
    used = set()
    for english, text in _translations(tag):
        rest = re.sub(r"%\(\w+\)s|`[^`]*`|/[\w./]+", " ", english)
        for row in rows:
            term = rf"(?<![\w.-])(?:{row['english']})(?![\w.-]*\w)"
            rest, count = re.subn(term, " ", rest, flags=re.IGNORECASE)
            if count:
                used.add(row["english"])
                assert row[tag.replace("-", "_")] in text, (row["english"], english, text)
    assert {row["english"] for row in rows} - used == set()


@pytest.mark.parametrize("tag", OTHERS)
def test_chinese_is_set_with_its_own_punctuation(tag: str) -> None:
    for _english, translation in _translations(tag):
        text = translation.replace("?at=", "")
        assert not re.search(r"[\u4e00-\u9fff] ?[,;:?!()]|[,;:?!()] ?[\u4e00-\u9fff]", text), text
        assert not re.search(r"[\u4e00-\u9fff] | [\u4e00-\u9fff]", text), text
        assert not text.endswith("."), text


def test_a_catalogue_that_is_not_one_is_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.po"
    broken.write_text("neither a string nor a comment\n")
    with pytest.raises(PoFileError):
        read_catalogue(broken)


class Words(HTMLParser):
    """What a reader sees and hears of a page, by whether it is marked as another language's."""

    UNREAD = ("code", "pre", "style")
    SPOKEN = ("title", "aria-label", "alt", "data-label", "content")
    VOID = ("meta", "link", "img", "input", "br", "hr")

    def __init__(self, tag: str) -> None:
        super().__init__()
        self.tag = tag
        self.texts: list[str] = []
        self._open: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        foreign = given.get("lang", self.tag) != self.tag
        unread = tag in self.UNREAD or "mono" in given.get("class", "").split()
        skipped = foreign or unread or any(self._open)
        if tag not in self.VOID:
            self._open.append(foreign or unread)
        if not skipped and (tag != "meta" or given.get("name") == "description"):
            self.texts += [given[name] for name in self.SPOKEN if name in given]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self._open.pop()

    def handle_endtag(self, _tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not any(self._open):
            self.texts.append(data)


def _read(html: str, tag: str) -> str:
    words = Words(tag)
    words.feed(html)
    words.close()
    return "\n".join(words.texts)


def _said_by_others(world: World) -> list[str]:
    """What members and the registry wrote, which is shown as they wrote it."""
    said = [shown(HOSTILE), "How refusals generalise", "nvidia_h200", "public.gpu_count"]
    said += ["a typing mistake", world.ledger.vkey, *world.jobs.values()]
    with world.reader.at() as view:
        return [*said, *view.titles().values()]


def test_no_page_shows_words_of_the_other_language(site: Browser, world: World) -> None:
    said = _said_by_others(world)
    refused = [
        f"/{tag}/{rest}"
        for tag in languages()
        for rest in ("nothing", "jobs?state=x", "jobs?at=99999999", "entries/x", "jobs/x/proof")
    ]
    size = world.reader.tree_size() - 5
    for target in [*pages(world), *refused, f"/zh-Hans/?at={size}", f"/zh-Hans/jobs?at={size}"]:
        tag = target.split("/")[1]
        text = _read(site.get(target).text, tag)
        for each in said:
            text = text.replace(each, " ")
        text = re.sub(r"canary-\S*?-[0-9a-f]{12}", " ", text)
        # What a script puts into a sentence has its name there.
        text = re.sub(r"\{\w+\}", " ", text)
        if tag == "en":
            assert (target, HAN.findall(text)) == (target, [])
        else:
            text = re.sub(r"[0-9a-f]{16,}", " ", text)
            assert (target, sorted(set(WORD.findall(text)) - LATIN)) == (target, [])
            assert len(HAN.findall(text)) > 50


def test_findings_stay_in_the_words_of_the_log_and_say_so(site: Browser, world: World) -> None:
    page = f"jobs/{world.job_id('rejected')}"
    chinese, english = site.get(f"/zh-Hans/{page}").text, site.get(f"/en/{page}").text
    for text in (chinese, english):
        assert '<p lang="en">The workload lora changes the uploaded model' in text
    assert "日志原文（英文）" in chinese
    assert "As logged" not in english


def test_the_switch_keeps_the_page_and_its_query(site: Browser, world: World) -> None:
    job = world.job_id("opened")
    for rest in (
        "",
        "about",
        "jobs?member=beta&state=failed&limit=3",
        f"jobs/{job}/proof?at={world.reader.tree_size() - 2}",
        "jobs?member=%C3%BC",
        "nothing%20here/%3Cx%3E?a=1",
    ):
        for here, other in (("en", "zh-Hans"), ("zh-Hans", "en")):
            text = site.get(f"/{here}/{rest}").text
            there = f"/{other}/{rest}".replace("&", "&amp;")
            assert f'<a href="{there}" hreflang="{other}" lang="{other}">' in text
            assert f'<html lang="{here}">' in text


def test_each_page_names_its_translations_and_itself(site: Browser, world: World) -> None:
    for target in pages(world):
        text = site.get(target).text
        found = re.findall(r'<link rel="alternate" hreflang="([^"]+)" href="([^"]+)">', text)
        assert [tag for tag, _ in found] == languages()
        assert len({address.split("/", 2)[2] for _, address in found}) == 1
        assert {site.get(address.replace("&amp;", "&")).status for _, address in found} == {200}
    assert "hreflang" not in site.get("/nothing").text


def test_a_refusal_without_a_language_speaks_the_one_that_the_browser_prefers(
    site: Browser,
) -> None:
    for header, tag in (("zh-CN", "zh-Hans"), ("en", "en"), ("\xff", "en")):
        reply = site.get("/nothing", accept_language=header)
        assert (reply.status, reply.headers["vary"]) == (404, "accept-language, accept-encoding")
        assert f'<html lang="{tag}">' in reply.text
        assert f'href="/{tag}/docs/problems/not-found"' in reply.text


@pytest.mark.parametrize(
    ("header", "tag"),
    [
        ("zh", "zh-Hans"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("fr, zh-TW;q=0.5, en;q=0.4", "zh-Hans"),
        ("en-SG, zh;q=0.9", "en"),
        ("zh;q=0", "en"),
    ],
)
def test_chinese_is_given_to_who_prefers_it(header: str, tag: str) -> None:
    assert preferred(header) == tag


@pytest.mark.parametrize(
    ("time", "english", "chinese"),
    [
        (
            "2027-02-19T19:05:00Z",
            "19 February 2027, 19:05 UTC (03:05 the next day in Singapore)",
            "2027年2月19日19:05 UTC（新加坡时间次日03:05）",
        ),
        (
            "2026-12-31T15:59:59Z",
            "31 December 2026, 15:59 UTC (23:59 in Singapore)",
            "2026年12月31日15:59 UTC（新加坡时间23:59）",
        ),
        (
            "2026-05-01T16:00:00Z",
            "1 May 2026, 16:00 UTC (00:00 the next day in Singapore)",
            "2026年5月1日16:00 UTC（新加坡时间次日00:00）",
        ),
    ],
)
def test_a_moment_is_told_in_utc_and_in_singapore_time(
    time: str, english: str, chinese: str
) -> None:
    for tag, text in (("en", english), ("zh-Hans", chinese)):
        with speaking(tag):
            shown = formats.moment(time)
        assert shown.startswith(f'<time datetime="{time}">')
        assert shown.striptags().replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("left_s", "english", "chinese"),
    [
        (1, "in 1 min", "还有1分钟"),
        (14 * 60, "in 14 min", "还有14分钟"),
        (59 * 60, "in 59 min", "还有59分钟"),
        (59 * 60 + 1, "in 1 h", "还有1小时"),
        (5 * 3_600, "in 5 h", "还有5小时"),
        (DAY_S, "in 24 h", "还有24小时"),
        (DAY_S + 1, "in 2 days", "还有2天"),
        (89 * DAY_S, "in 89 days", "还有89天"),
        (0, "1 day late", "逾期1天"),
        (-2 * DAY_S, "3 days late", "逾期3天"),
    ],
)
def test_the_last_day_is_counted_in_hours_and_its_last_hour_in_minutes(
    left_s: int, english: str, chinese: str
) -> None:
    for tag, text in (("en", english), ("zh-Hans", chinese)):
        with speaking(tag):
            told = sentences.countdown(format_time(NOON + left_s), now=NOON)
        assert told.replace("\u00a0", " ") == text


def test_durations_numbers_and_values_have_each_languages_form() -> None:
    with speaking("zh-Hans"):
        assert formats.duration(3_661) == "1小时1分钟"
        assert formats.duration(90_000) == "1天1小时"
        assert formats.duration(59) == "59秒"
        assert formats.short_date("2027-02-19").striptags() == "2027年2月19日"
        assert formats.tick("2027-02-19") == "2月19日"
        assert formats.number(1_234_567) == "1,234,567"
        shown = formats.value({"count": 3, "content_access": "on_request", "x_y": True})
        assert shown.striptags() == "数量3内容查阅权限可申请查阅x y是"


class Renamed:
    """A house under another name."""

    def __init__(self, house: object, origin: str) -> None:
        self._house = house
        self.origin = origin

    def __getattr__(self, name: str) -> Any:
        return getattr(self._house, name)


@pytest.mark.parametrize(
    ("origin", "is_said"),
    [
        ("demo.invalid/apsci-synthetic", True),
        ("invalid/x", True),
        ("ledger.example/demo.invalid", False),
        ("notinvalid/x", False),
    ],
)
def test_a_demonstration_says_so_on_every_page(fresh: World, origin: str, is_said: bool) -> None:
    fresh.log(fresh.submission("one"))
    targets = [*pages(fresh), "/en/nothing", "/zh-Hans/jobs?x=1", "/nothing"]
    with Browser(create_app(Renamed(fresh.ledger, origin), public_url="https://x")) as shop:
        for target in targets:
            text = shop.get(target).text
            in_english = "Demonstration: every job and every figure shown here is invented." in text
            in_chinese = "演示站点：此处的任务和数字均属虚构。" in text
            chinese = target.startswith("/zh-Hans")
            assert (target, in_english) == (target, is_said and not chinese)
            assert (target, in_chinese) == (target, is_said and chinese)
