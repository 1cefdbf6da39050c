"""Run by the Python that has aics-tlog and aics-witness.

aics_reader.py audit LEDGER VKEY WITNESS...       every tile and entry, under a quorum of all
aics_reader.py log FOLDER WITNESS WITNESS_VKEY    a log of its own, cosigned by that witness
"""

import json
import sys
from urllib.request import urlopen

from aics_tlog import (
    Checkpoint,
    DirectoryTileStore,
    HttpTileReader,
    IncrementalTileWriter,
    MerkleTree,
    audit_tiles,
    consistency_proof_from_tiles,
    format_vkey,
    parse_vkey,
    sign_checkpoint,
    verify_checkpoint,
    vkey_from_ed25519,
)
from aics_tlog.checkpoint import checkpoint_from_note
from aics_witness.feeder import WitnessClient, merge_cosignatures
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def say(found: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def audit(ledger: str, vkey: str, witnesses: list[str]) -> None:
    reader = HttpTileReader([f"{ledger}/log/"])
    with urlopen(f"{ledger}/log/checkpoint", timeout=120) as answer:
        note = answer.read()
    checkpoint, parsed = checkpoint_from_note(note)
    found = verify_checkpoint(
        parsed,
        parse_vkey(vkey),
        [parse_vkey(each) for each in witnesses],
        quorum=len(witnesses),
        max_age_seconds=86_400,
    )
    assert found.ok, found
    report = audit_tiles(reader, checkpoint.size, checkpoint.root)
    steps = consistency_proof_from_tiles(reader, 1, checkpoint.size)
    said = {
        "size": report.size,
        "tiles": report.tiles,
        "bundles": report.bundles,
        "quorum": len(witnesses),
        "steps": [each.hex() for each in steps],
    }
    say(said)


def log(folder: str, witness: str, witness_vkey: str) -> None:
    origin = "aics.example/log"
    key = Ed25519PrivateKey.generate()
    vkey = vkey_from_ed25519(origin, key.public_key())
    say({"vkey": format_vkey(vkey)})
    assert sys.stdin.readline() == "go\n"
    store = DirectoryTileStore(folder)
    writer = IncrementalTileWriter(store, size=0)
    leaves: list[bytes] = []
    with WitnessClient(witness, witness_vkey) as client:
        for size in (1, 100, 256, 300):
            more = [b"entry %d of aics" % number for number in range(len(leaves), size)]
            leaves += more
            writer.append(more)
            tree = MerkleTree(leaves)
            note = sign_checkpoint(Checkpoint(origin, size, writer.root()), key, origin)
            lines = client.submit(note.to_bytes(), tree.consistency_proof)
            merged = merge_cosignatures(note.to_bytes(), lines)
            checked = verify_checkpoint(
                checkpoint_from_note(merged)[1], vkey, [parse_vkey(witness_vkey)], quorum=1
            )
            assert checked.ok, checked
            store.write_checkpoint(merged.encode() if isinstance(merged, str) else merged)
    say({"size": len(leaves)})


if __name__ == "__main__":
    if sys.argv[1] == "audit":
        audit(sys.argv[2], sys.argv[3], sys.argv[4:])
    else:
        log(*sys.argv[2:5])
