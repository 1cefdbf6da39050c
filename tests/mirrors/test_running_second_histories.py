"""A writer that runs is shown a second history: it stops for a proof, and for nothing less."""

import shutil
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from cli_world import Shell
from ledger_world import World
from mirror_world import run, run_of, verified

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.log_keys import begin_rotation, named_by, retire_previous, settle_files
from ledger.assembly.lookout import Lookout
from ledger.errors import LogUnavailable, NotReady, SecondHistory
from ledger.sequencer.memory import SignerMemory
from ledger.sequencer.signer import CheckpointSigner
from ledger.settings import Settings
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.note import Signer, sign_note


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror" / "log").mkdir(parents=True)
    return tmp_path / "mirror"


@pytest.fixture
def watched(world: World, mirror: Path) -> World:
    """A running ledger of some entries, with a mirror that shows what a test puts there."""
    world.log(*[world.submission(f"first{n}") for n in range(3)])
    reopen(world, mirror=str(mirror))
    return world


def reopen(world: World, **changed: object) -> None:
    world.ledger.close()
    world.ledger = Ledger(world.ledger.settings.model_copy(update=changed), clock=world.clock)
    world.reader = world.ledger.reader


def show(mirror: Path, note: bytes) -> None:
    (mirror / "log" / "checkpoint").write_bytes(note)


def log_key(world: World) -> Signer:
    return keys.read_signer(world.ledger.settings.key_dir / keys.LOG_KEY)


def note_of(signer: Signer, size: int, root: bytes = bytes(32)) -> bytes:
    return sign_note(format_checkpoint(Checkpoint(signer.name, size, root)), [signer])


def look(world: World) -> SecondHistory | None:
    return Lookout(world.ledger, None).look()


def until(condition: Callable[[], bool]) -> None:
    give_up = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def goes_on(world: World, name: str) -> bool:
    (answer,) = world.ledger.log([world.submission(name)])
    return not isinstance(answer, Exception)


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "another-tree"])
def test_a_second_history_under_the_logs_own_signature_stops_the_writer_for_good(
    watched: World, mirror: Path, ahead: bool
) -> None:
    size = watched.reader.tree_size()
    show(mirror, note_of(log_key(watched), size + 2 if ahead else size - 1))
    found = look(watched)
    assert found is not None
    assert ("was restored from an old backup" if ahead else "two histories") in str(found)
    assert str(mirror) not in str(found)

    # At once, and with the reason: for who submits, for the probe, and for every later start.
    with pytest.raises(SecondHistory, match="the mirror has"):
        watched.ledger.log([watched.submission("late")])
    with pytest.raises(NotReady, match=r"writer: stopped: the mirror has"):
        watched.ledger.check_ready()
    assert watched.reader.tree_size() == size
    for _ in range(2):
        watched.ledger.close()
        with pytest.raises(SecondHistory, match="the mirror has"):
            Ledger(watched.ledger.settings.model_copy(update={"mirror": None}))
    mark = watched.ledger.settings.key_dir / "signer.stopped"
    assert mark.stat().st_mode & 0o777 == 0o600


def test_one_process_that_finds_it_stops_the_others(watched: World, mirror: Path) -> None:
    show(mirror, note_of(log_key(watched), 1_000))
    signer = keys.read_signer(watched.ledger.settings.key_dir / keys.LOG_KEY)
    memory = SignerMemory(watched.ledger.settings.key_dir / keys.SIGNER_MEMORY)
    CheckpointSigner(signer, memory).stop(SecondHistory("found by another process", note=b""))
    with pytest.raises(NotReady, match="found by another process"):
        watched.ledger.check_ready()
    (answer,) = watched.ledger.log([watched.submission("late")])
    assert isinstance(answer, SecondHistory)
    with pytest.raises(SecondHistory, match="found by another process"):
        watched.ledger.log([watched.submission("later")])


def test_nothing_that_this_log_did_not_sign_stops_it(watched: World, mirror: Path) -> None:
    """Who holds the mirror, and not the key, can be silent or lie, and the log goes on."""
    own = log_key(watched)
    with watched.ledger.store.snapshot() as reads:
        newest, genesis = reads.newest_checkpoint(), reads.checkpoint(1)
    assert newest is not None
    assert genesis is not None
    ahead = note_of(own, 1_000)
    text, _, line = ahead.rpartition(b"\n\n")
    shown = {
        "by a stranger of the same name": note_of(Signer(own.name, bytes(32)), 1_000),
        "of another log by this key's owner": note_of(Signer("other.example/log", bytes(32)), 9),
        "with the size made larger": text.replace(b"\n1000\n", b"\n1001\n") + b"\n\n" + line,
        "a bare number": b"1000\n",
        "nothing": b"",
        "a size beyond all": ahead.replace(b"\n1000\n", b"\n9" + b"0" * 30 + b"\n"),
        "very long": ahead + b"x" * (1 << 19),
        "the newest one": newest.note,
        "an old one, shown again": genesis.note,
    }
    for what, note in shown.items():
        show(mirror, note)
        assert look(watched) is None, what
        assert goes_on(watched, what.replace(" ", "").replace(",", "").replace("'", "")), what
    (mirror / "log" / "checkpoint").unlink()
    assert look(watched) is None
    watched.ledger.check_ready()


def test_a_key_stops_the_writer_until_it_is_retired_and_never_after(
    watched: World, mirror: Path
) -> None:
    """Else a key that was followed because it was stolen could still hold up the log."""
    former, key_dir = log_key(watched), watched.ledger.settings.key_dir
    begin_rotation(key_dir, watched.ledger.log_keys, random=lambda size: b"\x03" * size)
    reopen(watched)
    succession = named_by(key_dir, watched.ledger.log_keys)
    assert succession is not None
    (done,) = watched.ledger.sequencer.submit([succession]).result(120)
    assert not isinstance(done, LogUnavailable)
    reopen(watched)
    settle_files(key_dir, watched.ledger.log_keys)
    retire_previous(key_dir)
    reopen(watched)
    show(mirror, note_of(former, 1_000))
    assert look(watched) is None
    assert goes_on(watched, "after")
    # While it still signs here, a copy of it that signs elsewhere is a second history.
    keys.write_signer(key_dir / keys.PREVIOUS_LOG_KEY, former)
    reopen(watched)
    assert look(watched) is not None
    with pytest.raises(SecondHistory):
        goes_on(watched, "late")


def test_a_mark_that_cannot_be_read_or_written_stops_the_writer_all_the_same(
    watched: World, mirror: Path
) -> None:
    key_dir = watched.ledger.settings.key_dir
    (key_dir / "signer.stopped").write_bytes(b"torn")
    with pytest.raises(NotReady, match="cannot be read"):
        watched.ledger.check_ready()
    assert not goes_on(watched, "torn")
    (key_dir / "signer.stopped").unlink()
    reopen(watched)
    # A folder in the way of the new file, as a full disk would be.
    (key_dir / "signer.stopped.new").mkdir()
    show(mirror, note_of(log_key(watched), 1_000))
    assert look(watched) is not None
    with pytest.raises(SecondHistory):
        watched.ledger.log([watched.submission("late")])


def test_after_recovery_from_the_mirror_the_writer_begins_again(
    small: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A copy of the whole machine runs on, until a mirror of the first one is looked at."""
    small.ledger.close()
    shutil.copytree(tmp_path / "ledger", tmp_path / "region")
    small.ledger = Ledger(small.ledger.settings, clock=small.clock)
    region = Settings(data_dir=tmp_path / "region", mirror=str(tmp_path / "mirror"))
    running = Ledger(region, clock=small.clock)
    small.log(small.submission("here"))
    run(small, tmp_path / "mirror")
    assert Lookout(running, None).look() is not None
    with pytest.raises(SecondHistory):
        running.log([small.submission("there")])
    running.close()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "region"))
    monkeypatch.setenv("LEDGER_MIRROR", str(tmp_path / "mirror"))
    shell = Shell(tmp_path, capsys)
    for _ in range(2):
        shell("publish-due").refused("the mirror has 43 entries under this log's signature")
    # A mirror that is too old, or another history, does not let it go.
    shutil.copytree(tmp_path / "mirror", tmp_path / "torn")
    (tmp_path / "torn" / "log" / "checkpoint").write_bytes(b"")
    assert shell("recover", "--from", "torn").status == 2
    shell("publish-due").refused("the mirror has 43 entries")
    out = shell.ok("recover", "--from", "mirror")
    assert "43 entries, 41 before" in out
    assert "what stopped the writer is in the database now" in out
    again = Ledger(region, clock=small.clock)
    again.log([small.submission("there")])
    assert run_of(again, tmp_path / "mirror").old_size == 43
    again.close()
    verified(small.ledger.vkey, "--offline", tmp_path / "mirror", evidence=tmp_path / "evidence")

    # And now it is the first one that is stopped, before it signs anything.
    small.ledger.close()
    first = small.ledger.settings.model_copy(update={"mirror": str(tmp_path / "mirror")})
    with closing(Ledger(first, clock=small.clock)) as ledger:
        assert Lookout(ledger, None).look() is not None
        with pytest.raises(LogUnavailable):
            ledger.log([small.submission("late")])


def test_two_signed_histories_are_not_recovered_from(
    small: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No mirror brings two trees together; what proves the fork stays where it is."""
    run(small, tmp_path / "mirror")
    stop = note_of(log_key(small), 41)
    small.ledger.close()
    reopen(small, mirror=str(tmp_path / "false"))
    (tmp_path / "false" / "log").mkdir(parents=True)
    show(tmp_path / "false", stop)
    assert look(small) is not None
    small.ledger.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    shell = Shell(tmp_path, capsys)
    mark = (tmp_path / "ledger" / "keys" / "signer.stopped").read_bytes()
    said = shell("recover", "--from", "mirror")
    assert said.status == 2
    assert "it stays stopped" in said.err
    assert "publish signer.stopped" in said.err
    assert (tmp_path / "ledger" / "keys" / "signer.stopped").read_bytes() == mark
    assert b"two histories" in mark


def test_what_waits_is_refused_and_the_stop_is_written_down_as_soon_as_it_can_be(
    watched: World, mirror: Path
) -> None:
    """A disk that takes no mark keeps nobody from stopping, and the mark is tried again."""
    ledger = watched.ledger
    in_the_way = ledger.settings.key_dir / "signer.stopped.new"
    in_the_way.mkdir()
    size = watched.reader.tree_size()
    signing, told = Event(), Event()
    sign = ledger.sequencer._signing.sign

    def slowly(*parts: Any) -> Any:
        signing.set()
        assert told.wait(120)
        return sign(*parts)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.sequencer._signing, "sign", slowly)
        under_way = ledger.submit(watched.submission("under way"))
        assert signing.wait(120)
        waiting = ledger.submit(watched.submission("waits"))
        lookout = Lookout(ledger, None)
        show(mirror, note_of(log_key(watched), 1_000))
        closed = ledger.sequencer._queue.close

        def close_and_tell(why: LogUnavailable) -> None:
            closed(why)
            told.set()

        patch.setattr(ledger.sequencer._queue, "close", close_and_tell)
        until(lambda: bool(ledger.sequencer.waiting))
        lookout.start()
        assert under_way.result(120).accepted.index == size
        with pytest.raises(SecondHistory):
            waiting.result(120)
    mark = ledger.settings.key_dir / "signer.stopped"
    assert not mark.exists()
    in_the_way.rmdir()
    lookout._wake.set()
    until(mark.exists)
    lookout.stop()
