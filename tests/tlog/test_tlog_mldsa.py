"""ML-DSA-44 lines: what others made opens here, and nothing that was changed does."""

import json
from functools import cache
from typing import Any

import pytest
from golden_vectors import VECTORS
from hostile import hashes, key_names, sizes
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, SignatureError
from ledger.tlog import cosignature, note
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, open_checkpoint, parse_checkpoint
from ledger.tlog.mldsa import subtree_message, verify_mldsa44
from ledger.tlog.note import COSIGNATURE, MLDSA44, NoteSignature, Signer
from ledger.tlog.policy import check_policy, parse_policy

ORIGIN = "ledger.example/apsci"
LOG = Signer(ORIGIN, bytes(range(32)))
SECOND = Signer(ORIGIN, bytes(range(64, 96)), key_type=MLDSA44)
WITNESS = Signer("witness.example/w1", bytes(range(64, 96)), key_type=MLDSA44)
TEXT = format_checkpoint(Checkpoint(ORIGIN, 7, bytes(range(32))))
DUAL = note.sign_note(TEXT, [LOG, SECOND], time_s=1_795_892_400)


@cache
def vectors() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / "mldsa44.json").read_text("utf-8"))
    return found


@pytest.mark.parametrize(("who", "signer"), [("witness", WITNESS), ("log", SECOND)])
def test_another_implementation_s_key_line_and_message_are_ours_too(
    who: str, signer: Signer
) -> None:
    theirs, text = vectors()[who], vectors()["checkpoint"]
    assert signer.vkey == theirs["vkey"]
    assert note.parse_vkey(theirs["vkey"]) == signer.verifier
    message = subtree_message(text.encode(), cosigner=theirs["name"], time_s=theirs["time_s"])
    assert message.hex() == theirs["message"]
    [line] = note.parse_signatures(theirs["line"].encode())
    assert cosignature.verify_cosignature(text, line, verifier=signer.verifier) == theirs["time_s"]


def test_the_key_made_from_a_seed_is_the_one_that_wycheproof_has() -> None:
    key = vectors()["wycheproof_key"]
    signer = Signer("n", bytes.fromhex(key["seed"]), key_type=MLDSA44)
    assert signer.verifier.public_key.hex() == key["public_key"]


@pytest.mark.parametrize("case", vectors()["wycheproof_verify"], ids=lambda case: case["comment"])
def test_signatures_are_taken_and_refused_as_wycheproof_says(case: dict[str, str]) -> None:
    arguments = [bytes.fromhex(case[name]) for name in ("public_key", "msg", "sig")]
    if case["result"] == "valid":
        verify_mldsa44(*arguments)
    else:
        with pytest.raises(SignatureError):
            verify_mldsa44(*arguments)


def test_a_checkpoint_bears_both_lines_and_opens_with_either_key_or_both() -> None:
    lines = note.parse_note(DUAL).signatures
    assert [(line.name, line.key_id) for line in lines] == [
        (LOG.name, LOG.key_id),
        (SECOND.name, SECOND.key_id),
    ]
    for keys in ([LOG], [SECOND], [SECOND, LOG]):
        found = open_checkpoint(DUAL, [key.verifier for key in keys])
        assert found == parse_checkpoint(TEXT)
    assert len(note.open_note(DUAL, [SECOND.verifier, LOG.verifier]).signatures) == 2


def test_who_does_not_know_the_second_key_ignores_its_line_whatever_it_says() -> None:
    junk = NoteSignature(ORIGIN, SECOND.key_id, b"\x06" * 2_428)
    forged = note.sign_note(TEXT, [LOG]) + junk.line.encode()
    assert open_checkpoint(forged, [LOG.verifier]) == parse_checkpoint(TEXT)
    with pytest.raises(SignatureError, match="does not verify"):
        open_checkpoint(forged, [LOG.verifier, SECOND.verifier])


def test_a_checkpoint_without_the_line_does_not_open_for_who_knows_that_key_alone() -> None:
    with pytest.raises(SignatureError, match="no signature by a known key"):
        open_checkpoint(note.sign_note(TEXT, [LOG]), [SECOND.verifier])


def test_a_witness_s_key_named_otherwise_does_not_speak_for_the_log() -> None:
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=5)
    with pytest.raises(SignatureError, match="itself"):
        open_checkpoint(TEXT.encode() + b"\n" + line.line.encode(), [WITNESS.verifier])


def test_the_same_key_under_another_name_signs_another_message() -> None:
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=5)
    moved = NoteSignature(ORIGIN, SECOND.key_id, line.blob)
    with pytest.raises(SignatureError, match="ML-DSA-44 signature does not verify"):
        cosignature.verify_cosignature(TEXT, moved, verifier=SECOND.verifier)


def test_every_part_of_what_is_signed_counts() -> None:
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=5)
    checkpoint = parse_checkpoint(TEXT)
    for other in (
        Checkpoint("ledger.example/apscj", checkpoint.size, checkpoint.root),
        Checkpoint(ORIGIN, checkpoint.size + 1, checkpoint.root),
        Checkpoint(ORIGIN, checkpoint.size, bytes(32)),
    ):
        with pytest.raises(SignatureError):
            cosignature.verify_cosignature(
                format_checkpoint(other), line, verifier=WITNESS.verifier
            )
    # A bit of each byte of the time, and some hundred of the signature, to its last.
    for at in (*range(8), *range(8, len(line.blob), 19), len(line.blob) - 1):
        blob = bytearray(line.blob)
        blob[at] ^= 1 << at % 8
        with pytest.raises(SignatureError):
            WITNESS.verifier.verify(TEXT.encode(), bytes(blob))
    for blob in (line.blob[:-1], line.blob + b"\0", line.blob[8:], line.blob[:8], b""):
        with pytest.raises(SignatureError, match="bytes, not 2428"):
            WITNESS.verifier.verify(TEXT.encode(), blob)


def test_nothing_but_the_three_lines_of_a_checkpoint_is_signed() -> None:
    # The structure names no extension line: text that it leaves out must not look signed.
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=5)
    for text in (TEXT + "extension\n", "a text\n", TEXT[:-1], ""):
        with pytest.raises(SignatureError, match="ML-DSA-44 signs checkpoints alone"):
            WITNESS.verifier.verify(text.encode(), line.blob)
        with pytest.raises(SignatureError, match="ML-DSA-44 signs checkpoints alone"):
            cosignature.cosign(text, signer=WITNESS, time_s=5)
    long = format_checkpoint(Checkpoint("o" * 256, 7, bytes(32)))
    with pytest.raises(SignatureError, match="256 bytes"):
        cosignature.cosign(long, signer=WITNESS, time_s=5)


def test_the_second_signer_needs_a_time_that_can_be_stated() -> None:
    with pytest.raises(SignatureError, match="need a time"):
        note.sign_note(TEXT, [LOG, SECOND])
    witness = Signer("w", bytes(32), key_type=COSIGNATURE)
    with pytest.raises(SignatureError, match="need a time"):
        note.sign_note(TEXT, [witness], time_s=5)
    for time_s in (-1, 2**63):
        with pytest.raises(SignatureError, match="no cosignature is made"):
            note.sign_note(TEXT, [LOG, SECOND], time_s=time_s)
    with pytest.raises(SignatureError, match="no cosignature is made"):
        SECOND.verifier.verify(TEXT.encode(), b"\xff" * 2_428)
    with pytest.raises(SignatureError, match="signs no times"):
        LOG.sign_at(TEXT.encode(), time_s=5)


def test_a_policy_counts_such_witnesses_and_trusts_such_a_log() -> None:
    other = Signer("witness.example/w2", bytes(32), key_type=COSIGNATURE)
    head = f"witness A {WITNESS.vkey}\nwitness B {other.vkey}\ngroup both all A B\nquorum both\n"
    lines = [cosignature.cosign(TEXT, signer=each, time_s=5).line for each in (WITNESS, other)]
    cosigned = DUAL + "".join(lines).encode()
    for log in (LOG, SECOND):
        policy = parse_policy(f"log {log.vkey}\n{head}")
        assert check_policy(cosigned, policy) == parse_checkpoint(TEXT)
        with pytest.raises(SignatureError, match="not met; cosigned by: B"):
            check_policy(DUAL + lines[1].encode(), policy)


def test_a_witness_that_states_no_time_does_not_count() -> None:
    policy = parse_policy(f"log {LOG.vkey}\nwitness A {WITNESS.vkey}\nquorum A\n")
    timeless = cosignature.cosign(TEXT, signer=WITNESS, time_s=0).line
    with pytest.raises(SignatureError, match="cosigned by: nobody"):
        check_policy(DUAL + timeless.encode(), policy)


@pytest.mark.parametrize("length", [0, 32, 1_311, 1_313])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    number = note.key_id("n", MLDSA44, bytes(length))
    key = note.VerifierKey("n", number, MLDSA44, bytes(length))
    with pytest.raises(FormatError, match=f"has {length} bytes, not 1312"):
        note.parse_vkey(note.format_vkey(key))
    with pytest.raises(SignatureError, match="takes a key of 1312"):
        verify_mldsa44(bytes(length), b"", bytes(2_420))


def test_the_key_is_shown_by_nothing_but_its_own_file() -> None:
    secret = note.format_skey(SECOND)
    assert len(secret) < 1_024
    for shown in (repr(SECOND), str(SECOND), SECOND.vkey):
        assert secret.rsplit("+", 1)[1] not in shown
        assert bytes(range(64, 96)).hex() not in shown


@given(key_names, sizes, hashes, st.integers(1, 2**63 - 1))
@settings(deadline=None, max_examples=25)
def test_any_checkpoint_that_is_signed_verifies(
    origin: str, size: int, root: bytes, time_s: int
) -> None:
    text = format_checkpoint(Checkpoint(origin, size, root))
    line = cosignature.cosign(text, signer=WITNESS, time_s=time_s)
    assert cosignature.verify_cosignature(text, line, verifier=WITNESS.verifier) == time_s
