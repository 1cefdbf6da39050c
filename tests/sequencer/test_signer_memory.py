"""The signer's memory: what it survives, and what it keeps from happening."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import kit
import pytest
from sqlalchemy import text

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.giving_up import GIVEN_UP, forget
from ledger.errors import ForkRefused, LedgerError, LogUnavailable
from ledger.sequencer import memory as slots
from ledger.sequencer.memory import SLOT_BYTES, SignerMemory
from ledger.sequencer.signer import CheckpointSigner
from ledger.sequencer.signing import Signing
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.merkle import prove_consistency, root_hash
from ledger.tlog.note import generate_key

ORIGIN = "ledger.example/signer"
KEY = generate_key(ORIGIN, bytes(32))[0]
LEAVES = [bytes([n]) * 32 for n in range(40)]


@pytest.fixture
def memory(tmp_path: Path) -> SignerMemory:
    made = SignerMemory(tmp_path / "signer.memory")
    made.create()
    return made


def sign(memory: SignerMemory, size: int, leaves: list[bytes] | None = None) -> bytes:
    """Have the tree of the first ``size`` leaves signed, by a signer that has just started."""
    tree = (leaves or LEAVES)[:size]
    with CheckpointSigner(KEY, memory).exclusive() as pen:
        return pen.sign(
            size=size,
            root=root_hash(tree),
            prove=lambda old_size: prove_consistency(tree, old_size=old_size),
        ).note


def last_size(memory: SignerMemory) -> int | None:
    with CheckpointSigner(KEY, memory).exclusive() as pen:
        return pen.last.checkpoint.size if pen.last else None


def test_a_signer_remembers_its_last_note(memory: SignerMemory) -> None:
    assert last_size(memory) is None
    notes = [sign(memory, size) for size in (1, 2, 3, 7)]
    assert last_size(memory) == 7
    assert sign(memory, 7) == notes[-1]
    assert len(set(notes)) == 4


@pytest.mark.parametrize("broken", [0, 1])
@pytest.mark.parametrize("first", [[1, 7, 9], [1, 7]], ids=["newest-in-front", "newest-behind"])
def test_a_way_back_that_is_cut_short_leaves_what_was_there_or_what_is_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: int, first: list[int]
) -> None:
    """Half a slot is written, the first or the second one, and then nothing more."""
    earlier = SignerMemory(tmp_path / "earlier")
    earlier.create()
    kept = sign(earlier, 5)
    memory = SignerMemory(tmp_path / "signer.memory")
    memory.create()
    notes = [sign(memory, size) for size in first]
    whole = slots._write_whole
    written: list[int] = []

    def torn(descriptor: int, data: bytes, offset: int) -> None:
        if len(written) == broken:
            whole(descriptor, data[:40], offset)
            raise OSError("cut short")
        written.append(offset)
        whole(descriptor, data, offset)

    with monkeypatch.context() as patch, memory.locked() as held:
        patch.setattr(slots, "_write_whole", torn)
        with pytest.raises(OSError, match="cut short"):
            held.go_back(kept, size=5)
    with memory.locked() as held:
        assert held.recall() == (kept if broken else notes[-1])
        held.go_back(kept, size=5)
    assert last_size(memory) == 5
    sign(memory, 6)
    assert last_size(memory) == 6


def test_nothing_is_forgotten_before_it_is_kept_whole(
    memory: SignerMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk takes a part of what is given up, and says so to nobody."""
    kept, given_up = sign(memory, 1), sign(memory, 2)
    real = os.write
    place = memory.beside(GIVEN_UP)
    place.write_bytes(b"from before\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:40]))
        with pytest.raises(LogUnavailable, match="nothing is given up"):
            forget(memory, [given_up], note=kept, remembered=given_up)
    assert (last_size(memory), place.read_bytes()) == (2, b"from before\n")
    forget(memory, [given_up], note=kept, remembered=given_up)
    assert (last_size(memory), place.read_bytes()) == (1, b"from before\n" + given_up + b"\n")


def test_it_knows_of_the_last_two_notes_that_were_published_and_of_no_other(
    memory: SignerMemory,
) -> None:
    notes = [f"note {size}".encode() for size in range(5)]
    with memory.locked() as opened:
        opened.remember(notes[1], size=1)
        opened.settle(notes[1])
        opened.settle(notes[1])
        opened.remember(notes[2], size=2)
        assert opened.published() == [notes[1]]
        opened.settle(notes[2])
        assert opened.published() == [notes[1], notes[2]]
        # One whose publication failed is in a slot, and was never published.
        opened.remember(notes[3], size=3)
        opened.remember(notes[4], size=4)
        opened.settle(notes[4])
        assert opened.published() == [notes[4]]


def test_nothing_smaller_and_nothing_else_is_signed(memory: SignerMemory) -> None:
    sign(memory, 7)
    for size, leaves in ((6, LEAVES), (7, LEAVES[1:]), (8, LEAVES[1:]), (30, LEAVES[::-1])):
        with pytest.raises(ForkRefused):
            sign(memory, size, leaves)
    assert last_size(memory) == 7
    sign(memory, 8)


def test_a_memory_is_made_once(memory: SignerMemory, tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="exists already"):
        memory.create()
    assert tmp_path.joinpath("signer.memory").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [0, 1, 31, 32, 36, 44, 100, 200, SLOT_BYTES - 1])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_torn_write_of_either_slot_loses_no_signature_that_left(
    memory: SignerMemory, monkeypatch: pytest.MonkeyPatch, size: int, cut: int
) -> None:
    for earlier in range(1, size):
        sign(memory, earlier)
    real = slots._write_whole

    def torn(descriptor: int, data: bytes, offset: int) -> None:
        real(descriptor, data[:cut], offset)
        raise OSError(5, "power cut")

    with monkeypatch.context() as patch:
        patch.setattr(slots, "_write_whole", torn)
        with pytest.raises(OSError, match="power cut"):
            sign(memory, size)
    assert last_size(memory) in {size, size - 1 or None}
    # The crash was before the signature left: what follows may be any continuation of size - 1.
    if last_size(memory) != size:
        other = [*LEAVES[: size - 1], b"x" * 32, *LEAVES]
        sign(memory, size, other)
        with pytest.raises(ForkRefused):
            sign(memory, size)
    else:
        sign(memory, size)


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("at", [0, 33, 40, 60])
def test_a_flipped_bit_is_not_taken_for_a_note(
    memory: SignerMemory, tmp_path: Path, slot: int, at: int
) -> None:
    for size in (1, 2, 3):
        sign(memory, size)
    _flip(tmp_path / "signer.memory", slot * SLOT_BYTES + at)
    assert last_size(memory) == (2 if slot == 0 else 3)
    sign(memory, 4)
    assert last_size(memory) == 4


def test_with_both_slots_damaged_nothing_is_signed(memory: SignerMemory, tmp_path: Path) -> None:
    for size in (1, 2):
        sign(memory, size)
    for slot in (0, 1):
        _flip(tmp_path / "signer.memory", slot * SLOT_BYTES + 50)
    with pytest.raises(LogUnavailable, match=r"both slots .* are damaged: restore the file"):
        sign(memory, 3)


def test_without_its_file_nothing_is_signed(memory: SignerMemory, tmp_path: Path) -> None:
    sign(memory, 1)
    tmp_path.joinpath("signer.memory").unlink()
    with pytest.raises(LogUnavailable, match=r"signer\.memory cannot be opened .* restore it"):
        sign(memory, 2)
    assert not tmp_path.joinpath("signer.memory").exists()


def test_the_memory_of_another_key_is_refused(memory: SignerMemory) -> None:
    sign(memory, 1)
    other = CheckpointSigner(generate_key(ORIGIN, bytes(31) + b"x")[0], memory)
    with pytest.raises(ForkRefused, match="belongs to another key"), other.exclusive():
        pass


def test_a_write_that_the_disk_cut_short_is_an_error(
    memory: SignerMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign(memory, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda *_: 100)
        with pytest.raises(OSError, match="No space left"):
            sign(memory, 2)
    assert last_size(memory) == 1


def test_a_note_whose_syncing_failed_is_synced_before_it_leaves(
    memory: SignerMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def sync(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) == 1:
            raise OSError(5, "Input/output error")
        real(descriptor)

    checkpoints = CheckpointSigner(KEY, memory)
    monkeypatch.setattr(os, "fdatasync", sync)
    for attempt in (1, 2, 3):
        with checkpoints.exclusive() as pen:
            if attempt == 1:
                with pytest.raises(OSError, match="Input/output"):
                    pen.sign(size=1, root=root_hash(LEAVES[:1]), prove=lambda _: [])
            else:
                pen.sign(size=1, root=root_hash(LEAVES[:1]), prove=lambda _: [])
    assert len(synced) == 2


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


# --- with a database ------------------------------------------------------------------------------


def test_a_database_restored_from_an_old_backup_does_not_fork_the_log(
    grown: Callable[[str, int], Settings],
) -> None:
    old = grown("sqlite", 20)
    new = grown("sqlite", 20)
    ledger = Ledger(new, clock=kit.Clock())
    given = kit.log(ledger, kit.egress(kit.ulid(1), 10**6))
    ledger.close()
    assert new.sqlite_file is not None
    assert old.sqlite_file is not None
    newest = new.sqlite_file.read_bytes()
    shutil.copy(old.sqlite_file, new.sqlite_file)
    with pytest.raises(ForkRefused, match=r"older than the signer.*Restore the newer database"):
        Ledger(new, clock=kit.Clock())
    reading = Ledger(new, writer=False)  # which is still public
    assert reading.reader.tree_size() == 20
    reading.close()
    new.sqlite_file.write_bytes(newest)
    ledger = Ledger(new, clock=kit.Clock())
    kit.log(ledger, kit.egress(kit.ulid(1), 10**6 + 1))
    ledger.close()
    kit.check_whole_log(new, acknowledged=given)


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_two_ledgers_on_one_key_do_not_fork_the_log(
    grown: Callable[[str, int], Settings], engine: str
) -> None:
    """As after a split brain: two databases that were one, and both are written."""
    ours, theirs = grown(engine, 20), grown(engine, 20)
    theirs = theirs.model_copy(update={"key_dir": ours.key_dir})
    one, two = Ledger(ours, clock=kit.Clock()), Ledger(theirs, clock=kit.Clock())
    given = kit.log(one, kit.egress(kit.ulid(1), 10**6))
    for number in (1, 2):
        refused = kit.refusal(two.submit(kit.egress(kit.ulid(1), 10**6 + number)))
        assert isinstance(refused, LogUnavailable)
        assert "is signed already" in str(refused)
    given += kit.log(one, kit.egress(kit.ulid(1), 10**6 + 3))
    one.close()
    two.close()
    kit.check_whole_log(ours, acknowledged=given)
    store = Store(theirs.database_url)
    with store.snapshot() as reads:
        newest = reads.newest_checkpoint()
        assert newest is not None
        assert (newest.size, reads.head().size) == (20, 20)
    store.close()


def test_an_emptied_memory_does_not_sign_over_a_published_log(
    grown: Callable[[str, int], Settings],
) -> None:
    settings = grown("sqlite", 20)
    path = settings.key_dir / keys.SIGNER_MEMORY
    kept = path.read_bytes()
    path.write_bytes(bytes(2 * SLOT_BYTES))
    with pytest.raises(ForkRefused, match="memory is empty, but size 20 is published"):
        Ledger(settings)
    path.write_bytes(kept)
    Ledger(settings).close()


EDITS = {
    "an entry's bytes": "UPDATE entries SET data = {other} WHERE leaf_index = 21",
    "a new leaf hash": "UPDATE entries SET leaf_hash = {hash} WHERE leaf_index = 21",
    "an old leaf hash": "UPDATE entries SET leaf_hash = {hash} WHERE leaf_index = 19",
    "the head's root": "UPDATE log_head SET root = {hash}",
    "the head's edge": "UPDATE log_head SET edge = {hash}",
    "a missing entry": "DELETE FROM entries WHERE leaf_index = 20",
}


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("edit", sorted(EDITS.keys() - {"the head's edge"}))
def test_an_edited_database_is_not_signed(
    grown: Callable[[str, int], Settings], monkeypatch: pytest.MonkeyPatch, engine: str, edit: str
) -> None:
    """Between the commit and the signature somebody changes what is stored."""
    settings = grown(engine, 20)
    ledger = Ledger(settings, clock=kit.Clock())
    with monkeypatch.context() as patch:
        patch.setattr(Signing, "sign", lambda *_: 1 / 0)
        kit.refusal(ledger.submit(kit.submitted(kit.ulid(2))))
    ledger.close()
    _edit(settings, EDITS[edit])
    with pytest.raises(LedgerError) as caught:
        Ledger(settings, clock=kit.Clock()).close()
    assert isinstance(caught.value, LogUnavailable)
    with SignerMemory(settings.key_dir / keys.SIGNER_MEMORY).locked() as memory:
        note = memory.recall()
    assert note is not None
    assert b"\n20\n" in note


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
@pytest.mark.parametrize("edit", ["the head's root", "the head's edge"])
def test_a_head_that_is_edited_while_the_ledger_runs_stops_it(
    grown: Callable[[str, int], Settings], engine: str, edit: str
) -> None:
    settings = grown(engine, 20)
    ledger = Ledger(settings, clock=kit.Clock())
    _edit(settings, EDITS[edit])
    refused = kit.refusal(ledger.submit(kit.submitted(kit.ulid(2))))
    assert isinstance(refused, LogUnavailable)
    ledger.close()


def _edit(settings: Settings, statement: str) -> None:
    """What whoever owns the database can do, triggers or not."""
    store = Store(settings.database_url)
    hash_, other = "x'" + "ab" * 32 + "'", "x'7b7d'"
    with (
        store.engine.connect().execution_options(ledger_writes=True) as connection,
        connection.begin(),
    ):
        if connection.dialect.name == "sqlite":
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER entries_no_{verb}"))
        else:
            hash_, other = f"decode('{'ab' * 32}', 'hex')", "decode('7b7d', 'hex')"
            connection.execute(text("ALTER TABLE entries DISABLE TRIGGER USER"))
        connection.exec_driver_sql(statement.format(hash=hash_, other=other))
    store.close()
