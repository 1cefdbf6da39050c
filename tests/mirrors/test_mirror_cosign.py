"""A mirror that cosigns what it holds, by the key and the memory of a witness."""

import re
import shutil
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cli_world import Said, Shell
from ledger_world import World
from mirror_world import VERIFY, files, run, run_of, serving, verified

from ledger import keys
from ledger.assembly import Ledger
from ledger.mirrors import MirrorServer
from ledger.mirrors.cosigning import with_lines
from ledger.mirrors.shapes import MAX_NOTE
from ledger.settings import Settings
from ledger.tlog.cosignature import cosign, cosignature_time, verify_cosignature
from ledger.tlog.note import (
    COSIGNATURE,
    MLDSA44,
    Note,
    NoteSignature,
    Signer,
    format_note,
    generate_key,
    parse_note,
    parse_vkey,
)
from ledger.tlog.policy import check_policy, parse_policy
from ledger.witness import State

NAME = "mirror.example/m1"
NOTE = Path("copy/log/checkpoint")


@pytest.fixture
def shell(
    small: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    monkeypatch.chdir(tmp_path)
    run(small, tmp_path / "theirs")
    return Shell(tmp_path, capsys)


def witness(shell: Shell, world: World, *more: str) -> list[str]:
    """A new witness that follows the log; its verifier keys."""
    vkeys = shell.ok("witness", "--data", "w", "create", "--name", NAME, *more).split()
    shell.ok("witness", "--data", "w", "add-log", world.ledger.vkey)
    return vkeys


def pull(world: World, source: str = "theirs") -> list[object]:
    return [
        "mirror",
        "--from",
        source,
        "--to",
        "copy",
        "--vkey",
        world.ledger.vkey,
        "--cosign",
        "w",
    ]


def refused(said: Said, pattern: str) -> None:
    """The progress of what was held, then one line that says why there is no cosignature."""
    assert said.status == 2, said
    *progress, last = said.err.splitlines()
    assert all(line.startswith("log: ") for line in progress), said
    assert re.fullmatch(f"ledger: .*{pattern}.*", last), said


def test_a_cosigned_copy_meets_a_policy_that_demands_its_witness(
    small: World, tmp_path: Path, shell: Shell
) -> None:
    vkeys = witness(shell, small, "--mldsa")
    assert [parse_vkey(each).type for each in vkeys] == [COSIGNATURE, MLDSA44]
    shell.ok(*pull(small))
    small.log(small.submission("newer"))
    run(small, tmp_path / "theirs")
    shell.ok(*pull(small))
    note = parse_note(NOTE.read_bytes())
    origin = note.text.split("\n")[0]
    assert [line.name for line in note.signatures] == [origin, NAME, NAME]
    assert note.text.split("\n")[1] == "43"
    for line, vkey in zip(note.signatures[1:], vkeys, strict=True):
        assert verify_cosignature(note.text, line, verifier=parse_vkey(vkey)) > 0
    with closing(State(tmp_path / "w" / "witness.db")) as state:
        found = state.cosigned(origin)
        assert found is not None
        assert found.latest.size == 43
    policy = shell.write("policy", f"log {small.ledger.vkey}\nwitness m {vkeys[0]}\nquorum m\n")
    assert check_policy(NOTE.read_bytes(), parse_policy(policy.read_text())).size == 43
    # Hashes and policy alone: by the witness's clock, which is today's, this world is overdue.
    judge = [sys.executable, str(VERIFY), "--offline", "copy", "--policy", "policy"]
    judge.append("--only-hashes")
    judged = subprocess.run(judge, check=False, capture_output=True, text=True)
    assert judged.returncode == 0, judged
    with MirrorServer(tmp_path / "copy", "127.0.0.1", 0) as server, serving(server):
        shell.ok("mirror", "--from", server.url, "--to", "again", "--policy", policy)
    # The lines of other cosigners come along as they are.
    again, copy = (files(tmp_path / place / "log") for place in ("again", "copy"))
    assert {name: copy[name] for name in again} == again


def test_a_run_with_nothing_new_states_a_newer_time(
    small: World, tmp_path: Path, shell: Shell
) -> None:
    vkey = parse_vkey(witness(shell, small)[0])
    shell.ok(*pull(small))
    own = parse_note(NOTE.read_bytes()).signatures[-1]
    # As if the last time was long ago: the memory says so, and the copy.
    text = parse_note(NOTE.read_bytes()).text
    old = cosign(
        text, signer=keys.read_signer(tmp_path / "w" / "witness.key"), time_s=1_700_000_000
    )
    with closing(State(tmp_path / "w" / "witness.db")) as state, state.changing() as change:
        change._connection.execute("UPDATE latest SET time_s = 1700000000")
    NOTE.write_bytes(with_lines(NOTE.read_bytes(), [old], origin=text.split("\n")[0]))
    shell.ok(*pull(small))
    *_, line = parse_note(NOTE.read_bytes()).signatures
    assert verify_cosignature(text, line, verifier=vkey) >= cosignature_time(own) > 1_700_000_000


def test_what_the_witness_refuses_is_said_and_the_copy_is_kept_without_its_line(
    small: World, tmp_path: Path, shell: Shell
) -> None:
    shell("mirror", "--to", "x", "--cosign", str(tmp_path)).refused("--cosign and --watch go with")
    (tmp_path / "w").mkdir()
    shell(*pull(small)).refused("there is no witness in w")
    shell.ok("witness", "--data", "w", "create", "--name", NAME)
    refused(shell(*pull(small)), "does not follow this log")
    assert len(parse_note(NOTE.read_bytes()).signatures) == 1
    shell.ok("witness", "--data", "w", "add-log", small.ledger.vkey)
    shell.ok(*pull(small))
    shutil.rmtree("copy")
    # A source that is behind what the witness has cosigned.
    shutil.copytree("theirs", "behind")
    small.log(small.submission("newer"))
    run(small, tmp_path / "theirs")
    shell.ok(*pull(small))
    shutil.rmtree("copy")
    refused(shell(*pull(small, "behind")), "has cosigned 43 entries, and this mirror holds 41")
    assert parse_note(NOTE.read_bytes()).text.split("\n")[1] == "41"
    assert len(parse_note(NOTE.read_bytes()).signatures) == 1


@pytest.mark.parametrize("jobs", [1, 3])
def test_a_history_other_than_the_cosigned_one_is_evidence_also_for_a_new_copy(
    small: World, tmp_path: Path, shell: Shell, jobs: int
) -> None:
    shutil.copytree(tmp_path / "ledger", tmp_path / "backup")
    witness(shell, small)
    small.log(small.submission("one"))
    run(small, tmp_path / "theirs")
    shell.ok(*pull(small))
    shutil.rmtree("copy")
    fork = Ledger(Settings(data_dir=tmp_path / "backup"), clock=small.clock)
    with closing(fork):
        fork.log([small.submission(f"other{n}") for n in range(jobs)])
        run_of(fork, tmp_path / "forked")
    said = shell(*pull(small, "forked"))
    assert said.status == 1
    assert "signed two histories" in said.err
    assert not NOTE.exists()
    [proof] = Path("copy/evidence").rglob("split-view.json")
    verified(small.ledger.vkey, "evidence", proof)


def test_a_key_has_one_line_and_nobody_can_crowd_the_own_one_out() -> None:
    log, _ = generate_key("log.example", bytes(32))
    own, _ = generate_key(NAME, bytes(32), key_type=COSIGNATURE)
    text = "log.example\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
    signed = NoteSignature(log.name, log.key_id, log.sign(text.encode()))
    new = cosign(text, signer=own, time_s=7)

    def merged(*came: NoteSignature) -> tuple[NoteSignature, ...]:
        data = with_lines(format_note(Note(text, came)), [new], origin=log.name)
        assert len(data) <= MAX_NOTE
        return parse_note(data).signatures

    stranger = NoteSignature("w.example", 7, b"as it came")
    assert merged(stranger, _line(own), signed) == (signed, stranger, new)
    many = [NoteSignature(f"w{n}.example", n, b"x" * 9_000) for n in range(29)]
    found = merged(*many, signed)
    assert (found[0], found[-1]) == (signed, new)
    assert set(found[1:-1]) < set(many)
    short = [NoteSignature(f"w{n}.example", n, b"x") for n in range(99)]
    assert merged(signed, *short) == (signed, *short[:98], new)


def _line(signer: Signer) -> NoteSignature:
    """What somebody else put there in the witness's name."""
    return NoteSignature(signer.name, signer.key_id, bytes(72))
