"""Two real PostgreSQL servers: a replica that is behind is promoted, and both take writes."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import Shell
from ledger_world import World
from mirror_world import START, run, run_of, verified
from postgresql_servers import PATIENCE_S, ask, tools, until

from ledger.assembly import Ledger
from ledger.errors import ForkRefused, LogUnavailable
from ledger.records.deadline import format_time
from ledger.settings import Settings


class Replica:
    """A streaming replica of the tests' server, as ``pg_basebackup -R`` makes one."""

    def __init__(self, folder: Path, primary: str) -> None:
        self._tools = tools()
        self._data = folder / "replica"
        # PostgreSQL does not run as root; where the tests do, it has a user of its own.
        self._user = "pgserver" if os.geteuid() == 0 else None
        self.folder = folder
        folder.chmod(0o777)
        self._run(
            "pg_basebackup", f"--dbname={primary}", f"--pgdata={self._data}",
            "--write-recovery-conf", "--checkpoint=fast", "--no-sync",
        )  # fmt: skip

    def start(self) -> None:
        listen = f'-h "" -k {self.folder}'
        self._control("-o", listen, "-l", str(self.folder / "log"), "start")

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-w", "-t", str(PATIENCE_S), "-D", str(self._data), *arguments)

    def _run(self, tool: str, *arguments: str) -> None:
        subprocess.run(
            [self._tools / tool, *arguments],
            check=True, user=self._user, cwd=self.folder, timeout=PATIENCE_S,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def primary(tmp_path: Path, postgresql_url: str) -> Iterator[World]:
    with World(tmp_path / "ledger", postgresql_url, start=START) as made:
        made.log(*[made.submission(f"first{n}") for n in range(20)])
        yield made


@pytest.fixture
def replica(primary: World) -> Iterator[Replica]:
    """A running replica. Its folder's name is short: the path of a socket may have 107 bytes."""
    folder = Path(tempfile.mkdtemp(prefix="ledger-replica-"))
    try:
        made = Replica(folder, primary.ledger.settings.database_url)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_neither_half_of_a_split_brain_forks_the_log(
    primary: World,
    replica: Replica,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old = primary.ledger.settings
    url = f"{old.database_url.partition('?')[0]}?host={replica.folder}"
    primary.log(primary.submission("replicated"))
    lsn = ask(old.database_url, "SELECT pg_current_wal_flush_lsn()")
    until(url, f"SELECT pg_last_wal_replay_lsn() >= '{lsn}'")

    # The line between them breaks, the old one goes on, and the replica is promoted.
    ask(url, "ALTER SYSTEM SET primary_conninfo = ''")
    ask(url, "SELECT pg_reload_conf()")
    until(url, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
    primary.log(*[primary.submission(f"never replicated {n}") for n in range(3)])
    size = primary.reader.tree_size()
    run(primary, tmp_path / "mirror")
    assert ask(url, f"SELECT pg_promote(true, {PATIENCE_S})") is True

    promoted = Settings(data_dir=old.data_dir, database_url=url)
    with pytest.raises(ForkRefused, match=r"database is older than the signer.*`ledger recover"):
        Ledger(promoted, clock=primary.clock)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(old.data_dir))
    monkeypatch.setenv("LEDGER_DATABASE_URL", url)
    shell = Shell(tmp_path, capsys)
    out = shell.ok("recover", "--from", tmp_path / "mirror", "--openings", old.database_url)
    assert f"{size} entries, {size - 6} before" in out
    assert "sound: " in shell.ok("fsck", "--now", format_time(primary.clock.now))

    # The new one writes; the old one, which still runs and knows nothing of it, is stopped.
    ledger = Ledger(promoted, clock=primary.clock)
    ledger.log([primary.submission("on the new server")])
    (answer,) = primary.ledger.log([primary.submission("on the old server")])
    assert isinstance(answer, LogUnavailable)
    assert "is signed already" in str(answer)
    ledger.log([primary.submission("and on")])
    assert run_of(ledger, tmp_path / "mirror").old_size == size
    ledger.close()
    assert primary.reader.tree_size() == size
    verified(primary.ledger.vkey, "--offline", tmp_path / "mirror", evidence=tmp_path / "evidence")
