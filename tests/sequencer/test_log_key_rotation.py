"""One key of the log follows another: named by the old one, bound by the same memory."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import kit
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

from cli_world import Shell

from ledger import keys
from ledger.assembly import Ledger
from ledger.assembly.log_keys import begin_rotation, named_by, read_log_keys, settle_files
from ledger.client.handovers import parse_handovers
from ledger.errors import (
    ForkRefused,
    FormatError,
    LedgerError,
    LogUnavailable,
    SignatureError,
)
from ledger.records.entry import parse_entry
from ledger.records.succession import Succession, heir, heirs, succeed
from ledger.sequencer.memory import SignerMemory
from ledger.sequencer.signer import CheckpointSigner
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import Signer, generate_key, parse_note, parse_vkey


@pytest.fixture
def settings(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = kit.make_ledger(database_url, tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(made.data_dir))
    monkeypatch.setenv("LEDGER_DATABASE_URL", made.database_url)
    return made


@pytest.fixture
def shell(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    assert settings.data_dir
    return Shell(tmp_path, capsys)


def log(settings: Settings, number: int) -> bytes:
    """Log one job with a process of its own; the newest note."""
    ledger = Ledger(settings, clock=kit.Clock())
    try:
        kit.log(ledger, kit.submitted(kit.ulid(number)))
        return newest(ledger)
    finally:
        ledger.close()


def newest(ledger: Ledger) -> bytes:
    with ledger.store.snapshot() as reads:
        found = reads.newest_checkpoint()
    assert found is not None
    return found.note


def signers_of(note: bytes) -> list[str]:
    return [f"{line.key_id:08x}" for line in parse_note(note).signatures]


def key_id(vkey: str) -> str:
    return vkey.split("+")[1]


def test_a_rotation_from_its_first_step_to_the_old_keys_end(
    settings: Settings, shell: Shell
) -> None:
    before = log(settings, 1)
    old = keys.read_signer(settings.key_dir / keys.LOG_KEY).vkey
    shell("log-key", "retire").refused("no rotation is under way")
    out = shell.ok("log-key", "rotate")
    new = next(line for line in out.splitlines() if line.startswith("log key: ")).split()[-1]
    assert key_id(new) != key_id(old)
    assert "entry 3 names the new key" in out

    # Both sign, the new one first; who trusts the old one alone sees nothing new.
    during = log(settings, 2)
    assert signers_of(before) == [key_id(old)]
    assert signers_of(during) == [key_id(new), key_id(old)]
    assert open_checkpoint(during, [parse_vkey(old)]) == open_checkpoint(during, [parse_vkey(new)])
    ledger = Ledger(settings, writer=False)
    assert ledger.vkey == old
    said = ledger.handovers(ledger.reader.tree_size())
    assert said is not None
    ((index, succession),) = parse_handovers(said.encode() + b"\n")
    ledger.close()
    assert (index, heirs(parse_vkey(old), [succession])[-1]) == (3, parse_vkey(new))
    shown = shell.ok("log-key", "show")
    assert shown == f"{old}  from entry 0 on\n{new}  from entry 3 on\n"

    # One rotation at a time; then the old key falls silent and leaves the machine.
    shell("log-key", "rotate").refused("the last rotation is not over")
    shell.ok("log-key", "retire")
    after = log(settings, 3)
    assert signers_of(after) == [key_id(new)]
    assert sorted(path.name for path in settings.key_dir.glob("log*")) == [keys.LOG_KEY]
    ledger = Ledger(settings, writer=False)
    assert ledger.vkey == new
    with ledger.store.snapshot() as reads:
        entry = reads.entry(3)
    ledger.close()
    assert entry is not None
    assert parse_entry(entry.data).succession == succession
    open_checkpoint(before, [parse_vkey(old)])
    assert "sound: " in shell.ok("fsck", "--now", "2026-11-21T12:00:00Z")
    assert "agrees with the database" in shell.ok("status")

    # And once more, from the new one to a third.
    shell.ok("log-key", "rotate")
    assert len(signers_of(log(settings, 4))) == 2
    assert len(shell.ok("log-key", "show").splitlines()) == 3
    assert "sound: " in shell.ok("fsck", "--now", "2026-11-21T12:00:00Z")
    shell.ok("rebuild")
    assert len(shell.ok("log-key", "show").splitlines()) == 3


def _after_the_key(settings: Settings, _shell: Shell) -> None:
    """A crash when the new key is on the disk, and no entry names it."""
    with_store(settings, lambda log_keys: begin_rotation(settings.key_dir, log_keys, random=seed))


def _after_the_entry(settings: Settings, shell: Shell) -> None:
    """A crash when the entry is in the log, and the files have their old names."""
    _after_the_key(settings, shell)
    ledger = Ledger(settings, clock=kit.Clock())
    succession = named_by(settings.key_dir, ledger.log_keys)
    assert succession is not None
    (done,) = ledger.sequencer.submit([succession]).result(120)
    assert not isinstance(done, LedgerError)
    ledger.close()


def _between_the_files(settings: Settings, shell: Shell) -> None:
    """A crash when the old file has its new name, and the new one has not."""
    _after_the_entry(settings, shell)
    (settings.key_dir / keys.LOG_KEY).rename(settings.key_dir / keys.PREVIOUS_LOG_KEY)


def seed(size: int) -> bytes:
    return b"\x07" * size


def with_store(settings: Settings, work: Callable[..., object]) -> None:
    ledger = Ledger(settings, writer=False)
    try:
        work(ledger.log_keys)
    finally:
        ledger.close()


@pytest.mark.parametrize("crash", [_after_the_key, _after_the_entry, _between_the_files])
def test_a_rotation_that_was_cut_short_goes_on_where_it_was(
    settings: Settings, shell: Shell, crash: Callable[[Settings, Shell], None]
) -> None:
    log(settings, 1)
    crash(settings, shell)
    # Also where a server is started first: it writes, and both keys sign already.
    assert len(signers_of(log(settings, 2))) == 2
    shell.ok("log-key", "rotate")
    assert len(shell.ok("log-key", "show").splitlines()) == 2
    assert sorted(path.name for path in settings.key_dir.glob("log*")) == [
        keys.LOG_KEY,
        keys.PREVIOUS_LOG_KEY,
    ]
    own = keys.read_signer(settings.key_dir / keys.LOG_KEY)
    assert own.vkey == Signer(own.name, seed(32)).vkey
    shell.ok("log-key", "retire")
    assert len(signers_of(log(settings, 3))) == 1
    assert "sound: " in shell.ok("fsck", "--now", "2026-11-21T12:00:00Z")


def test_the_new_key_may_sign_nothing_that_the_old_one_might_not(
    settings: Settings, shell: Shell
) -> None:
    """One memory for all keys: an old database under a new key is refused as under the old one."""
    log(settings, 1)
    former = keys.read_signer(settings.key_dir / keys.LOG_KEY).key_id
    shell.ok("log-key", "rotate")
    shell.ok("log-key", "retire")
    own = keys.read_signer(settings.key_dir / keys.LOG_KEY)
    memory = SignerMemory(settings.key_dir / keys.SIGNER_MEMORY)
    with CheckpointSigner(own, memory, former=[former]).exclusive() as pen:
        assert pen.last is not None
        assert pen.last.checkpoint.size == 4
        for size in (3, 4):
            with pytest.raises(ForkRefused):
                pen.sign(size=size, root=bytes(32), prove=lambda _old: [])


def test_a_second_algorithm_signs_on_beside_both_keys(
    settings: Settings, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEDGER_MLDSA", "true")
    shell.ok("keys", "mldsa")
    shell.ok("log-key", "rotate")
    twice = settings.model_copy(update={"mldsa": True})
    own, former, second = parse_note(log(twice, 1)).signatures
    assert (len(own.blob), len(former.blob), len(second.blob)) == (64, 64, 8 + 2420)
    shell.ok("log-key", "retire")
    assert len(signers_of(log(twice, 2))) == 2
    assert len(signers_of(log(settings, 3))) == 1
    assert "sound: " in shell.ok("fsck", "--now", "2026-11-21T12:00:00Z")


def test_a_process_that_missed_the_rotation_signs_nothing(settings: Settings, shell: Shell) -> None:
    """Else it would go on with the old key alone, which nobody believes any more."""
    log(settings, 1)
    old = keys.read_signer(settings.key_dir / keys.LOG_KEY)
    memory = SignerMemory(settings.key_dir / keys.SIGNER_MEMORY)
    stale = CheckpointSigner(old, memory, former=[old.key_id])
    with stale.exclusive() as pen:
        assert pen.last is not None
    shell.ok("log-key", "rotate")
    with pytest.raises(ForkRefused, match="the key was rotated while it ran"), stale.exclusive():
        pass
    (settings.key_dir / keys.PREVIOUS_LOG_KEY).rename(settings.key_dir / "aside")
    (settings.key_dir / keys.LOG_KEY).rename(settings.key_dir / "new")
    (settings.key_dir / "aside").rename(settings.key_dir / keys.LOG_KEY)
    with pytest.raises(LogUnavailable, match="but this log's key is"):
        Ledger(settings)


@pytest.fixture
def rotating(settings: Settings) -> Iterator[Ledger]:
    """An open ledger whose next key is here, and which no entry names yet."""
    log(settings, 1)
    _after_the_key(settings, Shell(settings.data_dir, None))  # type: ignore[arg-type] # says nothing
    ledger = Ledger(settings, clock=kit.Clock())
    yield ledger
    ledger.close()


def refused(ledger: Ledger, succession: Succession) -> LedgerError:
    (done,) = ledger.sequencer.submit([succession]).result(120)
    assert isinstance(done, LedgerError)
    return done


def test_nobody_else_can_name_a_key_of_the_log(settings: Settings, rotating: Ledger) -> None:
    old = keys.read_signer(settings.key_dir / keys.LOG_KEY)
    new = keys.read_signer(settings.key_dir / keys.NEXT_LOG_KEY)
    honest = succeed(old, new)
    thief = Signer(old.name, b"\x09" * 32)
    forged = succeed(thief, new)
    changed = {
        "by a thief in his own name": forged,
        "by a thief in the old key's name": Succession(
            old.key_id, new.vkey, forged.old, honest.new
        ),
        "without the new key's word": Succession(old.key_id, new.vkey, honest.old, forged.new),
        "with signatures in each other's place": Succession(
            old.key_id, new.vkey, honest.new, honest.old
        ),
        "of a key that does not sign here": succeed(old, thief),
    }
    size = rotating.reader.tree_size()
    for what, succession in changed.items():
        assert isinstance(refused(rotating, succession), (SignatureError, LogUnavailable)), what
    assert rotating.reader.tree_size() == size
    (done,) = rotating.sequencer.submit([honest]).result(120)
    assert not isinstance(done, LedgerError)
    # Said again, it is said by a key that speaks no more.
    assert isinstance(refused(rotating, honest), FormatError)
    assert rotating.reader.tree_size() == size + 1
    settle_files(settings.key_dir, read_log_keys(rotating.store))


def test_every_bit_of_a_handover_counts() -> None:
    old, new = Signer("log.example/a", bytes(32)), Signer("log.example/a", b"\x01" * 32)
    honest = succeed(old, new)
    assert heir(honest, of=old.verifier) == new.verifier
    for part in ("old", "new"):
        data = getattr(honest, part)
        for at in range(0, 8 * len(data), 7):
            flipped = bytearray(data)
            flipped[at // 8] ^= 1 << at % 8
            values = {"old": honest.old, "new": honest.new} | {part: bytes(flipped)}
            with pytest.raises(SignatureError):
                heir(Succession(honest.replaces, honest.vkey, **values), of=old.verifier)
    with pytest.raises(FormatError, match="cannot follow itself"):
        heir(honest, of=new.verifier)
    with pytest.raises(SignatureError, match="it replaces the key"):
        heir(honest, of=Signer(old.name, b"\x05" * 32).verifier)
    for other in (old, Signer("log.example/b", b"\x01" * 32)):
        with pytest.raises(FormatError):
            succeed(old, other)
    third = generate_key("log.example/a", b"\x02" * 32)[0]
    chain = [honest, succeed(new, third)]
    assert heirs(old.verifier, chain)[-1] == third.verifier
    assert heirs(new.verifier, chain)[-1] == third.verifier
    assert list(heirs(third.verifier, chain)) == [third.verifier]
    for text in (b"", b"\n", b"{}\n", b'{"entry":{},"index":1}\n', b"[]\n", b"x\n" * 2_000):
        with pytest.raises(FormatError):
            parse_handovers(text)


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """On SQLite too, several processes write, as they may on PostgreSQL."""
    monkeypatch.setattr(Store, "acquire_writer", lambda _store: None)


def dies_before_it_signs(settings: Settings) -> None:
    """Store the entry that names the next key, and end before anything is signed."""
    ledger = Ledger(settings, clock=kit.Clock())
    succession = named_by(settings.key_dir, ledger.log_keys)
    assert succession is not None

    def die(*_: object) -> None:
        raise SystemError("power cut")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger.sequencer._signing, "sign", die)
        assert isinstance(refused(ledger, succession), LogUnavailable)
    ledger.close()


@pytest.mark.usefixtures("many")
def test_of_two_rotations_at_once_one_names_the_key(settings: Settings, shell: Shell) -> None:
    log(settings, 1)
    _after_the_key(settings, shell)
    ledgers = [Ledger(settings, clock=kit.Clock()) for _ in range(2)]
    both = [named_by(settings.key_dir, each.log_keys) for each in ledgers]
    first, second = [
        ledger.sequencer.submit([succession]).result(120)[0]
        for ledger, succession in zip(ledgers, both, strict=True)
        if succession is not None
    ]
    for each in ledgers:
        each.close()
    assert not isinstance(first, LedgerError)
    assert isinstance(second, FormatError)
    assert len(shell.ok("log-key", "show").splitlines()) == 2
    assert len(signers_of(log(settings, 2))) == 2


@pytest.mark.usefixtures("many")
def test_a_server_without_the_new_key_signs_no_tree_that_names_it(
    settings: Settings, shell: Shell
) -> None:
    """Nor where whoever logged the entry died before the signature."""
    server = Ledger(settings, clock=kit.Clock())
    kit.log(server, kit.submitted(kit.ulid(1)))
    _after_the_key(settings, shell)
    dies_before_it_signs(settings)
    (answer,) = server.log([kit.submitted(kit.ulid(2))])
    assert isinstance(answer, ForkRefused)
    server.close()
    new = keys.read_signer(settings.key_dir / keys.NEXT_LOG_KEY).key_id
    assert signers_of(log(settings, 3))[0] == f"{new:08x}"


@pytest.mark.parametrize("again", [True, False])
def test_the_old_key_goes_only_when_the_new_one_has_signed(
    settings: Settings, shell: Shell, again: bool
) -> None:
    """Else nobody could open the signer's memory any more."""
    log(settings, 1)
    _after_the_key(settings, shell)
    dies_before_it_signs(settings)
    if again:
        assert "complete now" in shell.ok("log-key", "rotate")
        assert len(signers_of(published(settings))) == 2
    shell.ok("log-key", "retire")
    assert not (settings.key_dir / keys.PREVIOUS_LOG_KEY).exists()
    assert len(signers_of(log(settings, 2))) == 1


def published(settings: Settings) -> bytes:
    ledger = Ledger(settings, writer=False)
    try:
        return newest(ledger)
    finally:
        ledger.close()


def test_the_old_key_stays_where_the_new_one_cannot_sign(settings: Settings, shell: Shell) -> None:
    log(settings, 1)
    _after_the_key(settings, shell)
    dies_before_it_signs(settings)
    (settings.key_dir / "signer.stopped").write_bytes(b"another history\n")
    shell("log-key", "retire").refused("")
    assert (settings.key_dir / keys.PREVIOUS_LOG_KEY).exists()
