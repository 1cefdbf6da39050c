"""Checkpoints go out, cosignatures come back: by real processes, on both engines."""

from typing import Any

import pytest
from witnessing_world import ALL, World, cosigners, policy_text, size_of

from ledger.storage.witnessed import WitnessWrites
from ledger.tlog.policy import check_policy, parse_policy


def test_that_a_tree_met_the_policy_is_on_the_disk_before_it_is_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could take it back: to who has seen that tree, the log shrank."""
    found: list[Any] = []
    real = WitnessWrites.keep_quorums

    def noted(self: WitnessWrites, *given: Any, **more: Any) -> None:
        real(self, *given, **more)
        asked = "PRAGMA synchronous" if self._driver.is_sqlite else "SHOW synchronous_commit"
        found.extend(self._driver.fetch(asked))

    monkeypatch.setattr(WitnessWrites, "keep_quorums", noted)
    size = world.log()
    world.ask()
    assert size_of(world.note()) == size
    assert found
    assert set(found) <= {(2,), ("on",)}
    found.clear()
    world.ask()
    assert found == []


def test_a_checkpoint_is_cosigned_and_published_once_enough_have(world: World) -> None:
    size = world.log()
    assert cosigners(world.note()) == []
    assert world.troubles() == [None, None, None]
    assert [each.size for each in world.witnesses] == [size] * 3
    note = world.note()
    assert size_of(note) == size
    assert cosigners(note) == [(each.name, world.clock.now) for each in world.witnesses]
    told = policy_text(world.witnesses)
    check_policy(note, parse_policy(f"log {world.ledger.vkey}\n{told}"))


def test_without_a_policy_nothing_is_asked_and_nothing_changes(world: World) -> None:
    world.log()
    world.ask()
    world.reopen(policy=None)
    assert world.ledger.witnessing is None
    shown = world.ledger.reader.shown()
    assert shown.note == shown.checkpoint.note
    assert shown.mark == ""
    assert world.status() is None


def test_the_newest_checkpoint_goes_out_with_a_proof_from_the_last_one(world: World) -> None:
    first = world.log()
    world.ask()
    world.log(3)
    newest = world.log(300)
    world.ask()
    old, size, hashes = world.witnesses[0].seen[-1]
    assert (old, size) == (first, newest)
    assert 0 < hashes <= 63
    assert size_of(world.note()) == newest


def test_one_of_three_is_not_enough_and_a_second_one_is(world: World) -> None:
    before = world.log()
    world.ask()
    size = world.log()
    for each in world.witnesses[1:]:
        each.behave("closes")
    assert world.troubles() == [None, "unreachable", "unreachable"]
    assert size_of(world.note()) == before
    assert world.ledger.reader.tree_size() == size
    assert not world.status().quorum_met
    world.witnesses[2].behave("honest")
    assert world.troubles() == [None, "unreachable", None]
    note = world.note()
    assert size_of(note) == size
    assert [name for name, _ in cosigners(note)] == [world.witnesses[n].name for n in (0, 2)]
    status = world.status()
    assert status.quorum_met
    assert [each.failures for each in status.witnesses] == [0, 2, 0]
    assert [each.error for each in status.witnesses] == [None, "unreachable", "unreachable"]


def test_a_witness_that_knows_another_size_is_met_there(world: World) -> None:
    first = world.log()
    world.ask()
    with world.ledger.store.witnessing() as writes:
        writes._driver.run("DELETE FROM witnesses")
    size = world.log()
    assert world.troubles() == [None, None, None]
    assert world.witnesses[0].seen[-2:] == [
        (0, size, 0),
        (first, size, world.witnesses[0].seen[-1][2]),
    ]


def test_a_witness_that_never_agrees_on_a_size_is_left_alone_after_three(world: World) -> None:
    world.log()
    world.witnesses[0].behave("restless", 0)
    assert world.troubles()[0] == "conflict"
    assert world.witnesses[0].given == 3


def test_a_witness_that_is_ahead_of_us_is_never_asked_to_sign_over_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    size = world.log()
    headers = {"Content-Type": "text/x.tlog.size"}
    world.witnesses[0].behave("status", (409, b"%d\n" % (size + 1), headers))
    assert world.troubles()[0] == "ahead"
    assert any(
        record.levelname == "ERROR" and "LARGER tree" in record.message for record in caplog.records
    )
    assert cosigners(world.note()) == [(each.name, world.clock.now) for each in world.witnesses[1:]]
    world.witnesses[0].behave("honest")
    assert world.troubles() == [None, None, None]


def test_a_fresh_time_replaces_the_newest_and_the_first_is_kept_too(world: World) -> None:
    size = world.log()
    world.ask()
    first = world.clock.now
    world.advance(3_600)
    assert world.troubles() == [None, None, None]
    assert world.witnesses[0].seen[-1] == (size, size, 0)
    assert cosigners(world.note()) == [(each.name, first + 3_600) for each in world.witnesses]
    with world.ledger.store.snapshot() as reads:
        kept = reads.cosignatures(size, [each.identity for each in world.witnesses])
    assert [(each.first_at, each.newest_at) for each in kept] == [(first, first + 3_600)] * 3


def test_two_keys_of_one_witness_are_asked_for_at_once(world: World) -> None:
    path = world.settings.policy
    assert path is not None
    one, two, three = world.witnesses
    path.write_text(
        f"witness A {one.vkey} {one.url}\nwitness B {two.vkey} {one.url}/\n"
        f"witness C {three.vkey} {three.url}\ngroup enough 2 A B C\nquorum enough\n"
    )
    world.reopen()
    size = world.log()
    outcomes = world.ask()
    assert [(each.name, each.size) for each in outcomes] == [("A, B", size), ("C", size)]
    assert len(one.seen) == 1
    assert [each.error for each in world.status().witnesses] == [None, "no-cosignature", None]
    assert size_of(world.note()) == size


def test_after_a_restart_the_witnesses_are_asked_from_where_they_were(world: World) -> None:
    first = world.log()
    world.ask()
    world.reopen()
    assert size_of(world.note()) == first
    size = world.log()
    world.ask()
    assert world.witnesses[1].seen[-1][:2] == (first, size)
    assert len(world.witnesses[1].seen) == 2


def test_a_new_policy_judges_what_was_cosigned_before(world: World) -> None:
    world.log()
    world.witnesses[2].behave("closes")
    world.ask()
    path = world.settings.policy
    assert path is not None
    path.write_text(policy_text(world.witnesses, ALL))
    world.reopen()
    assert world.status().cosigned_size is None
    path.write_text(policy_text(world.witnesses[:2], "group enough all W0 W1\nquorum enough\n"))
    world.reopen()
    witnessing = world.ledger.witnessing
    assert witnessing is not None
    witnessing._judge_stored()
    witnessing.stop()
    assert world.status().quorum_met
