"""A log with a second key, from the command that makes it to a reader who demands its line."""

import httpx
import pytest
from cli_world import ORIGIN, SUBMISSION, Shell, process
from ports import free_port

from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import MLDSA44, open_note, parse_note, parse_vkey
from ledger.tlog.policy import check_policy, parse_policy


def test_a_log_takes_a_second_key_and_readers_can_demand_its_line(
    made: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    monkeypatch.setenv("LEDGER_MLDSA", "true")
    made("serve").refused(r"log\.mldsa\.key: No such file", "ledger keys mldsa")
    vkey = made.ok("keys", "mldsa").strip()
    made("keys", "mldsa").refused("never overwritten")
    second = parse_vkey(vkey)
    assert (second.name, second.type) == (ORIGIN, MLDSA44)
    path = made.keys / "log.mldsa.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert made.ok("keys", "show", path).strip() == vkey
    with process(["serve"], wait_for="serving ") as (_, heard):
        base = heard[heard.index("http") :].split()[0]
        made.write("s.toml", SUBMISSION)
        # The receipt holds the dual-signed note; the command verifies it with the first key.
        made.ok("submit", "s.toml", "--key", made.author("deepseek"))
        with httpx.Client(base_url=base, timeout=120) as client:
            first = parse_vkey(client.get("/log/vkey").text.removesuffix("\n"))
            assert client.get("/log/vkey-mldsa44").text == vkey + "\n"
            note = client.get("/log/checkpoint").content
    assert len(open_note(note, [first, second]).signatures) == 2
    demanding = parse_policy(f"log {vkey}\nquorum none\n")
    assert check_policy(note, demanding) == open_checkpoint(note, [first])
    assert "verified" in made.ok("verify-proof", "s.tlog-proof").lower()
    receipt = made.folder.joinpath("s.tlog-proof").read_bytes()
    assert len(parse_note(receipt.split(b"\n\n", 1)[1]).signatures) == 2


def test_without_the_setting_there_is_no_such_line_and_no_such_file(served: Shell) -> None:
    base = served.ok("settings").split("LEDGER_PUBLIC_URL")[1].split("http", 1)[1].split()[0]
    with httpx.Client(base_url="http" + base, timeout=120) as client:
        assert client.get("/log/vkey-mldsa44").status_code == 404
        assert len(parse_note(client.get("/log/checkpoint").content).signatures) == 1
