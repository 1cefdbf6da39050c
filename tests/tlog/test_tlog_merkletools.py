"""A second judge: merkletools, an independent implementation with the same tree shape.

As published it does not keep leaves and inner nodes apart. Given leaf hashes and a hash function
that puts 0x01 in front, it computes RFC 6962 roots and paths. Its ``validate_proof`` ignores
index and size and is never called.
"""

import warnings
from hashlib import sha256
from types import SimpleNamespace

from ledger.tlog.merkle import CompactRange, Extension, leaf_hash

with warnings.catch_warnings():
    # It looks for SHA-3 when imported, which nothing here uses.
    warnings.filterwarnings("ignore", message=".*sha3.*", category=UserWarning)
    from merkletools import MerkleTools


def hardened(leaves: list[bytes]) -> MerkleTools:
    tree = MerkleTools(hash_type="sha256")
    tree.hash_function = lambda data: SimpleNamespace(
        hexdigest=sha256(b"\x01" + data).hexdigest, digest=sha256(b"\x01" + data).digest
    )
    tree.add_leaf([leaf.hex() for leaf in leaves])
    tree.make_tree()
    return tree


def test_merkletools_finds_the_same_root_and_every_same_path_up_to_300_leaves() -> None:
    leaves = [leaf_hash(b"entry-%d" % number) for number in range(300)]
    for size in range(1, 301):
        judge = hardened(leaves[:size])
        tree = Extension(CompactRange(), leaves[:size])
        assert judge.get_merkle_root() == tree.root.hex()
        for index in range(size):
            steps = judge.get_proof(index)
            siblings = [step.get("left") or step.get("right") for step in steps]
            assert siblings == [one.hex() for one in tree.inclusion_proof(index)]
