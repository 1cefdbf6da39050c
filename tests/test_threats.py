"""The threat model is held by tests: every threat of the page names some, and they are there."""

import ast
from functools import cache
from pathlib import Path

import pytest

from web.telling.threats import HELD, held, threats_in
from web.words.library import LIBRARY

ROOT = Path(__file__).parents[1]
PAGE = LIBRARY.documents["docs/threat-model"]
UNSEEN = {
    "Read sealed content before its time, or pass it on",
    "Describe its work falsely",
    "Do the work on other machines",
    "Report false running times",
}
"""What happens outside of anything that software could look at."""


@cache
def names_in(file: str) -> frozenset[str]:
    tree = ast.parse(ROOT.joinpath(file).read_text("utf-8"))
    return frozenset(each.name for each in ast.walk(tree) if isinstance(each, ast.FunctionDef))


@pytest.mark.parametrize("tag", PAGE)
def test_every_threat_of_the_page_has_its_line(tag: str) -> None:
    rows = threats_in(PAGE[tag].source)
    assert {section: len(threats) for section, threats in rows.items()} == {
        section: len(tests) for section, tests in HELD.items()
    }
    assert len(held(PAGE[tag].source)) > 35


def test_every_threat_that_software_can_see_has_a_test() -> None:
    without = {each.threat for each in held(PAGE["en"].source) if not each.tests}
    assert without == UNSEEN


def test_every_test_that_is_named_is_there() -> None:
    named = {test for rows in HELD.values() for tests in rows for test in tests}
    assert len(named) > 40
    for test in sorted(named):
        file, _, name = test.partition("::")
        assert name.startswith("test_"), test
        assert name in names_in(file), test


def test_no_threat_is_there_twice() -> None:
    threats = [each.threat for each in held(PAGE["en"].source)]
    assert len(threats) == len(set(threats))
