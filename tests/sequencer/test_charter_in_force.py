"""Which charter counts, who may change it, and what is found about a run: in log order."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit
import pytest

from ledger import assembly
from ledger.assembly import Ledger
from ledger.errors import (
    AuthorUnknown,
    Conflict,
    LedgerError,
    NotEndorsed,
    OutOfOrder,
    Quarantined,
    SignatureError,
    ValueRefused,
)
from ledger.fsck import Findings, check
from ledger.records.amending import endorsed
from ledger.records.charter import default_charter, parse_charter
from ledger.records.deadline import DAY_S, format_time
from ledger.records.entry import parse_entry
from ledger.records.proposal import NO_TAGS
from ledger.sequencer.plan import Plan
from ledger.settings import Settings
from ledger.tlog.note import Signer
from ledger.vault import Vault

ONE, TWO, THREE, FOUR = (kit.ulid(n) for n in range(1, 5))
SECOND, THIRD = (kit.author_key(f"council-{n}") for n in (2, 3))
FIRST_RULES = (
    "embargo_days",
    "egress_ceiling_bytes",
    "gpu_total",
    "allowed_workloads",
    "forbidden_workloads",
)
DIGEST, OTHER = ({"sha256": digit * 64} for digit in "ab")


@pytest.fixture
def clock() -> kit.Clock:
    return kit.Clock()


@pytest.fixture
def ledger(database_url: str, tmp_path: Path, clock: kit.Clock) -> Iterator[Ledger]:
    settings = kit.make_ledger(database_url, tmp_path, clock=clock)
    found = Ledger(settings, clock=clock)
    yield found
    found.close()
    kit.check_whole_log(settings)


def change(
    clock: kit.Clock,
    *signers: Signer,
    replaces: int = 0,
    after_s: int = 0,
    **changed: Any,
) -> bytes:
    """A new charter, signed by ``signers``; by the council's one key without any."""
    first, *others = signers or (kit.SIGNERS["council"],)
    public = {
        "charter": default_charter().to_dict() | changed,
        "in_force_from": format_time(clock() + after_s),
        "replaces": replaces,
    }
    body = kit.say(first, "charter", "charter-version/1", public)
    for each in others:
        body = endorsed(body, each)
    return body


def quotas(**changed: int | None) -> dict[str, Any]:
    found: dict[str, Any] = default_charter().to_dict()["quotas"]
    return found | changed


def decision(ledger: Ledger, body: bytes) -> tuple[str, list[str]]:
    answer = kit.log(ledger, body)[0].accepted.decision
    assert answer is not None
    return answer.kind, [each.code for each in answer.findings]


def entry(ledger: Ledger, index: int) -> Any:
    with ledger.store.snapshot() as reads:
        stored = reads.entry(index)
    assert stored is not None
    return parse_entry(stored.data)


def make_council(ledger: Ledger, clock: kit.Clock, *, threshold: int) -> int:
    """A council of three, ``threshold`` of which change the charter; the charter's index."""
    for key in (SECOND, THIRD):
        name = key.name.rsplit("/", 1)[-1]
        kit.log(ledger, kit.registry("add", name, key, role="council"))
    return kit.log(ledger, change(clock, council_threshold=threshold))[0].accepted.index


def first_ledger(database_url: str, folder: Path, clock: kit.Clock) -> Settings:
    """A ledger that began under the first version of the charter's shape."""
    rules = default_charter().to_dict()
    first = {key: rules[key] for key in FIRST_RULES} | {"version": "charter/1"}
    settings = Settings(data_dir=folder, database_url=database_url)
    assembly.create(
        settings,
        origin=kit.ORIGIN,
        authors=kit.AUTHORS,
        clock=clock,
        charter=parse_charter(first),
    )
    return settings


def test_a_charter_counts_from_the_second_that_it_names(ledger: Ledger, clock: kit.Clock) -> None:
    at = kit.log(ledger, change(clock, after_s=60, gpu_total=10))[0].accepted.index
    assert decision(ledger, kit.submitted(ONE)) == ("admitted", [])
    assert entry(ledger, 3).decision.charter == 0
    clock.advance(seconds=59)
    assert decision(ledger, kit.submitted(TWO)) == ("admitted", [])
    clock.advance(seconds=1)
    assert decision(ledger, kit.submitted(THREE)) == ("rejected", ["Q_quota"])
    assert entry(ledger, 7).decision.charter == at


def test_a_charter_that_counts_at_once_judges_what_follows_in_its_batch(
    ledger: Ledger, clock: kit.Clock
) -> None:
    bodies = (kit.submitted(ONE), change(clock, gpu_total=10), kit.submitted(TWO))
    answers = [each.accepted.decision for each in kit.log(ledger, *bodies)]
    assert [each and each.kind for each in answers] == ["admitted", None, "rejected"]


def test_what_is_sealed_later_opens_by_the_days_of_the_charter_in_force(
    ledger: Ledger, clock: kit.Clock
) -> None:
    kit.log(ledger, kit.submitted(ONE), change(clock, embargo_days=7), kit.submitted(TWO))
    assert entry(ledger, 1).publish_by == clock() + 90 * DAY_S
    assert entry(ledger, 4).publish_by == clock() + 7 * DAY_S


def test_one_that_is_replaced_before_its_time_never_counts(
    ledger: Ledger, clock: kit.Clock
) -> None:
    first = kit.log(ledger, change(clock, after_s=2 * DAY_S, gpu_total=10))[0].accepted.index
    kit.log(ledger, change(clock, after_s=DAY_S, replaces=first, gpu_total=20_000))
    clock.advance(days=3)
    assert decision(ledger, kit.submitted(ONE)) == ("admitted", [])
    assert entry(ledger, 4).decision.charter == first + 1


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"after_s": -1}, OutOfOrder),
        ({"after_s": 366 * DAY_S + 1}, ValueRefused),
        ({"replaces": 1}, Conflict),
        ({"council_threshold": 2}, ValueRefused),
        ({"allowed_workloads": ["sft"]}, ValueRefused),
    ],
)
def test_a_charter_that_cannot_be_is_refused(
    ledger: Ledger, clock: kit.Clock, changed: dict[str, Any], error: type[LedgerError]
) -> None:
    refusal = kit.refusal(ledger.submit(change(clock, **changed)))
    assert type(refusal) is error
    with ledger.store.snapshot() as reads:
        assert reads.head().size == 1


def test_fewer_of_the_council_than_the_charter_asks_for_change_nothing(
    ledger: Ledger, clock: kit.Clock
) -> None:
    at = make_council(ledger, clock, threshold=2)
    council = kit.SIGNERS["council"]
    alone = change(clock, replaces=at, gpu_total=10)
    assert type(kit.refusal(ledger.submit(alone))) is NotEndorsed
    both = change(clock, council, SECOND, replaces=at, gpu_total=10)
    index = kit.log(ledger, both)[0].accepted.index
    found = entry(ledger, index)
    assert [each.author for each in found.signed.endorsements] == ["council-2"]
    assert decision(ledger, kit.submitted(ONE)) == ("rejected", ["Q_quota"])


def test_an_endorsement_is_by_a_key_of_the_council_over_this_very_change(
    ledger: Ledger, clock: kit.Clock
) -> None:
    at = make_council(ledger, clock, threshold=2)
    council = kit.SIGNERS["council"]
    by_a_member = change(clock, council, kit.SIGNERS["deepseek"], replaces=at)
    assert type(kit.refusal(ledger.submit(by_a_member))) is AuthorUnknown
    by_nobody = change(clock, council, kit.author_key("council-9"), replaces=at)
    assert type(kit.refusal(ledger.submit(by_nobody))) is AuthorUnknown
    other = change(clock, council, SECOND, replaces=at, gpu_total=10)
    mine = change(clock, council, SECOND, replaces=at, gpu_total=11)
    cut = b'"endorsements":'
    taken = other[: other.index(b',"signature":', other.index(b"]"))]
    forged = taken + mine[mine.index(b',"signature":', mine.index(b"]")) :]
    assert forged.count(cut) == 1
    assert type(kit.refusal(ledger.submit(forged))) is SignatureError


def test_one_of_the_council_does_not_make_itself_a_council(
    ledger: Ledger, clock: kit.Clock
) -> None:
    make_council(ledger, clock, threshold=2)
    friend = kit.author_key("council-4")
    alone = kit.registry("add", "council-4", friend, role="council")
    assert type(kit.refusal(ledger.submit(alone))) is NotEndorsed
    kit.log(ledger, endorsed(alone, THIRD))
    out = kit.registry("retire", "council-3", THIRD, role="council")
    assert type(kit.refusal(ledger.submit(out))) is NotEndorsed
    # A key of a member is one signature's affair, as before; who signs beside is of the council.
    qwen = kit.registry("add", "qwen", kit.author_key("qwen"))
    beside = endorsed(qwen, kit.SIGNERS["zhipu"])
    assert type(kit.refusal(ledger.submit(beside))) is AuthorUnknown
    kit.log(ledger, qwen)


def test_a_council_never_shrinks_below_what_its_charter_asks_for(
    ledger: Ledger, clock: kit.Clock
) -> None:
    make_council(ledger, clock, threshold=3)
    out = kit.registry("retire", "council-3", THIRD, role="council")
    for each in (SECOND, THIRD):
        out = endorsed(out, each)
    assert type(kit.refusal(ledger.submit(out))) is Conflict


def test_gpus_are_held_from_admission_to_end_and_in_the_order_of_the_log(
    ledger: Ledger, clock: kit.Clock
) -> None:
    kit.log(ledger, kit.submitted(ONE, gpu_count=60))
    kit.log(ledger, change(clock, quotas=quotas(member_gpus=100)))
    asked = (kit.submitted(TWO, gpu_count=40), kit.submitted(THREE, gpu_count=1))
    answers = [each.accepted.decision for each in kit.log(ledger, *asked)]
    assert [each and each.kind for each in answers] == ["admitted", "rejected"]
    other = kit.submitted(kit.ulid(9), author="zhipu", gpu_count=100)
    assert decision(ledger, other) == ("admitted", [])
    kit.log(ledger, kit.started(ONE))
    over = (kit.ended(ONE), kit.submitted(FOUR, gpu_count=60))
    answers = [each.accepted.decision for each in kit.log(ledger, *over)]
    assert [each and each.kind for each in answers] == [None, "admitted"]
    assert decision(ledger, kit.submitted(kit.ulid(5), gpu_count=1)) == ("rejected", ["Q_quota"])


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(
    ("before", "after", "unchanged", "found"),
    [
        (DIGEST, DIGEST, True, False),
        (DIGEST, None, True, False),
        (None, DIGEST, True, False),
        (DIGEST, OTHER, True, True),
        (DIGEST, DIGEST, False, True),
        (None, None, False, True),
    ],
)
def test_weights_that_changed_are_logged_with_the_ending_and_no_digest_shows(
    ledger: Ledger,
    before: dict[str, str] | None,
    after: dict[str, str] | None,
    *,
    unchanged: bool,
    found: bool,
    together: bool,
) -> None:
    bodies = (
        kit.submitted(ONE, sealed={"title": "T", "model.weights_digest": before}),
        kit.started(ONE),
        kit.ended(ONE, sealed={"model.weights_digest_after": after}, weights_unchanged=unchanged),
        kit.egress(ONE, 1),
    )
    if together:
        kit.log(ledger, *bodies)
    else:
        for body in bodies:
            kit.log(ledger, body)
    kinds = [entry(ledger, index).kind for index in range(1, 6)]
    assert kinds[3:] == ["completed", "finding" if found else "egress"]
    if found:
        finding = entry(ledger, 5)
        assert (finding.found.refers_to, finding.job_id) == (4, ONE)
        assert [each.code for each in finding.found.findings] == ["R1_digest_mismatch"]
        assert "a" * 64 not in str(finding.value)
        assert "b" * 64 not in str(finding.value)
    with ledger.store.snapshot() as reads:
        job = reads.job(ONE, size=reads.head().size)
    assert job is not None
    assert job.finding_code == ("R1_digest_mismatch" if found else None)


def test_tags_of_two_members_or_two_jobs_say_nothing_about_each_other(ledger: Ledger) -> None:
    sealed = {"model.name": "whale-4", "model.weights_digest": DIGEST}
    kit.log(
        ledger,
        kit.submitted(ONE, sealed=sealed),
        kit.submitted(TWO, sealed=sealed),
        kit.submitted(THREE, author="zhipu", sealed=sealed),
    )
    with ledger.store.snapshot() as reads:
        one, two, three = (reads.tags(index) for index in (1, 3, 5))
    assert one.model == two.model != three.model
    assert len({one.weights, two.weights, three.weights}) == 3


def test_a_start_that_was_refused_is_logged_with_and_without_a_job(ledger: Ledger) -> None:
    public = {
        "code": "R3_missing_record",
        "finding": "No receipt came with the pod.",
        "gpu_count": 8,
        "member": None,
        "system": "kubernetes",
    }
    nobody = kit.say("orchestrator", "refused", "start-refused/1", public)
    kit.log(ledger, nobody, kit.submitted(ONE))
    kit.log(ledger, kit.say("orchestrator", "refused", "start-refused/1", public, ONE))
    assert entry(ledger, 1).job_id is None
    assert entry(ledger, 4).job_id == ONE
    unknown = kit.say("orchestrator", "refused", "start-refused/1", public, TWO)
    assert type(kit.refusal(ledger.submit(unknown))) is OutOfOrder
    by_a_member = kit.say("deepseek", "refused", "start-refused/1", public | {"gpu_count": 9})
    assert type(kit.refusal(ledger.submit(by_a_member))) is AuthorUnknown


def test_no_charter_of_more_than_ninety_days_can_even_be_written(clock: kit.Clock) -> None:
    with pytest.raises(ValueRefused, match="embargo_days"):
        change(clock, embargo_days=91)


def test_weights_that_were_sealed_before_there_were_tags_are_compared_too(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Vault, "tags", lambda *_: NO_TAGS)
        for job in (ONE, TWO):
            kit.log(ledger, kit.submitted(job, sealed={"model.weights_digest": DIGEST}))
    for job, after in ((ONE, OTHER), (TWO, DIGEST)):
        kit.log(ledger, kit.started(job))
        kit.log(ledger, kit.ended(job, sealed={"model.weights_digest_after": after}))
    kinds = [entry(ledger, index).kind for index in range(5, 10)]
    assert kinds == ["started", "completed", "finding", "started", "completed"]


def test_a_majority_that_the_first_charters_ask_for_holds_for_the_council_too(
    database_url: str, tmp_path: Path, clock: kit.Clock
) -> None:
    settings = first_ledger(database_url, tmp_path, clock)
    old = Ledger(settings, clock=clock)
    try:
        kit.log(old, kit.registry("add", "council-2", SECOND, role="council"))
        third = kit.registry("add", "council-3", THIRD, role="council")
        assert type(kit.refusal(old.submit(third))) is NotEndorsed
        kit.log(old, endorsed(third, SECOND))
        out = kit.registry("retire", "council-3", THIRD, role="council")
        assert type(kit.refusal(old.submit(out))) is NotEndorsed
    finally:
        old.close()


def test_a_council_keeps_the_seats_that_a_charter_yet_to_come_asks_for(
    ledger: Ledger, clock: kit.Clock
) -> None:
    at = make_council(ledger, clock, threshold=1)
    kit.log(ledger, change(clock, replaces=at, after_s=3600, council_threshold=3))
    out = kit.registry("retire", "council-3", THIRD, role="council")
    assert type(kit.refusal(ledger.submit(out))) is Conflict


def test_an_ending_from_before_there_were_findings_quarantines_and_breaks_no_rule(
    database_url: str, tmp_path: Path, clock: kit.Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = first_ledger(database_url, tmp_path, clock)
    old = Ledger(settings, clock=clock)
    try:
        kit.log(old, kit.submitted(ONE), kit.started(ONE))
        with monkeypatch.context() as patch:
            patch.setattr(Plan, "_check_weights", lambda *_: None)
            kit.log(old, kit.ended(ONE, weights_unchanged=False))
        public = {
            "artifact_id": TWO,
            "artifact_class": "document",
            "egress_bytes": 1,
            "artifact_count": 1,
        }
        taken = kit.say("gateway", "egress", "artifact-write/1", public, ONE)
        assert type(kit.refusal(old.submit(taken))) is Quarantined
        found: list[object] = []
        check(old.store, Findings(found.append), now=clock(), vault=None, remembered=None)
        assert found == []
    finally:
        old.close()
