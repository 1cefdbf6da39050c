"""Every block of code on the pages about data is run, and what it finds is what the API says."""

import csv
import hashlib
import io
import json
import re
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bulk_reading import FILES
from ledger_world import World, with_history
from recipes import Recipe, datasette, in_html, in_markdown, python, read_csv_as_r, shell, tools

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

from serving import served

from web.i18n import LANGUAGES
from web.words.library import LIBRARY
from web.words.markdown import markdown_with

HOUR_S = 3600


class Site:
    """A served ledger with bulk files, seen through its API as of their tree size."""

    def __init__(self, address: str, name: str) -> None:
        self.address = address
        [self.made] = json.loads(self.get("/bulk/index.json"))["sets"]
        self.size = self.made["tree_size"]
        assert self.made["name"] == name

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=120) as answer:
            data: bytes = answer.read()
        return data

    def rows(self, path: str, *, at: int | None = None) -> list[dict[str, Any]]:
        """Every row of a list, page after page; of the newest tree without ``at``."""
        mark = "&" if "?" in path else "?"
        size = f"&at={at}" if at else ""
        following, found = f"/api/v1/{path}{mark}limit=1000{size}", []
        while following:
            page = json.loads(self.get(following))
            found += page["data"]
            following = page["page"]["next"]
        return found

    def text(self, slug: str, tag: str) -> str:
        return self.get(f"/{tag}/{slug}").decode()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with World(tmp_path_factory.mktemp("recipes")) as world:
        with_history(world)
        name = world.ledger.bulk.make()
        with served(world) as address:
            yield Site(address, name)


@pytest.fixture(scope="module", params=["tools of this machine", "stand-ins"])
def commands(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("commands") / "bin"
    return tools(folder, only_stand_ins=request.param == "stand-ins")


def _gpu_hours(jobs: list[dict[str, Any]]) -> dict[str, float]:
    sums: Counter[str] = Counter()
    for job in jobs:
        if job["gpu_seconds"] is not None:
            sums[job["member"]] += job["gpu_seconds"]
    return {member: seconds / HOUR_S for member, seconds in sums.items()}


def _table(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


# --- the page of recipes for the bulk files ----------------------------------------------------


def _bulk_recipes(site: Site, tag: str = "en") -> list[Recipe]:
    facts = {"public_url": site.address}
    return in_markdown(markdown_with(facts, LIBRARY.documents["docs/bulk"][tag].source))


def _fetched(site: Site, out: str) -> None:
    listed = FILES - {"SHA256SUMS"} | {"signals.json"}
    assert set(out.splitlines()) == {f"{name}: OK" for name in listed}


def _in_the_log(site: Site, out: str) -> None:
    own, *logged = out.splitlines()
    assert own == f"{site.made['manifest']}  SHA256SUMS"
    assert f"{site.made['manifest']}  bulk/{site.made['name']}/SHA256SUMS" in logged


def _root(site: Site, out: str) -> None:
    assert out == f"{site.size} {site.made['root']}\n"
    checkpoint = json.loads(site.get(f"/api/v1/checkpoint?at={site.size}"))["data"]
    assert checkpoint["root"] == site.made["root"]


def _kinds(site: Site, out: str) -> None:
    said = {line.split()[1]: int(line.split()[0]) for line in out.splitlines()}
    assert said == Counter(each["kind"] for each in site.rows("entries", at=site.size))
    assert said["submitted"] > 100


def _hours_by_member(site: Site, out: str) -> None:
    header, *rows = _table(out)
    assert header == ["member", "jobs", "gpu_hours"]
    jobs = [job for job in site.rows("jobs", at=site.size) if job["gpu_seconds"] is not None]
    assert {row[0]: float(row[2]) for row in rows} == pytest.approx(_gpu_hours(jobs))
    assert {row[0]: int(row[1]) for row in rows} == Counter(job["member"] for job in jobs)


def _findings(site: Site, out: str) -> None:
    header, *rows = _table(out)
    assert header == ["finding", "jobs"]
    counted: Counter[str] = Counter()
    for each in site.rows("entries", at=site.size):
        if each["kind"] == "rejected":
            counted.update({finding["code"] for finding in each["entry"]["findings"]})
    assert {row[0]: int(row[1]) for row in rows} == counted
    assert counted


def _artifacts(site: Site, out: str) -> None:
    header, *rows = _table(out)
    assert header == ["member", "artifacts"]
    expected = Counter(each["member"] for each in site.rows("artifacts", at=site.size))
    assert {row[0]: int(row[1]) for row in rows} == expected
    assert expected


def _searched(site: Site, out: str) -> None:
    expected = [[job["job_id"], job["title"]] for job in site.rows("jobs?q=refusals", at=site.size)]
    assert _table(out) == expected
    assert expected


def _hours_in_r(site: Site, folder: Path) -> None:
    jobs = read_csv_as_r(folder.joinpath("jobs.csv").read_bytes(), na="")
    listed = site.rows("jobs", at=site.size)[::-1]
    for name in ("job_id", "gpu_seconds", "weights_unchanged", "title", "started_at"):
        assert jobs[name] == [job[name] for job in listed], name
    sums: Counter[str] = Counter()
    for member, seconds in zip(jobs["member"], jobs["gpu_seconds"], strict=True):
        if seconds is not None:
            sums[member] += seconds / HOUR_S
    assert dict(sums) == pytest.approx(_gpu_hours(listed))


def _summed_by_pandas(site: Site, out: str) -> None:
    header, *rows = _table(out)
    assert header == ["member", "gpu_seconds"]
    said = {row[0]: float(row[1]) / HOUR_S for row in rows if row}
    expected = _gpu_hours(site.rows("jobs", at=site.size))
    assert {member: hours for member, hours in said.items() if hours} == pytest.approx(expected)


def _valid(_: Site, out: str) -> None:
    words = re.findall(r"\w+", out)
    assert ("VALID" in words, "INVALID" in words, "jobs" in words) == (True, False, True)


PRINTED: dict[tuple[str, int], Callable[[Site, str], None]] = {
    ("fetch", 0): _fetched,
    ("fetch", 1): _in_the_log,
    ("root", 0): _root,
    ("command-line", 0): _kinds,
    ("duckdb", 0): _hours_by_member,
    ("duckdb", 1): _findings,
    ("duckdb", 2): _artifacts,
    ("datasette", 0): _searched,
    ("pandas", 0): _summed_by_pandas,
    ("package", 0): _valid,
}
"""What the blocks of docs/bulk print, by heading and number below it."""
R_CODE = """\
jobs <- read.csv("jobs.csv", na.strings = "", fileEncoding = "UTF-8")
aggregate(gpu_seconds ~ member, data = jobs, FUN = sum)
"""


def test_every_recipe_for_the_bulk_files_says_what_the_api_says(
    shop: Site, commands: Path, tmp_path: Path
) -> None:
    run = []
    numbers: Counter[str] = Counter()
    for recipe in _bulk_recipes(shop):
        where = (recipe.place, numbers[recipe.place])
        numbers[recipe.place] += 1
        run.append(where)
        if recipe.form == "r":
            assert recipe.code == R_CODE
            _hours_in_r(shop, tmp_path)
        elif recipe.code.startswith("datasette "):
            with datasette(recipe.code, folder=tmp_path) as address:
                _served_by_datasette(shop, f"{address}/ledger/jobs.json")
        elif recipe.form == "python":
            PRINTED[where](shop, python(recipe.code, folder=tmp_path))
        else:
            assert recipe.form == "shell"
            PRINTED[where](shop, shell(recipe.code, folder=tmp_path, commands=commands))
    assert set(run) == {*PRINTED, ("datasette", 1), ("r", 0)}


def _served_by_datasette(site: Site, address: str) -> None:
    with urllib.request.urlopen(address, timeout=120) as answer:
        found = json.loads(answer.read())
    assert found["filtered_table_rows_count"] == len(site.rows("jobs", at=site.size))


def test_the_list_for_excel_is_what_the_page_says(shop: Site) -> None:
    """As Excel reads it: UTF-8 because of the mark, which is no part of the first cell."""
    data = shop.get(f"/jobs.csv?bom=1&at={shop.size}")
    assert data.startswith(b"\xef\xbb\xbf")
    header, *rows = _table(data.decode("utf-8-sig"))
    assert header[0] == "job_id"
    bulk = _table(shop.get(f"/bulk/{shop.made['name']}/jobs.csv").decode("utf-8"))
    assert [header, *rows] == bulk
    assert len(rows) > 100
    for cell in (cell for row in rows for cell in row):
        assert not re.match(r"[=+@\t\r]|-(?![0-9])", cell), cell
    title = header.index("title")
    shown = {job["job_id"]: job["title"] for job in shop.rows("jobs", at=shop.size)}
    assert {row[0]: row[title] or None for row in rows} == shown


def test_the_recipes_are_the_same_in_every_language(shop: Site) -> None:
    first, *others = [_bulk_recipes(shop, tag) for tag in LANGUAGES]
    assert all(each == first for each in others)
    first, *others = [in_html(shop.text("data", tag)) for tag in LANGUAGES]
    assert all(each == first for each in others)


# --- the recipes on the page of the data -------------------------------------------------------


def _states(site: Site, out: str) -> None:
    said = {line.split("\t")[0]: int(line.split("\t")[1]) for line in out.splitlines()}
    expected = Counter(job["state"] for job in site.rows("jobs"))
    assert {state: count for state, count in said.items() if count} == expected


def _rejections(site: Site, out: str) -> None:
    expected = [
        f"{each['submitted_at']}\t{each['member']}\t{each['code']}"
        for each in site.rows("rejections")
    ]
    assert out.splitlines() == expected
    assert expected


def _by_month(site: Site, out: str) -> None:
    header, *rows = _table(out)
    assert header == ["member", "month", "gpu_hours"]
    sums: Counter[tuple[str, str]] = Counter()
    for job in site.rows("jobs"):
        if job["gpu_seconds"] is not None:
            sums[job["member"], job["ended_at"][:7]] += job["gpu_seconds"]
    said = {(row[0], row[1]): float(row[2]) for row in rows}
    assert said == {key: round(seconds / HOUR_S) for key, seconds in sums.items()}


def _own_database(site: Site, out: str) -> None:
    expected = Counter(job["member"] for job in site.rows("jobs"))
    assert {row[0]: int(row[1]) for row in _table(out)} == expected


def _nothing(_: Site, out: str) -> None:
    assert out == ""


SHOWN: dict[tuple[str, int], Callable[[Site, str], None]] = {
    ("bulk", 0): _nothing,
    ("command-line", 0): _states,
    ("command-line", 1): _rejections,
    ("duckdb", 0): _by_month,
    ("datasette", 0): _own_database,
}
SHARES = """\
jobs <- read.csv("{address}/jobs.csv")
hours <- tapply(jobs$gpu_seconds, jobs$member, sum, na.rm = TRUE) / 3600
round(100 * hours / sum(hours), 1)"""


def test_every_recipe_on_the_page_of_the_data_says_what_the_api_says(
    shop: Site, commands: Path, tmp_path: Path
) -> None:
    run = []
    numbers: Counter[str] = Counter()
    for recipe in in_html(shop.text("data", "en")):
        where = (recipe.place, numbers[recipe.place])
        numbers[recipe.place] += 1
        run.append(where)
        folder = tmp_path / f"{where[0]}-{where[1]}"
        folder.mkdir()
        if where == ("r", 0):
            assert recipe.code == SHARES.format(address=shop.address)
            _shares_in_r(shop)
        elif where == ("spreadsheet", 0):
            assert recipe.code == f'=IMPORTDATA("{shop.address}/jobs.csv")'
        elif where == ("quote", 0):
            assert re.fullmatch(re.escape(shop.address) + r"/jobs\.csv\?at=\d+", recipe.code)
            quoted = shop.get(recipe.code.removeprefix(shop.address))
            assert hashlib.sha256(quoted).digest() == hashlib.sha256(shop.get("/jobs.csv")).digest()
        else:
            _check_shell(shop, recipe, where, folder, commands)
    assert set(run) == {*SHOWN, ("r", 0), ("spreadsheet", 0), ("quote", 0)}


def _check_shell(
    site: Site, recipe: Recipe, where: tuple[str, int], folder: Path, commands: Path
) -> None:
    lines = recipe.code.splitlines()
    serving = [line for line in lines if line.startswith("datasette ")]
    code = "\n".join(line for line in lines if line not in serving)
    SHOWN[where](site, shell(code, folder=folder, commands=commands))
    for line in serving:
        with datasette(line, folder=folder) as address:
            _served_by_datasette(site, f"{address}/ledger/jobs.json")


def _shares_in_r(site: Site) -> None:
    jobs = read_csv_as_r(site.get("/jobs.csv"))
    hours: Counter[str] = Counter()
    for member, seconds in zip(jobs["member"], jobs["gpu_seconds"], strict=True):
        hours[member] += (seconds or 0) / HOUR_S
    shares = {each: round(100 * part / hours.total(), 1) for each, part in hours.items()}
    expected = _gpu_hours(site.rows("jobs"))
    total = sum(expected.values())
    assert {each: share for each, share in shares.items() if share} == pytest.approx(
        {each: round(100 * part / total, 1) for each, part in expected.items()}
    )
