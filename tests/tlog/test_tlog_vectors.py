"""Bytes made by Go's x/mod/sumdb and by the C2SP specifications; see tests/vectors/README.md."""

from base64 import b64decode
from hashlib import sha256
from itertools import pairwise

from golden_vectors import Golden

from ledger.tlog import cosignature, note, proof, tiles
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from ledger.tlog.merkle import (
    CompactRange,
    Extension,
    prove_consistency,
    prove_inclusion,
    root_hash,
    verify_consistency,
    verify_inclusion,
)
from ledger.tlog.policy import check_policy, parse_policy


def test_roots_are_those_of_go(golden: Golden) -> None:
    for size, root in golden.values["roots"].items():
        assert root_hash(golden.leaves[: int(size)]) == b64decode(root)


def test_a_tree_grown_through_all_golden_sizes_has_each_golden_root(golden: Golden) -> None:
    sizes = [0, *map(int, golden.values["roots"])]
    grown = CompactRange()
    for old, new in pairwise(sizes):
        grown = Extension(grown, golden.leaves[old:new]).range
        assert grown.root() == b64decode(golden.values["roots"][str(new)])


def test_consistency_proofs_are_those_of_go_and_verify(golden: Golden) -> None:
    for sizes, hashes in golden.values["consistency"].items():
        old, new = map(int, sizes.split("->"))
        expected = [b64decode(one) for one in hashes]
        assert prove_consistency(golden.leaves[:new], old_size=old) == expected
        verify_consistency(
            expected,
            old_size=old,
            old_root=root_hash(golden.leaves[:old]),
            new_size=new,
            new_root=root_hash(golden.leaves[:new]),
        )


def test_the_inclusion_proof_is_that_of_go_and_verifies(golden: Golden) -> None:
    for place, hashes in golden.values["inclusion"].items():
        index, size = map(int, place.split(" in "))
        expected = [b64decode(one) for one in hashes]
        assert prove_inclusion(golden.leaves[:size], index=index) == expected
        verify_inclusion(
            expected,
            index=index,
            size=size,
            leaf=golden.leaves[index],
            root=b64decode(golden.values["roots"][str(size)]),
        )


def test_tiles_and_bundles_of_a_thousand_entries_are_those_of_go(golden: Golden) -> None:
    tree = Extension(CompactRange(), golden.leaves[:1000])
    for path, prefix in golden.values["files_of_1000_entries"].items():
        tile = tiles.parse_tile_path(path)
        places = range(tile.n * 256, tile.n * 256 + tile.width)
        if tile.is_entries:
            data = tiles.encode_bundle([b"entry-%d" % place for place in places])
        else:
            data = b"".join(tree.node(8 * tile.level, place) for place in places)
        assert sha256(data).hexdigest()[:8] == prefix


def test_a_signed_checkpoint_is_go_s_byte_for_byte(golden: Golden) -> None:
    log = golden.values["log"]
    signer, vkey = note.generate_key(log["name"], bytes.fromhex(log["seed"]))
    assert vkey == log["vkey"]
    checkpoint = Checkpoint(log["name"], 3, b64decode(golden.values["roots"]["3"]))
    signed = note.sign_note(format_checkpoint(checkpoint), [signer])
    assert signed == log["note_of_size_3"].encode()
    assert open_checkpoint(signed, [note.parse_vkey(vkey)]) == checkpoint


def test_a_cosignature_is_the_golden_one_and_the_cosigned_note_meets_a_policy(
    golden: Golden,
) -> None:
    log, witness = golden.values["log"], golden.values["witness"]
    signer, vkey = note.generate_key(
        witness["name"], bytes.fromhex(witness["seed"]), key_type=note.COSIGNATURE
    )
    assert vkey == witness["vkey"]
    text = note.parse_note(golden.cp3).text
    line = cosignature.cosign(text, signer=signer, time_s=witness["time_s"])
    assert line.line == witness["line_of_size_3"]
    verifier = note.parse_vkey(vkey)
    time_s = cosignature.verify_cosignature(text, line, verifier=verifier)
    assert time_s == witness["time_s"]
    assert golden.cp3 == (log["note_of_size_3"] + line.line).encode()
    policy = parse_policy(f"log {log['vkey']}\nwitness W {vkey}\nquorum W\n")
    assert check_policy(golden.cp3, policy).size == 3


def test_the_golden_receipt_verifies_and_formats_to_the_same_bytes(golden: Golden) -> None:
    receipt = proof.parse_proof(golden.p777)
    assert proof.format_proof(receipt) == golden.p777
    key = note.parse_vkey(golden.values["log"]["vkey"])
    checkpoint = proof.verify_proof(receipt, leaf=golden.leaves[777], verifiers=[key])
    assert (receipt.index, checkpoint.size) == (777, 1000)
    assert list(receipt.hashes) == prove_inclusion(golden.leaves[:1000], index=777)


def test_the_example_of_the_signed_note_specification_opens(golden: Golden) -> None:
    example = golden.values["signed_note_example"]
    data = (example["text"] + "\n" + example["line"]).encode()
    opened = note.open_note(data, [note.parse_vkey(example["vkey"])])
    assert opened.text == example["text"]
    assert [line.line for line in opened.signatures] == [example["line"]]
