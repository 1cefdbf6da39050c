"""What a witness remembers: under a race, after a kill, and against whoever edits it."""

import hashlib
import json
import sqlite3
import threading
from pathlib import Path

import pytest
import witness_children
from processes import heard_until_end, running
from witness_world import FORK, LEAVES, LOG, ORIGIN, WITNESS, World, ask, checkpoint

from ledger.errors import LedgerError
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import COSIGNATURE, Signer, VerifierKey, open_note, parse_note
from ledger.witness import Refused, State, WitnessError

HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()


def newest(world: World) -> int:
    note = world.get(f"/{HASH}/checkpoint").body
    return open_checkpoint(note, [LOG.verifier]).size


def newest_by(world: World, signer: Signer) -> int:
    note = world.get(f"/{HASH}/checkpoint").body
    return open_checkpoint(note, [signer.verifier]).size


def follow_many(world: World, count: int) -> None:
    for number in range(count):
        signer = Signer(f"log.example/{number}", bytes(32))
        world.state.follow(signer.name, signer.verifier)


def race(world: World, bodies: list[bytes]) -> list[bytes | int]:
    """Every body by a thread of its own, at once: the lines, or the status of the refusal."""
    answers: list[bytes | int] = [0] * len(bodies)
    start = threading.Barrier(len(bodies))

    def send(at: int) -> None:
        start.wait()
        try:
            answers[at] = world.witness.add_checkpoint(bodies[at])
        except Refused as refused:
            answers[at] = refused.status

    threads = [threading.Thread(target=send, args=(at,)) for at in range(len(bodies))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_of_twenty_that_continue_one_tree_at_once_one_is_cosigned(world: World) -> None:
    world.post(ask(0, 5))
    bodies = [ask(5, 6 + at, (LEAVES, FORK)[at % 2]) for at in range(20)]
    answers = race(world, bodies)
    winners = [at for at, answer in enumerate(answers) if isinstance(answer, bytes)]
    assert len(winners) == 1
    assert sorted(str(a) for a in answers if isinstance(a, int)) == ["409"] * 19
    assert newest(world) == 6 + winners[0]


def test_twenty_first_checkpoints_at_once_of_two_histories_leave_one_of_them(world: World) -> None:
    bodies = [ask(0, 10, (LEAVES, FORK)[at % 2]) for at in range(20)]
    answers = race(world, bodies)
    won = {at % 2 for at, answer in enumerate(answers) if isinstance(answer, bytes)}
    assert len(won) == 1
    assert [a for a in answers if isinstance(a, bytes)]
    other = 1 - won.pop()
    assert {answers[at] for at in range(20) if at % 2 == other} == {409}
    [lie] = json.loads(world.get(f"/{HASH}/conflicts").body)
    assert lie["conflicting"].encode() == checkpoint(10, (LEAVES, FORK)[other])


def test_a_log_key_that_was_dropped_is_refused_and_the_new_one_goes_on(world: World) -> None:
    follower = Signer(ORIGIN, bytes(range(7, 39)))
    world.post(ask(0, 5))
    with pytest.raises(WitnessError, match="the only key of log"):
        world.state.drop(LOG.verifier)
    with pytest.raises(WitnessError, match="not one that is trusted"):
        world.state.drop(follower.verifier)
    assert world.state.follow(ORIGIN, follower.verifier)
    # Until it is dropped, whoever has the old key alone can go on with the log.
    assert world.post(ask(5, 7)).status == 200
    world.state.drop(LOG.verifier)
    assert world.post(ask(7, 9)).status == 403
    assert newest_by(world, LOG) == 7
    both = checkpoint(9, signers=(LOG, follower))
    assert world.post(ask(7, 9, note=both)).status == 200
    assert newest_by(world, follower) == 9
    # The old key's line is not one that this witness has verified: it keeps and serves it no more.
    assert len(parse_note(world.get(f"/{HASH}/checkpoint").body).signatures) == 2


def test_a_key_that_is_dropped_while_its_checkpoint_is_read_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.state.follow(ORIGIN, Signer(ORIGIN, bytes(range(7, 39))).verifier)
    keys_of = world.state.keys_of

    def just_before(origin: str) -> list[VerifierKey]:
        found = keys_of(origin)
        world.state.drop(LOG.verifier)
        return found

    monkeypatch.setattr(world.state, "keys_of", just_before)
    assert world.post(ask(0, 5)).status == 403
    assert world.state.cosigned(ORIGIN) is None


def test_a_dropped_key_comes_back_only_by_name(world: World) -> None:
    follower = Signer(ORIGIN, bytes(range(7, 39)))
    world.state.follow(ORIGIN, follower.verifier)
    world.state.drop(LOG.verifier)
    assert not world.state.follow(ORIGIN, LOG.verifier)
    assert world.state.is_dropped(LOG.verifier)
    assert world.state.keys_of(ORIGIN) == [follower.verifier]
    assert world.state.follow(ORIGIN, LOG.verifier, again=True)
    assert not world.state.is_dropped(LOG.verifier)
    assert world.post(ask(0, 5)).status == 200


def test_two_processes_on_one_memory_cosign_one_history(tmp_path: Path) -> None:
    World(tmp_path).close()
    with (
        running(witness_children.cosign_from, tmp_path, 6, False) as (_, one),
        running(witness_children.cosign_from, tmp_path, 7, True) as (_, other),
    ):
        for pipe in (one, other):
            assert pipe.recv() == "ready"
        for pipe in (one, other):
            pipe.send("go")
        found = [heard_until_end(one), heard_until_end(other)]
    # Whoever came first has the witness; not a single tree of the other is cosigned.
    assert sorted(map(bool, found)) == [False, True]
    leaves = LEAVES if found[0] else FORK
    cosigned = found[0] or found[1]
    for size, lines in cosigned:
        open_note(checkpoint(size, leaves) + lines, [WITNESS.verifier])
    world = World(tmp_path)
    assert newest(world) == cosigned[-1][0]
    world.close()


@pytest.mark.parametrize(
    ("at", "after", "size"),
    [
        ("BEGIN", True, 3),
        ("INSERT", False, 3),
        ("INSERT", True, 3),
        ("UPDATE", True, 3),
        ("COMMIT", False, 3),
        ("COMMIT", True, 7),
    ],
)
def test_a_kill_leaves_the_old_tree_or_the_new_one_and_no_answer_before_it_is_kept(
    tmp_path: Path, at: str, after: bool, size: int
) -> None:
    with running(witness_children.cosign_and_die, tmp_path, at, after) as (_, pipe):
        heard = heard_until_end(pipe)
    assert len(heard) == 1
    open_note(checkpoint(3) + heard[0], [WITNESS.verifier])
    world = World(tmp_path)
    assert newest(world) == size
    # A client that heard nothing asks again, and finds its way by the 409.
    again = world.post(ask(3, 7))
    if size == 7:
        assert (again.status, again.body) == (409, b"7\n")
        world.clock.now += 60
        again = world.post(ask(7, 7))
    assert again.status == 200
    assert world.post(ask(7, 8, FORK)).status == 422
    world.close()


def test_a_memory_that_takes_nothing_gives_no_signature(world: World) -> None:
    world.post(ask(0, 5))
    world.state._writer.execute("PRAGMA query_only = ON")
    answer = world.post(ask(5, 7))
    assert (answer.status, answer.headers["retry-after"]) == (503, "60")
    assert b"cosign" not in answer.body
    world.state._writer.execute("PRAGMA query_only = OFF")
    assert world.post(ask(5, 7)).status == 200


def test_a_full_disk_gives_no_signature_and_loses_nothing(world: World) -> None:
    world.post(ask(0, 5))
    pages = world.state._writer.execute("PRAGMA page_count").fetchone()[0]
    world.state._writer.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(WitnessError, match="takes no change"):
        follow_many(world, 400)
    world.state._writer.execute("PRAGMA max_page_count = 100000")
    assert world.post(ask(5, 7)).status == 200


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE latest SET size = 4",
        "UPDATE latest SET root = zeroblob(32)",
        "UPDATE latest SET origin = 'x'",
        "DELETE FROM latest",
    ],
)
def test_the_file_itself_takes_nothing_back(world: World, tmp_path: Path, change: str) -> None:
    world.post(ask(0, 5))
    beside = sqlite3.connect(tmp_path / "witness.db")
    with pytest.raises(sqlite3.IntegrityError, match="what was cosigned is not"):
        beside.execute(change)
    beside.close()


def test_a_memory_belongs_to_one_key(world: World) -> None:
    other = Signer(WITNESS.name, bytes(32), key_type=COSIGNATURE)
    world.state.bind(WITNESS.vkey, time_s=0)
    with pytest.raises(WitnessError, match="put the file and the key together"):
        world.state.bind(other.vkey, time_s=0)


def test_a_file_that_is_no_memory_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "witness.db"
    path.write_bytes(b"not a database, though long enough to be taken for the head of one" * 20)
    with pytest.raises(LedgerError, match="cannot be opened"):
        State(path)
    with pytest.raises(LedgerError, match="cannot be opened"):
        State(tmp_path / "no" / "folder")


def test_what_was_cosigned_outlives_the_process(tmp_path: Path) -> None:
    world = World(tmp_path)
    lines = world.post(ask(0, 5)).body
    world.close()
    again = World(tmp_path)
    assert again.get(f"/{HASH}/checkpoint").body == checkpoint(5) + lines
    assert again.post(ask(0, 7)).body == b"5\n"
    assert again.state.time_s() == again.clock.now
    again.close()
