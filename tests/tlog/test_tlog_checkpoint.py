"""Checkpoints and cosignatures: three lines, who signed them, and when."""

import pytest
from hostile import DECIMALS, HASHES, hashes, key_names, sizes
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, SignatureError
from ledger.tlog import cosignature, note
from ledger.tlog.checkpoint import (
    Checkpoint,
    format_checkpoint,
    open_checkpoint,
    parse_checkpoint,
)
from ledger.tlog.cosignature import AddCheckpoint
from ledger.tlog.note import COSIGNATURE, NoteSignature, Signer

LOG = Signer("example.com/log", bytes(32))
OTHER_LOG = Signer("example.com/other", bytes(range(32)))
WITNESS = Signer("example.com/w", bytes(range(1, 33)), key_type=COSIGNATURE)
CHECKPOINT = Checkpoint("example.com/log", 7, bytes(range(32)))
TEXT = format_checkpoint(CHECKPOINT)
ROOT = TEXT.split("\n")[2]
SIGNED = note.sign_note(TEXT, [LOG])
ZERO = "A" * 43 + "="


@given(key_names, sizes, hashes)
def test_checkpoints_read_back(origin: str, size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin, size, root)
    assert parse_checkpoint(format_checkpoint(checkpoint)) == checkpoint


def test_a_checkpoint_is_three_lines() -> None:
    assert TEXT == "example.com/log\n7\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "\n\n\n",
        f"\n7\n{ROOT}\n",
        f"o\n7\n{ROOT}",
        f"o\n7\n{ROOT}\n\n",
        f"o\n7\n{ROOT}\nextension\n",
        f"o\r\n7\r\n{ROOT}\r\n",
        f"o\u20287\n{ROOT}\n",
        f"o\x85\n\n{ROOT}\n",
        f"o\x00\n7\n{ROOT}\n",
        f"\ud800\n7\n{ROOT}\n",
        f"{'o' * 2_000}\n7\n{ROOT}\n",
        "o" * 10_000_000,
        *(f"o\n{digits}\n{ROOT}\n" for digits in DECIMALS),
        *(f"o\n7\n{root}\n" for root in HASHES),
    ],
)
def test_any_other_text_is_no_checkpoint(text: str) -> None:
    with pytest.raises(FormatError):
        parse_checkpoint(text)


@given(st.text(max_size=80))
def test_any_text_is_a_checkpoint_in_its_one_spelling_or_is_refused(junk: str) -> None:
    for text in (junk, f"o\n{junk}\n{ROOT}\n", f"o\n1\n{junk}\n", f"{junk}\n1\n{ROOT}\n"):
        try:
            checkpoint = parse_checkpoint(text)
        except FormatError:
            continue
        assert format_checkpoint(checkpoint) == text


def test_a_checkpoint_that_could_not_be_read_is_not_written() -> None:
    for wrong in (
        Checkpoint("", 1, bytes(32)),
        Checkpoint("a\nb", 1, bytes(32)),
        Checkpoint("a", -1, bytes(32)),
        Checkpoint("a", 2**63, bytes(32)),
        Checkpoint("a", 1, bytes(31)),
    ):
        with pytest.raises(FormatError):
            format_checkpoint(wrong)


def test_only_the_log_itself_vouches_for_its_checkpoint() -> None:
    assert open_checkpoint(SIGNED, [LOG.verifier, OTHER_LOG.verifier]) == CHECKPOINT
    foreign = note.sign_note(TEXT, [OTHER_LOG])
    with pytest.raises(SignatureError, match=r"by the log example\.com/log itself"):
        open_checkpoint(foreign, [LOG.verifier, OTHER_LOG.verifier])
    # A witness's key named like the log is still a witness's.
    posing = Signer(LOG.name, bytes(32), key_type=COSIGNATURE)
    line = cosignature.cosign(TEXT, signer=posing, time_s=1)
    with pytest.raises(SignatureError, match="itself"):
        open_checkpoint(TEXT.encode() + b"\n" + line.line.encode(), [posing.verifier])


def test_a_signed_note_that_is_no_checkpoint_is_refused() -> None:
    with pytest.raises(FormatError):
        open_checkpoint(note.sign_note(TEXT + "extension\n", [LOG]), [LOG.verifier])


@given(st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_a_cosignature_gives_back_its_time(time_s: int) -> None:
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=time_s)
    assert cosignature.verify_cosignature(TEXT, line, verifier=WITNESS.verifier) == time_s
    assert note.parse_signatures(line.line.encode()) == [line]


def test_every_flipped_bit_of_a_cosignature_is_refused() -> None:
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=1_767_225_600)
    for bit in range(8 * len(line.blob)):
        blob = (int.from_bytes(line.blob, "big") ^ 1 << bit).to_bytes(72, "big")
        with pytest.raises(SignatureError):
            cosignature.verify_cosignature(
                TEXT, NoteSignature(line.name, line.key_id, blob), verifier=WITNESS.verifier
            )


def test_a_cosignature_holds_for_one_text_one_name_one_key_and_one_length() -> None:
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=5)
    verifier = WITNESS.verifier
    for text, signature, key in (
        (TEXT.replace("7", "8"), line, verifier),
        (TEXT, NoteSignature("x", line.key_id, line.blob), verifier),
        (TEXT, NoteSignature(line.name, line.key_id ^ 1, line.blob), verifier),
        (TEXT, NoteSignature(line.name, line.key_id, line.blob[:-1]), verifier),
        (TEXT, NoteSignature(line.name, line.key_id, line.blob[8:]), verifier),
        (TEXT, NoteSignature(LOG.name, LOG.key_id, line.blob), LOG.verifier),
    ):
        with pytest.raises(SignatureError):
            cosignature.verify_cosignature(text, signature, verifier=key)


def test_a_plain_signature_is_no_cosignature_and_the_other_way_round() -> None:
    plain = Signer(WITNESS.name, bytes(range(1, 33)))
    with pytest.raises(SignatureError, match="the type 0x04"):
        cosignature.cosign(TEXT, signer=plain, time_s=5)
    # The same key under its other type has another key ID: the line is nobody's.
    line = cosignature.cosign(TEXT, signer=WITNESS, time_s=5).line
    with pytest.raises(SignatureError, match="no signature by a known key"):
        note.open_note(TEXT.encode() + b"\n" + line.encode(), [plain.verifier])


def test_of_two_cosignatures_by_one_witness_the_first_line_is_returned() -> None:
    early, late = (cosignature.cosign(TEXT, signer=WITNESS, time_s=time_s) for time_s in (5, 9))
    for first, second in ((early, late), (late, early)):
        data = SIGNED + (first.line + second.line).encode()
        assert note.open_note(data, [WITNESS.verifier]).signatures == (first,)


@pytest.mark.parametrize("time_s", [-1, 2**63, 2**64])
def test_a_time_that_no_cosignature_has_is_refused(time_s: int) -> None:
    with pytest.raises(SignatureError, match="no cosignature is made"):
        cosignature.cosign(TEXT, signer=WITNESS, time_s=time_s)
    blob = (time_s % 2**64 if time_s > 0 else 2**64 - 1).to_bytes(8, "big") + bytes(64)
    if time_s != 2**64:
        with pytest.raises(SignatureError, match="no cosignature is made"):
            WITNESS.verifier.verify(TEXT.encode(), blob)


@given(sizes, st.lists(hashes, max_size=63))
@settings(deadline=None)
def test_add_checkpoint_bodies_read_back(old_size: int, proof: list[bytes]) -> None:
    request = AddCheckpoint(old_size, tuple(proof), SIGNED)
    data = cosignature.format_add_checkpoint(request)
    assert cosignature.parse_add_checkpoint(data) == request


def test_an_add_checkpoint_body_is_spelt_as_the_specification_shows() -> None:
    request = AddCheckpoint(3, (bytes(32),), SIGNED)
    assert cosignature.format_add_checkpoint(request) == f"old 3\n{ZERO}\n\n".encode() + SIGNED


def test_a_proof_of_more_than_63_hashes_is_neither_sent_nor_taken() -> None:
    with pytest.raises(FormatError, match="63 is the most"):
        cosignature.format_add_checkpoint(AddCheckpoint(1, (bytes(32),) * 64, SIGNED))
    lines = f"{ZERO}\n" * 64
    with pytest.raises(FormatError, match="more than 63"):
        cosignature.parse_add_checkpoint(f"old 1\n{lines}\n".encode() + SIGNED)


@pytest.mark.parametrize(
    "head",
    [
        "",
        "\n",
        "old 1\n",
        "old 1",
        "Old 1\n\n",
        "old  1\n\n",
        "old\n\n",
        f"{ZERO}\n\n",
        f"old 1\n\n{ZERO}\n\n",
        "old 1\r\n\r\n",
        "old 1\u2028\n\n",
        "old 1 \n\n",
        "old 1\n" + "A" * 10_000_000 + "\n\n",
        *(f"old {digits}\n\n" for digits in DECIMALS),
        *(f"old 1\n{wrong}\n\n" for wrong in HASHES if wrong),
    ],
)
def test_a_malformed_add_checkpoint_body_is_refused(head: str) -> None:
    with pytest.raises(FormatError):
        cosignature.parse_add_checkpoint(head.encode() + SIGNED)


def test_an_add_checkpoint_body_needs_a_note_and_only_a_note() -> None:
    for tail in (b"", b"x", TEXT.encode(), SIGNED + b"x", SIGNED[:-1]):
        with pytest.raises(FormatError):
            cosignature.parse_add_checkpoint(b"old 1\n\n" + tail)


@given(st.binary(max_size=60))
def test_any_body_is_the_request_that_it_formats_to_or_is_refused(junk: bytes) -> None:
    for data in (junk + SIGNED, b"old " + junk + b"\n\n" + SIGNED, b"old 1\n" + junk + SIGNED):
        try:
            request = cosignature.parse_add_checkpoint(data)
        except FormatError:
            continue
        assert cosignature.format_add_checkpoint(request) == data
