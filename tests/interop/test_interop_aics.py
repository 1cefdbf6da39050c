"""aics-witness and aics-tlog: they cosign and audit our log, and our witness cosigns theirs."""

import json
import subprocess
from pathlib import Path

from interop_world import (
    OTHERS,
    PATIENCE_S,
    SIZE,
    World,
    follow,
    ran,
    read_by_us,
    served,
    started,
    tool,
)

from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import verify_consistency
from ledger.tlog.note import open_note, parse_vkey
from ledger.tlog.policy import check_policy, parse_policy


def aics(*arguments: object) -> str:
    """What the auditor's own command says; it has to succeed."""
    command = [tool("aics") / "bin" / "aics-tlog", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_witness_cosigned_our_log_and_the_cosignature_opens_in_ours(meeting: World) -> None:
    note = meeting.get("/log/checkpoint")
    policy = f"log {meeting.vkey}\nwitness theirs {meeting.aics_vkey}\nquorum theirs\n"
    assert check_policy(note, parse_policy(policy)).size == SIZE


def test_its_auditor_verifies_our_checkpoint_under_a_quorum_of_both_witnesses(
    meeting: World, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text(meeting.vkey + "\n")
    witnesses = [meeting.witness_vkeys[0], meeting.aics_vkey]
    about = ["--tiles", f"{meeting.url}/log/", "--vkey-file", keys]
    quorum = [each for vkey in witnesses for each in ("--witness-key", vkey)]
    aics("verify-checkpoint", *about, *quorum, "--quorum", 2, "--max-age", 86_400)
    for index in (0, 255, SIZE - 1):
        entry = tmp_path / "entry"
        aics("verify-inclusion", *about, "--index", index, "--entry-out", entry)
        assert b'"format":"apsci-ledger/1"' in entry.read_bytes()
    aics("verify-consistency", *about, "--old-checkpoint", meeting.old_note)


def test_its_auditor_authenticates_every_tile_and_entry_of_our_log(meeting: World) -> None:
    python = tool("aics") / "bin" / "python"
    witnesses = [meeting.witness_vkeys[0], meeting.aics_vkey]
    said = ran(python, OTHERS / "aics_reader.py", "audit", meeting.url, meeting.vkey, *witnesses)
    # Two tiles and two bundles of entries, and the tile above them.
    assert (said["size"], said["tiles"], said["bundles"]) == (SIZE, 3, 2)
    log = parse_vkey(meeting.vkey)
    old = open_checkpoint(meeting.old_note.read_bytes(), [log])
    new = open_checkpoint(meeting.get("/log/checkpoint"), [log])
    assert old.size == 1
    verify_consistency(
        [bytes.fromhex(each) for each in said["steps"]],
        old_size=1,
        old_root=old.root,
        new_size=new.size,
        new_root=new.root,
    )


def test_our_witness_cosigns_its_log_and_its_feeder_accepts_that(
    meeting: World, tmp_path: Path
) -> None:
    command = [
        tool("aics") / "bin" / "python", OTHERS / "aics_reader.py", "log",
        tmp_path / "log", meeting.witness, meeting.witness_vkeys[0],
    ]  # fmt: skip
    with started(command, wait_for=r'\{"vkey": "([^"]+)"\}', talks=True) as (running, vkey):
        follow(meeting.witness_folder, vkey)
        said, _ = running.communicate("go\n", timeout=PATIENCE_S)
    assert running.returncode == 0, said
    assert json.loads(said.splitlines()[-1]) == {"size": 300}
    keys = [parse_vkey(vkey)]
    with served(tmp_path) as url:
        tree, entries = read_by_us(url, keys)
    assert entries == [b"entry %d of aics" % number for number in range(300)]
    assert tree.note is not None
    both = [*keys, *(parse_vkey(each) for each in meeting.witness_vkeys)]
    assert len(open_note(tree.note, both).signatures) >= 2
