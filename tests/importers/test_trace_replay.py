"""A trace becomes a log: deadlines met to the second, interruptions mended, always the same."""

from collections import Counter
from pathlib import Path

import pytest
from kit import check_whole_log
from processes import running
from replay_children import replay_slowly
from trace_world import (
    MAPPING,
    START,
    make_ledger,
    many_rows,
    replay,
    row,
    signers_of,
    trace_file,
)

from ledger.errors import AuthorUnknown
from ledger.importers.mapping import ImportRefused
from ledger.importers.replay import IMPORTS, format_report, trace_start
from ledger.importers.simulation import STEP_S
from ledger.records.deadline import DAY_S, parse_time
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.merkle import leaf_hash
from schemas.statements import JobEnded

SHORT = MAPPING.__class__(
    **{name: getattr(MAPPING, name) for name in MAPPING.__struct_fields__} | {"cut_at_s": None}
)
"""The mapping, for traces that end with their last task."""


def leaves(settings: Settings) -> list[bytes]:
    size = check_whole_log(settings).size
    store = Store(settings.database_url)
    try:
        with store.snapshot() as reads:
            return [leaf_hash(data) for data in reads.entry_bytes(0, size)]
    finally:
        store.close()


def test_a_trace_of_200_tasks_is_replayed_whole_and_its_log_verifies(
    tmp_path: Path, database_url: str
) -> None:
    settings = make_ledger(tmp_path / "ledger", database_url)
    path = trace_file(tmp_path, *many_rows(200, days=120), row("cpu", num_gpu=0))
    report = replay(settings, path, mapping=SHORT)

    checked = check_whole_log(settings)
    kinds = Counter(entry.kind for entry in checked.entries)
    assert kinds["submitted"] == kinds["admitted"] == kinds["started"] == kinds["egress"] == 200
    assert kinds["completed"] + kinds["failed"] == 200
    assert report.tally.logged["submitted"] == 200
    assert report.tally.refused == []
    assert report.trace.rows == 201

    sealed = [e for e in checked.entries if e.publish_by is not None]
    due = [e for e in sealed if e.publish_by is not None and e.publish_by <= report.end]
    assert 50 < len(due) < len(sealed)
    assert kinds["disclosed"] == report.tally.opened == len(due)
    assert checked.overdue(report.end) == []
    by_deadline = {e.publish_by for e in due}
    assert {e.logged_at for e in checked.entries if e.kind == "disclosed"} == by_deadline
    assert report.next_deadline is not None
    assert report.next_deadline > report.end


def test_what_is_logged_is_never_older_than_a_step_and_never_from_the_future(
    tmp_path: Path,
) -> None:
    settings = make_ledger(tmp_path / "ledger")
    replay(settings, trace_file(tmp_path, *many_rows(60, days=5)), mapping=SHORT)
    statements = [
        (entry.logged_at, parse_time(entry.signed.statement.made_at))
        for entry in check_whole_log(settings).entries
        if entry.signed is not None
    ]
    assert len(statements) == 240
    assert all(0 <= logged_at - made_at < STEP_S for logged_at, made_at in statements)


def test_what_is_assigned_says_so_and_the_amounts_are_the_traces(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    rows = row("share", gpu_milli=333, deleted=300), row("eight", num_gpu=8, deleted=300)
    replay(settings, trace_file(tmp_path, *rows), mapping=SHORT, until=START + 91 * DAY_S)
    opened = [
        entry.disclosed.fields
        for entry in check_whole_log(settings).entries
        if entry.disclosed is not None and "purpose" in entry.disclosed.fields
    ]
    assert len(opened) == 2
    assert all("assigned for this replay; the trace has none" in each["purpose"] for each in opened)
    assert {each["source"]["record_id"] for each in opened} == {"share", "eight"}
    ended = [entry.signed for entry in check_whole_log(settings).entries if entry.signed]
    seconds = sorted(s.public.gpu_seconds for s in ended if isinstance(s.public, JobEnded))
    # 100 s on a third of a GPU, rounded up, and on eight of them.
    assert seconds == [34, 800]


def test_a_task_that_goes_on_stays_started(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    path = trace_file(tmp_path, row("service", phase="Running", deleted=""))
    report = replay(settings, path, mapping=SHORT)
    kinds = [entry.kind for entry in check_whole_log(settings).entries]
    assert kinds == ["genesis", "submitted", "admitted", "started"]
    assert report.running == 1


def test_the_clock_may_run_on_until_everything_is_open(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    path = trace_file(tmp_path, *many_rows(20, days=10))
    report = replay(settings, path, mapping=SHORT, until=START + 200 * DAY_S)
    assert report.tally.opened == 40
    assert report.next_deadline is None
    assert check_whole_log(settings).overdue(START + 200 * DAY_S) == []


@pytest.mark.parametrize("stop_after", [1, 37, 300])
def test_an_import_stopped_by_ctrl_c_goes_on_to_the_same_statements(
    tmp_path: Path, stop_after: int
) -> None:
    path = trace_file(tmp_path, *many_rows(120, days=100))
    settings = make_ledger(tmp_path / "ledger")
    with pytest.raises(KeyboardInterrupt):
        replay(settings, path, mapping=SHORT, stop_after=stop_after)
    report = replay(settings, path, mapping=SHORT)
    assert report.resumed_at > 0
    kinds = Counter(entry.kind for entry in check_whole_log(settings).entries)
    assert kinds["submitted"] == 120
    assert kinds["completed"] + kinds["failed"] == 120
    assert report.tally.refused == []


def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path: Path) -> None:
    path = trace_file(tmp_path, *many_rows(150, days=140))
    settings = make_ledger(tmp_path / "ledger")
    with running(replay_slowly, settings.data_dir, path) as (process, pipe):
        while pipe.recv() < 250:
            pass
        process.kill()
    # As if the note of how far it was had never reached the disk.
    for note in settings.key_dir.joinpath(IMPORTS).glob("*.done"):
        note.unlink()
    report = replay(settings, path, mapping=SHORT)
    assert report.tally.known >= 250
    checked = check_whole_log(settings)
    kinds = Counter(entry.kind for entry in checked.entries)
    assert kinds["submitted"] == kinds["started"] == 150
    assert checked.overdue(report.end) == []
    assert report.tally.refused == []


def test_an_import_that_is_run_again_adds_nothing(tmp_path: Path) -> None:
    path = trace_file(tmp_path, *many_rows(30, days=100))
    settings = make_ledger(tmp_path / "ledger")
    replay(settings, path, mapping=SHORT)
    before = leaves(settings)
    again = replay(settings, path, mapping=SHORT)
    assert again.tally.logged == {}
    assert again.resumed_at == again.events == 120
    assert leaves(settings) == before


def test_the_same_trace_keys_and_secret_make_the_same_log(tmp_path: Path) -> None:
    path = trace_file(tmp_path, *many_rows(50, days=100))
    one = make_ledger(tmp_path / "one")
    replay(one, path, mapping=SHORT)
    other = make_ledger(tmp_path / "other")
    with pytest.raises(KeyboardInterrupt):
        replay(other, path, mapping=SHORT, stop_after=40)
    (secret,) = one.key_dir.joinpath(IMPORTS).glob("*.secret")
    fresh = make_ledger(tmp_path / "fresh")
    fresh.key_dir.joinpath(IMPORTS).mkdir()
    copied = fresh.key_dir / IMPORTS / secret.name
    copied.write_bytes(secret.read_bytes())
    copied.chmod(0o600)
    replay(fresh, path, mapping=SHORT)
    # All but the genesis entry, which holds each log's own key.
    assert leaves(fresh)[1:] == leaves(one)[1:]
    replay(other, path, mapping=SHORT)
    # Another secret: other seeds, and so other commitments.
    assert leaves(other)[1] != leaves(one)[1]


def test_a_ledger_that_is_past_the_traces_start_is_refused_and_left_as_it_is(
    tmp_path: Path,
) -> None:
    settings = make_ledger(tmp_path / "ledger", at=START + 1)
    path = trace_file(tmp_path, row("a"))
    for _ in range(2):
        with pytest.raises(ImportRefused, match="2026-01-05T00:00:01Z, and the trace starts at"):
            replay(settings, path, mapping=SHORT)
    assert len(leaves(settings)) == 1
    later = replay(settings, path, mapping=SHORT, start=START + 1)
    assert later.tally.logged["submitted"] == 1


def test_a_missing_key_is_named_before_anything_is_logged(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    some = {name: key for name, key in signers_of(settings).items() if name != "zhipu"}
    with pytest.raises(AuthorUnknown, match="zhipu"):
        replay(settings, trace_file(tmp_path, row("a")), mapping=SHORT, signers=some)
    assert len(leaves(settings)) == 1


def test_what_the_ledger_refuses_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    strangers = signers_of(make_ledger(tmp_path / "other"))
    path = trace_file(tmp_path, *many_rows(40, days=3))
    signers = signers_of(settings)
    outsider = type(signers["gateway"])(signers["gateway"].name, bytes(range(32)))
    assert strangers.keys() == signers.keys()
    report = replay(settings, path, mapping=SHORT, signers=signers | {"gateway": outsider})
    assert len(report.tally.refused) == 40
    assert {refusal.event.kind for refusal in report.tally.refused} == {"egress"}
    assert "REFUSED by the ledger: 40 statements" in format_report(report)
    kinds = Counter(entry.kind for entry in check_whole_log(settings).entries)
    assert kinds["submitted"] == 40
    assert kinds["egress"] == 0


def test_an_empty_trace_adds_nothing(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    report = replay(settings, trace_file(tmp_path), mapping=SHORT)
    assert report.tally.logged == {}
    assert format_report(report)[0] == "0 rows: 0 tasks replayed, 0 rows skipped"


def test_the_report_accounts_for_every_row_by_reason(tmp_path: Path) -> None:
    settings = make_ledger(tmp_path / "ledger")
    rows = [row(f"cpu-{number}", num_gpu=0) for number in range(9)]
    path = trace_file(tmp_path, *rows, row("a"), row("a"), row("b"))
    lines = format_report(replay(settings, path, mapping=SHORT))
    assert lines[:2] == ["12 rows: 2 tasks replayed, 10 rows skipped", "  skipped 9: no GPU"]
    assert "    row 2: cpu-0" in lines
    assert "    ... and 4 more rows" in lines
    assert "  skipped 1: duplicate name" in lines
    assert "    row 12: a stands in row 11 too" in lines


def test_the_start_is_the_mappings_or_the_one_that_is_given() -> None:
    assert trace_start(MAPPING) == START
    assert trace_start(MAPPING, "2026-02-01T00:00:00Z") == parse_time("2026-02-01T00:00:00Z")
