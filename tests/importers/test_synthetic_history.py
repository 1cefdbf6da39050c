"""The invented history: every kind of thing that happens, labelled, and a log that verifies."""

from collections import Counter

import pytest
from kit import ORIGIN, Checked, check_whole_log
from trace_world import START, make_ledger, port_of, signers_of

from ledger.assembly import Ledger
from ledger.importers.signing import Desk, founding_cast
from ledger.importers.simulation import SimulatedClock, Simulation, Tally
from ledger.importers.synthetic import DAYS, history_events, live_events
from ledger.importers.synthetic_job import LABEL
from ledger.records.charter import Code, default_charter, judge
from ledger.records.deadline import DAY_S
from ledger.records.statement import decode_signed
from ledger.tlog.note import Signer

JOBS = 400
SECRET = bytes(range(32))
END = START + DAYS * DAY_S


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checked, Tally]:
    settings = make_ledger(tmp_path_factory.mktemp("history") / "ledger")
    clock = SimulatedClock(START)
    ledger = Ledger(settings, clock=clock)
    try:
        desk = Desk(signers_of(settings), SECRET)
        events = [e for e in history_events(desk, start=START, jobs=JOBS) if e.at <= END]
        simulation = Simulation(port_of(ledger), clock, step_s=3_600)
        simulation.run(events, until=END)
    finally:
        ledger.close()
    return check_whole_log(settings), simulation.tally


def signers() -> dict[str, Signer]:
    seeds = (bytes([number]) * 32 for number in range(100))
    cast = founding_cast(ORIGIN, label="test", random=lambda _size: next(seeds))
    return {author.name: signer for author, signer in cast}


def test_every_kind_of_event_happens_and_none_is_refused(history: tuple[Checked, Tally]) -> None:
    checked, tally = history
    assert tally.refused == []
    kinds = Counter(entry.kind for entry in checked.entries)
    assert kinds["submitted"] == JOBS
    assert kinds["withheld"] == 1
    for kind in (
        "rejected", "started", "interrupted", "completed", "failed", "cancelled", "egress",
        "terminated_by_policy", "open", "corrected", "disclosed",
    ):  # fmt: skip
        assert kinds[kind] > 0, kind
    assert 0.01 < kinds["rejected"] / JOBS < 0.05


def test_the_embargo_ran_to_the_second_and_early_openings_were_asked_for(
    history: tuple[Checked, Tally],
) -> None:
    checked, tally = history
    assert checked.overdue(END) == []
    shown = [entry.disclosed for entry in checked.entries if entry.disclosed is not None]
    reasons = Counter(str(each.reason) for each in shown)
    assert reasons["deadline"] == tally.opened
    assert reasons["early"] == tally.logged["open"]
    (partial,) = [each.partial for each in shown if each.partial is not None]
    assert set(partial.closed) == {"prompts", "protocol"}


def test_what_is_sealed_says_that_it_is_invented(history: tuple[Checked, Tally]) -> None:
    checked, _ = history
    purposes = [
        entry.disclosed.fields["purpose"]
        for entry in checked.entries
        if entry.disclosed is not None and "purpose" in entry.disclosed.fields
    ]
    assert len(purposes) > 100
    assert all(purpose.startswith(LABEL) for purpose in purposes)


def test_a_long_history_is_rejected_for_every_reason_of_the_charter() -> None:
    desk = Desk(signers(), SECRET)
    every = {Code.R1_FORBIDDEN_WORKLOAD, Code.R1_OPTIMIZER_ON_UPLOADED_MODEL, Code.Q_QUOTA,
               Code.R2_EGRESS_CEILING, Code.R2_UNMETERED_EGRESS, Code.Q_MALFORMED}  # fmt: skip
    found: set[Code] = set()
    for event in history_events(desk, start=START, jobs=1_500):
        if event.kind == "submitted":
            public = decode_signed(event.body(None)).public
            found |= {finding.code for finding in judge(public, default_charter())}  # type: ignore[arg-type]
    assert found == every


def test_the_same_history_is_made_again_byte_for_byte() -> None:
    one, other = (
        [event.body(7) for event in history_events(Desk(signers(), SECRET), start=START, jobs=30)]
        for _ in range(2)
    )
    assert one == other
    assert len(set(one)) == len(one) > 90


def test_nothing_is_said_about_a_job_before_it_is_submitted() -> None:
    seen: set[str] = set()
    last = 0
    for event in history_events(Desk(signers(), SECRET), start=START, jobs=200):
        assert event.at >= last
        last = event.at
        assert (event.kind == "submitted") == (event.job not in seen)
        seen.add(event.job)


def test_a_live_job_is_told_within_its_minute() -> None:
    events = live_events(Desk(signers(), SECRET), number=30_000_000)
    assert [event.kind for event in events] == ["submitted", "started", "egress", "completed"]
    assert [event.at % 60 for event in events] == [0, 15, 30, 45]


def test_the_cast_is_labelled() -> None:
    cast = founding_cast(ORIGIN, label="synthetic", random=bytes)
    assert len(cast) == 12
    assert all(author.title.endswith(" (synthetic)") for author, _ in cast)
