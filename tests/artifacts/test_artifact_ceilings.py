"""No byte past a ceiling: one at once, in parts, in parallel, in a batch, and behind our back."""

import threading
from pathlib import Path

import kit
import pytest
from artifact_world import (
    JOB,
    OTHER,
    counters,
    findings,
    founded,
    opened,
    read,
    run_job,
    sound,
    write,
)
from counter_children import grow_and_say
from processes import running
from sqlalchemy import text

from ledger.assembly import Ledger
from ledger.errors import Conflict, EgressRefused, LogUnavailable, ValueRefused
from ledger.rebuild import rebuild
from ledger.records import egress
from ledger.settings import Settings
from ledger.storage.store import Store
from schemas.posting import Receipted

CEILING = 10_000
MODEL = "member_model"


def used(ledger: Ledger, scope: str) -> int:
    (found,) = [value for key, value in counters(ledger).items() if key.startswith(f"{scope} ")]
    return found


def test_64_writers_at_once_let_out_not_one_byte_more_than_the_ceiling(
    ledger: Ledger, settings: Settings
) -> None:
    answers: list[object] = []
    begin = threading.Barrier(64)

    def bring(number: int) -> None:
        begin.wait()
        for part in range(3):
            try:
                found = ledger.log([write(number * 3 + part, 97, artifact_class="opaque")])
            except LogUnavailable as error:
                found = [error]
            answers.extend(found)

    threads = [threading.Thread(target=bring, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = sum(isinstance(each, Receipted) for each in answers)
    refused = sum(isinstance(each, EgressRefused) for each in answers)
    # The class has 6,000 bytes: 61 artifacts of 97.
    assert (taken, refused) == (61, 64 * 3 - 61)
    assert used(ledger, "job") == used(ledger, "job_class") == 61 * 97
    assert len(findings(ledger)) == refused
    ledger.close()
    assert sound(settings) == {}


def test_one_big_write_over_the_ceiling_is_refused_and_takes_nothing(ledger: Ledger) -> None:
    (refusal,) = ledger.log([write(1, 6_001)])
    assert isinstance(refusal, EgressRefused)
    assert refusal.code == "R2_egress_ceiling"
    assert counters(ledger) == {}
    (found,) = findings(ledger)
    assert (found["job_id"], found["refers_to"]) == (JOB, 2)
    assert found["findings"][0]["code"] == "R2_egress_ceiling"
    (answer,) = ledger.log([write(1, 6_000)])
    assert isinstance(answer, Receipted)


def test_a_hundred_parts_reach_the_ceiling_and_the_next_one_does_not_pass_it(
    ledger: Ledger,
) -> None:
    parts = ledger.log([write(number, 100, artifact_class="opaque") for number in range(100)])
    assert [isinstance(each, Receipted) for each in parts] == [True] * 60 + [False] * 40
    more = ledger.log([write(200 + number, 100, artifact_class="document") for number in range(50)])
    assert sum(isinstance(each, Receipted) for each in more) == 40
    assert used(ledger, "job") == CEILING
    assert isinstance(ledger.log([write(300, 1, artifact_class="image")])[0], EgressRefused)
    assert len(findings(ledger)) == 40 + 10 + 1


def test_a_tensor_has_no_room_at_all(ledger: Ledger) -> None:
    assert isinstance(ledger.log([write(1, 1, artifact_class="tensor")])[0], EgressRefused)
    assert len(findings(ledger)) == 1


def test_readings_count_as_much_as_writings(ledger: Ledger) -> None:
    assert isinstance(ledger.log([write(1, 2_000)])[0], Receipted)
    asked = [read(1, 0, 2_000 - number) for number in range(5)]
    # The same statement again is the same reading: it lets nothing out twice.
    answers = ledger.log([*asked, *asked])
    assert [isinstance(each, Receipted) for each in answers[:5]] == [True] * 4 + [False]
    assert used(ledger, "job") == 2_000 + 2_000 + 1_999 + 1_998 + 1_997
    assert used(ledger, "job_class") == 2_000


def test_a_gateways_report_is_always_logged_and_uses_up_what_is_left(ledger: Ledger) -> None:
    assert isinstance(ledger.log([kit.egress(JOB, 9_999)])[0], Receipted)
    assert isinstance(ledger.log([kit.egress(JOB, 50_000)])[0], Receipted)
    assert used(ledger, "job") == CEILING
    assert isinstance(ledger.log([write(1, 1)])[0], EgressRefused)


def test_a_member_has_its_bytes_back_after_30_days_and_not_before(
    database_url: str, tmp_path: Path, clock: kit.Clock
) -> None:
    settings = founded(database_url, tmp_path, clock, member=5_000)
    with opened(settings, clock) as ledger:
        run_job(ledger, JOB)
        run_job(ledger, OTHER, model="orca-1")
        assert isinstance(ledger.log([write(1, 3_000)])[0], Receipted)
        clock.advance(days=10)
        assert isinstance(ledger.log([write(2, 2_000, job=OTHER)])[0], Receipted)
        assert isinstance(ledger.log([write(3, 1)])[0], EgressRefused)
        clock.advance(days=20)  # Thirty days to the second: the day is not over.
        assert isinstance(ledger.log([write(4, 1)])[0], EgressRefused)
        clock.advance(days=1)
        assert isinstance(ledger.log([write(5, 3_000, job=OTHER)])[0], Receipted)
        assert isinstance(ledger.log([write(6, 1)])[0], EgressRefused)
        assert used(ledger, "member_30d") == 5_000
        clock.advance(days=40)
        assert isinstance(ledger.log([write(7, 1)])[0], Receipted)
        assert used(ledger, "member_30d") == 1
    assert sound(settings) == {}


def test_a_members_jobs_about_one_model_share_a_ceiling_that_names_no_model(
    database_url: str, tmp_path: Path, clock: kit.Clock
) -> None:
    settings = founded(database_url, tmp_path, clock, model=5_000)
    third = kit.ulid(3)
    with opened(settings, clock) as ledger:
        run_job(ledger, JOB)
        run_job(ledger, OTHER)
        run_job(ledger, third, author="zhipu")
        assert isinstance(ledger.log([write(1, 4_000)])[0], Receipted)
        refusal = ledger.log([write(2, 1_001, job=OTHER)])[0]
        assert isinstance(refusal, EgressRefused)
        assert "1000" not in str(refusal)
        assert isinstance(ledger.log([write(3, 1_000, job=OTHER)])[0], Receipted)
        assert isinstance(ledger.log([write(4, 5_000, job=third)])[0], Receipted)
        keys = [key for key in counters(ledger) if key.startswith(MODEL)]
        assert len(keys) == 2
        assert not any("whale" in key or "deepseek" in key or "zhipu" in key for key in keys)


def test_an_artifact_is_debited_once_and_read_by_its_own_member_alone(ledger: Ledger) -> None:
    run_job(ledger, OTHER, author="zhipu")
    first, second = ledger.log([write(1, 10), write(1, 11)])
    assert isinstance(first, Receipted)
    assert isinstance(second, Conflict)
    for statement in (
        read(1, 0, 5, by="zhipu"),
        read(1, 0, 5, job=OTHER, by="zhipu"),
        read(1, 6, 5),
        read(2, 0, 5),
    ):
        assert isinstance(ledger.log([statement])[0], ValueRefused)
    assert used(ledger, "job") == 10


def test_rebuilding_gives_the_same_counters(ledger: Ledger, clock: kit.Clock) -> None:
    run_job(ledger, OTHER, model="orca-1")
    ledger.log([write(1, 500), write(2, 700, job=OTHER), kit.egress(JOB, 90_000)])
    clock.advance(days=40)
    ledger.log([write(3, 11, job=OTHER), read(2, 0, 9, job=OTHER), write(4, 99_999)])
    before = counters(ledger)
    assert before
    rebuild(ledger.store)
    assert counters(ledger) == before


def test_fsck_finds_a_counter_that_somebody_set_back(ledger: Ledger, settings: Settings) -> None:
    ledger.log([write(1, 500)])
    with ledger.store.engine.connect() as connection, connection.begin():
        connection.execute(text("UPDATE egress_counters SET used_bytes = 0 WHERE scope = 'job'"))
    ledger.close()
    assert sound(settings) == {"projection": 1}


def test_the_database_refuses_what_would_pass_a_ceiling_whoever_asks(
    ledger: Ledger, settings: Settings
) -> None:
    ledger.log([write(1, 500)])
    with (
        pytest.raises(Exception, match=r"egress_counters_ceiling|CHECK"),
        ledger.store.engine.connect() as connection,
        connection.begin(),
    ):
        connection.execute(text("UPDATE egress_counters SET used_bytes = ceiling_bytes + 1"))
    assert used(ledger, "job") == 500
    assert settings.data_dir.is_dir()


def test_a_counter_that_holds_costs_the_batch_none_of_its_other_works(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.log([write(1, 5_900)])
    real = egress.Book.take

    def careless(self: egress.Book, debit: egress.Debit, *, logged: bool = False) -> None:
        counter = self.counters.get((egress.Scope.JOB_CLASS, f"{JOB}/opaque"))
        ceiling = counter.ceiling if counter else 0
        real(self, debit, logged=True)
        if counter is not None:
            counter.ceiling = ceiling
        del logged

    monkeypatch.setattr(egress.Book, "take", careless)
    refused, kept = ledger.log([write(2, 101), kit.submitted(OTHER)])
    assert isinstance(refused, LogUnavailable)
    assert isinstance(kept, Receipted)
    monkeypatch.undo()
    assert used(ledger, "job_class") == 5_900


def test_processes_that_ask_nobody_take_exactly_what_there_is(
    database_url: str, settings: Settings
) -> None:
    ceiling, tries, children = 50, 15, 6
    store = Store(settings.database_url)
    with store.engine.connect() as connection, connection.begin():
        connection.execute(
            text("INSERT INTO egress_counters VALUES ('job', 'shared', 0, :most)"),
            {"most": ceiling},
        )
    with (
        running(grow_and_say, database_url, "shared", ceiling, tries) as one,
        running(grow_and_say, database_url, "shared", ceiling, tries) as two,
        running(grow_and_say, database_url, "shared", ceiling, tries) as three,
        running(grow_and_say, database_url, "shared", ceiling, tries) as four,
        running(grow_and_say, database_url, "shared", ceiling, tries) as five,
        running(grow_and_say, database_url, "shared", ceiling, tries) as six,
    ):
        pipes = [each[1] for each in (one, two, three, four, five, six)]
        assert len(pipes) == children
        for pipe in pipes:
            assert pipe.recv() == "ready"
        for pipe in pipes:
            pipe.send("go")
        taken = [pipe.recv() for pipe in pipes]
    with store.engine.connect() as connection:
        stored = connection.execute(
            text("SELECT used_bytes FROM egress_counters WHERE key = 'shared'")
        ).scalar_one()
    store.close()
    assert sum(taken) == stored == ceiling
