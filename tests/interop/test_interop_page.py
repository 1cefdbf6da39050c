"""The page ``docs/interop`` says what the last recorded run found, and nothing else."""

import ast
from pathlib import Path

import pytest
from interop_table import OURS, TEXTS, THEIRS, pinned, recorded, shown_day, with_tables

HERE = Path(__file__).parent


def test_the_record_is_of_the_versions_that_are_installed() -> None:
    # Where a lock has moved: INTEROP_RECORD=1 scripts/test tests/interop
    assert recorded()["versions"] == pinned()


def test_every_row_is_a_test_that_passed_and_every_such_test_a_row() -> None:
    rows = [row.test for row in (*OURS, *THEIRS)]
    assert recorded()["passed"] == sorted(rows)
    there = {
        each.name
        for file in HERE.glob("test_interop_*.py")
        for each in ast.parse(file.read_text("utf-8")).body
        if isinstance(each, ast.FunctionDef) and each.name.startswith("test_")
    }
    assert set(rows) <= there
    assert len(set(rows)) == len(rows)


@pytest.mark.parametrize("tag", TEXTS)
def test_the_tables_of_the_page_are_those_of_the_record(tag: str) -> None:
    text = TEXTS[tag].read_text("utf-8")
    assert with_tables(text, tag) == text
    assert text.count(f"| {shown_day(tag)} |\n") == len(OURS) + len(THEIRS)
