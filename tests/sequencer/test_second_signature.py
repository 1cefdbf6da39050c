"""Checkpoints with a second line: made once, remembered whole, and only by a key of this log."""

from pathlib import Path

import kit
import pytest

from ledger import keys
from ledger.assembly import Ledger, create
from ledger.assembly.founding import write_mldsa_key
from ledger.errors import LogUnavailable, SignatureError
from ledger.keys import KeyFileError
from ledger.sequencer.memory import SLOT_BYTES, SignerMemory
from ledger.sequencer.signer import CheckpointSigner
from ledger.settings import Settings
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.keys import signature_line_bytes
from ledger.tlog.merkle import prove_consistency, root_hash
from ledger.tlog.note import COSIGNATURE, MLDSA44, Signer, open_note, parse_note, parse_vkey

ORIGIN = "ledger.example/signer"
KEY = Signer(ORIGIN, bytes(32))
SECOND = Signer(ORIGIN, bytes(range(32)), key_type=MLDSA44)
LEAVES = [bytes([n]) * 32 for n in range(40)]
NOW = 1_795_892_400


@pytest.fixture
def memory(tmp_path: Path) -> SignerMemory:
    made = SignerMemory(tmp_path / "signer.memory")
    made.create()
    return made


def sign(checkpoints: CheckpointSigner, size: int) -> bytes:
    tree = LEAVES[:size]
    with checkpoints.exclusive() as pen:
        return pen.sign(
            size=size,
            root=root_hash(tree),
            prove=lambda old_size: prove_consistency(tree, old_size=old_size),
        ).note


def both(memory: SignerMemory) -> CheckpointSigner:
    return CheckpointSigner(KEY, memory, second=SECOND, clock=lambda: NOW)


def test_both_lines_are_signed_remembered_and_given_again(memory: SignerMemory) -> None:
    note = sign(both(memory), 7)
    assert [line.key_id for line in parse_note(note).signatures] == [KEY.key_id, SECOND.key_id]
    opened = open_note(note, [KEY.verifier, SECOND.verifier])
    assert len(opened.signatures) == 2
    assert opened.signatures[1].blob[:8] == NOW.to_bytes(8, "big")
    # Signing it anew would make another signature: what is remembered is the whole note.
    assert sign(both(memory), 7) == note


def test_a_note_is_never_signed_again_when_the_second_key_comes_or_goes(
    memory: SignerMemory,
) -> None:
    alone = sign(CheckpointSigner(KEY, memory), 7)
    assert sign(both(memory), 7) == alone
    dual = sign(both(memory), 8)
    assert len(parse_note(dual).signatures) == 2
    assert sign(CheckpointSigner(KEY, memory), 8) == dual
    assert len(parse_note(sign(CheckpointSigner(KEY, memory), 9)).signatures) == 1


@pytest.mark.parametrize(
    "second",
    [
        Signer(ORIGIN, bytes(range(32))),
        Signer(ORIGIN, bytes(range(32)), key_type=COSIGNATURE),
        Signer("ledger.example/other", bytes(range(32)), key_type=MLDSA44),
    ],
)
def test_a_second_key_of_another_kind_or_name_is_refused(
    memory: SignerMemory, second: Signer
) -> None:
    with pytest.raises(LogUnavailable, match="not an ML-DSA-44 key named"):
        CheckpointSigner(KEY, memory, second=second)


def test_a_name_whose_longest_note_does_not_fit_into_the_memory_is_refused_at_the_start(
    memory: SignerMemory,
) -> None:
    fits = "n" * 212
    for name, refused in ((fits, False), (fits + "n", True), ("名" * 80, True)):
        key, second = Signer(name, bytes(32)), Signer(name, bytes(32), key_type=MLDSA44)
        if refused:
            with pytest.raises(LogUnavailable, match="too long for two signatures"):
                CheckpointSigner(key, memory, second=second)
        else:
            note = sign(CheckpointSigner(key, memory, second=second, clock=lambda: NOW), 7)
            assert len(note) < SLOT_BYTES
            assert [len(line.line.encode()) for line in parse_note(note).signatures] == [
                signature_line_bytes(key.verifier),
                signature_line_bytes(second.verifier),
            ]


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url, mldsa=True)


def test_a_ledger_that_is_founded_so_signs_every_checkpoint_twice(settings: Settings) -> None:
    clock = kit.Clock()
    create(settings, origin=kit.ORIGIN, authors=kit.AUTHORS, clock=clock)
    path = settings.key_dir / keys.LOG_MLDSA_KEY
    assert path.stat().st_mode & 0o777 == 0o600
    ledger = Ledger(settings, clock=clock)
    try:
        kit.log(ledger, kit.submitted(kit.ulid(1)))
        assert ledger.mldsa_vkey is not None
        second = parse_vkey(ledger.mldsa_vkey)
        assert second == keys.read_signer(path).verifier
        note = ledger.reader.newest().note
    finally:
        ledger.close()
    first = parse_vkey(ledger.vkey)
    for verifiers in ([first], [second], [first, second]):
        assert open_checkpoint(note, verifiers).size > 1
    # A reader of the log who has never heard of the second key finds nothing wrong.
    kit.check_whole_log(settings)


def test_a_ledger_gets_the_second_key_later_and_asks_for_it_by_name(
    database_url: str, tmp_path: Path
) -> None:
    clock = kit.Clock()
    plain = Settings(data_dir=tmp_path / "data", database_url=database_url)
    create(plain, origin=kit.ORIGIN, authors=kit.AUTHORS, clock=clock)
    asked = plain.model_copy(update={"mldsa": True})
    with pytest.raises(KeyFileError, match=r"log\.mldsa\.key"):
        Ledger(asked, clock=clock)
    path = write_mldsa_key(plain.key_dir, kit.ORIGIN, seed=bytes(32))
    with pytest.raises(KeyFileError, match="never overwritten"):
        write_mldsa_key(plain.key_dir, kit.ORIGIN, seed=bytes(32))
    ledger = Ledger(asked, clock=clock)
    try:
        kit.log(ledger, kit.submitted(kit.ulid(1)))
        note = ledger.reader.newest().note
    finally:
        ledger.close()
    open_checkpoint(note, [keys.read_signer(path).verifier])
    # Switched off, and the key gone with it, the log goes on.
    path.unlink()
    ledger = Ledger(plain, clock=clock)
    try:
        assert ledger.mldsa_vkey is None
        kit.log(ledger, kit.submitted(kit.ulid(2)))
        note = ledger.reader.newest().note
    finally:
        ledger.close()
    with pytest.raises(SignatureError):
        open_checkpoint(note, [Signer(kit.ORIGIN, bytes(32), key_type=MLDSA44).verifier])
    kit.check_whole_log(plain)
