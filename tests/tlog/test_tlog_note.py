"""Signed notes and named keys: every outcome of the table, and text that is out to deceive."""

import pytest
from hostile import HASHES, key_names, texts
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, SignatureError
from ledger.tlog import note
from ledger.tlog.note import COSIGNATURE, Note, NoteSignature, Signer, VerifierKey
from ledger.tlog.spelling import encode_base64

ALICE = Signer("example.com/alice", bytes(range(32)))
BOB = Signer("example.com/bob", bytes(range(1, 33)))
EVE = Signer("example.com/eve", bytes(range(2, 34)))
TEXT = "First line.\n\nThird, with ä and 漢.\n"
SIGNED = note.sign_note(TEXT, [ALICE, BOB])
ALICE_LINE, BOB_LINE = (signature.line for signature in note.parse_note(SIGNED).signatures)


def assemble(*lines: str, text: str = TEXT) -> bytes:
    return (text + "\n" + "".join(lines)).encode()


def test_a_note_opens_with_the_signatures_of_known_keys_in_their_order() -> None:
    both = note.open_note(SIGNED, [BOB.verifier, ALICE.verifier])
    assert both.text == TEXT
    assert [signature.name for signature in both.signatures] == [ALICE.name, BOB.name]
    one = note.open_note(SIGNED, [BOB.verifier])
    assert [signature.line for signature in one.signatures] == [BOB_LINE]


def test_a_note_without_a_known_key_is_refused() -> None:
    for known in ([], [EVE.verifier]):
        with pytest.raises(SignatureError, match="no signature by a known key"):
            note.open_note(SIGNED, known)


def test_a_failing_line_of_a_known_key_refuses_the_whole_note() -> None:
    forged = NoteSignature(BOB.name, BOB.key_id, ALICE.sign(TEXT.encode())).line
    with pytest.raises(SignatureError, match=r"example\.com/bob"):
        note.open_note(assemble(ALICE_LINE, forged), [ALICE.verifier, BOB.verifier])
    opened = note.open_note(assemble(ALICE_LINE, forged), [ALICE.verifier])
    assert len(opened.signatures) == 1


def test_a_name_or_a_key_id_alone_makes_no_known_key() -> None:
    junk = bytes(64)
    same_name = NoteSignature(ALICE.name, ALICE.key_id ^ 1, junk).line
    same_id = NoteSignature(EVE.name, ALICE.key_id, junk).line
    opened = note.open_note(assemble(same_name, same_id, ALICE_LINE), [ALICE.verifier])
    assert [signature.line for signature in opened.signatures] == [ALICE_LINE]


def test_a_repeated_line_counts_once_and_a_failing_repeat_refuses() -> None:
    opened = note.open_note(assemble(ALICE_LINE, ALICE_LINE), [ALICE.verifier])
    assert [signature.line for signature in opened.signatures] == [ALICE_LINE]
    forged = NoteSignature(ALICE.name, ALICE.key_id, bytes(64)).line
    with pytest.raises(SignatureError):
        note.open_note(assemble(ALICE_LINE, forged), [ALICE.verifier])


def test_a_key_whose_id_collides_gains_nothing() -> None:
    posing = VerifierKey(ALICE.name, ALICE.key_id, ALICE.type, EVE.verifier.public_key)
    with pytest.raises(SignatureError):
        note.open_note(SIGNED, [posing])


def test_every_changed_byte_of_text_or_signature_is_refused() -> None:
    data = note.sign_note("ab\ncd\n", [ALICE])
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with pytest.raises((FormatError, SignatureError)):
                note.open_note(bytes(changed), [ALICE.verifier])


def test_every_truncation_of_a_note_is_refused() -> None:
    data = note.sign_note("ab\ncd\n", [ALICE])
    for end in range(len(data)):
        with pytest.raises((FormatError, SignatureError)):
            note.open_note(data[:end], [ALICE.verifier])


def test_a_note_is_split_at_its_last_blank_line() -> None:
    inner = note.sign_note("inner\n", [EVE]).decode()
    outer = note.sign_note(inner, [ALICE])
    assert note.open_note(outer, [ALICE.verifier]).text == inner
    with pytest.raises(SignatureError):
        note.open_note(outer, [EVE.verifier])


LINE = ALICE_LINE.rstrip("\n")
BLOB = LINE.rsplit(" ", 1)[1]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"\n\n",
        TEXT.encode(),
        TEXT.encode() + b"\n",
        TEXT.encode() + ALICE_LINE.encode(),
        assemble(LINE),
        assemble(LINE + "\r\n"),
        assemble(ALICE_LINE + "\n"),
        assemble(ALICE_LINE, "\u2028", BOB_LINE),
        assemble(LINE + "\u2028" + BOB_LINE),
        assemble(LINE + " \n"),
        assemble(" " + ALICE_LINE),
        assemble(ALICE_LINE.replace("—", "-")),
        assemble(ALICE_LINE.replace("— ", "—")),
        assemble(ALICE_LINE.replace("— ", "—\u00a0")),
        assemble(f"— {BLOB}\n"),
        assemble(f"—  {BLOB}\n"),
        assemble(f"— a+b {BLOB}\n"),
        assemble(f"— a\u3000b {BLOB}\n"),
        assemble(f"— {'n' * 256} {BLOB}\n"),
        assemble("— example.com/alice\n"),
        assemble("— example.com/alice \n"),
        assemble("— example.com/alice AAAAAA==\n"),
        assemble("— example.com/alice AAAAAAA\n"),
        assemble("— example.com/alice AAAAAAB=\n"),
        assemble(f"— example.com/alice {BLOB} x\n"),
        assemble(ALICE_LINE, text="a\x00b\n"),
        assemble(ALICE_LINE, text="a\tb\n"),
        assemble(ALICE_LINE, text="a\r\n"),
        b"\xff\n\n" + ALICE_LINE.encode(),
        b"\xc0\xaf\n\n" + ALICE_LINE.encode(),
        b"\xed\xa0\x80\n\n" + ALICE_LINE.encode(),
        assemble(*[ALICE_LINE] * 101),
        b"a" * 10_000_000 + b"\n\n" + ALICE_LINE.encode(),
        assemble(f"— a {'A' * 10_000_000}\n"),
    ],
)
def test_a_malformed_note_is_refused_as_such(data: bytes) -> None:
    with pytest.raises(FormatError):
        note.open_note(data, [ALICE.verifier])


def test_a_hundred_lines_are_read_though_nobody_knows_most_of_them() -> None:
    strangers = [NoteSignature(f"stranger{at}", at, bytes(64)).line for at in range(99)]
    data = assemble(*strangers, ALICE_LINE)
    assert len(note.parse_note(data).signatures) == 100
    assert len(note.open_note(data, [ALICE.verifier]).signatures) == 1


def test_signature_lines_alone_are_read_back() -> None:
    found = note.parse_signatures((ALICE_LINE + BOB_LINE).encode())
    assert "".join(signature.line for signature in found) == ALICE_LINE + BOB_LINE
    for wrong in (b"", b"\n", ALICE_LINE.encode() + b"\n", LINE.encode()):
        with pytest.raises(FormatError):
            note.parse_signatures(wrong)


@pytest.mark.parametrize("text", ["", "no newline", "a\x00\n", "a\r\n", "\ud800\n"])
def test_a_text_that_no_note_has_is_not_signed(text: str) -> None:
    with pytest.raises(FormatError):
        note.sign_note(text, [ALICE])


def test_two_lines_for_one_key_are_never_written() -> None:
    with pytest.raises(FormatError, match="one name and key ID"):
        note.sign_note(TEXT, [ALICE, ALICE])
    for signers in ([], [Signer(f"n{at}", bytes(32)) for at in range(101)]):
        with pytest.raises(FormatError, match="1 to 100 signatures"):
            note.sign_note(TEXT, signers)


def test_a_cosigner_does_not_sign_plain_notes() -> None:
    cosigner = Signer("w", bytes(32), key_type=COSIGNATURE)
    with pytest.raises(SignatureError, match="need a time"):
        note.sign_note(TEXT, [cosigner])


@given(texts.map(lambda text: "".join(c for c in text if c == "\n" or c >= " ") + "\n"), key_names)
@settings(deadline=None)
def test_any_text_by_any_name_opens_again(text: str, name: str) -> None:
    signer = Signer(name, bytes(32))
    data = note.sign_note(text, [signer])
    opened = note.open_note(data, [signer.verifier])
    assert opened.text == text
    assert note.format_note(opened) == data
    assert note.parse_vkey(signer.vkey) == signer.verifier


@given(st.binary(max_size=120))
def test_any_bytes_are_a_note_in_its_one_spelling_or_are_refused(junk: bytes) -> None:
    for data in (junk, junk + SIGNED, SIGNED + junk, SIGNED[:60] + junk + SIGNED[60:]):
        try:
            found = note.parse_note(data)
        except FormatError:
            continue
        keys = {(line.name, line.key_id) for line in found.signatures}
        if len(keys) == len(found.signatures):
            assert note.format_note(found) == data


def test_the_parts_of_a_note_format_to_the_note() -> None:
    assert note.format_note(note.parse_note(SIGNED)) == SIGNED
    assert isinstance(note.parse_note(SIGNED), Note)


def test_keys_read_back_in_both_their_forms() -> None:
    for key_type in (note.ED25519, COSIGNATURE, note.MLDSA44):
        signer, vkey = note.generate_key("example.com/k", bytes(range(32)), key_type=key_type)
        assert note.format_vkey(note.parse_vkey(vkey)) == vkey
        secret = note.format_skey(signer)
        again = note.parse_skey(secret)
        assert (again.vkey, note.format_skey(again)) == (vkey, secret)
        assert again.verifier == signer.verifier


def test_the_private_key_of_go_s_own_example_is_read() -> None:
    # From the documentation of golang.org/x/mod/sumdb/note.
    secret = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
    public = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
    assert note.parse_skey(secret).vkey == public


def test_a_signer_does_not_show_its_key() -> None:
    secret = note.format_skey(ALICE).rsplit("+", 1)[1]
    for shown in (repr(ALICE), str(ALICE), f"{ALICE!r:>90}"):
        assert secret not in shown
        assert bytes(range(32)).hex() not in shown
        assert "alice" in shown


VKEY = ALICE.vkey
NAME, HASH, KEY = VKEY.split("+", 2)
assert HASH.upper() != HASH, "this key cannot show that upper case is refused"
SKEY = note.format_skey(ALICE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        "++",
        NAME,
        f"{NAME}+{HASH}",
        f"+{HASH}+{KEY}",
        f"{NAME}+{HASH.upper()}+{KEY}",
        f"{NAME}+{HASH[:-1]}+{KEY}",
        f"{NAME}+0x{HASH[2:]}+{KEY}",
        f"{NAME}+00000000+{KEY}",
        f"{NAME}+{HASH}+",
        f"{NAME}+{HASH}+{KEY[:-1]}",
        f"{NAME}+{HASH}+{KEY}=",
        f"{NAME}+{HASH}+{KEY}\n",
        f" {NAME}+{HASH}+{KEY}",
        f"{NAME} x+{HASH}+{KEY}",
        f"{NAME}\u2028+{HASH}+{KEY}",
        f"{NAME}\x00+{HASH}+{KEY}",
        f"\ud800+{HASH}+{KEY}",
        f"{NAME}+{HASH}+{encode_base64(bytes([1] * 32))}",
        f"{NAME}+{HASH}+{encode_base64(bytes([6] * 33))}",
        f"{NAME}x+{HASH}+{KEY}",
        f"{'n' * 300}+{HASH}+{KEY}",
        f"{NAME}+{HASH}+{'A' * 10_000_000}",
        *(f"{NAME}+{HASH}+{wrong}" for wrong in HASHES),
    ],
)
def test_a_verifier_or_private_key_in_any_other_spelling_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        note.parse_vkey(text)
    with pytest.raises(FormatError):
        note.parse_skey("PRIVATE+KEY+" + text)


def test_a_refused_private_key_is_not_repeated_in_the_error() -> None:
    secret = SKEY.rsplit("+", 1)[1]
    for text in (SKEY[1:], SKEY[:-1], SKEY + "=", SKEY.replace(f"{HASH}+", ""), SKEY + "\n"):
        with pytest.raises(FormatError) as caught:
            note.parse_skey(text)
        assert secret[5:15] not in str(caught.value)
    wrong_id = SKEY.replace(HASH, "00000000")
    with pytest.raises(FormatError, match="has the ID"):
        note.parse_skey(wrong_id)


@given(st.text(max_size=80))
def test_any_text_is_the_verifier_key_that_it_formats_to_or_is_refused(text: str) -> None:
    try:
        key = note.parse_vkey(text)
    except FormatError:
        return
    assert note.format_vkey(key) == text


def test_a_seed_of_another_length_or_a_type_that_is_not_known_makes_no_key() -> None:
    for seed in (b"", bytes(31), bytes(33)):
        with pytest.raises(FormatError, match="seed has 32 bytes"):
            note.generate_key("n", seed)
    with pytest.raises(FormatError, match="type 0x05"):
        note.generate_key("n", bytes(32), key_type=5)
    for name in ("", "a b", "a+b", "a\nb", "a\x00b", "a\x7f\x08", "\ud800", "x" * 256):
        with pytest.raises(FormatError):
            note.generate_key(name, bytes(32))


def test_ed25519_refuses_what_does_not_verify_and_what_is_not_a_signature() -> None:
    key, signature = ALICE.verifier.public_key, ALICE.sign(b"text")
    note.verify_ed25519(key, b"text", signature)
    for args in (
        (key, b"other", signature),
        (BOB.verifier.public_key, b"text", signature),
        (key, b"text", bytes(64)),
        (bytes(32), b"text", bytes(64)),
        (key[:-1], b"text", signature),
        (key, b"text", signature[:-1]),
        (key, b"text", signature + b"\x00"),
        (b"", b"", b""),
    ):
        with pytest.raises(SignatureError):
            note.verify_ed25519(*args)
