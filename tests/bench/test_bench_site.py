"""The site's section of scripts/bench, at a small size and beside a stand-in for Datasette."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest
from benchmarks import datasette, site
from benchmarks.datasette import Datasette, exported
from benchmarks.figures import Figure, table
from benchmarks.logs import Kept, kept_log
from benchmarks.places import CannotMeasure, Places
from benchmarks.scale import chosen
from stand_in import StandIn

ENTRIES = 600


class Broken(Datasette):
    """Ends before it listens."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", "raise SystemExit('no such thing')"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Kept, Path, list[Figure]]:
    """A small log, the file that was made of it, and its figures."""
    places = Places(tmp_path_factory.mktemp("bench"), None)
    with places.opened():
        log = kept_log(places, ENTRIES)
        figures = list(site.measure(places, [log], chosen(quick=True, rounds=1), rival=StandIn))
        return log, exported(log, places.beside("datasette")), figures


def test_every_page_is_timed_and_what_datasette_can_answer_beside_it(
    measured: tuple[Kept, Path, list[Figure]],
) -> None:
    _, _, figures = measured
    assert len(figures) > 35
    assert len({figure.what for figure in figures}) == len(figures)
    for figure in figures:
        assert (figure.section, figure.unit, figure.entries) == (site.SECTION, "ms", ENTRIES)
        assert figure.value is not None
        assert figure.value > 0
        assert figure.bar is None
    beside = [figure for figure in figures if figure.beside is not None]
    assert len(beside) == 8
    assert all(figure.ratio for figure in beside)
    shown = table(figures)
    assert "jobs, the newest 50" in shown
    assert "x a stand-in" in shown


def test_the_file_for_datasette_holds_every_job_and_nothing_that_is_sealed(
    measured: tuple[Kept, Path, list[Figure]],
) -> None:
    log, path, _ = measured
    with closing(sqlite3.connect(path)) as file:
        (jobs,) = file.execute("SELECT count(*) FROM jobs").fetchone()
        (opened,) = file.execute("SELECT count(*) FROM jobs WHERE purpose IS NOT NULL").fetchone()
        (titled,) = file.execute("SELECT count(*) FROM jobs WHERE title IS NOT NULL").fetchone()
        found = file.execute(
            "SELECT count(*) FROM jobs_fts WHERE jobs_fts MATCH ?", (site.COMMON_WORD,)
        ).fetchone()
        columns = [row[1] for row in file.execute("PRAGMA table_info(jobs)")]
    assert (jobs, opened) == (log.recipe.jobs, log.recipe.opened_jobs)
    assert titled == opened == found[0]
    assert tuple(columns) == datasette.COLUMNS


def test_a_datasette_that_does_not_start_is_told_in_one_line(
    measured: tuple[Kept, Path, list[Figure]], tmp_path: Path
) -> None:
    _, path, _ = measured
    with pytest.raises(CannotMeasure, match="no such thing"), Broken(path, folder=tmp_path):
        pass


def test_datasette_is_started_on_the_file_without_limits_that_cut_answers_short() -> None:
    line = datasette.command(Path("jobs.db"), 8_001)
    assert line[1:5] == ["-m", "datasette", "serve", "jobs.db"]
    assert {"facet_time_limit_ms", "sql_time_limit_ms"} <= set(line)
