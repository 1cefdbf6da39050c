"""Which tests hold each threat that the page ``docs/threat-model`` names.

The page says in words who could do what, and what would show it. ``threats.toml`` says, for each of
its rows in their order, which tests bring the threat about; what no software can see has none. The
tests hold the two together: a row without its line, and a test that is not there, fail.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HELD: Final[Mapping[str, Sequence[Sequence[str]]]] = tomllib.loads(
    Path(__file__).with_name("threats.toml").read_text("utf-8")
)
"""By the id of a section of the page: for each row of its table, the tests."""
_SECTION = re.compile(r"^## [^\n]* \{#([a-z]+)\}\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ROW = re.compile(r"^\| ([^|\n]*?) \|", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Held:
    """One threat, in the words of the page, and the tests that hold it."""

    threat: str
    tests: Sequence[str]


def threats_in(source: str) -> dict[str, list[str]]:
    """The first cell of each row of each table of the page, by the section's id."""
    found = {}
    for section, text in _SECTION.findall(source):
        rows = _ROW.findall(text)
        if rows:
            found[section] = rows[1:]
    return found


def held(source: str) -> list[Held]:
    """Every threat of the page with its tests, in the order of the page."""
    return [
        Held(threat, tests)
        for section, threats in threats_in(source).items()
        for threat, tests in zip(threats, HELD[section], strict=True)
    ]
