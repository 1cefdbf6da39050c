"""What is measured beside others, with stand-ins in their place."""

import sys
from dataclasses import replace
from pathlib import Path

import _interop
import pytest
from benchmarks import appending, nginx, proving, scaling
from benchmarks.figures import Figure
from benchmarks.logs import Kept, kept_log
from benchmarks.peers import RECORD_BYTES, AicsWriter, Peer, Pymerkle, record
from benchmarks.pgbench import PgBench
from benchmarks.places import CannotMeasure, Places
from benchmarks.scale import Scale

SMALL = Scale(
    rounds=2,
    single=6,
    clients=80,
    batched=20,
    posted=10,
    posted_batches=1,
    proofs=5,
    files=3,
    load_s=0.05,
    synced=1,
)
ONCE = replace(SMALL, rounds=1)
STAND_IN = """
import time

time.perf_counter = lambda: 1.0
count = 0

def do(job):
    global count
    begun = 0.0
    if job["do"] == "append":
        found = rows(job)
        assert all(len(row) == job["bytes"] for row in found)
        count += len(found)
    return begun, count
"""


class StandIn(Pymerkle):
    """Says that everything takes a second, and counts."""

    program = STAND_IN

    def python(self) -> Path:
        return Path(sys.executable)


class WriterStandIn(AicsWriter):
    """The same in the other's place."""

    program = STAND_IN

    def python(self) -> Path:
        return Path(sys.executable)


class Absent(Pymerkle):
    """Cannot be had."""

    def python(self) -> Path:
        raise _interop.ToolMissing("pymerkle needs Python 3.99 or later")


class NoNginx(nginx.Nginx):
    """Cannot be had."""

    def program(self) -> None:
        return None


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Places, Kept, Kept]:
    """Two small logs."""
    places = Places(tmp_path_factory.mktemp("bench"), None)
    with places.opened():
        return places, kept_log(places, 100), kept_log(places, 300)


def by_what(figures: "list[Figure]") -> dict[str, Figure]:
    return {figure.what: figure for figure in figures}


def test_a_record_has_its_size_whatever_it_is_made_of() -> None:
    for body in (b"", b"short", bytes(2_000)):
        assert len(record(body)) == RECORD_BYTES


def test_appending_is_a_multiple_of_what_others_do_in_the_same_rounds(tmp_path: Path) -> None:
    rivals: tuple[type[Peer], ...] = (StandIn, WriterStandIn)
    with Places(tmp_path, None).opened() as places:
        found = by_what(list(appending.measure(places, SMALL, rivals=rivals)))
    for kind in appending.KINDS:
        ours = found[f"1 client, {kind}, sequenced"]
        times = found[f"1 client, {kind}, sequenced: times pymerkle, one by one"]
        # Six records in a second, and ours besides; each round is held against its own.
        assert times.rounds == pytest.approx([rate / 6 for rate in ours.rounds], rel=1e-6)
        assert times.bar is not None
        assert times.bar.value == 4
        batches = found[f"batches of 1,000, {kind}, sequenced: times pymerkle, append_entries"]
        assert len(batches.rounds) == SMALL.rounds
        slow = found[f"1 client, {kind}, sequenced: times aics-tlog writer, one by one"]
        assert slow.rounds == pytest.approx([rate / 2 for rate in ours.rounds], rel=1e-6)


def test_who_is_not_there_is_named_in_its_line_and_nothing_fails(
    small: tuple[Places, Kept, Kept],
) -> None:
    places, log, _ = small
    with places.opened():
        proofs = by_what(list(proving.measure(places, [log], ONCE, rival=Absent)))
        files = list(nginx.measure(places, log, SMALL, rival=NoNginx))
    for name in ("warm", "cold"):
        missing = proofs[f"{name}: times pymerkle"]
        assert (missing.rounds, missing.value) == ((), None)
        assert missing.note == "skipped: pymerkle needs Python 3.99 or later"
    assert proofs[proving.WARM].rounds
    assert [figure.what for figure in files] == [
        "tiles: times nginx, static files",
        "checkpoint: times nginx, static files",
    ]
    assert {figure.note for figure in files} == {"skipped: there is no nginx on this machine"}


def test_a_tree_beside_is_filled_to_the_size_of_the_log_before_anything_is_proved(
    small: tuple[Places, Kept, Kept],
) -> None:
    places, log, _ = small
    with places.opened():
        found = by_what(list(proving.measure(places, [log], ONCE, rival=StandIn)))
    assert len(found["cold: times pymerkle"].rounds) == ONCE.rounds
    assert found["cold: times pymerkle"].bar is None  # the bars are for a million entries
    assert found["warm: times pymerkle"].entries == 100


def test_a_log_is_held_against_a_smaller_one_in_everything_that_its_size_could_cost(
    small: tuple[Places, Kept, Kept],
) -> None:
    places, first, second = small
    with places.opened():
        found = list(scaling.measure(places, first, second, SMALL))
    said = ": 300 entries, as a multiple of 100"
    assert {figure.what.removesuffix(said) for figure in found} == {
        scaling.SINGLE,
        scaling.BATCHED,
        scaling.WARM,
        scaling.COLD,
        scaling.JOB_PAGE,
        "page of an entry",
        "page of a list of jobs",
    }
    for figure in found:
        assert len(figure.rounds) == SMALL.rounds
        assert all(value > 0 for value in figure.rounds)
        assert figure.bar is not None


def test_another_program_that_ends_is_said_in_one_line(tmp_path: Path) -> None:
    class Broken(StandIn):
        program = "raise SystemExit\n"

    with Broken(tmp_path) as other, pytest.raises(CannotMeasure, match="ended in the middle"):
        other.append([record(b"")])


def test_pgbench_inserts_into_a_table_of_the_server(postgresql_url: str, tmp_path: Path) -> None:
    pgbench = PgBench(postgresql_url, tmp_path, record(b"a row"))
    assert not pgbench.missing
    assert pgbench.insert(64) > 0
