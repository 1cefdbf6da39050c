"""The council on the command line: shown, proposed, signed by several, posted."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import ORIGIN, SUBMISSION, Shell, process
from ports import free_port

from ledger.assembly import system_clock
from ledger.records import canonical
from ledger.records.deadline import DAY_S, format_time
from ledger.records.statement import MAX_STATEMENT

COUNCIL = ("council-a", "council-b", "council-c")
SOON_DAYS = 30


@pytest.fixture
def chamber(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shell]:
    """A served ledger whose council has three members, of whom two must sign."""
    monkeypatch.setenv("XDG_STATE_HOME", str(shell.folder / "state"))
    authors = []
    for name in (*COUNCIL, "deepseek", "orchestrator"):
        role = "council" if name in COUNCIL else {"deepseek": "member"}.get(name, name)
        vkey = shell.ok("keys", "new", f"{ORIGIN}/{name}").strip()
        authors.append(
            f'[[authors]]\nname = "{name}"\nrole = "{role}"\ntitle = "{name}"\nvkey = "{vkey}"\n'
        )
    shell.write("founders.toml", "\n".join(authors))
    shell.ok(
        *("init", "--origin", ORIGIN, "--authors", "founders.toml", "--council-threshold", "2")
    )
    monkeypatch.setenv("LEDGER_PORT", str(free_port()))
    with process(["serve"], wait_for="serving "):
        yield shell


def key(shell: Shell, name: str) -> Path:
    return shell.folder / f"{name}.key"


def soon() -> str:
    return format_time(system_clock() + SOON_DAYS * DAY_S)


def propose(shell: Shell, out: str, *rules: str, author: str = "council-a") -> str:
    asked = [part for rule in rules for part in ("--set", rule)]
    signed = ("--key", key(shell, author), "--out", out)
    return shell.ok("charter", "propose", *asked, "--in-force-from", soon(), *signed)


def test_a_charter_goes_from_a_proposal_to_two_signatures_and_into_the_log(chamber: Shell) -> None:
    shell = chamber
    shown = shell.ok("charter", "show")
    assert "entry: 0 " in shown
    assert "embargo_days: 90\n" in shown
    assert "council_threshold: 2\n" in shown
    assert "artifact_ceilings.tensor: 0\n" in shown

    told = propose(shell, "p.json", "embargo_days=60", "quotas.member_gpus=4000")
    assert "  embargo_days: 90 -> 60\n" in told
    assert "  quotas.member_gpus: no limit -> 4000\n" in told
    assert "p.json: 1 of 2 signatures needed; `ledger charter sign` adds the next one" in told
    assert shell.ok("charter", "diff", "p.json").splitlines() == [
        "embargo_days: 90 -> 60",
        "quotas.member_gpus: no limit -> 4000",
    ]
    # Nothing is posted that the ledger would refuse, and nothing is signed by whoever signed.
    shell("charter", "post", "p.json").refused("1 of 2 signatures that it needs")
    before = Path("p.json").read_bytes()
    shell("charter", "sign", "p.json", "--key", key(shell, "council-a"), "--yes").refused(
        "has signed this already"
    )
    shell("charter", "sign", "p.json", "--key", key(shell, "deepseek"), "--yes").refused(
        "none of the council's"
    )
    shell("charter", "sign", "p.json", "--key", key(shell, "council-b")).refused("--yes")
    assert Path("p.json").read_bytes() == before

    told = shell.ok("charter", "sign", "p.json", "--key", key(shell, "council-b"), "--yes")
    assert "signed by: council-a (2 needed)" in told
    assert re.search(r"^SHA-256 of what is signed: [0-9a-f]{64}$", told, re.MULTILINE)
    assert "p.json: 2 of 2 signatures needed; `ledger charter post` posts it" in told
    told = shell.ok("charter", "post", "p.json")
    assert "index: 1 (charter, logged at" in told
    assert Path("p.tlog-proof").is_file()

    shown = shell.ok("charter", "show")
    assert "entry: 0 " in shown
    assert "by entry 1:\n  embargo_days: 90 -> 60\n" in shown
    newest = json.loads(shell.ok("charter", "show", "--at", "newest", "--json"))
    assert newest["signed_by"] == ["council-a", "council-b"]
    assert newest["signatures_needed"] == 2
    assert newest["rules"]["embargo_days"] == 60
    assert shell.ok("charter", "diff", "0", "1") == (
        "embargo_days: 90 -> 60\nquotas.member_gpus: no limit -> 4000\n"
    )
    # The same proposal is overtaken by itself, and says so before anything is sent.
    shell("charter", "post", "p.json", "--receipt", "again.tlog-proof").refused("newest charter")
    assert "size:          2\n" in shell.ok("status")


def test_a_key_of_the_council_takes_as_many_signatures_as_a_charter(chamber: Shell) -> None:
    shell = chamber
    vkey = shell.ok("keys", "new", f"{ORIGIN}/council-d").strip()
    about = ("registry", "add", "--name", "council-d", "--role", "council", "--title", "D")
    signed = ("--vkey", vkey, "--key", key(shell, "council-a"))
    shell(*about, *signed).refused("HTTP 4", "2")
    told = shell.ok(*about, *signed, "--out", "d.json")
    assert "adds a key of council-d (council)" in told
    shell(*about, *signed, "--out", "d.json").refused("d.json: File exists")
    shell.ok("charter", "sign", "d.json", "--key", key(shell, "council-c"), "--yes")
    shell.ok("charter", "post", "d.json")
    # The new member signs from now on.
    propose(shell, "p.json", "admission_hours=24", author="council-d")
    shell.ok("charter", "sign", "p.json", "--key", key(shell, "council-b"), "--yes")
    shell.ok("charter", "post", "p.json")
    # A member's key is the council's business alone, and takes one signature as before.
    lab = shell.ok("keys", "new", f"{ORIGIN}/newlab").strip()
    shell.ok(
        *("registry", "add", "--name", "newlab", "--role", "member", "--title", "New Lab"),
        *("--vkey", lab, "--key", key(shell, "council-a")),
    )
    shell.write("s.toml", SUBMISSION)
    shell.ok("submit", "s.toml", "--key", key(shell, "newlab"))


def test_what_a_council_gets_wrong_is_said_in_one_line(chamber: Shell) -> None:
    shell = chamber
    own = ("--key", key(shell, "council-a"), "--out", "x.json")
    when = ("--in-force-from", soon())
    shell.ok("charter", "show")  # the log's key is believed from here on
    for wrong, said in (
        (("--set", "embargo_days=91", *when), "embargo_days"),
        (("--set", "embargo_days=soon", *when), "neither a whole number nor null"),
        (("--set", "embargo", *when), "an equals sign"),
        (("--set", "embargo=1", *when), "no such rule"),
        (("--set", "council_threshold=4", *when), "council of 3"),
        (("--set", "allowed_workloads=lora", *when), "both allowed and forbidden"),
        (("--in-force-from", "2026-01-01T00:00:00Z"), "has passed"),
        (("--in-force-from", "tomorrow"), "tomorrow"),
    ):
        shell("charter", "propose", *wrong, *own).refused(said)
        assert not Path("x.json").exists()
    shell("charter", "propose", *when, "--key", key(shell, "deepseek"), "--out", "x.json").refused(
        "none of the council's"
    )
    shell("charter", "show", "--at", "7").refused("entry 7 is no version")
    shell("charter", "show", "--at", "frob").refused("neither an entry's index")
    shell("charter", "diff", "s.json", "0").refused("neither an entry's index")
    shell.write("y.json", "{}")
    shell("charter", "sign", "y.json", *own[:2], "--yes").refused("y.json: ")
    shell("charter", "post", "missing.json").refused("missing.json: No such file")

    # A proposal that somebody has altered is no longer what was signed.
    propose(shell, "p.json", "embargo_days=60")
    value = canonical.decode(Path("p.json").read_bytes().strip(), limit=MAX_STATEMENT)
    value["statement"]["public"]["charter"]["embargo_days"] = 61
    Path("p.json").write_bytes(canonical.encode(value) + b"\n")
    shell("charter", "sign", "p.json", "--key", key(shell, "council-b"), "--yes").refused(
        "the signature of council-a is not over this proposal"
    )


def test_a_ledger_that_nobody_could_govern_is_not_made(shell: Shell) -> None:
    shell("init", "--origin", ORIGIN, "--demo", "--council-threshold", "2").refused(
        "council_threshold: 2, where the council has 1"
    )
    shell.write("c.toml", "council_threshold = 1\nembargo_days = 30\n")
    shell("init", "--origin", ORIGIN, "--charter", "c.toml", "--council-threshold", "1").refused(
        "has one already"
    )
    shell.ok("init", "--origin", ORIGIN, "--charter", "c.toml", "--demo")
