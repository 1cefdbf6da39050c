"""A witness names a newer tree: without a proof the log goes on, with one it stops."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import kit
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # exposition_reading lies there

from exposition_reading import read_exposition, value
from witnessing_world import Making, World

from ledger import keys
from ledger.assembly import Ledger, elsewhere, lookout
from ledger.assembly.elsewhere import require_newest
from ledger.assembly.lookout import Lookout, on_watch
from ledger.errors import ForkRefused, SecondHistory
from ledger.keys import write_secret
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.note import Signer, sign_note

PATIENCE_S = 120
SIZE = {"Content-Type": "text/x.tlog.size"}
TOKEN = "scrape-0123456789abcdef-0123456789"


def ahead(world: World, signer: Signer | None = None) -> bytes:
    """A checkpoint of more entries than the log has, by its own key unless another is named."""
    own = signer or keys.read_signer(world.settings.key_dir / keys.LOG_KEY)
    text = format_checkpoint(Checkpoint(world.ledger.origin, world.size + 5, bytes(32)))
    return sign_note(text, [own])


@contextmanager
def looking(world: World) -> Iterator[Lookout]:
    witnessing = world.ledger.witnessing
    try:
        yield Lookout(world.ledger, witnessing)
    finally:
        assert witnessing is not None
        witnessing.stop()


def suspected(world: World) -> tuple[float, float]:
    """What the two gauges say: of suspicions, of proofs."""
    assert world.ledger.metrics is not None
    found = read_exposition(world.ledger.metrics.text())
    return (
        value(found, "ledger_second_history_suspected"),
        value(found, "ledger_second_history"),
    )


def test_a_bare_number_is_said_and_does_not_stop_the_writer(making: Making) -> None:
    """Witnesses, also all of them together, can name any size: nothing of it is signed by us."""
    world = making()
    write_secret(world.settings.data_dir / "token", TOKEN)
    world.reopen(metrics=world.settings.data_dir / "token")
    world.log()
    for each in world.witnesses:
        each.behave("status", [409, b"%d\n" % (world.size + 1_000), SIZE])
    assert world.troubles() == ["ahead"] * 3
    stranger = Signer(world.ledger.origin, bytes(32))
    for shown in (b"", b"%d\n" % 1_000, ahead(world, stranger), ahead(world)[:-20] + b"\n"):
        for each in world.witnesses:
            each.tell("behave", shown=shown)
        with looking(world) as lookout_:
            assert lookout_.look() is None
        world.log()
        world.ledger.check_ready()
    assert suspected(world) == (3.0, 0.0)


def test_the_proof_that_a_witness_shows_stops_the_writer(making: Making) -> None:
    world = making()
    write_secret(world.settings.data_dir / "token", TOKEN)
    world.reopen(metrics=world.settings.data_dir / "token")
    world.log()
    world.witnesses[1].tell("behave", shown=ahead(world))
    with looking(world) as lookout_:
        found = lookout_.look()
    assert found is not None
    assert str(found).startswith("the witness W1 has ")
    with pytest.raises(SecondHistory, match="the witness W1"):
        kit.log(world.ledger, kit.submitted(kit.ulid(77)))
    assert suspected(world) == (0.0, 1.0)


def test_a_running_server_stops_by_itself_as_soon_as_a_witness_is_ahead(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next look would be in an hour; the 409 itself brings it on."""
    world = making(elsewhere_seconds=3_600)
    world.log()
    stopped = threading.Event()
    halt = world.ledger.sequencer.halt

    def halting(found: SecondHistory) -> None:
        halt(found)
        stopped.set()

    monkeypatch.setattr(world.ledger.sequencer, "halt", halting)
    looked = threading.Event()
    look = Lookout.look

    def looking_once(self: Lookout) -> SecondHistory | None:
        found = look(self)
        looked.set()
        return found

    monkeypatch.setattr(lookout.Lookout, "look", looking_once)
    with on_watch(world.ledger):
        assert looked.wait(PATIENCE_S)
        world.witnesses[2].behave("status", [409, b"%d\n" % (world.size + 9), SIZE])
        world.witnesses[2].tell("behave", shown=ahead(world))
        world.log()
        assert stopped.wait(PATIENCE_S)
    assert world.ledger.sequencer.second_history() is not None


def test_before_the_first_signature_somebody_has_to_have_answered(making: Making) -> None:
    """By default one of the witnesses; as many as the operator asks for; or nobody."""
    world = making()
    world.log()
    require_newest(world.ledger)
    for each in world.witnesses[:2]:
        each.behave("status", [503, b"", {}])
    world.advance(3_600)
    require_newest(world.ledger)
    world.reopen(require_elsewhere=2)
    with pytest.raises(
        ForkRefused, match=r"1 of 3 that could know .* asks for 2.*=0 for one start"
    ):
        require_newest(world.ledger)
    world.witnesses[2].behave("status", [503, b"", {}])
    world.reopen(require_elsewhere="auto")
    with pytest.raises(ForkRefused, match="0 of 3 that could know"):
        require_newest(world.ledger)
    world.reopen(require_elsewhere=0)
    require_newest(world.ledger)


def test_the_mirror_counts_and_a_lie_that_nobody_signed_does_not(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "GIVE_UP_AFTER_S", 0.0)
    world = making()
    world.log()
    for each in world.witnesses:
        each.behave("status", [503, b"", {}])
    folder = world.settings.data_dir / "mirror"
    (folder / "log").mkdir(parents=True)
    (folder / "log" / "checkpoint").write_bytes(b"1\n")
    world.reopen(mirror=str(folder))
    with pytest.raises(ForkRefused, match="0 of 4"):
        require_newest(world.ledger)
    (folder / "log" / "checkpoint").write_bytes(world.note())
    require_newest(world.ledger)


def test_nothing_is_signed_before_the_others_were_asked(making: Making) -> None:
    """Also not what a crash left stored and unsigned: it may be what an old backup held."""
    world = making()
    memory = world.settings.key_dir / keys.SIGNER_MEMORY
    before = memory.read_bytes()
    world.log()
    world.ledger.close()
    memory.write_bytes(before)

    def refuse(_ledger: Ledger) -> None:
        raise ForkRefused("nobody answers")

    with pytest.raises(ForkRefused, match="nobody answers"):
        Ledger(world.settings, clock=world.clock, before_signing=refuse)
    assert memory.read_bytes() == before
    world.ledger = Ledger(world.settings, clock=world.clock)
    assert memory.read_bytes() != before
