"""The data section of scripts/bench, at a small size and beside a stand-in for Datasette."""

import json
from pathlib import Path
from urllib.request import urlopen

import pytest
from benchmarks import datasette, exporting, places, rates, scale
from benchmarks.figures import Figure, table
from benchmarks.logs import Kept, kept_log
from stand_in import StandIn

ENTRIES = 600


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kept, list[Figure]]:
    """A small log and all figures of the section."""
    here = places.Places(tmp_path_factory.mktemp("bench"), None)
    with here.opened():
        log = kept_log(here, ENTRIES)
        amounts = scale.chosen(quick=True, rounds=1)
        found = [*rates.measure(here, [log], amounts, rival=StandIn)]
        found += exporting.measure([log], amounts)
        assert not list(log.settings.data_dir.glob("tmp*"))
        return log, found


def test_feed_and_job_are_asked_for_over_and_over_beside_a_rival(
    measured: tuple[Kept, list[Figure]],
) -> None:
    _, figures = measured
    rated = {figure.what: figure for figure in figures if figure.unit == "/s"}
    assert set(rated) == {rates.FEED, rates.ATOM, rates.JOB}
    for figure in rated.values():
        assert (figure.section, figure.entries, figure.bar) == ("data", ENTRIES, rates.BAR)
        assert figure.value is not None
        assert figure.value > 0
        assert figure.reached is (figure.value >= 5_000)
    assert rated[rates.FEED].ratio
    assert rated[rates.JOB].ratio
    shown = table(figures)
    assert "x a stand-in" in shown
    assert "≥ 5,000/s" in shown


def test_the_bulk_files_of_a_log_are_made_and_measured_in_a_process_of_their_own(
    measured: tuple[Kept, list[Figure]],
) -> None:
    _, figures = measured
    found = {figure.what: figure for figure in figures if figure.unit != "/s"}
    assert set(found) == {exporting.TIME, exporting.AGAIN, exporting.MEMORY}
    for figure in found.values():
        assert (figure.section, figure.entries) == ("data", ENTRIES)
        assert figure.rounds[0] > 0
    assert found[exporting.MEMORY].unit == "MiB"
    assert 20 < found[exporting.MEMORY].rounds[0] < 1_000


def _read(other: datasette.Datasette, path: str) -> bytes:
    with urlopen(f"http://127.0.0.1:{other.port}{path}", timeout=120) as answer:
        data: bytes = answer.read()
    return data


def test_datasette_answers_what_it_is_asked_beside_us(
    measured: tuple[Kept, list[Figure]], tmp_path: Path
) -> None:
    """The real one: an error would be a fast answer."""
    log, _ = measured
    file = datasette.exported(log, tmp_path)
    with datasette.Datasette(file, folder=tmp_path) as other:
        job = log.recipe.job_id(0)
        found = json.loads(_read(other, f"{other.base}/{job}.json?_shape=objects"))
        assert found["rows"][0]["job_id"] == job
        newest = json.loads(_read(other, other.base + rates.NEWEST + "&_shape=objects"))
        assert len(newest["rows"]) == 50
        done = other.load([b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"], seconds=0.1)
        assert done.requests > 0
