"""The page ``docs/reliability`` says what the kept runs wrote, and nothing else."""

import re
from datetime import datetime
from html import unescape
from pathlib import Path

import msgspec
import pytest
from browser import Browser
from site_map import languages

from web.telling import runs
from web.telling.runs import ENGINES, FIGURES, FOLDER, KEPT, RUNS, SECTIONS, Machine, Run

PLAIN = re.compile(r"[a-z0-9_]+", re.ASCII)


def _rows(text: str) -> list[str]:
    """The rows of the page's tables, without markup."""
    tables = re.findall(r'<table class="cards">.*?</table>', text, re.DOTALL)
    found = [
        row for table in tables for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", table)
    ]
    return [unescape(re.sub(r"<[^>]+>", " ", row)) for row in found]


def test_every_kept_run_is_a_row_with_each_of_its_figures(site: Browser) -> None:
    shown = [run for run in KEPT if runs.kind_of(run) in RUNS]
    assert shown
    for tag in languages():
        rows = _rows(site.get(f"/{tag}/docs/reliability").text)
        assert len(rows) == len(shown)
        for run in shown:
            figures = [
                runs.shown(name, value)
                for name, value in run.figures.items()
                if name in FIGURES and isinstance(value, int | float) and name != "seconds"
            ]
            assert any(
                run.machine.python in row and all(figure in row for figure in figures)
                for row in rows
            ), run.run


@pytest.mark.parametrize("run", KEPT, ids=lambda run: run.run)
def test_a_kept_run_has_what_the_page_shows_of_it(run: Run) -> None:
    assert (FOLDER / f"{run.run}.json").exists()
    assert run.engine in {*ENGINES, "none"}
    assert datetime.strptime(run.made_at, "%Y-%m-%dT%H:%M:%SZ").year >= 2026  # noqa: DTZ007 - Z is UTC
    assert run.machine.cpus >= 1
    for name, value in run.figures.items():
        assert PLAIN.fullmatch(name)
        # Figures alone: no path, no name of a machine, nothing that anybody said.
        assert isinstance(value, int | float), name
    words = RUNS.get(runs.kind_of(run))
    for name in words.needs if words else ():
        assert name in run.figures, (run.run, name)


def test_every_figure_that_a_run_must_have_has_words() -> None:
    needed = {name for words in RUNS.values() for name in words.needs}
    assert needed <= set(FIGURES)
    assert {words.section for words in RUNS.values()} <= set(SECTIONS)


def test_what_the_page_has_no_words_for_is_left_out(tmp_path: Path) -> None:
    machine = Machine(cpus=2, python="3.11.7")
    figures: dict[str, object] = {"rounds": 3, "lost": 0, "unheard_of": 7, "receipts": "many"}
    for name, engine in (("kill-sqlite", "sqlite"), ("unknown", "none")):
        run = Run(name, engine, "2026-11-22T09:00:00Z", machine, figures)
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(run))
    kept = runs.read_runs(tmp_path)
    assert [run.run for run in kept] == ["kill-sqlite", "unknown"]
    [told] = [each for section in SECTIONS for each in runs.told(section, kept)]
    assert (told.engine, told.figures) == (
        "SQLite",
        (("Rounds", "3"), ("Acknowledged statements lost", "0")),
    )


def test_a_figure_is_told_in_the_unit_that_its_name_says() -> None:
    assert runs.shown("body_bytes", 2_000_000) == "2\u00a0MB"
    assert runs.shown("median_us", 12.3456) == "12.3\u00a0µs"
    assert runs.shown("appends_per_s", 50_000) == "50,000/s"
    assert runs.shown("appends_per_s", 22_950.0) == "22,950/s"
    assert runs.shown("appends_per_s", 999.7) == "1,000/s"
    assert runs.shown("append_times", 0.13514) == "0.135"
    assert runs.shown("append_times", 0.0000123) == "0.0000123"
    assert runs.shown("seconds", 3_700) == "1\u00a0h 1\u00a0min"
    assert runs.shown("receipts", 15_901) == "15,901"


def test_a_part_of_the_page_without_runs_says_so(site: Browser) -> None:
    empty = [section for section in SECTIONS if not runs.told(section)]
    text = site.get("/en/docs/reliability").text
    assert text.count("No such run is kept.") == len(empty)
