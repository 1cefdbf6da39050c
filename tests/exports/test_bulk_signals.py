"""``signals.json`` in a set of bulk files: listed, described, and the same when made again."""

import json
from pathlib import Path

import frictionless
import pytest
from bulk_reading import FILES, PUBLIC_URL
from ledger_world import World

from ledger.assembly.questions import EXTRAS, SIGNALS
from ledger.exports import export, sets
from ledger.signals import compute, encode
from ledger.signals.sources import entries_of_file


class Stopped(Exception):
    """What ends an export on the way."""


def test_a_set_lists_and_describes_its_questions(world: World, tmp_path: Path) -> None:
    store = world.ledger.store
    folder = tmp_path / export(store, tmp_path, public_url=PUBLIC_URL, extras=EXTRAS)
    assert set(sets.sums_of(folder)) == (FILES - {"SHA256SUMS"}) | {SIGNALS}
    assert list(sets.check(folder)) == []
    package = json.loads((folder / "datapackage.json").read_bytes())
    [listed] = [each for each in package["resources"] if each["path"] == SIGNALS]
    assert listed["title"].startswith("Questions")
    found = json.loads((folder / SIGNALS).read_bytes())
    assert (found["tree_size"], found["root"]) == (package["tree_size"], package["root"])
    report = frictionless.Package.from_descriptor(str(folder / "datapackage.json"))
    assert report.get_resource("signals-json").read_bytes() == (folder / SIGNALS).read_bytes()
    made = encode(compute(entries_of_file(folder / "entries.ndjson.zst")))
    assert made == (folder / SIGNALS).read_bytes()


def test_a_set_that_was_interrupted_at_its_questions_is_finished_as_if_it_had_not_been(
    world: World, tmp_path: Path
) -> None:
    store = world.ledger.store
    whole = tmp_path / "whole"
    name = export(store, whole, public_url=PUBLIC_URL, extras=EXTRAS)

    def stop(what: str, *_progress: int) -> None:
        if what == SIGNALS:
            raise Stopped

    broken = tmp_path / "broken"
    with pytest.raises(Stopped):
        export(store, broken, public_url=PUBLIC_URL, extras=EXTRAS, progress=stop)
    assert sets.names(broken) == []
    assert export(store, broken, public_url=PUBLIC_URL, extras=EXTRAS) == name
    for file in FILES | {SIGNALS}:
        assert (broken / name / file).read_bytes() == (whole / name / file).read_bytes()
