"""tlog-scales: reads our tiles and both our signatures, and makes proofs that ours accepts."""

import subprocess
from pathlib import Path

import httpx
import kit
from interop_world import OTHERS, PATIENCE_S, SIZE, World, ran, read_by_us, served, tool

from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.hashing import leaf_hash
from ledger.tlog.merkle import verify_consistency
from ledger.tlog.note import (
    COSIGNATURE,
    ED25519,
    MLDSA44,
    Signer,
    open_note,
    parse_note,
    parse_vkey,
)
from ledger.tlog.proof import parse_proof, verify_proof
from ledger.witness.state import origin_hash


def tiles(*arguments: object) -> bytes:
    """What the command that comes with tlog-scales says."""
    command = [tool("scales") / "bin" / "tlog-tiles", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=True, timeout=PATIENCE_S).stdout


def test_it_reads_our_tiles_and_verifies_every_line_with_both_algorithms(meeting: World) -> None:
    vkeys = [meeting.vkey, meeting.mldsa_vkey, meeting.witness_vkeys[0], meeting.aics_vkey]
    python = tool("scales") / "bin" / "python"
    said = ran(python, OTHERS / "scales_reader.py", "audit", meeting.url, meeting.old_note, *vkeys)
    assert (said["size"], said["lines"], said["verified"]) == (SIZE, 4, 4)
    assert said["types"] == [1, 6, 4, 4]
    # The step that it made from our tiles, between two checkpoints of ours, is accepted by ours.
    log = parse_vkey(meeting.vkey)
    old = open_checkpoint(meeting.old_note.read_bytes(), [log])
    new = open_checkpoint(meeting.get("/log/checkpoint"), [log])
    verify_consistency(
        [bytes.fromhex(each) for each in said["steps"]],
        old_size=old.size,
        old_root=old.root,
        new_size=new.size,
        new_root=new.root,
    )


def test_our_verifier_accepts_the_proofs_that_it_makes_from_our_tiles(meeting: World) -> None:
    for index in (0, 1, 255, 256, SIZE - 1):
        proof = parse_proof(tiles("gen-proof", f"{meeting.url}/log", index))
        entry = tiles("get-leaf", "--check", f"{meeting.url}/log", index)
        for vkey in (meeting.vkey, meeting.mldsa_vkey):
            found = verify_proof(proof, leaf=leaf_hash(entry), verifiers=[parse_vkey(vkey)])
            assert (proof.index, found.size) == (index, SIZE)


def test_it_verifies_the_ml_dsa_cosignature_of_our_witness(meeting: World, tmp_path: Path) -> None:
    note = tmp_path / "checkpoint"
    note.write_bytes(cosigned_by_ours(meeting))
    assert [parse_vkey(vkey).type for vkey in meeting.witness_vkeys] == [COSIGNATURE, MLDSA44]
    python = tool("scales") / "bin" / "python"
    said = ran(python, OTHERS / "scales_reader.py", "note", note, *meeting.witness_vkeys)
    assert said == {"verified": 2}
    other = Signer("witness.example/ours", bytes(32), key_type=MLDSA44)
    refused = subprocess.run(
        [python, OTHERS / "scales_reader.py", "note", note, other.vkey],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert (refused.returncode, "no signature matched" in refused.stderr) == (1, True)


def cosigned_by_ours(meeting: World) -> bytes:
    """Our log's newest checkpoint as our witness serves it, with both of its lines."""
    answer = httpx.get(f"{meeting.witness}/{origin_hash(kit.ORIGIN)}/checkpoint", timeout=120)
    answer.raise_for_status()
    return answer.content


def test_ours_reads_a_log_that_it_makes_by_either_of_its_signatures(tmp_path: Path) -> None:
    python = tool("scales") / "bin" / "python"
    said = ran(python, OTHERS / "scales_reader.py", "log", tmp_path / "log", "07" * 32)
    keys = [parse_vkey(vkey) for vkey in said["vkeys"]]
    assert [key.type for key in keys] == [ED25519, MLDSA44]
    with served(tmp_path) as url:
        for key in keys:
            tree, entries = read_by_us(url, [key])
            assert entries == [b"entry %d of tlog-scales" % number for number in range(300)]
        assert tree.note is not None
        assert len(open_note(tree.note, keys).signatures) == 2
        assert len(parse_note(tree.note).signatures) == 2
