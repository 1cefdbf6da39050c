"""The database of the bulk files in a real Datasette: pages, rows, words, links and questions."""

import json
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
from bulk_reading import PUBLIC_URL, TABLES, csv_rows, sqlite
from ledger_world import World, with_history
from recipes import datasette

from ledger.exports import export
from ledger.exports.datasette import QUERIES
from ledger.exports.words import WORDS

COMMAND = "datasette ledger.sqlite --metadata metadata.json"
Get = Callable[[str], str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with World(tmp_path_factory.mktemp("datasette")) as world:
        with_history(world)
        bulk = tmp_path_factory.mktemp("bulk")
        yield bulk / export(world.ledger.store, bulk, public_url=PUBLIC_URL)


@pytest.fixture(scope="module")
def get(folder: Path) -> Iterator[Get]:
    """Reads an address of Datasette, which runs beside the tests."""
    with datasette(COMMAND, folder=folder) as address:

        def read(path: str) -> str:
            try:
                with urllib.request.urlopen(address + path, timeout=120) as answer:
                    text: str = answer.read().decode()
            except HTTPError as error:
                pytest.fail(f"{path}: {error.code}: {error.read().decode()[:2000]}")
            return text

        yield read


def _json(get: Get, path: str) -> Any:
    return json.loads(get(path))


def test_every_page_of_the_database_is_there(get: Get, folder: Path) -> None:
    tables = [*TABLES, "opened_texts", "about"]
    listed = {each["name"] for each in _json(get, "/ledger.json")["tables"] if not each["hidden"]}
    assert listed == set(tables)
    for table in tables:
        assert '<table class="rows-and-columns">' in get(f"/ledger/{table}")
    for table, key in (("jobs", "job_id"), ("events", '"index"'), ("artifacts", "place")):
        [(value,)] = sqlite(folder, f"SELECT {key} FROM {table} LIMIT 1")
        assert str(value) in get(f"/ledger/{table}/{value}")


def test_every_table_has_all_its_rows(get: Get, folder: Path) -> None:
    for table in TABLES:
        found = _json(get, f"/ledger/{table}.json")["filtered_table_rows_count"]
        assert found == len(csv_rows(folder, table))
    members = _json(get, "/ledger/jobs.json?_facet=member")["facet_results"]["member"]["results"]
    assert {each["value"]: each["count"] for each in members} == Counter(
        row["member"] for row in csv_rows(folder, "jobs")
    )


def test_titles_licence_and_source_are_shown(get: Get, folder: Path) -> None:
    package = json.loads(folder.joinpath("datapackage.json").read_bytes())
    for path in ("/", "/ledger", "/ledger/jobs"):
        page = unescape(get(path))
        assert "https://creativecommons.org/licenses/by/4.0/" in page
        assert "Creative Commons Attribution 4.0 International" in page
        assert f'href="{package["id"]}"' in page
    assert "APSCI ledger: ledger.example/apsci" in get("/")
    database = get("/ledger")
    assert f"at {package['tree_size']} entries" in database
    assert package["root"] in database


def test_every_column_is_described_with_its_unit(get: Get) -> None:
    for table in TABLES:
        page = unescape(get(f"/ledger/{table}"))
        for name, meaning in WORDS[table].items():
            assert meaning in page, (table, name)
    jobs = unescape(get("/ledger/jobs"))
    assert f"{WORDS['jobs']['gpu_seconds']} In GPU-seconds." in jobs
    assert f"{WORDS['jobs']['wall_seconds']} In seconds." in jobs
    assert f"{WORDS['jobs']['weights_unchanged']} 1 is yes, 0 is no." in jobs


def test_a_job_leads_to_its_events_and_an_event_to_its_job(get: Get, folder: Path) -> None:
    [(job, events)] = sqlite(
        folder, "SELECT job_id, count(*) FROM events GROUP BY job_id ORDER BY 2 DESC LIMIT 1"
    )
    assert f'<a href="/ledger/jobs/{job}">{job}</a>' in get(f"/ledger/events?job_id={job}")
    row = unescape(get(f"/ledger/jobs/{job}"))
    assert f'<a href="/ledger/events?job_id={job}">' in row
    assert f"{events} rows" in row
    for table in ("artifacts", "opened_texts"):
        assert f"/ledger/{table}?job_id={job}" in row


def test_what_was_opened_is_found(get: Get) -> None:
    found = _json(get, "/ledger/opened_texts.json?_search=refusals&_shape=objects")["rows"]
    assert [row["title"] for row in found] == ["How refusals generalise"]


def _asked(get: Get, name: str, **values: str) -> list[dict[str, Any]]:
    query = urllib.parse.urlencode({"_shape": "array", **values})
    rows: list[dict[str, Any]] = _json(get, f"/ledger/{name}.json?{query}")
    assert unescape(QUERIES[name]["title"]) in unescape(get("/ledger"))
    return rows


def test_the_questions_that_it_offers_are_answered(get: Get, folder: Path) -> None:
    jobs = csv_rows(folder, "jobs")
    hours: Counter[tuple[str, str]] = Counter()
    for job in jobs:
        if job["gpu_seconds"]:
            hours[job["member"], job["ended_at"][:7]] += int(job["gpu_seconds"])
    said = {(row["member"], row["month"]): row["gpu_hours"] for row in _asked(get, "gpu_hours")}
    assert said == {key: round(seconds / 3600, 1) for key, seconds in hours.items()}
    rejected = Counter(job["rejection_code"] for job in jobs if job["rejection_code"])
    assert {row["rejection_code"]: row["jobs"] for row in _asked(get, "rejections")} == rejected
    found = _asked(get, "search", words="refusals")
    assert [row["title"] for row in found] == ["How refusals generalise"]
    assert len(QUERIES) == 3
