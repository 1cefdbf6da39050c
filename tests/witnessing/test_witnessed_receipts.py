"""A receipt with cosignatures satisfies a policy: to `ledger verify-proof` and to verify.py."""

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

from cli_world import Shell
from sqlalchemy import text as sql
from witnessing_world import ALL, Making, World, cosigners, policy_text

from ledger.errors import Damaged
from ledger.reader import Reader
from ledger.tlog.proof import format_proof, parse_proof

SCRIPT = Path(__file__).parents[2] / "scripts" / "verify.py"


@pytest.fixture
def shell(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    settings = world.settings
    monkeypatch.setenv("LEDGER_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("LEDGER_DATABASE_URL", settings.database_url)
    monkeypatch.setenv("LEDGER_POLICY", str(settings.policy))
    return Shell(settings.data_dir, capsys)


def receipt(world: World, index: int) -> bytes:
    with world.ledger.reader.at() as view:
        return view.receipt(index, witnessed=True, smallest=True)


def by_script(file: Path, policy: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, SCRIPT, "proof", file, "--policy", policy],
        capture_output=True,
        text=True,
        check=False,
        cwd=file.parent,  # it writes evidence where it stands
    )


def test_both_verifiers_take_a_cosigned_receipt_and_no_other(world: World, shell: Shell) -> None:
    log = f"log {world.ledger.vkey}\n"
    two = shell.write("two.policy", log + policy_text(world.witnesses))
    three = shell.write("three.policy", log + policy_text(world.witnesses, ALL))
    index = world.log() - 2
    file = shell.folder / "receipt.tlog-proof"
    file.write_bytes(receipt(world, index))
    assert shell("verify-proof", file, "--policy", two).status == 1
    assert "no witness quorum" in by_script(file, two).stderr

    world.witnesses[0].behave("closes")
    world.ask()
    file.write_bytes(receipt(world, index))
    assert f"entry {index}, submitted" in shell.ok("verify-proof", file, "--policy", two)
    found = by_script(file, two)
    assert found.returncode == 0, found.stdout + found.stderr
    assert shell("verify-proof", file, "--policy", three).status == 1
    assert "no witness quorum" in by_script(file, three).stderr

    proof = parse_proof(file.read_bytes())
    forged = bytearray(proof.checkpoint)
    forged[-6] ^= 1
    file.write_bytes(
        format_proof(type(proof)(proof.index, proof.hashes, bytes(forged), proof.extra))
    )
    assert shell("verify-proof", file, "--policy", two).status != 0
    assert by_script(file, two).returncode != 0


def test_an_opening_goes_with_a_receipt_of_the_tree_before_it(world: World) -> None:
    index = world.log() - 2
    world.ask()
    sealed = receipt(world, index)
    world.advance(90 * 86_400)
    assert world.ledger.embargo.open_due().opened == 1
    opened = receipt(world, index)
    assert parse_proof(opened).checkpoint == parse_proof(sealed).checkpoint
    assert b'"opening"' not in (parse_proof(sealed).extra or b"")
    assert b'"opening"' in (parse_proof(opened).extra or b"")


def test_the_witnesses_are_listed_and_asked_from_the_command_line(
    world: World, shell: Shell
) -> None:
    for each in world.witnesses:
        each.tell("behave", time=None)
    size = world.log()
    assert "has cosigned nothing yet" in shell.ok("witnesses")
    world.witnesses[0].behave("status", (404, b"", {}))
    out = shell.ok("witnesses", "--check")
    assert "W0: it does not know this log (404): ask its operator to add the log's key" in out
    assert f"W1: cosigned size {size}\n\u2014 witness.example/w1 " in out
    assert f"quorum enough: met by the newest checkpoint, size {size}" in out
    assert "W0 (witness.example/w0+" in out
    assert "has cosigned nothing yet; FAILED 1 times in a row, last unknown-log at 20" in out
    assert len(cosigners(world.note())) == 2
    status = shell.ok("status")
    assert f"witnesses:     quorum enough: met by the newest checkpoint, size {size}" in status
    assert f"cosigned size {size} at 20" in status
    world.log()
    world.witnesses[1].behave("closes")
    said = shell("witnesses", "--check")
    assert said.status == 2
    assert said.err.splitlines()[-1] == "ledger: the newest checkpoint has not met the policy"
    assert f"quorum enough: met at size {size}, and size {size + 2} is signed" in said.out
    for text in (out, status, said.out, said.err):
        assert "secret-path" not in text


def test_a_cosignature_that_was_damaged_is_left_out_and_noted(world: World) -> None:
    size = world.log()
    world.ask()
    sound = cosigners(world.note())
    with world.ledger.store.engine.connect() as plain:
        connection = plain.execution_options(ledger_writes=True)
        with connection.begin():
            found = connection.execute(
                sql("SELECT witness, newest_line FROM cosignatures WHERE size = :size"),
                {"size": size},
            ).first()
            assert found is not None
            line = found.newest_line
            flipped = f"{line[:-20]}{'A' if line[-20] != 'A' else 'B'}{line[-19:]}"
            connection.execute(
                sql(
                    "UPDATE cosignatures SET newest_line = :line"
                    " WHERE size = :size AND witness = :witness"
                ),
                {"line": flipped, "size": size, "witness": found.witness},
            )
    left = cosigners(Reader(world.ledger.store, standard=world.ledger.standard).shown().note)
    name = found.witness.partition("+")[0]
    assert sorted(left) == sorted(each for each in sound if each[0] != name)
    assert world.ledger.store.damage.places == [
        f"a cosignature of the checkpoint of {size} entries"
    ]


def test_a_receipt_with_too_few_sound_cosignatures_is_not_given_under_a_closed_policy(
    making: Making,
) -> None:
    world = making()
    size = world.log()
    world.ask()
    with world.ledger.store.engine.connect() as plain:
        connection = plain.execution_options(ledger_writes=True)
        with connection.begin():
            rows = connection.execute(
                sql("SELECT witness, first_line FROM cosignatures WHERE size = :size"),
                {"size": size},
            ).all()
            assert len(rows) == 3
            for witness, line in rows[:2]:
                flipped = f"{line[:-20]}{'A' if line[-20] != 'A' else 'B'}{line[-19:]}"
                connection.execute(
                    sql(
                        "UPDATE cosignatures SET first_line = :line"
                        " WHERE size = :size AND witness = :witness"
                    ),
                    {"line": flipped, "size": size, "witness": witness},
                )
    assert len(cosigners(parse_proof(receipt(world, size - 2)).checkpoint)) == 1
    world.reopen(witness_mode="closed")
    for _ in range(2):
        with pytest.raises(Damaged, match=f"a cosignature of the checkpoint of {size} entries"):
            receipt(world, size - 2)
