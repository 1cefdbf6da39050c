"""A new ledger: whole or not at all, and never over another one."""

import os
import threading
from pathlib import Path
from typing import Any

import kit
import pytest
from sqlalchemy.engine.default import DefaultDialect

from ledger import assembly, keys
from ledger.assembly import Ledger, founding
from ledger.errors import Conflict, FormatError, LedgerError, LogUnavailable, NotFound
from ledger.records.entry import genesis_entry
from ledger.sequencer import memory
from ledger.settings import Settings
from ledger.storage.driver import Driver
from ledger.storage.tables import ENTRIES


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url)


def create(settings: Settings, **changed: Any) -> str:
    given: dict[str, Any] = {"origin": kit.ORIGIN, "authors": kit.AUTHORS, "clock": kit.Clock()}
    return assembly.create(settings, **(given | changed))


def key_files(settings: Settings) -> set[str]:
    return {path.name for path in settings.key_dir.glob("*")}


def test_a_new_ledger_has_one_signed_entry_and_keys_of_its_own(settings: Settings) -> None:
    settings.data_dir.mkdir()
    vkey = create(settings)
    checked = kit.check_whole_log(settings)
    assert [checkpoint.size for checkpoint in checked.checkpoints] == [1]
    assert checked.entries[0].genesis is not None
    assert checked.entries[0].genesis.vkey == vkey
    assert key_files(settings) == {keys.LOG_KEY, keys.OPENINGS_KEY, keys.SIGNER_MEMORY}
    for path in settings.key_dir.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    assert settings.key_dir.stat().st_mode & 0o777 == 0o700


def test_nothing_is_made_where_anything_exists(settings: Settings, tmp_path: Path) -> None:
    settings.data_dir.mkdir()
    create(settings)
    with pytest.raises(Conflict, match="exists already"):
        create(settings)
    elsewhere = settings.model_copy(update={"key_dir": tmp_path / "other-keys"})
    with pytest.raises(Conflict, match="holds a ledger already"):
        create(elsewhere)
    assert key_files(elsewhere) == set()
    kit.check_whole_log(settings)


def test_a_wrong_origin_or_author_leaves_nothing(settings: Settings) -> None:
    settings.data_dir.mkdir()
    for changed in ({"origin": "two words"}, {"authors": [kit.AUTHORS[0]] * 2}):
        with pytest.raises(FormatError):
            create(settings, **changed)
        assert key_files(settings) == set()
    create(settings)


def fail(*_: object, **__: object) -> Any:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("step", ["log key", "openings key", "signer memory", "genesis"])
def test_what_fails_halfway_takes_back_what_it_made(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    settings.data_dir.mkdir()
    with monkeypatch.context() as patch:
        match step:
            case "log key":
                patch.setattr(os, "fsync", fail)
            case "openings key":
                patch.setattr(keys, "b64encode", fail)
            case "signer memory":
                patch.setattr(memory, "_write_whole", fail)
            case "genesis":
                patch.setattr(Driver, "insert", fail)
        with pytest.raises(OSError, match="No space"):
            create(settings)
    assert key_files(settings) == set()
    with pytest.raises(NotFound, match="ledger init"):
        Ledger(settings)
    create(settings)
    kit.check_whole_log(settings)


def test_keys_stay_where_the_genesis_is_stored_after_all(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.data_dir.mkdir()
    written: list[object] = []
    insert: Any = Driver.insert
    commit: Any = DefaultDialect.do_commit

    def note(driver: Driver, table: Any, rows: Any) -> None:
        insert(driver, table, rows)
        if table is ENTRIES:
            written.append(rows)

    def lost(dialect: DefaultDialect, connection: Any) -> None:
        commit(dialect, connection)
        if len(written) == 1:
            written.append(None)
            raise OSError(104, "Connection reset by peer")

    with monkeypatch.context() as patch:
        patch.setattr(Driver, "insert", note)
        patch.setattr(DefaultDialect, "do_commit", lost)
        with pytest.raises(OSError, match="reset"):
            create(settings)
    assert key_files(settings) == {keys.LOG_KEY, keys.OPENINGS_KEY, keys.SIGNER_MEMORY}
    ledger = Ledger(settings, clock=kit.Clock())
    given = kit.log(ledger, kit.submitted(kit.ulid(1)))
    ledger.close()
    kit.check_whole_log(settings, acknowledged=given)


@pytest.mark.parametrize("same_keys", [True, False])
def test_of_two_that_create_at_once_one_does(
    postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, same_keys: bool
) -> None:
    first = Settings(data_dir=tmp_path / "one", database_url=postgresql_url)
    second = first.model_copy(update={} if same_keys else {"key_dir": tmp_path / "two"})
    both = threading.Barrier(2)
    real = genesis_entry

    def together(**given: Any) -> bytes:
        both.wait(120)  # both have seen an empty database and an empty folder
        return real(**given)

    monkeypatch.setattr(founding, "genesis_entry", together)
    made: list[Settings] = []
    refused: list[LedgerError] = []

    def one(settings: Settings) -> None:
        try:
            create(settings)
            made.append(settings)
        except LedgerError as error:
            refused.append(error)

    threads = [threading.Thread(target=one, args=(each,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 1)
    kit.check_whole_log(made[0])
    assert key_files(made[0]) == {keys.LOG_KEY, keys.OPENINGS_KEY, keys.SIGNER_MEMORY}
    if not same_keys:
        loser = second if made[0] is first else first
        assert key_files(loser) == set()


@pytest.mark.parametrize("name", [keys.LOG_KEY, keys.OPENINGS_KEY])
def test_a_key_that_others_can_read_or_that_is_none_is_refused(
    settings: Settings, name: str
) -> None:
    settings.data_dir.mkdir()
    create(settings)
    path = settings.key_dir / name
    secret = path.read_text()
    path.chmod(0o640)
    with pytest.raises(keys.KeyFileError, match="chmod 600") as caught:
        Ledger(settings)
    path.chmod(0o600)
    path.write_text("PRIVATE+KEY+CANARY\n")
    with pytest.raises(keys.KeyFileError, match=name) as wrong:
        Ledger(settings)
    for error in (caught.value, wrong.value):
        assert secret.strip() not in str(error)
        assert "CANARY" not in str(error)
    path.unlink()
    with pytest.raises(keys.KeyFileError, match="No such file"):
        Ledger(settings)
    with pytest.raises(keys.KeyFileError, match="not a key file"):
        keys.read_secret(_file(settings.key_dir / "large", os.urandom(2_000)))
    reading = Ledger(settings, writer=False)
    assert reading.reader.tree_size() == 1
    reading.close()


def _file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    path = _file(tmp_path / "log.key", b"mine\n")
    with pytest.raises(keys.KeyFileError, match="never overwritten"):
        keys.write_secret(path, "another")
    assert keys.read_secret(path) == "mine"


def test_the_key_of_another_log_is_refused(settings: Settings, tmp_path: Path) -> None:
    settings.data_dir.mkdir()
    create(settings)
    other = Settings(data_dir=tmp_path / "other", database_url=f"sqlite:///{tmp_path / 'other.db'}")
    create(other)
    with pytest.raises(LogUnavailable, match="point LEDGER_KEY_DIR at the keys of this ledger"):
        Ledger(settings.model_copy(update={"key_dir": other.key_dir}))
    Ledger(settings).close()
