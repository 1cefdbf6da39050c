"""The invented history: every kind of thing that happens, labelled, and a log that verifies."""

from collections import Counter
from itertools import pairwise

import pytest
from kit import ORIGIN, Checked, check_whole_log
from trace_world import START, make_ledger, port_of, signers_of

from ledger.assembly import Ledger
from ledger.importers.signing import Desk, founding_cast
from ledger.importers.simulation import SimulatedClock, Simulation, Tally
from ledger.importers.synthetic import DAYS, RENEWED, history_events, live_events
from ledger.importers.synthetic_models import MODELS
from ledger.importers.synthetic_words import LABELS
from ledger.records import canonical
from ledger.records.charter import Code, default_charter, judge
from ledger.records.deadline import DAY_S
from ledger.records.statement import decode_signed
from ledger.signals import compute
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
    assert kinds["withheld"] == 5
    assert kinds["registry"] == 2
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
    partial = [set(each.partial.closed) for each in shown if each.partial is not None]
    assert {"prompts", "protocol"} in partial
    assert len(partial) >= 2


def test_what_is_sealed_says_that_it_is_invented(history: tuple[Checked, Tally]) -> None:
    checked, _ = history
    purposes = [
        entry.disclosed.fields["purpose"]
        for entry in checked.entries
        if entry.disclosed is not None and "purpose" in entry.disclosed.fields
    ]
    assert len(purposes) > 100
    assert all(purpose.startswith(LABELS) for purpose in purposes)
    assert {label for label in LABELS for p in purposes if p.startswith(label)} == set(LABELS)


def test_the_history_raises_questions_that_the_site_can_show(
    history: tuple[Checked, Tally],
) -> None:
    checked, _ = history
    found = compute(canonical.encode(entry.value) for entry in checked.entries)
    assert found.root == checked.roots[-1].hex()
    raised = {each.code for each in found.signals if each.count}
    assert {"preference_harvest", "member_share"} <= raised


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
        if event.kind == "registry":
            continue
        assert (event.kind == "submitted") == (event.job not in seen)
        seen.add(event.job)


def test_several_members_work_on_the_same_weights_and_titles_are_in_two_languages(
    history: tuple[Checked, Tally],
) -> None:
    checked, _ = history
    authors: dict[str, set[str]] = {}
    titles = []
    submitted = {}
    for index, entry in enumerate(checked.entries):
        if entry.kind == "submitted":
            assert entry.signed is not None
            submitted[index] = entry.signed.statement.author
        if entry.disclosed is not None and "title" in entry.disclosed.fields:
            fields = entry.disclosed.fields
            digest = fields["model.weights_digest"]["sha256"]
            authors.setdefault(digest, set()).add(submitted[entry.disclosed.discloses])
            titles.append(fields["title"])
    known = {model.digest["sha256"] for models in MODELS.values() for model in models}
    assert authors.keys() <= known
    assert max(map(len, authors.values())) > 1
    for word in ("安全", "红队", "自编码器"):
        assert any(word in title for title in titles), word
    assert any(title.isascii() for title in titles)


def test_the_weights_changed_once_and_the_record_of_it_is_open(
    history: tuple[Checked, Tally],
) -> None:
    checked, _ = history
    found = [
        (index, entry.signed.statement)
        for index, entry in enumerate(checked.entries)
        if entry.signed and entry.signed.statement.public.get("weights_unchanged") is False
    ]
    ((index, statement),) = found
    assert statement.kind == "terminated_by_policy"
    opened = [e.disclosed for e in checked.entries if e.disclosed and e.job_id == statement.job_id]
    before, after = None, None
    for disclosed in opened:
        before = disclosed.fields.get("model.weights_digest", before)
        after = disclosed.fields.get("model.weights_digest_after", after)
    assert index in {disclosed.discloses for disclosed in opened}
    assert before is not None
    assert after is not None
    assert before != after


def test_a_member_signs_with_its_new_key_from_its_day_on_and_never_again_with_the_old(
    history: tuple[Checked, Tally],
) -> None:
    checked, _ = history
    used = [
        entry.signed.key_id
        for entry in checked.entries
        if entry.signed and entry.signed.statement.author == RENEWED
    ]
    turns = [one for one, other in pairwise(used) if one != other]
    assert len(turns) == 1


def test_the_files_of_a_job_have_the_size_that_left_the_cluster(
    history: tuple[Checked, Tally],
) -> None:
    checked, _ = history
    let_out: dict[str, tuple[int, int]] = {}
    seen = 0
    for entry in checked.entries:
        public = entry.signed.statement.public if entry.signed else {}
        if entry.kind == "egress":
            let_out[str(entry.job_id)] = (public["egress_bytes"], public["artifact_count"])
        if entry.disclosed is not None and entry.disclosed.fields.get("artifacts"):
            files = entry.disclosed.fields["artifacts"]
            total = sum(each["bytes"] for each in files)
            assert let_out[str(entry.job_id)] == (total, len(files))
            seen += 1
    assert seen > 100


def test_a_live_job_is_told_within_its_minute() -> None:
    events = live_events(Desk(signers(), SECRET), number=30_000_000)
    assert [event.kind for event in events] == ["submitted", "started", "egress", "completed"]
    assert [event.at % 60 for event in events] == [0, 15, 30, 45]


def test_the_cast_is_labelled() -> None:
    cast = founding_cast(ORIGIN, label="synthetic", random=bytes)
    assert len(cast) == 12
    assert all(author.title.endswith(" (synthetic)") for author, _ in cast)
