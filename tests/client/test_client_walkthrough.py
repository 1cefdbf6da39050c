"""The page that walks through the client: its code is run, its answers are compared."""

import doctest
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_world import World
from serving import served

from ledger.records.deadline import DAY_S, parse_time
from web.i18n import LANGUAGES
from web.words.library import LIBRARY
from web.words.markdown import markdown_with

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_JOBS = (
    ("2026-05-03T09:00:00Z", "eval_suite", "completed", 7_200),
    ("2026-05-12T09:00:00Z", "eval_suite", "completed", 10_800),
    ("2026-05-21T09:00:00Z", "sae_training", "failed", 3_600),
)


@pytest.fixture(scope="module")
def may(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, str]]:
    """The example log of the page: two members, May 2026 and the time after it."""
    start = parse_time("2026-04-20T09:00:00Z")
    with World(tmp_path_factory.mktemp("may"), start=start) as world:
        world.log(world.submission("april"))
        world.run("april", wall_s=600)
        for number, (when, workload, kind, wall_s) in enumerate(_JOBS):
            world.clock.now = parse_time(when)
            title = "How refusals generalise" if number == 0 else None
            name = f"may-{number}"
            world.log(world.submission(name, title=title, workload_type=workload))
            world.log(world.submission(f"other-{number}", author="beta"))
            world.run(name, kind=kind, wall_s=wall_s)
        world.clock.now = parse_time("2026-05-30T09:00:00Z")
        world.log(world.submission("late"))
        world.clock.now = parse_time("2026-06-01T00:00:00Z")
        world.log(world.submission("june"))
        world.clock.now += 100 * DAY_S
        world.sweep()
        with served(world) as address:
            yield world, address


@pytest.mark.parametrize("tag", LANGUAGES)
def test_the_walk_through_does_what_it_says(
    may: tuple[World, str], tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, address = may
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "kept"))
    facts = {"public_url": address, "vkey": world.ledger.vkey}
    source = markdown_with(facts, LIBRARY.documents["docs/python"][tag].source)
    code = "\n".join(_BLOCK.findall(source))
    assert "{{" not in code
    test = doctest.DocTestParser().get_doctest(code, {}, "docs/python", None, 0)
    assert len(test.examples) > 15
    said: list[str] = []
    runner = doctest.DocTestRunner()
    try:
        found = runner.run(test, out=said.append, clear_globs=False)
    finally:
        test.globs["ledger"].close()
    assert (found.failed, "".join(said)) == (0, "")


def test_the_code_is_the_same_in_every_language() -> None:
    blocks = [_BLOCK.findall(each.source) for each in LIBRARY.documents["docs/python"].values()]
    assert len(blocks) == len(LANGUAGES)
    assert all(each == blocks[0] for each in blocks)
