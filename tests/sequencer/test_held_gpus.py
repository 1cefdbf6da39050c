"""The writer's sums of the GPUs that members' jobs hold: kept once they were asked for."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kit
import pytest
from sqlalchemy import text

from ledger.assembly import Ledger
from ledger.fsck import Findings, check
from ledger.rebuild import rebuild
from ledger.records.charter import default_charter
from ledger.records.deadline import format_time
from ledger.settings import Settings

ONE, TWO, THREE, FOUR, FIVE = (kit.ulid(n) for n in range(1, 6))
MINE = "deepseek"


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return kit.make_ledger(database_url, tmp_path, clock=kit.Clock())


@pytest.fixture
def ledger(settings: Settings) -> Iterator[Ledger]:
    found = Ledger(settings, clock=kit.Clock())
    yield found
    found.close()
    kit.check_whole_log(settings)


def limit(ledger: Ledger, gpus: int) -> None:
    """Have the charter limit what one member may hold, from now on."""
    clock = kit.Clock()
    rules = default_charter().to_dict()
    public = {
        "charter": rules | {"quotas": rules["quotas"] | {"member_gpus": gpus}},
        "in_force_from": format_time(clock()),
        "replaces": 0,
    }
    kit.log(ledger, kit.say(kit.SIGNERS["council"], "charter", "charter-version/1", public))


def decided(ledger: Ledger, job_id: str, gpus: int) -> str:
    (answer,) = kit.log(ledger, kit.submitted(job_id, gpu_count=gpus))
    assert answer.accepted.decision is not None
    return answer.accepted.decision.kind


def sums(ledger: Ledger) -> dict[str, int] | None:
    with ledger.store.inspecting() as reads:
        return reads.held_gpus()


def run(ledger: Ledger, sql: str) -> None:
    with ledger.store.engine.connect() as connection, connection.begin():
        connection.execute(text(sql))


def found(ledger: Ledger) -> list[Any]:
    heard: list[Any] = []
    check(ledger.store, Findings(heard.append), now=kit.Clock()(), vault=None, remembered=None)
    return [each.sort for each in heard]


def test_nobody_sums_what_no_charter_limits(ledger: Ledger) -> None:
    assert decided(ledger, ONE, 60) == "admitted"
    assert sums(ledger) is None


def test_what_was_asked_for_once_is_kept_from_then_on(ledger: Ledger) -> None:
    decided(ledger, ONE, 60)
    limit(ledger, 100)
    assert sums(ledger) is None
    assert decided(ledger, TWO, 30) == "admitted"
    assert sums(ledger) == {MINE: 90}
    kit.log(ledger, kit.started(ONE))
    assert decided(ledger, THREE, 11) == "rejected"
    kit.log(ledger, kit.ended(ONE), kit.submitted(FOUR, gpu_count=40, author="zhipu"))
    assert sums(ledger) == {MINE: 30, "zhipu": 40}
    kit.log(ledger, kit.started(TWO), kit.ended(TWO))
    assert sums(ledger) == {"zhipu": 40}
    assert found(ledger) == []


def test_beside_a_writer_that_does_not_keep_them_they_are_made_anew(ledger: Ledger) -> None:
    limit(ledger, 100)
    decided(ledger, ONE, 60)
    # It moves the head, and neither the sums nor the size that they are of.
    run(ledger, "UPDATE held_gpus SET gpus = 7")
    run(ledger, "UPDATE log_head SET held_at = held_at - 1")
    assert sums(ledger) is None
    kit.log(ledger, kit.started(ONE))
    assert sums(ledger) is None
    assert decided(ledger, TWO, 41) == "rejected"
    assert decided(ledger, THREE, 40) == "admitted"
    assert sums(ledger) == {MINE: 100}


def test_sums_that_are_not_the_jobs_are_found_and_a_rebuild_mends_them(ledger: Ledger) -> None:
    limit(ledger, 100)
    decided(ledger, ONE, 60)
    run(ledger, "UPDATE held_gpus SET gpus = 0")
    assert found(ledger) == ["held GPUs"]
    rebuild(ledger.store)
    assert found(ledger) == []
    assert decided(ledger, TWO, 41) == "rejected"
    assert sums(ledger) == {MINE: 60}


def test_what_is_refused_or_not_stored_holds_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(ledger, 100)
    decided(ledger, ONE, 60)

    def full(*_: object) -> None:
        raise OSError

    with monkeypatch.context() as broken:
        broken.setattr("ledger.storage.store.add_held", full)
        refusal = kit.refusal(ledger.submit(kit.submitted(TWO, gpu_count=30)))
        assert "nothing is promised" in str(refusal)
    assert decided(ledger, TWO, 101) == "rejected"
    assert decided(ledger, FIVE, 40) == "admitted"
    assert sums(ledger) == {MINE: 100}
