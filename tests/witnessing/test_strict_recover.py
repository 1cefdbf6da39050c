"""``ledger recover`` under a strict policy: what the quorum held comes back, and nothing else."""

import base64
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

import kit
from cli_world import Said, Shell
from test_strict_processes import in_environment, shown_size_of
from test_strict_quorum import logged_in_the_end, note_of, refused
from test_strict_regions import look
from test_two_regions import require_one_history, until
from witnessing_world import Remote, World, make_world, policy_text, size_of

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.elsewhere import require_newest
from ledger.assembly.giving_up import GIVEN_UP
from ledger.errors import ForkRefused
from ledger.sequencer.memory import SignerMemory

BODIES = [kit.submitted(kit.ulid(number)) for number in range(1, 5)]


class Lost:
    """A log whose database is gone, its mirror, and where the next database is to be."""

    def __init__(self, world: World, shell: Shell, new_url: str) -> None:
        self.world = world
        self._shell = shell
        self.mirror = shell.folder / "mirror"
        self.old = world.settings.database_url
        self._new_url = new_url

    @property
    def memory(self) -> SignerMemory:
        return SignerMemory(self.world.settings.key_dir / keys.SIGNER_MEMORY)

    def remembered(self) -> bytes:
        with self.memory.locked() as memory:
            found = memory.recall()
        assert found is not None
        return found

    def save(self) -> None:
        """Write what is published to the mirror."""
        self._shell.ok("mirror", "--to", self.mirror)

    def lose(self, patch: pytest.MonkeyPatch) -> None:
        self.world.ledger.close()
        self.world.settings = self.world.settings.model_copy(update={"database_url": self._new_url})
        patch.setenv("LEDGER_DATABASE_URL", self._new_url)

    def recover(self, *more: str) -> Said:
        return self._shell("recover", "--from", self.mirror, "--openings", self.old, *more)

    def reopen(self) -> None:
        self.world.ledger = Ledger(self.world.settings, clock=self.world.clock)


@pytest.fixture
def lost(
    database_url: str,
    tmp_path: Path,
    witnesses: list[Remote],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Lost:
    """Not lost yet; two jobs are logged, and the quorum holds them."""
    old_url = f"sqlite:///{tmp_path / 'old.db'}"
    world = make_world(old_url, tmp_path, witnesses, now=int(time.time()))
    for each in witnesses:
        each.tell("behave", time=None)
    world.reopen(witness_mode="strict", witness_wait_seconds=600)
    kit.log(world.ledger, BODIES[0])
    in_environment(world.settings, monkeypatch)
    return Lost(world, Shell(tmp_path, capsys), database_url)


def test_a_log_whose_last_tree_the_quorum_held_says_nothing_until_it_holds_it_again(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lost.world
    (before,) = kit.log(world.ledger, BODIES[1])
    lost.save()
    lost.lose(monkeypatch)
    for each in world.witnesses[1:]:
        each.behave("closes")
    assert "entries, 0 before" in lost.recover().out
    lost.reopen()
    assert shown_size_of(world) is None
    refused(world, BODIES[1])
    for each in world.witnesses:
        each.behave("honest")
    again = logged_in_the_end(world, BODIES[1])
    assert (again.created, again.accepted.index) == (False, before.accepted.index)
    new = logged_in_the_end(world, BODIES[2])
    standard = world.ledger.standard
    assert standard is not None
    assert all(standard.is_met_by(note_of(each)) for each in (before, again, new))
    kit.check_whole_log(world.settings, acknowledged=[before, again, new])
    world.ledger.close()


def test_what_was_signed_and_never_witnessed_is_given_up_once_the_quorum_stands_by_the_mirror(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lost.world
    size = world.size
    lost.save()
    for each in world.witnesses[1:]:
        each.behave("closes")
    refused(world, BODIES[1])
    unwitnessed = lost.remembered()
    assert size_of(unwitnessed) == size + 2
    published = world.note()
    assert size_of(published) == size
    lost.lose(monkeypatch)

    lost.recover().refused(
        rf"the signer has signed {size + 2} entries, and the mirror has {size}",
        "--give-up-unwitnessed asks the witnesses",
    )
    said = lost.recover("--give-up-unwitnessed")
    assert said.status == 2
    assert f"too few witnesses say that the mirror's tree of {size} entries" in said.err
    assert lost.remembered() == unwitnessed
    with pytest.raises(ForkRefused, match="older than the signer"):
        lost.reopen()

    for each in world.witnesses:
        each.behave("honest")
    said = lost.recover("--give-up-unwitnessed")
    assert said.status == 0, said
    assert f"given up: a tree of {size + 2} entries that no quorum holds" in said.out
    assert size_of(lost.remembered()) == size
    given_up = world.settings.key_dir / GIVEN_UP
    assert given_up.read_bytes() == unwitnessed + b"\n"
    assert given_up.stat().st_mode & 0o777 == 0o600

    # The witness that had cosigned the other tree never comes back, and a start says so.
    with pytest.raises(ForkRefused, match=r"the witness W0 says: .*LARGER"):
        Ledger(world.settings, clock=world.clock, before_signing=require_newest)
    lost.reopen()
    answers = [logged_in_the_end(world, body) for body in BODIES[2:]]
    assert answers[0].accepted.index == size
    assert look(world.ledger) is None
    notes = {published, world.note(), *map(note_of, answers)}
    with world.ledger.store.snapshot() as reads:
        leaves = [each.leaf_hash for each in reads.iterate_entries(0, reads.head().size)]
    require_one_history(notes, leaves, world.ledger.vkey)
    kit.check_whole_log(world.settings, acknowledged=answers)
    world.ledger.close()


def test_nothing_is_given_up_that_the_quorum_holds_or_that_was_answered_without_it(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lost.world
    lost.save()
    kit.log(world.ledger, BODIES[1])
    held = lost.remembered()
    lost.lose(monkeypatch)
    said = lost.recover("--give-up-unwitnessed")
    assert said.status == 2
    assert "Where they hold a newer one, find a newer mirror" in said.err
    monkeypatch.setenv("LEDGER_WITNESS_MODE", "closed")
    lost.recover("--give-up-unwitnessed").refused("needs LEDGER_WITNESS_MODE=strict")
    assert lost.remembered() == held
    assert not (world.settings.key_dir / GIVEN_UP).exists()
    with pytest.raises(ForkRefused, match="older than the signer"):
        lost.reopen()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("again", [False, True], ids=["lost-at-once", "strict-again"])
def test_nothing_is_given_up_that_was_answered_while_the_policy_was_not_strict(
    lost: Lost, monkeypatch: pytest.MonkeyPatch, *, again: bool
) -> None:
    """The receipt came from a tree that no witness ever saw; the policy is strict once more."""
    world = lost.world
    lost.save()
    for each in world.witnesses:
        each.behave("closes")
    world.reopen(witness_mode="open")
    (answered,) = kit.log(world.ledger, BODIES[1])
    assert answered.created
    said = "no server of this log has begun"
    if again:
        size = world.size
        world.reopen(witness_mode="strict")
        refused(world, BODIES[2])
        said = f"only since the tree of {size} entries"
    held = lost.remembered()
    lost.lose(monkeypatch)
    for each in world.witnesses:
        each.behave("honest")
    require_kept(lost, held, because=said)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_nothing_is_given_up_that_another_quorum_than_the_one_that_is_asked_may_hold(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two of three held it; the policy then names the third one alone, which never heard of it."""
    world = lost.world
    until(lambda: {each.size for each in world.witnesses} == {world.size})
    lost.save()
    world.witnesses[2].behave("closes")
    kit.log(world.ledger, BODIES[1])
    held = lost.remembered()
    lost.lose(monkeypatch)
    world.witnesses[2].behave("honest")
    assert world.settings.policy is not None
    world.settings.policy.write_text(policy_text(world.witnesses, "quorum W2\n"))
    require_kept(lost, held, because="has since begun with another")


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_mirror_cannot_have_the_signer_remember_a_line_that_it_would_refuse(
    lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lost.world
    lost.save()
    for each in world.witnesses[1:]:
        each.behave("closes")
    refused(world, BODIES[1])
    lost.lose(monkeypatch)
    for each in world.witnesses:
        each.behave("honest")
    checkpoint = lost.mirror / "log" / "checkpoint"
    line = base64.b64encode(b"none" + bytes(64)).decode()
    with checkpoint.open("a", encoding="utf-8") as file:
        file.write(f"\u2014 {world.ledger.origin} {line}\n")
    said = lost.recover("--give-up-unwitnessed")
    assert said.status == 0, said
    lost.reopen()
    assert logged_in_the_end(world, BODIES[2]).created
    world.ledger.close()


def require_kept(lost: Lost, held: bytes, *, because: str) -> None:
    """Check that the signer goes on remembering, and signs nothing for the mirror's database."""
    said = lost.recover("--give-up-unwitnessed")
    assert said.status == 2
    assert because in said.err
    assert "Nothing is given up" in said.err
    assert lost.remembered() == held
    assert not (lost.world.settings.key_dir / GIVEN_UP).exists()
    with pytest.raises(ForkRefused, match="older than the signer"):
        lost.reopen()
