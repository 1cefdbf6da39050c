"""The mapping file, draws, identifiers, and what an import remembers."""

import stat
from pathlib import Path

import pytest
from trace_world import MAPPING, row, trace_file

from ledger.importers.draw import Draw
from ledger.importers.mapping import ImportRefused, load_mapping
from ledger.importers.progress import Progress
from ledger.importers.trace import read_trace
from ledger.importers.trace_story import assign, job_id_of
from ledger.importers.ulid import ulid
from ledger.importers.work import WORK
from ledger.keys import KeyFileError
from schemas.charter import ALLOWED_WORKLOADS

SHIPPED = Path("ledger/importers/alibaba_gpu_2023.toml")


def shipped() -> str:
    return Path(__file__).resolve().parents[2].joinpath(SHIPPED).read_text("utf-8")


def test_a_ulid_is_spelled_as_its_specification_says() -> None:
    # github.com/ulid/spec: the largest ULID, and the example time of its JavaScript library.
    assert ulid((1 << 48) - 1, b"\xff" * 10) == "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
    assert ulid(1469918176385, bytes(10)) == "01ARYZ6S410000000000000000"


@pytest.mark.parametrize(("time_ms", "size"), [(-1, 10), (1 << 48, 10), (0, 9), (0, 11)])
def test_a_ulid_of_other_lengths_is_refused(time_ms: int, size: int) -> None:
    with pytest.raises(ValueError, match="48 bits"):
        ulid(time_ms, bytes(size))


def test_draws_depend_on_the_name_and_their_number_alone() -> None:
    assert [Draw("a").below(10**9) for _ in range(2)] == [Draw("a").below(10**9)] * 2
    one, other = Draw("a"), Draw("b")
    assert [one.below(10**9) for _ in range(5)] != [other.below(10**9) for _ in range(5)]


def test_draws_follow_their_weights() -> None:
    draw = Draw("weights")
    drawn = [draw.weigh({"often": 9, "rarely": 1, "never": 0}) for _ in range(2_000)]
    assert 1_700 < drawn.count("often") < 1_900
    assert "never" not in drawn


def test_every_allowed_workload_is_assigned_and_no_other() -> None:
    assert {each.workload for each in WORK} == set(ALLOWED_WORKLOADS)


def test_what_is_assigned_depends_on_the_name_and_fits_the_node(tmp_path: Path) -> None:
    rows = [row(f"pod-{number}", num_gpu=8) for number in range(60)]
    tasks = read_trace(trace_file(tmp_path, *rows), MAPPING).tasks
    again = read_trace(trace_file(tmp_path, *reversed(rows)), MAPPING).tasks
    assigned = {task.name: assign(task, MAPPING) for task in tasks}
    assert assigned == {task.name: assign(task, MAPPING) for task in again}
    assert all(MAPPING.accelerators[each.accelerator].per_node >= 8 for each in assigned.values())
    assert len({each.member for each in assigned.values()}) == 7
    assert len({job_id_of(task, MAPPING, start=0) for task in tasks}) == 60


def test_a_named_accelerator_is_kept(tmp_path: Path) -> None:
    (task,) = read_trace(trace_file(tmp_path, row("a", spec="P100")), MAPPING).tasks
    assert assign(task, MAPPING).accelerator == "nvidia_p100"


def test_a_mapping_is_found_by_name_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(shipped(), "utf-8")
    assert load_mapping(str(path)) == load_mapping("alibaba_gpu_2023") == MAPPING


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[columns]", "[columns", "is not TOML"),
        ("num_gpu", "num_gpu\udcff", "is not TOML"),
        ('phase = "pod_phase"', "", "missing required field `phase`"),
        ("[columns]", "[columns]\nuser = 'u'", "unknown field `user`"),
        ('start = "2026-01-05', 'start = "2026-02-30', "not a time of the calendar"),
        ('Failed = "failed"', 'Failed = "exploded"', "exploded"),
        ("milli_h200 = 126", "milli_h200 = -1", "milli_h200"),
        ('A10 = "nvidia_a10"', 'A10 = "nvidia_a11"', "nvidia_a11"),
        ("gpus = ", "gpus = 0#", "is not TOML"),
    ],
)
def test_a_mapping_with_a_mistake_is_refused_by_name(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    path = tmp_path / "own.toml"
    changed = shipped().replace(old, new)
    assert changed != shipped()
    path.write_bytes(changed.encode("utf-8", "surrogateescape"))
    with pytest.raises(ImportRefused, match=r"own\.toml") as refused:
        load_mapping(str(path))
    assert said in str(refused.value)


def test_a_mapping_that_is_nowhere_is_refused_with_the_names_that_are_known(
    tmp_path: Path,
) -> None:
    for name in (str(tmp_path / "none.toml"), str(tmp_path), "nul\0"):
        with pytest.raises(ImportRefused, match="alibaba_gpu_2023"):
            load_mapping(name)


def test_an_import_keeps_one_secret_that_only_its_owner_can_read(tmp_path: Path) -> None:
    first, second = Progress(tmp_path / "i", "a"), Progress(tmp_path / "i", "a")
    assert first.secret == second.secret != Progress(tmp_path / "i", "b").secret
    assert stat.S_IMODE((tmp_path / "i" / "a.secret").stat().st_mode) == 0o600


def test_an_import_remembers_how_far_it_is_and_forgives_a_lost_or_torn_note(
    tmp_path: Path,
) -> None:
    progress = Progress(tmp_path, "a")
    assert progress.done() == 0
    progress.pass_(17)
    assert Progress(tmp_path, "a").done() == 17
    for torn in (b"", b"17", b"-1\n", b"\xff\n", b"1_7\n"):
        (tmp_path / "a.done").write_bytes(torn)
        assert progress.done() == 0


def test_a_damaged_secret_is_refused_and_not_replaced(tmp_path: Path) -> None:
    Progress(tmp_path, "a")
    for damaged in ("AAAA\n", "?\n"):
        (tmp_path / "a.secret").write_text(damaged, "ascii")
        with pytest.raises(ImportRefused, match="not an import's secret"):
            Progress(tmp_path, "a")
    (tmp_path / "a.secret").chmod(0o644)
    with pytest.raises(KeyFileError, match="read by others"):
        Progress(tmp_path, "a")
