"""A policy is read at the start: what is wrong with it is said in one line, and nothing runs."""

import re
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

import kit
from cli_world import Shell
from witness_process import PREFIX

from ledger.tlog.note import COSIGNATURE, generate_key
from ledger.tlog.policy import parse_policy
from ledger.tlog.standard import hold_to

ONE = generate_key("witness.example/one", b"1" * 32, key_type=COSIGNATURE)[1]
TWO = generate_key("witness.example/two", b"2" * 32, key_type=COSIGNATURE)[1]
OTHER_LOG = generate_key(kit.ORIGIN, b"3" * 32)[1]
SAME_NAME = generate_key(kit.ORIGIN, b"4" * 32, key_type=COSIGNATURE)[1]
URL = f"https://witness.example{PREFIX}"
WRONG = {
    "no quorum": (f"witness A {ONE} {URL}\n", "one quorum line"),
    "no newline at the end": (f"witness A {ONE} {URL}\nquorum A", "no newline"),
    "a line of no kind": ("wintess A\nquorum none\n", "line 1 of the policy"),
    "a key that is none": ("witness A what+ever\nquorum A\n", "line 1 of the policy"),
    "a log's key for a witness": (f"witness A {OTHER_LOG}\nquorum A\n", "line 1 of the policy"),
    "another log": (f"log {OTHER_LOG}\nquorum none\n", "no log line has this log's key"),
    "the log's own name": (f"witness A {SAME_NAME} {URL}\nquorum A\n", "name of the log itself"),
    "nobody to ask": (f"witness A {ONE}\nquorum A\n", "too few of its witnesses have an address"),
    "too few to ask": (
        f"witness A {ONE} {URL}\nwitness B {TWO}\ngroup g all A B\nquorum g\n",
        "too few of its witnesses have an address",
    ),
    "an address of another scheme": (
        f"witness A {ONE} ftp://w.example\nquorum A\n",
        "of the witness A",
    ),
    "an address with a password": (
        f"witness A {ONE} https://u:p@w.example\nquorum A\n",
        "witness A",
    ),
    "an address with a query": (f"witness A {ONE} https://w.example?k=v\nquorum A\n", "witness A"),
    "an address without a host": (f"witness A {ONE} https:///x\nquorum A\n", "of the witness A"),
    "a port that is none": (
        f"witness A {ONE} https://w.example:x/\nquorum A\n",
        "of the witness A",
    ),
}


@pytest.fixture
def shell(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    sqlite_url: str,
) -> Shell:
    kit.make_ledger(sqlite_url, tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LEDGER_POLICY", str(tmp_path / "policy"))
    return Shell(tmp_path, capsys)


def test_what_is_wrong_with_a_policy_is_one_line_at_the_start(shell: Shell) -> None:
    for name, (text, words) in WRONG.items():
        shell.write("policy", text)
        for command in ("serve", "witnesses", "status"):
            said = shell(command)
            said.refused("LEDGER_POLICY is .*policy: ", re.escape(words))
            assert len(said.err.splitlines()) == 1, name
            assert "secret-path" not in said.err
            assert "u:p" not in said.err


def test_a_file_that_is_none_is_one_line_too(shell: Shell) -> None:
    shell("witnesses").refused("LEDGER_POLICY is .*: No such file")
    (shell.folder / "policy").mkdir()
    shell("witnesses").refused("LEDGER_POLICY is .*: Is a directory")
    (shell.folder / "policy").rmdir()
    (shell.folder / "policy").write_bytes(b"# \xff\nquorum none\n")
    shell("witnesses").refused("not UTF-8")
    (shell.folder / "policy").write_bytes(b"#" * 300_000)
    shell("witnesses").refused("at most 262144 are read")


def test_closed_without_a_policy_is_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEDGER_WITNESS_MODE", "closed")
    shell.write("policy", f"witness A {ONE} {URL}\nquorum A\n")
    assert "MET BY NO CHECKPOINT YET" in shell.ok("witnesses")
    monkeypatch.delenv("LEDGER_POLICY")
    shell("serve").refused("LEDGER_WITNESS_MODE is closed and there is no LEDGER_POLICY")


def test_without_a_policy_there_are_no_witnesses_to_list(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LEDGER_POLICY")
    shell("witnesses").refused("LEDGER_POLICY names no policy")
    assert "witnesses:" not in shell.ok("status")


def test_a_policy_that_asks_for_no_witness_is_met_by_every_checkpoint(shell: Shell) -> None:
    shell.write("policy", f"witness A {ONE}\nquorum none\n")
    assert "quorum none: met by the newest checkpoint, size 1" in shell.ok("witnesses")
    shell("witnesses", "--check").refused("no witness of LEDGER_POLICY has an address")


def test_a_policy_is_the_same_whatever_its_comments_and_addresses() -> None:
    log = generate_key(kit.ORIGIN, b"5" * 32)[0].verifier
    texts = (
        f"witness A {ONE} {URL}\nquorum A\n",
        f"# ours\n\twitness  A {ONE}   http://127.0.0.1:1/x\n\n quorum A\n",
        f"witness A {TWO} {URL}\nquorum A\n",
        f"witness A {ONE} {URL}\nquorum none\n",
    )
    digests = [hold_to(parse_policy(text), log, closed=False).digest for text in texts]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3
