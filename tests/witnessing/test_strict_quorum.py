"""A strict policy: nobody is told of a tree that the quorum has not cosigned."""

import itertools
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # browser lies there
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

import kit
from browser import Browser
from cli_world import Shell
from hypothesis import given
from hypothesis import strategies as st
from witnessing_world import (
    ALL,
    TWO_OF_THREE,
    Making,
    Remote,
    World,
    cosigners,
    make_world,
    policy_text,
    size_of,
)

from ledger.assembly import Ledger
from ledger.errors import LedgerError, NotReady, SettingsError, Unwitnessed
from ledger.storage.shapes import StoredCheckpoint
from ledger.tlog.note import COSIGNATURE, generate_key, parse_vkey
from ledger.tlog.policy import Policy, PolicyGroup, PolicyWitness
from ledger.tlog.proof import parse_proof
from schemas.posting import Receipted
from web.app import create_app

PATIENCE_S = 120
KEY = parse_vkey(generate_key("witness.example/w", bytes(32), key_type=COSIGNATURE)[1])


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < give_up, "it never came true"
        time.sleep(0.02)


@pytest.fixture
def strict(making: Making) -> World:
    """Opened once more, as the witnesses know the log by now; statements wait a minute."""
    world = making()
    world.reopen(witness_mode="strict", witness_wait_seconds=600)
    return world


def note_of(answer: Receipted) -> bytes:
    return parse_proof(answer.accepted.receipt.encode()).checkpoint


def wait(world: World, seconds: float) -> None:
    assert world.ledger.quorum is not None
    world.ledger.quorum.wait_s = seconds


def refused(world: World, body: bytes) -> Unwitnessed:
    """What is said where the quorum is missing: nobody waits long for that."""
    wait(world, 0.5)
    (answer,) = world.ledger.log([body])
    assert isinstance(answer, Unwitnessed)
    return answer


def logged_in_the_end(world: World, body: bytes) -> Receipted:
    """Send the same again and again, as its client would, while time passes."""
    found: list[Receipted] = []
    wait(world, 1)

    def is_logged() -> bool:
        world.advance(1)
        (answer,) = world.ledger.log([body])
        if isinstance(answer, Receipted):
            found.append(answer)
        else:
            assert isinstance(answer, Unwitnessed)
        return bool(found)

    until(is_logged)
    return found[0]


def stored_at(world: World, size: int) -> StoredCheckpoint | None:
    with world.ledger.store.snapshot() as reads:
        return reads.checkpoint(size)


def test_an_answer_comes_with_the_quorums_cosignatures(strict: World) -> None:
    bodies = [kit.submitted(kit.ulid(n)) for n in range(3)]
    answers = [*kit.log(strict.ledger, bodies[0]), *kit.log(strict.ledger, *bodies[1:])]
    standard = strict.ledger.standard
    assert standard is not None
    for answer in answers:
        assert standard.is_met_by(note_of(answer))
        assert len(cosigners(note_of(answer))) >= 2
        assert size_of(note_of(answer)) > answer.accepted.index
    assert size_of(strict.note()) == strict.size
    again = kit.log(strict.ledger, *bodies)
    assert [each.created for each in again] == [False] * 3
    for each, answer in zip(again, answers, strict=True):
        assert each.accepted.index == answer.accepted.index
        assert standard.is_met_by(note_of(each))


def test_without_the_quorum_nothing_is_promised_shown_or_laid_on_top(strict: World) -> None:
    """One batch is signed and kept back; what comes after it is not even stored."""
    kit.log(strict.ledger, kit.submitted(kit.ulid(1)))
    before = strict.size
    for each in strict.witnesses[1:]:
        each.behave("closes")
    bodies = [kit.submitted(kit.ulid(n)) for n in (2, 3)]
    assert str(refused(strict, bodies[0])) == (
        f"too few witnesses have cosigned the tree of {before + 2} entries yet: nothing is"
        " promised. Send the same statement again"
    )
    refused(strict, bodies[0])
    refused(strict, bodies[1])
    assert strict.size == before + 2
    assert stored_at(strict, before + 2) is not None
    assert strict.ledger.sequencer.unwitnessed() == before + 2
    strict.ledger.check_ready()
    strict.advance(11)
    with pytest.raises(
        NotReady, match=f"witnesses: too few have cosigned the tree of {before + 2}"
    ):
        strict.ledger.check_ready()
    with Browser(create_app(strict.ledger)) as site:
        answer = site.request(
            "POST",
            "/api/v1/statements",
            headers={"content-type": "application/json"},
            chunks=[bodies[0]],
        )
        assert answer.status == 503
        assert int(answer.headers["retry-after"]) > 0
        assert "nothing is promised" in answer.json()["detail"]
        assert size_of(site.get("/log/checkpoint").body) == before
        for address in (
            f"/entries/{before}.json",
            f"/entries/{before}.proof",
            f"/jobs/{kit.ulid(2)}.json",
            f"/en/log?at={before + 2}",
            f"/log/tile/0/000.p/{before + 2}",
            f"/log/tile/entries/000.p/{before + 2}",
        ):
            assert site.get(address).status == 404, address
        for address in ("/en/jobs", "/feeds/submitted.json", "/jobs.csv"):
            reply = site.get(address)
            assert kit.ulid(2) not in reply.text
            assert reply.headers["ledger-tree-size"] == str(before)
        said = site.get("/api/v1/status").json()["data"]["witnessing"]
        assert (said["mode"], said["cosigned_size"]) == ("strict", before)
        assert "This ledger says nothing without them" in site.get("/en/status").text
        assert "本账本什么也不说" in site.get("/zh-Hans/status").text

    for each in strict.witnesses[1:]:
        each.behave("honest")
    first = logged_in_the_end(strict, bodies[0])
    assert not first.created
    assert first.accepted.index == before
    assert logged_in_the_end(strict, bodies[1]).accepted.index == before + 2
    strict.ledger.check_ready()
    assert size_of(strict.note()) == strict.size == before + 4
    kit.check_whole_log(strict.settings)


def test_a_start_waits_for_what_was_signed_before_it(strict: World) -> None:
    kit.log(strict.ledger, kit.submitted(kit.ulid(0)))
    for each in strict.witnesses[:2]:
        each.behave("closes")
    body = kit.submitted(kit.ulid(1))
    before = strict.size
    refused(strict, body)
    strict.reopen()
    refused(strict, kit.submitted(kit.ulid(2)))
    assert strict.size == before + 2
    for each in strict.witnesses:
        each.behave("honest")
    found = logged_in_the_end(strict, body)
    assert (found.created, found.accepted.index) == (False, before)


def test_another_policy_publishes_nothing_that_was_held_back(making: Making) -> None:
    strict = making()
    # It has cosigned nothing at all: no tree has met the policy that asks for all of them.
    strict.witnesses[2].behave("closes")
    strict.reopen(witness_mode="strict", witness_wait_seconds=600)
    kit.log(strict.ledger, kit.submitted(kit.ulid(1)))
    for each in strict.witnesses:
        each.behave("closes")
    refused(strict, kit.submitted(kit.ulid(2)))
    assert strict.settings.policy is not None
    strict.settings.policy.write_text(policy_text(strict.witnesses, ALL))
    strict.reopen()
    with pytest.raises(LedgerError, match="no tree has met it"):
        strict.note()
    for each in strict.witnesses:
        each.behave("honest")
    logged_in_the_end(strict, kit.submitted(kit.ulid(3)))
    assert size_of(strict.note()) == strict.size


def test_two_servers_on_one_database_wait_for_one_quorum(
    postgresql_url: str, tmp_path: Path, witnesses: list[Remote]
) -> None:
    """Either may tell the witnesses of a tree, and either may hear of it."""
    strict = make_world(postgresql_url, tmp_path, witnesses)
    strict.reopen(witness_mode="strict", witness_wait_seconds=600)
    with (
        closing(strict.ledger),
        closing(Ledger(strict.settings, clock=strict.clock)) as beside,
        ThreadPoolExecutor(8) as pool,
    ):
        jobs = [
            pool.submit(kit.log, ledger, kit.submitted(kit.ulid(n)))
            for n, ledger in zip(range(48), itertools.cycle((strict.ledger, beside)), strict=False)
        ]
        answers = [answer for job in jobs for answer in job.result(PATIENCE_S)]
    standard = strict.ledger.standard
    assert standard is not None
    assert len({each.accepted.index for each in answers}) == 48
    assert all(standard.is_met_by(note_of(each)) for each in answers)
    kit.check_whole_log(strict.settings, acknowledged=answers)


def test_a_new_key_of_the_log_waits_for_the_quorum_too(
    making: Making, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    world = making(now=int(time.time()))
    for each in world.witnesses:
        each.tell("behave", time=None)
    world.reopen(witness_mode="strict", witness_wait_seconds=600)
    kit.log(world.ledger, kit.submitted(kit.ulid(1)))
    world.ledger.close()
    settings = world.settings
    for name, value in {
        "DATA_DIR": settings.data_dir,
        "DATABASE_URL": settings.database_url,
        "POLICY": settings.policy,
        "WITNESS_MODE": "strict",
        "WITNESS_WAIT_SECONDS": 60,
    }.items():
        monkeypatch.setenv(f"LEDGER_{name}", str(value))
    shell = Shell(settings.data_dir, capsys)
    assert "names the new key" in shell.ok("log-key", "rotate")
    world.reopen()
    kit.log(world.ledger, kit.submitted(kit.ulid(2)))
    assert size_of(world.note()) == world.size
    assert "no statement is answered" in shell.ok("witnesses")


def test_a_policy_that_two_trees_could_meet_is_refused_in_one_line(making: Making) -> None:
    world = making()
    assert world.settings.policy is not None
    for rest in (
        "group enough 1 W0 W1 W2\nquorum enough\n",
        "group enough any W0 W1\nquorum enough\n",
        "group a 1 W0 W1\ngroup b 1 W2\ngroup enough 1 a b\nquorum enough\n",
        "quorum none\n",
    ):
        world.settings.policy.write_text(policy_text(world.witnesses, rest))
        with pytest.raises(SettingsError, match=r"can be met twice.* more than half") as found:
            world.reopen(witness_mode="strict")
        assert "\n" not in str(found.value)
    world.settings.policy.write_text(policy_text(world.witnesses, TWO_OF_THREE))
    world.reopen()


def witnesses_of(names: list[str]) -> tuple[PolicyWitness, ...]:
    return tuple(PolicyWitness(name, KEY) for name in names)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Up to six witnesses under groups of groups, each with one voice."""
    free = [f"W{n}" for n in range(draw(st.integers(1, 6)))]
    witnesses = witnesses_of(free)
    groups = []
    for number in range(draw(st.integers(0, 3))):
        members = draw(st.lists(st.sampled_from(free), min_size=1, unique=True))
        groups.append(PolicyGroup(f"g{number}", draw(st.integers(1, len(members))), tuple(members)))
        free = [each for each in free if each not in members] + [f"g{number}"]
    return Policy((), witnesses, tuple(groups), draw(st.sampled_from(free)))


@given(policies())
def test_two_quorums_share_a_witness_exactly_where_that_is_said(policy: Policy) -> None:
    names = [each.name for each in policy.witnesses]
    halves = itertools.product((False, True), repeat=len(names))
    both = any(
        policy.is_met_by({n for n, mine in zip(names, half, strict=True) if mine})
        and policy.is_met_by({n for n, mine in zip(names, half, strict=True) if not mine})
        for half in halves
    )
    assert policy.excludes_two is not both
