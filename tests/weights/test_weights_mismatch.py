"""A job whose weights are not what they were: said at once, in public, without a digest."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger.assembly import Ledger
from ledger.records.charter import Code
from ledger.records.entry import Entry, parse_entry
from ledger.settings import Settings
from ledger.storage import tables

ONE, TWO = kit.ulid(1), kit.ulid(2)
BEFORE, AFTER = (sha256(name).hexdigest() for name in (b"before", b"after"))
DIFFER = (
    "The sealed digests of the weights before and after the run are not the same."
    " The job's artifacts are quarantined."
)
SAID = (
    "The orchestrator says that the weights are not what they were before the run."
    " The job's artifacts are quarantined."
)
ENDINGS = ("completed", "failed", "cancelled", "terminated_by_policy")


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return kit.make_ledger(database_url, tmp_path / "ledger")


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    opened = Ledger(settings, clock=kit.Clock())
    yield opened
    opened.close()


def digest(hex_: str | None) -> dict[str, str] | None:
    return None if hex_ is None else {"sha256": hex_}


def asked(job: str, before: str | None) -> bytes:
    sealed = {"title": f"Title of {job}", "model.weights_digest": digest(before)}
    return kit.submitted(job, sealed=sealed)


def over(
    job: str,
    after: str | None,
    *,
    kind: str = "completed",
    unchanged: bool = True,
    schema: str = "job-ended/1",
    **sealed: Any,
) -> bytes:
    public = {
        "started_at": "2026-11-21T12:00:00Z",
        "ended_at": "2026-11-21T13:00:00Z",
        "wall_seconds": 3600,
        "gpu_seconds": 230_400,
        "h200e_seconds": 230_400,
        "h200e_basis": "h200e/1",
        "exit_status": "completed",
        "weights_unchanged": unchanged,
        "weights_check": "oms_root",
    }
    fields = {"tokens.input": 5, "model.weights_digest_after": digest(after)} | sealed
    return kit.say("orchestrator", kind, schema, public, job, sealed=fields)


def entries(ledger: Ledger) -> list[Entry]:
    with ledger.store.snapshot() as reads:
        return [parse_entry(each.data) for each in reads.entries(0, reads.head().size)]


def findings(ledger: Ledger) -> dict[int, Entry]:
    return {index: each for index, each in enumerate(entries(ledger)) if each.found is not None}


def quarantined(ledger: Ledger, job: str, *, size: int | None = None) -> bool:
    with ledger.reader.at(size) as view:
        return view.job(job).job.quarantined


def assert_found(ledger: Ledger, *, ending: int, job: str, text: str) -> None:
    """One finding about the ending, at the index after it, which quarantines from there on."""
    found = findings(ledger)[ending + 1]
    assert found.found is not None
    assert (found.kind, found.job_id, found.found.refers_to) == ("finding", job, ending)
    assert [(each.rule, each.code, each.finding) for each in found.found.findings] == [
        (1, Code.R1_DIGEST_MISMATCH, text)
    ]
    assert found.logged_at == entries(ledger)[ending].logged_at
    assert not quarantined(ledger, job, size=ending + 1)
    assert quarantined(ledger, job, size=ending + 2)


def assert_nothing_found(ledger: Ledger, job: str) -> None:
    assert findings(ledger) == {}
    assert not quarantined(ledger, job)


@pytest.mark.parametrize("kind", ENDINGS)
def test_another_digest_after_the_run_is_found_directly_after_its_ending(
    ledger: Ledger, settings: Settings, kind: str
) -> None:
    (_, _, last) = kit.log(
        ledger, asked(ONE, BEFORE), kit.started(ONE), over(ONE, AFTER, kind=kind)
    )
    ending = last.accepted.index
    assert_found(ledger, ending=ending, job=ONE, text=DIFFER)
    assert len(entries(ledger)) == ending + 2
    kit.check_whole_log(settings, acknowledged=[last])


def test_it_is_found_in_the_batch_of_the_ending_however_the_job_came_in(
    ledger: Ledger, settings: Settings
) -> None:
    kit.log(ledger, asked(ONE, BEFORE))
    kit.log(ledger, kit.started(ONE), asked(TWO, BEFORE))
    batch = kit.log(
        ledger, over(ONE, AFTER), kit.started(TWO), over(TWO, BEFORE), kit.egress(ONE, 7)
    )
    first = batch[0].accepted.index
    assert_found(ledger, ending=first, job=ONE, text=DIFFER)
    # What was posted after the ending stands after the finding.
    assert [each.accepted.index - first for each in batch] == [0, 2, 3, 4]
    assert list(findings(ledger)) == [first + 1]
    assert not quarantined(ledger, TWO)
    kit.check_whole_log(settings, acknowledged=batch)


def test_it_is_found_after_a_restart_and_after_the_plan_was_opened(settings: Settings) -> None:
    ledger = Ledger(settings, clock=kit.Clock())
    (answer, *_) = kit.log(ledger, asked(ONE, BEFORE), kit.started(ONE))
    kit.log(ledger, kit.opened(ONE, answer.accepted.index))
    ledger.close()
    again = Ledger(settings, clock=kit.Clock())
    try:
        (last,) = kit.log(again, over(ONE, AFTER))
        assert_found(again, ending=last.accepted.index, job=ONE, text=DIFFER)
    finally:
        again.close()
    kit.check_whole_log(settings)


@pytest.mark.parametrize(
    ("before", "after"), [(BEFORE, BEFORE), (BEFORE, None), (None, AFTER), (None, None)]
)
def test_nothing_is_found_where_the_two_agree_or_one_is_missing(
    ledger: Ledger, settings: Settings, before: str | None, after: str | None
) -> None:
    kit.log(ledger, asked(ONE, before), kit.started(ONE), over(ONE, after))
    assert_nothing_found(ledger, ONE)
    kit.check_whole_log(settings)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        (BEFORE, BEFORE, SAID),
        (BEFORE, None, SAID),
        (None, None, SAID),
        (BEFORE, AFTER, DIFFER),
    ],
)
def test_the_orchestrator_saying_so_is_enough(
    ledger: Ledger, before: str | None, after: str | None, text: str
) -> None:
    ending = over(ONE, after, unchanged=False)
    (*_, last) = kit.log(ledger, asked(ONE, before), kit.started(ONE), ending)
    assert_found(ledger, ending=last.accepted.index, job=ONE, text=text)


def test_an_ending_posted_again_is_not_found_again(ledger: Ledger) -> None:
    body = over(ONE, AFTER)
    kit.log(ledger, asked(ONE, BEFORE), kit.started(ONE))
    (first, second) = kit.log(ledger, body, body)
    (third,) = kit.log(ledger, body)
    assert first.accepted.index == second.accepted.index == third.accepted.index
    assert list(findings(ledger)) == [first.accepted.index + 1]


def test_evidence_beside_the_digest_changes_nothing_of_what_is_found(ledger: Ledger) -> None:
    """``job-ended/2``: evidence that the weights are the same is a claim, as the digests are."""
    claim: dict[str, Any] = {"model.weights_evidence": [
        {"kind": "oms_root", "before": digest(BEFORE), "after": digest(BEFORE)}
    ]}  # fmt: skip
    ending = over(ONE, AFTER, schema="job-ended/2", **claim)
    agreed = over(TWO, BEFORE, schema="job-ended/2", **claim)
    kit.log(ledger, asked(ONE, BEFORE), kit.started(ONE), asked(TWO, BEFORE), kit.started(TWO))
    (last, _) = kit.log(ledger, ending, agreed)
    assert_found(ledger, ending=last.accepted.index, job=ONE, text=DIFFER)
    assert not quarantined(ledger, TWO)


def test_nothing_in_the_log_or_on_the_answer_shows_a_digest(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    answers = kit.log(ledger, asked(ONE, BEFORE), kit.started(ONE), over(ONE, AFTER))
    with ledger.store.snapshot() as reads:
        written = b"".join(each.data for each in reads.entries(0, reads.head().size))
    with ledger.reader.at() as view:
        seen = f"{view.job(ONE)} {answers} {caplog.text}".encode()
    for hex_ in (BEFORE, AFTER):
        for spelling in (hex_.encode(), bytes.fromhex(hex_)):
            assert spelling not in written
            assert spelling not in seen


def test_two_jobs_with_the_same_digests_leave_nothing_alike_in_the_database(
    ledger: Ledger,
) -> None:
    """Who reads the database learns of no two jobs that they changed the weights alike."""
    kit.log(ledger, asked(ONE, BEFORE), kit.started(ONE), over(ONE, AFTER))
    kit.log(ledger, asked(TWO, BEFORE), kit.started(TWO), over(TWO, AFTER))
    tags = weights_tags(ledger)
    assert len(tags) == len(set(tags)) == 4


def weights_tags(ledger: Ledger) -> list[bytes]:
    openings = tables.OPENINGS
    rows = kit.rows_of(ledger.store, openings)
    names = list(openings.columns.keys())
    at = names.index("weights_tag")
    return [row[at] for row in rows if row[at] is not None]
