"""Go's sumdb/note and sumdb/tlog: they read and check ours, and ours reads and checks theirs."""

import json
import subprocess
from pathlib import Path

import httpx
import kit
from interop_world import (
    PATIENCE_S,
    SIZE,
    World,
    follow,
    ran,
    read_by_us,
    started,
)

from ledger.tlog.merkle import leaf_hash, verify_consistency, verify_inclusion
from ledger.tlog.note import Signer, parse_vkey
from ledger.tlog.spelling import decode_hash


def test_go_opens_our_checkpoint_and_checks_our_tiles_receipts_and_steps(
    meeting: World, go_peer: Path
) -> None:
    said = ran(go_peer, "audit", meeting.url, meeting.vkey)
    assert said["size"] == said["entries"] == SIZE
    assert (said["lines"], said["unknown"]) == (1, 3)
    assert said["receipts"] == len(range(0, SIZE, 37))
    assert said["consistency"] == len(range(1, SIZE, 23))


def test_go_refuses_our_checkpoint_under_another_key(meeting: World, go_peer: Path) -> None:
    stranger = Signer(kit.ORIGIN, bytes(32)).vkey
    done = subprocess.run(
        [go_peer, "audit", meeting.url, stranger],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 1
    assert "no verifiable signatures" in done.stderr


def test_ours_opens_go_s_checkpoint_and_checks_its_tiles_and_proofs(go_peer: Path) -> None:
    with started([go_peer, "log"], wait_for=r"http://\S+ \S+\n") as (_, line):
        url, vkey = line.split()
        tree, entries = read_by_us(url, [parse_vkey(vkey)])
        assert len(entries) == tree.size == 600
        for index in range(0, 600, 37):
            verify_inclusion(
                hashes(f"{url}/record/{index}"),
                index=index,
                size=tree.size,
                leaf=leaf_hash(entries[index]),
                root=tree.root,
            )
        for old in range(1, 600, 23):
            verify_consistency(
                hashes(f"{url}/tree/{old}"),
                old_size=old,
                old_root=tree.root_at(old),
                new_size=tree.size,
                new_root=tree.root,
            )


def hashes(url: str) -> list[bytes]:
    text = httpx.get(url, timeout=120).text
    return [decode_hash(line, what="a hash") for line in text.split()]


def test_our_witness_cosigns_go_s_log_and_go_opens_the_cosignature(
    meeting: World, go_peer: Path
) -> None:
    command = [go_peer, "ask", meeting.witness, meeting.witness_vkeys[0]]
    with started(command, wait_for=r"(go\.example/log\+\S+)\n", talks=True) as (running, vkey):
        follow(meeting.witness_folder, vkey)
        assert running.stdout is not None
        said, _ = running.communicate("go\n", timeout=PATIENCE_S)
    assert json.loads(said.splitlines()[-1]) == {"cosigned": 3}
