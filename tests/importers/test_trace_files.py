"""Which rows of a trace are tasks, why the others are not, and which files are no trace at all."""

from pathlib import Path

import pytest
from trace_world import HEADER, MAPPING, reasons, row, trace_file

from ledger.importers.mapping import ImportRefused
from ledger.importers.trace import read_trace


def test_a_task_is_read_with_its_gpus_its_times_and_its_row(tmp_path: Path) -> None:
    read = read_trace(trace_file(tmp_path, row("a", num_gpu=8)), MAPPING)
    (task,) = read.tasks
    assert (task.row, task.name, task.gpu_count, task.gpu_milli) == (2, "a", 8, 1000)
    assert (task.created_s, task.scheduled_s, task.ended_s) == (100, 200, 3800)
    assert task.ending == "completed"
    assert read.rows == 1


@pytest.mark.parametrize(
    ("phase", "ending"),
    [("Succeeded", "completed"), ("Running", "completed"), ("Failed", "failed")],
)
def test_the_phase_decides_how_a_job_ended(tmp_path: Path, phase: str, ending: str) -> None:
    (task,) = read_trace(trace_file(tmp_path, row("a", phase=phase)), MAPPING).tasks
    assert task.ending == ending


@pytest.mark.parametrize("deleted", ["", str(MAPPING.cut_at_s)])
def test_a_running_task_without_an_end_or_cut_off_with_the_trace_goes_on(
    tmp_path: Path, deleted: str
) -> None:
    rows = row("a", phase="Running", deleted=deleted), row("b", deleted=MAPPING.cut_at_s)
    running, ended = read_trace(trace_file(tmp_path, *rows), MAPPING).tasks
    assert running.ended_s is None
    assert ended.ended_s == MAPPING.cut_at_s


ODDITIES = {
    "no GPU": row("odd", num_gpu=0),
    "never scheduled": row("odd", scheduled="", phase="Pending"),
    "times out of order": row("odd", created=300),
    "negative duration": row("odd", deleted=199),
    "negative number": row("odd", created=-5),
    "malformed number": row("odd", created="1e3"),
    "number too large": row("odd", created=10**11),
    "GPU share that cannot be": row("odd", gpu_milli=0),
    "phase not in the mapping": row("odd", phase="Evicted"),
    "ended at no time": row("odd", deleted=""),
    "more GPUs than any node has": row("odd", num_gpu=9),
    "accelerator not in the mapping": row("odd", spec="V100M32|X9"),
    "no usable name": row(""),
    "duplicate name": row("first"),
    "wrong number of cells": row("odd") + ",more",
}


@pytest.mark.parametrize("reason", ODDITIES)
def test_an_odd_row_is_skipped_with_its_reason_and_harms_no_other(
    tmp_path: Path, reason: str
) -> None:
    path = trace_file(tmp_path, row("first"), ODDITIES[reason], row("last"))
    read = read_trace(path, MAPPING)
    assert reasons(read) == [(3, reason)]
    assert [task.name for task in read.tasks] == ["first", "last"]
    assert read.rows == 3


@pytest.mark.parametrize("text", ["+5", "007", "1_0", "٣", "1.0", " 5", "0x5", "nan", "5e0", "-"])
def test_a_number_has_one_spelling(tmp_path: Path, text: str) -> None:
    read = read_trace(trace_file(tmp_path, row("a", created=text)), MAPPING)
    assert reasons(read) == [(2, "malformed number")]


def test_blank_lines_and_rows_that_fill_two_lines_are_counted_where_they_begin(
    tmp_path: Path,
) -> None:
    path = trace_file(tmp_path, "", row('"two\nlines"'), row("good"))
    read = read_trace(path, MAPPING)
    assert reasons(read) == [(2, "wrong number of cells"), (3, "no usable name")]
    assert [task.row for task in read.tasks] == [5]


def test_a_share_of_several_gpus_is_refused_and_one_of_one_is_taken(tmp_path: Path) -> None:
    rows = row("a", gpu_milli=460), row("b", num_gpu=2, gpu_milli=460)
    read = read_trace(trace_file(tmp_path, *rows), MAPPING)
    assert [task.gpu_milli for task in read.tasks] == [460]
    assert reasons(read) == [(3, "GPU share that cannot be")]


def test_the_accelerators_that_the_trace_names_are_kept(tmp_path: Path) -> None:
    (task,) = read_trace(trace_file(tmp_path, row("a", spec="V100M16|V100M32")), MAPPING).tasks
    assert task.accelerators == ("nvidia_v100_16gb", "nvidia_v100_32gb")


def test_columns_that_the_mapping_does_not_name_are_never_looked_at(tmp_path: Path) -> None:
    path = trace_file(tmp_path, row("a", qos="secret\u2028user", memory="x"))
    assert len(read_trace(path, MAPPING).tasks) == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b,c\n1,2,3\n", "has no column creation_time, deletion_time"),
        (HEADER.replace("num_gpu", "gpus").encode() + b"\n", "has no column num_gpu; it has name"),
        (HEADER.encode() + b",name\n", "more than one column name"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1: not UTF-8"),
        (b"SQLite format 3\x00\n", "line 1: not text: a NUL byte"),
        (HEADER.encode() + b"\n\xff\xfe\n", "line 2: not UTF-8"),
        (HEADER.encode() + b'\n"a"b,c\n', "line 2: not CSV"),
        (HEADER.encode() + b"\n" + b"x" * 70_000, "line 2: over 65536 bytes"),
    ],
)
def test_what_is_no_trace_is_refused_in_one_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(content)
    with pytest.raises(ImportRefused) as refused:
        read_trace(path, MAPPING)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(ImportRefused, match="cannot read"):
            read_trace(path, MAPPING)


def test_a_byte_order_mark_and_windows_line_ends_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "trace.csv"
    path.write_bytes(b"\xef\xbb\xbf" + f"{HEADER}\r\n{row('a')}\r\n".encode())
    windows = read_trace(path, MAPPING)
    plain = read_trace(trace_file(tmp_path, row("a")), MAPPING)
    assert windows.tasks == plain.tasks
