"""A log that is built in parts is row for row the one that the ledger's own pipeline writes."""

import sqlite3
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from benchmarks import bulk, places
from benchmarks.recipe import Recipe
from sqlmodel import SQLModel

from ledger import keys
from ledger.__main__ import run
from ledger.assembly import Ledger
from ledger.errors import LedgerError
from ledger.records.entry import parse_entry
from ledger.settings import Settings
from ledger.storage.driver import Driver
from ledger.storage.store import Store
from ledger.vault import Vault

NOW_S = 1_800_000_000
ENTRIES = 1_100
RECIPE = Recipe(ENTRIES, NOW_S, jobs_at_once=20)


@pytest.fixture(scope="module")
def by_the_pipeline(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The log as the ledger makes it, statement by statement, up to its last job."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("pipeline"))
    bulk.found_log(settings, RECIPE)
    now_s = RECIPE.begin_s
    ledger = Ledger(settings, clock=lambda: now_s)

    def log(first: int, stop: int) -> None:
        nonlocal now_s
        for begin in range(first, stop, RECIPE.jobs_at_once):
            now_s = RECIPE.time_of(begin)
            numbers = range(begin, min(begin + RECIPE.jobs_at_once, stop))
            for answer in ledger.log(RECIPE.statements(numbers)):
                assert not isinstance(answer, LedgerError)

    try:
        log(0, RECIPE.opened_jobs)
        while (deadline := ledger.embargo.next_deadline()) is not None:
            now_s = deadline
            assert not ledger.embargo.open_due().failed
        log(RECIPE.opened_jobs, RECIPE.jobs)
    finally:
        ledger.close()
    return settings


def test_a_log_built_in_parts_has_every_row_that_the_pipeline_writes(
    by_the_pipeline: Settings, tmp_path: Path, database_url: str
) -> None:
    settings = Settings(data_dir=tmp_path / "log", database_url=database_url)
    bulk.found_log(settings, RECIPE)
    told: list[int] = []
    builder = bulk.Builder(
        settings, RECIPE, folder=_folder(tmp_path), part_jobs=40, told=told.append
    )
    builder.run(bulk.Here())
    assert told == sorted(told)
    assert told[-1] == RECIPE.size_with_jobs
    expected, found = _rows(by_the_pipeline), _rows(settings)
    for table, rows in expected.items():
        assert found[table] == rows, table
    sizes = {table: len(rows) for table, rows in found.items()}
    assert sizes["entries"] == RECIPE.size_with_jobs
    assert sizes["checkpoints"] > 8
    assert sizes["tiles"] == RECIPE.size_with_jobs // 256
    assert sizes["disclosures"] == 2 * RECIPE.opened_jobs
    assert sizes["job_texts"] > 0


def test_a_log_built_in_parts_has_the_schema_of_any_other_and_is_sound(
    by_the_pipeline: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path / "log")
    bulk.found_log(settings, RECIPE)
    builder = bulk.Builder(
        settings, RECIPE, folder=_folder(tmp_path), part_jobs=40, told=lambda _size: None
    )
    builder.run(bulk.Here())
    schemas = []
    for each in (by_the_pipeline, settings):
        with closing(sqlite3.connect(each.data_dir / "ledger.db")) as rows:
            made = rows.execute("SELECT type, name, sql FROM sqlite_master")
            schemas.append(sorted(map(str, made)))
    assert schemas[0] == schemas[1]
    for name, value in places.environment(settings).items():
        monkeypatch.setenv(name, value)
    assert run(["fsck"]) == 0


def test_the_parts_of_a_log_lie_end_to_end() -> None:
    recipe = Recipe(1_000_000, NOW_S)
    parts = bulk.parts_of(recipe, jobs=10_000)
    ranges = sorted(each for part in parts for each in part.ranges)
    assert ranges[0][0] == 1
    assert ranges[-1][1] == recipe.size_with_jobs
    assert all(before[1] == after[0] for before, after in pairwise(ranges))


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    return folder


def _rows(settings: Settings) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, sorted; openings as what they hold, as their nonces are random."""
    vault = Vault(keys.read_openings_key(settings.key_dir / keys.OPENINGS_KEY), random=bytes)
    store = Store(settings.database_url)
    try:
        with store.engine.connect() as connection:
            driver = Driver(connection)
            found = {
                table: sorted(driver.fetch(f"SELECT * FROM {table}"), key=repr)
                for table in SQLModel.metadata.tables
            }
    finally:
        store.close()
    entries = {row[0]: row[-1] for row in found["entries"]}
    for place, (index, ciphertext, *tags) in enumerate(found["openings"]):
        signed = parse_entry(entries[index]).signed
        assert signed is not None
        assert signed.sealed_root is not None
        opening = vault.unlock(ciphertext, root=signed.sealed_root)
        found["openings"][place] = (index, opening, *tags)
    return found
