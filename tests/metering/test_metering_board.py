import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ledger.errors import LogUnavailable
from ledger.metering import Board, families
from ledger.metering.exposition import expose, expose_gauge

ONE_THAT_IS_KILLED = """
import os, signal, sys
from pathlib import Path
from ledger.metering import Board, families
board = Board(Path(sys.argv[1]))
board.add(families.EGRESS_REFUSED)
board.observe(families.PROOF, 0.25)
board.set(families.QUEUE_RECORDS, 7)
os.kill(os.getpid(), signal.SIGKILL)
"""


def _refused(board: Board) -> float:
    return board.totals()[families.EGRESS_REFUSED.name, ()][0]


def _waiting(board: Board) -> float:
    return board.totals()[families.QUEUE_RECORDS.name, ()][0]


def test_what_several_processes_count_is_added_up(tmp_path: Path) -> None:
    one, two = Board(tmp_path), Board(tmp_path)
    one.add(families.EGRESS_REFUSED)
    two.add(families.EGRESS_REFUSED)
    one.set(families.QUEUE_RECORDS, 3)
    two.set(families.QUEUE_RECORDS, 4)
    assert [_refused(each) for each in (one, two)] == [2, 2]
    assert [_waiting(each) for each in (one, two)] == [7, 7]
    one.close()
    assert (_refused(two), _waiting(two)) == (2, 4)
    two.close()


def test_what_was_counted_outlives_a_stop_and_what_waited_does_not(tmp_path: Path) -> None:
    for round_number in range(3):
        board = Board(tmp_path)
        assert (_refused(board), _waiting(board)) == (round_number, 0)
        board.add(families.EGRESS_REFUSED)
        board.set(families.QUEUE_RECORDS, 5)
        board.close()


def test_what_was_counted_outlives_a_kill(tmp_path: Path) -> None:
    board = Board(tmp_path)
    killed = subprocess.run(
        [sys.executable, "-c", ONE_THAT_IS_KILLED, str(tmp_path)], check=False, timeout=120
    )
    assert killed.returncode == -9
    assert (_refused(board), _waiting(board)) == (1, 0)
    # Once more: who was buried is not counted twice.
    assert (_refused(board), _waiting(board)) == (1, 0)
    assert sum(board.totals()[families.PROOF.name, ()][:-1]) == 1
    assert len(list(tmp_path.rglob("*-*.counts"))) == 1
    board.close()


def test_threads_lose_no_count(tmp_path: Path) -> None:
    board = Board(tmp_path)

    def count() -> None:
        for _ in range(2_000):
            board.add(families.EGRESS_REFUSED)
            board.observe(families.BATCH, 3)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert _refused(board) == 8_000
    assert board.totals()[families.BATCH.name, ()][-1] == 24_000
    board.close()


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.0, 0), (0.001, 0), (0.0011, 1), (10.0, 12), (11.0, 13)]
)
def test_a_value_is_in_the_bucket_whose_bound_it_does_not_pass(
    tmp_path: Path, seconds: float, bucket: int
) -> None:
    board = Board(tmp_path)
    board.observe(families.PROOF, seconds)
    numbers = board.totals()[families.PROOF.name, ()]
    assert [place for place, n in enumerate(numbers[:-1]) if n] == [bucket]
    assert numbers[-1] == seconds
    board.close()


def test_counts_of_another_layout_are_left_alone(tmp_path: Path) -> None:
    older = Board(tmp_path, (families.EGRESS_REFUSED,))
    older.add(families.EGRESS_REFUSED)
    older.close()
    board = Board(tmp_path)
    assert _refused(board) == 0
    board.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LogUnavailable, match="LEDGER_METRICS: no counters can be kept in"):
        Board(tmp_path / "file" / "metrics")


def test_a_histogram_is_spelt_as_prometheus_reads_it(tmp_path: Path) -> None:
    family = families.Family("x_seconds", families.Kind.HISTOGRAM, "How long.", buckets=(0.5, 1))
    board = Board(tmp_path, (family,))
    for value in (0.5, 0.75, 2.0):
        board.observe(family, value)
    assert expose(board.families, board.totals()) == (
        "# HELP x_seconds How long.\n"
        "# TYPE x_seconds histogram\n"
        'x_seconds_bucket{le="0.5"} 1\n'
        'x_seconds_bucket{le="1"} 2\n'
        'x_seconds_bucket{le="+Inf"} 3\n'
        "x_seconds_sum 3.25\n"
        "x_seconds_count 3\n"
    )
    board.close()


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    assert expose_gauge("x", "Y.", [({"witness": 'a"} 1\n\\'}, 2)]).splitlines()[-1] == (
        'x{witness="a\\"} 1\\n\\\\"} 2'
    )
