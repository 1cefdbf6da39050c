"""``ledger witness``: a stranger's first start, and the real server."""

import re
import shlex
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import httpx
import pytest
from cli_world import Shell, process
from ports import free_port

from ledger.cli.witness import witness_group
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from ledger.tlog.cosignature import AddCheckpoint, format_add_checkpoint
from ledger.tlog.merkle import leaf_hash, prove_consistency, root_hash
from ledger.tlog.note import COSIGNATURE, MLDSA44, Signer, open_note, parse_vkey, sign_note
from ledger.witness.state import origin_hash

TAGS = ("en", "zh-Hans")
LOG = Signer("log.example/cli", bytes(range(32)))
OTHER = Signer("log.example/other", bytes(32))
LEAVES = [leaf_hash(b"%d" % number) for number in range(60)]


def checkpoint(size: int, leaves: list[bytes] = LEAVES) -> bytes:
    text = format_checkpoint(Checkpoint(LOG.name, size, root_hash(leaves[:size])))
    return sign_note(text, [LOG])


def ask(old: int, size: int) -> bytes:
    proof = prove_consistency(LEAVES[:size], old_size=old) if 0 < old < size else []
    return format_add_checkpoint(AddCheckpoint(old, tuple(proof), checkpoint(size)))


def test_a_witness_from_its_first_start_to_its_second(shell: Shell) -> None:
    shell("witness", "--data", "w").refused("--name: a new witness needs a name")
    assert not Path("w").exists()
    shell("witness", "--data", "w", "add-log", LOG.vkey).refused("there is no witness in w")
    listen = f"127.0.0.1:{free_port()}"
    first = ["witness", "--data", "w", "--listen", listen, "--name", "w.example/1", "--mldsa"]
    with process([*first, "--follow", LOG.vkey], wait_for="listening on") as (running, heard):
        vkeys = re.findall(r"^(?:witness|ML-DSA-44): (.*)$", heard, re.MULTILINE)
        keys = [parse_vkey(vkey) for vkey in vkeys]
        assert [(key.name, key.type) for key in keys] == [
            ("w.example/1", COSIGNATURE),
            ("w.example/1", MLDSA44),
        ]
        assert "following 1 logs" in heard
        with httpx.Client(base_url=f"http://{listen}", timeout=120) as client:
            assert client.get("/vkey").text.split() == vkeys
            answer = client.post("/add-checkpoint", content=ask(0, 7))
            assert answer.status_code == 200
            verifiers = [LOG.verifier, *keys]
            assert len(open_note(checkpoint(7) + answer.content, verifiers).signatures) == 3
            behind = client.post("/add-checkpoint", content=ask(0, 9))
            assert (behind.status_code, behind.text) == (409, "7\n")
            assert behind.headers["content-type"] == "text/x.tlog.size"
            assert client.post("/add-checkpoint", content=b"x" * 300_000).status_code == 413
            # Another log is followed from the moment on in which it is added.
            text = format_checkpoint(Checkpoint(OTHER.name, 1, LEAVES[0]))
            other = b"old 0\n\n" + sign_note(text, [OTHER])
            assert client.post("/add-checkpoint", content=other).status_code == 404
            assert "follows: log.example/other" in shell.ok(
                "witness", "--data", "w", "add-log", OTHER.vkey
            )
            assert client.post("/add-checkpoint", content=other).status_code == 200
        running.send_signal(signal.SIGTERM)
        assert running.wait(120) == 0
    for name in ("witness.key", "witness.mldsa.key"):
        assert Path("w", name).stat().st_mode & 0o777 == 0o600
    assert shell.ok("witness", "--data", "w", "vkey").split() == vkeys
    again = ["witness", "--data", "w", "--listen", listen]
    with process(again, wait_for="listening on") as (running, heard):
        assert f"witness: {vkeys[0]}\n" in heard
        page = httpx.get(f"http://{listen}/", timeout=120).text
        assert "log.example/cli\n  size 7, cosigned 20" in page
        running.kill()


def listens(address: str) -> bool:
    try:
        httpx.get(address, timeout=120)
    except httpx.HTTPError:
        return False
    return True


def test_twenty_clients_at_once_and_a_kill_leave_one_history(shell: Shell) -> None:
    listen = f"127.0.0.1:{free_port()}"
    first = ["witness", "--data", "w", "--listen", listen, "--name", "w.example/1"]
    start = [*first, "--follow", LOG.vkey]
    address = f"http://{listen}/add-checkpoint"
    with process(start, wait_for="listening on") as (running, heard):
        found = re.search(r"^witness: (.*)$", heard, re.MULTILINE)
        assert found is not None
        witness = parse_vkey(found[1])
        with ThreadPoolExecutor(20) as clients:
            asked = [(0, size) for size in range(1, 21)]
            answers = list(
                clients.map(
                    lambda each: httpx.post(address, content=ask(*each), timeout=120), asked
                )
            )
        won = [at for at, answer in enumerate(answers, 1) if answer.status_code == 200]
        assert len(won) == 1
        assert {answer.text for answer in answers if answer.status_code == 409} == {f"{won[0]}\n"}
        assert httpx.post(address, content=ask(won[0], 50), timeout=120).status_code == 200
        running.kill()
        running.wait(120)
    # The process that listens sees by itself that the first one is gone.
    while listens(address):
        pass
    with process(first, wait_for="listening on"):
        note = httpx.get(f"http://{listen}/{origin_hash(LOG.name)}/checkpoint", timeout=120).content
        assert open_checkpoint(note, [LOG.verifier, witness]).size == 50
        assert len(open_note(note, [LOG.verifier, witness]).signatures) == 2
        assert httpx.post(address, content=ask(0, 51), timeout=120).text == "50\n"


def prepared(shell: Shell) -> Path:
    """A witness's folder as a first start leaves it."""
    listen = f"127.0.0.1:{free_port()}"
    with process(
        ["witness", "--data", "w", "--listen", listen, "--name", "w.example/1"],
        wait_for="listening on",
    ):
        pass
    return shell.folder / "w"


def test_logs_are_followed_by_key_or_by_a_policy_and_listed(shell: Shell) -> None:
    prepared(shell)
    shell("witness", "--data", "w", "add-log").refused("give the log's verifier key")
    shell("witness", "--data", "w", "add-log", LOG.vkey, "--policy", "p").refused("give the log's")
    shell("witness", "--data", "w", "add-log", "frob").refused("name\\+hash\\+base64")
    shell("witness", "--data", "w", "add-log", LOG.vkey, "--origin", "x").refused(
        "a log's key is named like its origin"
    )
    cosigner = Signer("w.example/2", bytes(32), key_type=COSIGNATURE)
    shell("witness", "--data", "w", "add-log", cosigner.vkey).refused("type 0x01 or 0x06")
    shell.write("p", f"log {LOG.vkey}\nlog {OTHER.vkey} https://log.example/\nquorum none\n")
    said = shell.ok("witness", "--data", "w", "add-log", "--policy", "p")
    assert said == "follows: log.example/cli\nfollows: log.example/other\n"
    again = shell.ok("witness", "--data", "w", "add-log", LOG.vkey, "--origin", LOG.name)
    assert again == "already follows: log.example/cli\n"
    listed = shell.ok("witness", "--data", "w", "logs")
    assert listed == (
        "log.example/cli: nothing cosigned yet\nlog.example/other: nothing cosigned yet\n"
    )
    follower = Signer(LOG.name, bytes(range(7, 39)))
    shell("witness", "--data", "w", "drop-key", LOG.vkey).refused("the only key of log.example/cli")
    shell("witness", "--data", "w", "drop-key", "frob").refused("name\\+hash\\+base64")
    shell.ok("witness", "--data", "w", "add-log", follower.vkey)
    listed = shell.ok("witness", "--data", "w", "logs").splitlines()
    assert set(listed[1:3]) == {f"  {LOG.vkey}", f"  {follower.vkey}"}
    said = shell.ok("witness", "--data", "w", "drop-key", LOG.vkey)
    assert said == f"dropped: {LOG.vkey}\n"
    shell("witness", "--data", "w", "drop-key", LOG.vkey).refused("is not one that is trusted")
    # The policy of before does not bring it back; the key by itself does.
    said = shell.ok("witness", "--data", "w", "add-log", "--policy", "p")
    assert said.startswith(f"dropped before, and not trusted again: {LOG.vkey}\n")
    assert shell.ok("witness", "--data", "w", "add-log", LOG.vkey) == "follows: log.example/cli\n"
    assert "believed" in shell.ok("witness", "--data", "w", "accept-clock")


def test_a_key_without_its_memory_and_a_memory_without_its_key_do_not_start(shell: Shell) -> None:
    folder = prepared(shell)
    start = ["witness", "--data", "w", "--listen", f"127.0.0.1:{free_port()}"]
    shell(*start, "--name", "w.example/2").refused("a name is for ever")
    memory = folder / "witness.db"
    kept = memory.read_bytes()
    memory.unlink()
    shell(*start).refused("could be made to cosign a second history")
    assert not memory.exists()
    memory.write_bytes(kept)
    key = folder / "witness.key"
    key.rename(folder / "aside")
    shell(*start, "--name", "w.example/1").refused("put the file and the key together")
    key.chmod(0o644)
    shell(*start).refused("can be read by others")


@pytest.mark.parametrize(
    "listen", ["8300", ":8300", "127.0.0.1:", "h:0", "h:99999", "h:8x", "h:-1"]
)
def test_an_address_that_is_none_is_refused(shell: Shell, listen: str) -> None:
    shell("witness", "--name", "w", "--listen", listen).refused("--listen: ")
    assert not Path("witness-data").exists()


@pytest.mark.parametrize(
    "text", ["README.md", *(f"web/words/{tag}/docs/witness.md" for tag in TAGS)]
)
def test_the_commands_in_the_documents_are_ones_that_there_are(text: str) -> None:
    source = Path(__file__).parents[2].joinpath(text).read_text("utf-8")
    commands = re.findall(
        r"^ *ledger (witness .*)$|`ledger (witness [a-z].*?)`", source, re.MULTILINE
    )
    assert commands
    for line, span in commands:
        arguments = shlex.split(line or span)[1:]
        parser = witness_group.make_parser(click.Context(witness_group))
        _, rest, _ = parser.parse_args(arguments)
        if rest:
            command = witness_group.commands[rest[0]]
            command.make_parser(click.Context(command)).parse_args(rest[1:])
