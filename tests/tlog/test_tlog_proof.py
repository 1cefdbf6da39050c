"""Receipts: what verifies, what does not, and what is not even read."""

import pytest
from golden_vectors import Golden, read_golden
from hostile import DECIMALS, HASHES, hashes, sizes
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, ProofError, SignatureError
from ledger.tlog import note
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint
from ledger.tlog.merkle import CompactRange, Extension, leaf_hash
from ledger.tlog.note import Signer
from ledger.tlog.policy import parse_policy
from ledger.tlog.proof import TlogProof, format_proof, parse_proof, verify_proof

LOG = Signer("example.com/log", bytes(32))
STRANGER = Signer("example.com/stranger", bytes(range(32)))
LEAVES = [leaf_hash(b"entry-%d" % number) for number in range(7)]
TREE = Extension(CompactRange(), LEAVES)
SIGNED = note.sign_note(format_checkpoint(Checkpoint(LOG.name, 7, TREE.root)), [LOG])
RECEIPT = TlogProof(4, tuple(TREE.inclusion_proof(4)), SIGNED, b"extra")
HEAD = "c2sp.org/tlog-proof@v1\n"
ZERO = "A" * 43 + "="


@given(
    sizes,
    st.lists(hashes, max_size=63).map(tuple),
    st.none() | st.binary(max_size=100),
)
@settings(deadline=None)
def test_receipts_read_back(index: int, path: tuple[bytes, ...], extra: bytes | None) -> None:
    receipt = TlogProof(index, path, SIGNED, extra)
    assert parse_proof(format_proof(receipt)) == receipt


def test_a_receipt_is_spelt_as_the_specification_shows() -> None:
    small = TlogProof(0, (bytes(32),), SIGNED)
    assert format_proof(small) == f"{HEAD}index 0\n{ZERO}\n\n".encode() + SIGNED
    with_extra = TlogProof(0, (), SIGNED, b"\x00")
    assert format_proof(with_extra) == f"{HEAD}extra AA==\nindex 0\n\n".encode() + SIGNED


def test_a_receipt_verifies_for_its_leaf_and_no_other() -> None:
    assert verify_proof(RECEIPT, leaf=LEAVES[4], verifiers=[LOG.verifier]).size == 7
    for wrong in (LEAVES[3], LEAVES[5], bytes(32), b""):
        with pytest.raises(ProofError):
            verify_proof(RECEIPT, leaf=wrong, verifiers=[LOG.verifier])
    with pytest.raises(ProofError):
        verify_proof(TlogProof(5, RECEIPT.hashes, SIGNED), leaf=LEAVES[4], verifiers=[LOG.verifier])


def test_a_receipt_is_only_as_good_as_its_checkpoint_s_signature() -> None:
    for known in ([], [STRANGER.verifier]):
        with pytest.raises(SignatureError):
            verify_proof(RECEIPT, leaf=LEAVES[4], verifiers=known)
    forged = note.sign_note(note.parse_note(SIGNED).text, [STRANGER])
    with pytest.raises(SignatureError):
        verify_proof(
            TlogProof(4, RECEIPT.hashes, forged),
            leaf=LEAVES[4],
            verifiers=[LOG.verifier, STRANGER.verifier],
        )


def test_a_receipt_can_be_held_to_a_policy() -> None:
    met = parse_policy(f"log {LOG.vkey}\nquorum none\n")
    assert verify_proof(RECEIPT, leaf=LEAVES[4], policy=met).origin == LOG.name
    witness = Signer("w", bytes(32), key_type=note.COSIGNATURE)
    unmet = parse_policy(f"log {LOG.vkey}\nwitness W {witness.vkey}\nquorum W\n")
    with pytest.raises(SignatureError, match="quorum W"):
        verify_proof(RECEIPT, leaf=LEAVES[4], policy=unmet, verifiers=[LOG.verifier])


def test_extra_is_carried_and_believed_by_nobody() -> None:
    other = TlogProof(4, RECEIPT.hashes, SIGNED, b"anything else")
    assert verify_proof(other, leaf=LEAVES[4], verifiers=[LOG.verifier]).size == 7


def test_every_changed_bit_of_the_golden_receipt_is_refused(golden: Golden) -> None:
    data = golden.p777
    key = note.parse_vkey(golden.values["log"]["vkey"])
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises((FormatError, SignatureError, ProofError)):
                verify_proof(parse_proof(bytes(changed)), leaf=golden.leaves[777], verifiers=[key])


@pytest.mark.parametrize(
    "head",
    [
        "",
        HEAD,
        HEAD + "\n",
        HEAD + "index 4\n",
        HEAD + "Index 4\n\n",
        HEAD + "index  4\n\n",
        HEAD + "index\n\n",
        "c2sp.org/tlog-proof@v2\nindex 4\n\n",
        "c2sp.org/tlog-proof@v1\r\nindex 4\n\n",
        "\n" + HEAD + "index 4\n\n",
        HEAD + "index 4\r\n\r\n",
        HEAD + "index 4\nindex 4\n\n",
        HEAD + "index 4\nextra AA==\n\n",
        HEAD + "extra AA==\nextra AA==\nindex 4\n\n",
        HEAD + "extra AA==\n\n",
        HEAD + "extra  AA==\nindex 4\n\n",
        HEAD + "extra AB==\nindex 4\n\n",
        HEAD + "extra AA\nindex 4\n\n",
        HEAD + "extra\nindex 4\n\n",
        HEAD + "index 4\u2028\n\n",
        HEAD + f"index 4\n{ZERO} \n\n",
        HEAD + f"index 4\n{ZERO}\u2028{ZERO}\n\n",
        HEAD + "index 4\n" + f"{ZERO}\n" * 64 + "\n",
        HEAD + f"index 4\n\n{ZERO}\n\n",
        HEAD + "index 4\n" + "A" * 10_000_000 + "\n\n",
        *(HEAD + f"index {digits}\n\n" for digits in DECIMALS),
        *(HEAD + f"index 4\n{wrong}\n\n" for wrong in HASHES if wrong),
    ],
)
def test_a_malformed_receipt_is_refused_as_such(head: str) -> None:
    with pytest.raises(FormatError):
        parse_proof(head.encode() + SIGNED)


def test_a_receipt_needs_a_whole_note() -> None:
    for tail in (b"", b"x", SIGNED[:-1], SIGNED + b"x", b"\xff" + SIGNED):
        with pytest.raises(FormatError):
            parse_proof(f"{HEAD}index 4\n\n".encode() + tail)
    with pytest.raises(FormatError):
        parse_proof(f"{HEAD}index \xff\n\n".encode("latin-1") + SIGNED)


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_any_bytes_are_the_receipt_that_they_format_to_or_are_refused(junk: bytes) -> None:
    data = read_golden().p777
    for text in (junk, data[:23] + junk + data[23:], data + junk, data[:33] + junk + data[33:]):
        try:
            receipt = parse_proof(text)
        except FormatError:
            continue
        assert format_proof(receipt) == text
