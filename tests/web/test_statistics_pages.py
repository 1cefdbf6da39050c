"""Figures as pages, files and embeds: the same numbers everywhere, drawn without a false mark."""

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import product
from typing import Any
from urllib.parse import quote

import pytest
from browser import Browser
from ledger_world import HOSTILE, World
from site_map import embeds, languages

from ledger.reader.series import BY_PERIOD, NAMES
from ledger.records.charter import Code
from schemas.answers import LedgerState
from schemas.series import Series, SeriesColumn
from web.figures import Figure, figure_of
from web.figures.charts import gridlines
from web.figures.embedding import MOST_PANELS
from web.headers import CSP, policy_of
from web.i18n import speaking
from web.static_files import StaticFiles
from web.telling.formats import hours, number, percent, size
from web.telling.sentences import calling
from web.templating import Pages

SITE = "https://ledger.example"
EMBED_BYTES = 20_000
SVG = "{http://www.w3.org/2000/svg}"
STATE = LedgerState(
    tree_size=12_345, root="00" * 32, logged_at="2026-11-21T19:00:00Z", checkpoint=None
)


# --- the same numbers in every form -------------------------------------------------------------


def _series(site: Browser, name: str, query: str = "") -> dict[str, Any]:
    data: dict[str, Any] = site.get(f"/api/v1/stats/{name}{query}").json()["data"]
    return data


class Cells(HTMLParser):
    """The rows of the table of numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._in = "numbers" if ("class", "numbers") in attrs else ""
        if self._in and tag == "tr":
            self.rows.append([])
        if self._in and tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in = "" if tag == "table" else self._in

    def handle_data(self, data: str) -> None:
        if self._in and self.rows and self.rows[-1] and data.strip():
            self.rows[-1][-1] += data


def _table(html: str) -> list[list[str]]:
    cells = Cells()
    cells.feed(html)
    return cells.rows


@pytest.mark.parametrize("name", NAMES)
def test_csv_and_json_have_the_same_cells(site: Browser, name: str) -> None:
    for query in ("", "?by=week") if name in BY_PERIOD else ("",):
        found = _series(site, name, query)
        reply = site.get(f"/api/v1/stats/{name}.csv{query}")
        assert reply.headers["content-type"] == "text/csv; charset=utf-8"
        head, *rows = csv.reader(io.StringIO(reply.text))
        assert head == [column["name"] for column in found["columns"]]
        spelt = [["" if cell is None else str(cell) for cell in row] for row in found["rows"]]
        assert rows == spelt
        assert site.get(f"/api/v1/stats/{name}.csv?bom=1").body.startswith(b"\xef\xbb\xbf")


def test_the_table_of_a_page_shows_the_rows_of_the_series(site: Browser, world: World) -> None:
    with world.reader.at() as view:
        titles = view.titles()
    rows = _table(site.get("/en/statistics/member-share").text)
    assert rows[1:] == [
        [titles[name], number(jobs), hours(seconds), percent(points)]
        for name, jobs, seconds, points in _series(site, "member-share")["rows"]
    ]
    rows = _table(site.get("/en/statistics/egress-by-member").text)
    assert [row[1:5] for row in rows[1:]] == [
        [number(jobs), size(out), size(allowed), percent(points)]
        for _, jobs, out, allowed, points, _ in _series(site, "egress-by-member")["rows"]
    ]
    rows = _table(site.get("/en/statistics/rejections-by-rule").text)
    assert [row[1] for row in rows[1:]] == list(map(str, Code))
    rows = _table(site.get("/en/statistics/egress-used").text)
    assert [row[1] for row in rows[1:]] == [
        number(jobs) for _, _, jobs in _series(site, "egress-used")["rows"]
    ]
    rows = _table(site.get("/en/statistics/embargo-calendar").text)
    assert [row[1:] for row in rows[1:]] == [
        [number(opened), number(opens)]
        for _, opened, opens in _series(site, "embargo-calendar")["rows"]
    ]


def test_a_table_by_month_has_a_column_for_each_member(site: Browser, world: World) -> None:
    found = _series(site, "gpu-hours-by-member")["rows"]
    with world.reader.at() as view:
        names = {title: name for name, title in view.titles().items()}
    head, *rows = _table(site.get("/en/statistics/gpu-hours-by-member?by=month").text)
    months = sorted({row[0] for row in found})
    shown = {
        (month, names[title]): cell
        for month, row in zip(months, rows, strict=True)
        for title, cell in zip(head[1:], row[1:], strict=True)
    }
    assert shown == {(month, name): hours(seconds) for month, name, _, seconds in found}


def test_a_young_log_is_shown_by_the_week_and_says_so_in_its_links(
    fresh: World, shop: Browser
) -> None:
    fresh.log(fresh.submission("one"))
    fresh.run("one")
    text = shop.get("/en/statistics/gpu-hours-by-member").text
    assert "Week from" in text
    assert 'href="/api/v1/stats/gpu-hours-by-member.csv?by=week"' in text
    assert 'href="/en/statistics/gpu-hours-by-member?by=month"' in text
    assert "GPU-hours a month" in shop.get("/en/statistics/gpu-hours-by-member?by=month").text


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/api/v1/stats/nothing", 404),
        ("/api/v1/stats/nothing.csv", 404),
        ("/api/v1/stats/member-share?by=week", 400),
        ("/api/v1/stats/gpu-hours-by-member?by=year", 400),
        ("/api/v1/stats/member-share?bom=1", 400),
        ("/api/v1/stats/member-share.csv?bom=2", 400),
        ("/en/statistics/nothing", 404),
        ("/en/statistics/member-share?by=month", 400),
        ("/en/statistics?by=week", 400),
        ("/embed/en/nothing", 404),
        ("/embed/fr/member-share", 404),
        ("/embed/en/jobs/nothing", 404),
        ("/embed/en/member-share?by=week", 400),
    ],
)
def test_what_is_not_there_is_refused(site: Browser, target: str, status: int) -> None:
    assert site.get(target).status == status


# --- the pictures -------------------------------------------------------------------------------


def _pictures(html: str) -> Iterator[ET.Element]:
    """Every outermost SVG in a page: XML by itself, though HTML would forgive it much."""
    depth, begin = 0, 0
    for found in re.finditer(r"<svg\b|</svg>", html):
        if found[0] == "</svg>":
            depth -= 1
            if depth == 0:
                text = html[begin : found.end()].replace("<svg", f'<svg xmlns="{SVG[1:-1]}"', 1)
                yield ET.fromstring(text)
        else:
            begin = begin if depth else found.start()
            depth += 1
    assert depth == 0


def _check(picture: ET.Element) -> None:
    """Named and told, with no number that is none and no mark outside of its frame."""
    if picture.get("aria-hidden") == "true":
        return
    assert picture.get("role") == "img"
    names = (picture.get("aria-labelledby") or "").split()
    said = {
        each.get("id"): each.text for each in picture if each.tag in {f"{SVG}title", f"{SVG}desc"}
    }
    assert list(said) == names
    assert all(said.values())
    text = ET.tostring(picture, encoding="unicode")
    assert not re.search(r"\b(nan|inf|NaN|None|Undefined)\b", text)
    for element in picture.iter():
        assert "style" not in element.attrib
        for name in ("x", "x1", "x2", "width"):
            given = element.get(name, "")
            if given.endswith("%"):
                assert 0 <= float(given[:-1]) <= 100
    height = float(picture.get("height") or 0)
    assert height > 0
    for inner in picture.iter(f"{SVG}svg"):
        if "viewBox" not in inner.attrib:
            continue
        _, _, wide, high = map(float, inner.attrib["viewBox"].split())
        for path in inner.iter(f"{SVG}path"):
            _check_path(path.attrib["d"], wide, high)


def _check_path(path: str, wide: float, high: float) -> None:
    """Follow the pen: it stays inside of the frame, and leaves it nowhere on a curve."""
    assert re.fullmatch(r"(?:[MVhv] ?-?\d+(?: \d+)?|z)+", path), path
    x = y = 0
    for command, given in re.findall(r"([MVhv])(-?\d+(?: \d+)?)", path):
        numbers = [int(each) for each in given.split()]
        if command == "M":
            x, y = numbers
        elif command == "h":
            x += numbers[0]
        else:
            y = numbers[0] + (y if command == "v" else 0)
        assert 0 <= x <= wide
        assert 0 <= y <= high


@pytest.mark.parametrize("tag", languages())
def test_every_picture_is_well_formed_and_has_words(site: Browser, tag: str) -> None:
    count = 0
    for target in (f"/{tag}/statistics", *(f"/{tag}/statistics/{name}" for name in NAMES)):
        for picture in _pictures(site.get(target).text):
            _check(picture)
            count += 1
    assert count > 20


def test_a_log_without_jobs_has_every_figure(shop: Browser) -> None:
    for tag, name in product(languages(), NAMES):
        for target in (f"/{tag}/statistics/{name}", f"/embed/{tag}/{name}", f"/{tag}/statistics"):
            reply = shop.get(target)
            assert (target, reply.status) == (target, 200)
            for picture in _pictures(reply.text):
                _check(picture)


def test_a_log_of_one_job_has_every_figure(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("one"))
    fresh.run("one")
    fresh.days(95)
    fresh.sweep()
    reply = shop.get("/en/statistics")
    pictures = list(_pictures(reply.text))
    assert len(pictures) >= 7
    for picture in pictures:
        _check(picture)
    assert "100%" in reply.text


_COLUMNS = {
    "gpu-hours-by-member": "month member jobs gpu_seconds",
    "gpu-hours-by-workload": "month workload_type jobs gpu_seconds",
    "member-share": "member jobs gpu_seconds share_basis_points",
    "member-share-by-month": "month member gpu_seconds share_basis_points",
    "days-to-publication": "days early at_deadline late",
    "rejections-by-rule": "rule code rejected submitted rate_basis_points",
    "rejections-by-month": "month submitted rejected rate_basis_points",
    "egress-used": "above_percent to_percent jobs",
    "egress-by-member": "member jobs egress_bytes ceiling_bytes used_basis_points jobs_over",
    "embargo-calendar": "day opened opens",
}
MANY = [f"lab{n:02}" for n in range(40)]
LONG = [f"{year}-{month:02}" for year in range(2000, 2100) for month in range(1, 13)]


def _extremes(most: int) -> Iterator[tuple[str, list[tuple[Any, ...]]]]:
    """Each series as no real log would have it: forty labs, a century, amounts without bound."""
    share = 10_000 // len(MANY)
    for name in ("gpu-hours-by-member", "gpu-hours-by-workload"):
        yield name, [(month, lab, most, most) for month in LONG[-60:] for lab in MANY]
    yield "member-share", [(lab, most, most, share) for lab in MANY]
    yield "member-share-by-month", [(m, lab, most, share) for m in LONG[-60:] for lab in MANY]
    yield "days-to-publication", [(day, most, most, most) for day in (*range(91), 500, 20_000)]
    yield "rejections-by-rule", [(1, str(code), most, most, 10_000) for code in Code]
    yield "rejections-by-month", [(month, most, most, 10_000) for month in LONG]
    tenths = [(low, low + 10, most) for low in range(0, 100, 10)]
    yield "egress-used", [(0, 0, most), *tenths, (100, None, most)]
    yield "egress-by-member", [(lab, most, 2 * most, most, 20_000, most) for lab in MANY]
    days = [f"{month}-{day:02}" for month in LONG[318:330] for day in range(1, 29)]
    yield "embargo-calendar", [(day, most, most) for day in days]


def _figure(name: str, rows: list[tuple[Any, ...]]) -> Figure:
    columns = tuple(SeriesColumn(column, "") for column in _COLUMNS[name].split())
    return figure_of(Series(name=name, columns=columns, rows=tuple(rows)), STATE, rows=24)


def _drawn(figure: Figure, *, most: int | None = None) -> str:
    pages = Pages(StaticFiles())
    template = pages._environment.from_string(
        '{% from "charts.html" import picture with context %}{{ picture(figure, most=most) }}'
    )
    return template.render(figure=figure, most=most)


def test_every_series_of_these_tests_is_one_of_the_readers(site: Browser) -> None:
    for name in NAMES:
        query = "?by=month" if name in BY_PERIOD else ""
        found = [column["name"] for column in _series(site, name, query)["columns"]]
        assert found == _COLUMNS[name].split()
    assert [name for name, _ in _extremes(1)] == list(NAMES)


@pytest.mark.parametrize("most", [0, 1, 7, 10**6, 2**53, 2**80])
def test_no_amount_and_no_number_of_labs_breaks_a_picture(most: int) -> None:
    for tag in languages():
        with speaking(tag), calling({}):
            for name, rows in _extremes(most):
                figure = _figure(name, rows)
                assert figure.finding
                pictures = list(_pictures(_drawn(figure)))
                if most:
                    assert pictures
                for picture in pictures:
                    _check(picture)


def test_what_a_lab_calls_itself_stays_text_in_a_picture() -> None:
    titles = {
        "lab00": HOSTILE,
        "lab01": "\u202e" + "x" * 2_000,
        "lab02": "مختبر" * 30,
        "lab03": "实验室" * 50,
        "lab04": "]]><!--",
        "lab05": "\u2066",
    }
    with speaking("en"), calling(titles):
        for name, rows in _extremes(5):
            html = _drawn(_figure(name, rows))
            assert "<script" not in html
            assert "\u202e" not in html
            for picture in _pictures(html):
                _check(picture)


def test_scales_begin_at_zero_and_their_numbers_are_round() -> None:
    for most in (0.3, 1, 2.4, 7, 99, 101, 12_345, 2**53, 2**80):
        found = gridlines(most)
        assert 1 <= len(found) <= 3
        assert all(0 < value <= most for value in found)
        step = found[0]
        assert found == [step * n for n in range(1, len(found) + 1)]
        assert f"{step:.0e}"[0] in "125"
        assert float(f"{step:.0e}") == pytest.approx(step)
    assert gridlines(0) == []


# --- embeds -------------------------------------------------------------------------------------


def test_an_embed_and_its_style_weigh_less_than_twenty_kilobytes(
    site: Browser, world: World
) -> None:
    for target in embeds(world):
        if not target.startswith("/embed/"):
            continue
        reply = site.get(target)
        (sheet,) = re.findall(r'<link rel="stylesheet" href="([^"]+)">', reply.text)
        fetched = site.get(sheet)
        assert fetched.headers["content-type"].startswith("text/css")
        assert len(reply.body) + len(fetched.body) < EMBED_BYTES
        assert "<script" not in reply.text
        assert not re.search(r"\bsrc=|style=", reply.text)
        assert "url(" not in fetched.text
        assert "@import" not in fetched.text


@pytest.mark.parametrize("labs", [7, 12])
def test_an_embed_of_three_years_of_a_dozen_labs_is_light_too(labs: int) -> None:
    sheet = len(StaticFiles().read(StaticFiles().address("embed.css")).body)
    with speaking("zh-Hans"), calling({lab: f"The {lab} Laboratory" for lab in MANY}):
        for name, rows in _extremes(123_456_789):
            left_out = {*MANY[labs:], *LONG[:-36]} if {*MANY, *LONG} & {*rows[0]} else set()
            some = [row for row in rows if not left_out & {*row[:2]}]
            assert (
                len(_drawn(_figure(name, some), most=MOST_PANELS).encode()) + sheet + 2_500
                < EMBED_BYTES
            )


def test_only_embeds_may_be_framed(site: Browser) -> None:
    assert "frame-ancestors *" in policy_of("/embed/en/member-share")
    assert policy_of("/embed/en/x").replace("frame-ancestors *", "frame-ancestors 'none'") == CSP
    for target in ("/en/statistics", "/embedding", "/en/embed/x", "/oembed?url=x", "/api/v1/stats"):
        found = site.get(target).headers["content-security-policy"]
        assert "frame-ancestors 'none'" in found
    assert "frame-ancestors *" in site.get("/embed/en/nothing").headers["content-security-policy"]


def test_an_embed_leads_back_to_the_page_as_of_its_size(site: Browser, world: World) -> None:
    size = world.reader.tree_size()
    text = site.get("/embed/zh-Hans/member-share").text
    assert '<html lang="zh-Hans"' in text
    assert f'href="/zh-Hans/statistics/member-share?at={size}"' in text
    older = site.get(f"/embed/en/member-share?at={size - 5}")
    assert f"at={size - 5}" in older.text
    assert "immutable" in older.headers["cache-control"]
    job = world.job_id("opened")
    text = site.get(f"/embed/en/jobs/{job}").text
    assert f'href="/en/jobs/{job}?at={size}"' in text
    assert "How refusals generalise" in text


def test_a_card_says_when_a_job_becomes_overdue(fresh: World, shop: Browser) -> None:
    fresh.log(fresh.submission("late"))
    target = f"/embed/en/jobs/{fresh.job_id('late')}"
    before = shop.get(target)
    assert "is sealed until" in before.text
    fresh.days(95)
    after = shop.get(target, if_none_match=before.headers["etag"])
    assert "should have been opened" in after.text


# --- oEmbed -------------------------------------------------------------------------------------


def _oembed(site: Browser, url: str, more: str = "") -> Any:
    return site.get(f"/oembed?url={quote(url, safe='')}{more}")


def test_pages_name_their_oembed_and_it_answers(site: Browser, world: World) -> None:
    size = world.reader.tree_size()
    job = world.job_id("hostile")
    shown = {"statistics/member-share": "member-share", f"jobs/{job}": f"jobs/{job}"}
    for (page, embed), query in product(shown.items(), ("", f"?at={size - 3}")):
        text = site.get(f"/zh-Hans/{page}{query}").text
        for media in ("application/json", "text/xml"):
            found = re.search(rf'type="{media}\+oembed" title="[^"]+" href="([^"]+)"', text)
            assert found
            address = found[1].replace("&amp;", "&")
            assert address.startswith(f"{SITE}/oembed?")
            reply = site.get(address.removeprefix(SITE))
            assert (reply.status, reply.headers["content-type"].partition(";")[0]) == (200, media)
            assert f"{SITE}/embed/zh-Hans/{embed}{query}" in reply.text


def test_the_code_that_oembed_gives_shows_the_embed(site: Browser, world: World) -> None:
    job = world.job_id("opened")
    for path, embedded in (
        (f"/jobs/{job}", f"/embed/en/jobs/{job}"),
        (f"/zh-Hans/jobs/{job}?at=20", f"/embed/zh-Hans/jobs/{job}?at=20"),
        ("/statistics/member-share", "/embed/en/member-share"),
        (
            "/en/statistics/gpu-hours-by-member?by=week&at=9",
            "/embed/en/gpu-hours-by-member?by=week&amp;at=9",
        ),
    ):
        answer = _oembed(site, SITE + path).json()
        assert (answer["type"], answer["version"]) == ("rich", "1.0")
        assert f'src="{SITE}{embedded}"' in answer["html"]
        assert f'width="{answer["width"]}" height="{answer["height"]}"' in answer["html"]
        assert site.get(embedded.replace("&amp;", "&")).status == 200
        assert ("cache_age" in answer) == ("at=" not in path)


def test_oembed_keeps_to_the_size_that_the_other_page_has_room_for(site: Browser) -> None:
    answer = _oembed(
        site, f"{SITE}/en/statistics/member-share", "&maxwidth=200&maxheight=99"
    ).json()
    assert (answer["width"], answer["height"]) == (200, 99)
    assert 'width="200" height="99"' in answer["html"]


def test_oembed_as_xml_says_the_same_as_json(site: Browser, world: World) -> None:
    for name in ("opened", "hostile"):
        url = f"{SITE}/en/jobs/{world.job_id(name)}"
        root = ET.fromstring(_oembed(site, url, "&format=xml").body)
        said = {each.tag: each.text for each in root}
        assert said == {key: str(value) for key, value in _oembed(site, url).json().items()}


def test_a_hostile_title_does_not_get_out_of_the_frame(site: Browser, world: World) -> None:
    html = _oembed(site, f"{SITE}/en/jobs/{world.job_id('hostile')}").json()["html"]
    assert html.count("<") == 2
    assert html.count('"') == 10
    assert "<script" not in html


@pytest.mark.parametrize(
    ("url", "more", "status"),
    [
        ("https://other.example/en/statistics/member-share", "", 404),
        ("https://ledger.example.evil.example/en/statistics/member-share", "", 404),
        ("https://ledger.example@evil.example/en/statistics/member-share", "", 404),
        ("https://ledger.example:8443/en/statistics/member-share", "", 404),
        ("http://ledger.example/en/statistics/member-share", "", 404),
        ("//ledger.example/en/statistics/member-share", "", 404),
        (f"{SITE}//evil.example/en/statistics/member-share", "", 404),
        (f"{SITE}/fr/statistics/member-share", "", 404),
        (f"{SITE}/en/statistics/nothing", "", 404),
        (f"{SITE}/en/statistics/", "", 404),
        (f"{SITE}/en/statistics/../about", "", 404),
        (f"{SITE}/en/about", "", 404),
        (f"{SITE}/jobs/0000000000000000000000000Z", "", 404),
        (f"{SITE}/jobs/x.json", "", 404),
        (f"{SITE}//[", "", 404),
        (f"{SITE}//[::]@x]/jobs", "", 404),
        (f"{SITE}//\u2100/jobs", "", 404),
        (f"{SITE}/en/statistics/member-share?at=99999999", "", 404),
        (f"{SITE}/en/statistics/member-share?x=1", "", 400),
        (f"{SITE}/en/statistics/member-share?by=week", "", 400),
        (f"{SITE}/en/statistics/member-share?at=0", "", 400),
        (f"{SITE}/en/statistics/member-share?at=٣", "", 404),
        (f"{SITE}/en/statistics/member-share?at=5", "&at=6", 400),
        (f"{SITE}/en/statistics/member-share", "&format=yaml", 501),
        (f"{SITE}/en/statistics/member-share", "&maxwidth=0", 400),
        (f"{SITE}/en/statistics/member-share", "&maxheight=-1", 400),
        (f"{SITE}/en/statistics/member-share", "&callback=x", 400),
        ("", "", 400),
    ],
)
def test_oembed_is_for_our_own_pages_and_formats(
    site: Browser, url: str, more: str, status: int
) -> None:
    reply = _oembed(site, url, more)
    assert reply.status == status
    assert json.loads(reply.text)["status"] == status
