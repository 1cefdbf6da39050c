"""Run by the Python that has tlog-scales: reads a ledger, or makes a log of its own.

scales_reader.py audit LEDGER OLD_NOTE VKEY...    root, every entry, proofs, every signature
scales_reader.py log FOLDER SEED                  300 entries, signed with both kinds of key
"""

import json
import sys
from pathlib import Path

from tlog_scales import backend, reader, signing, tiles, tlog, writer


def say(found: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def audit(ledger: str, old_note: str, vkeys: list[str]) -> None:
    log = reader.TilesReader(backend.make_backend(f"{ledger}/log"))
    checkpoint = log.get_checkpoint()
    assert log.calculate_root_hash() == checkpoint.root_hash
    for vkey in vkeys:
        checkpoint.verify(signing.Vkey.from_string(vkey))
    for index in range(checkpoint.size):
        proof = log.get_inclusion_proof(index, checkpoint.size)
        proof.check(tiles.leaf_hash(log.get_entry(index)), checkpoint.root_hash)
    old = tlog.Checkpoint.from_text(Path(old_note).read_text("utf-8"))
    old.verify(signing.Vkey.from_string(vkeys[0]))
    step = log.get_consistency_proof(old.size, checkpoint.size)
    step.check(old.root_hash, checkpoint.root_hash)
    said = {
        "size": checkpoint.size,
        "lines": len(checkpoint.signatures),
        "verified": len(vkeys),
        "types": [signing.Vkey.from_string(vkey).sig_type for vkey in vkeys],
        "old": old.size,
        "steps": [each.hex() for each in step.node_hashes],
    }
    say(said)


def note(path: str, vkeys: list[str]) -> None:
    checkpoint = tlog.Checkpoint.from_text(Path(path).read_text("utf-8"))
    for vkey in vkeys:
        checkpoint.verify(signing.Vkey.from_string(vkey))
    say({"verified": len(vkeys)})


def log(folder: str, seed: str) -> None:
    origin = "scales.example/log"
    made = writer.TilesWriter.create(Path(folder), origin)
    signers = [
        signing.PlainEd25519Signer(origin, bytes.fromhex(seed)),
        signing.MLDSA44CosignatureSigner(origin, bytes.fromhex(seed)),
    ]
    for size in (5, 250, 300):
        for number in range(made.size, size):
            made.add_leaf(b"entry %d of tlog-scales" % number)
        made.commit(signers)
    say({"vkeys": [each.vkey.serialize() for each in signers]})


if __name__ == "__main__":
    if sys.argv[1] == "audit":
        audit(sys.argv[2], sys.argv[3], sys.argv[4:])
    elif sys.argv[1] == "note":
        note(sys.argv[2], sys.argv[3:])
    else:
        log(sys.argv[2], sys.argv[3])
