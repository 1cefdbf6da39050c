"""The drill of pg_basebackup and archived WAL: back to a moment, refused by the signer, healed."""

from pathlib import Path

import pytest
from cli_world import Shell
from ledger_world import World
from mirror_world import START, run, run_of, verified
from postgresql_servers import Server, ask, server, until

from ledger.assembly import Ledger
from ledger.errors import ForkRefused
from ledger.records.deadline import format_time
from ledger.settings import Settings


@pytest.fixture
def archive(primary: Server) -> Path:
    """Where the primary, and whoever restores it, finds the WAL."""
    folder = primary.folder / "archive"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    primary.die()
    primary.configure(
        f"archive_mode = on\narchive_command = 'test ! -f {folder}/%f && cp %p {folder}/%f'\n"
    )
    primary.start()
    return folder


def test_a_database_goes_back_to_a_moment_and_comes_forward_again_from_a_mirror(
    primary: Server,
    archive: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with World(tmp_path / "ledger", primary.url, start=START) as world, server() as restored:
        world.log(*[world.submission(f"before{n}") for n in range(10)])
        restored.copy_of(primary, follows=False)
        world.log(*[world.submission(f"after{n}") for n in range(10)])
        # Its own answer to what time it is, between two commits: no clock of the test's.
        moment, size_then = ask(primary.url, "SELECT now()"), world.reader.tree_size()
        world.log(*[world.submission(f"undone{n}") for n in range(5)])
        size = world.reader.tree_size()
        run(world, tmp_path / "mirror")
        file = ask(primary.url, "SELECT pg_walfile_name(pg_switch_wal())")
        until(
            primary.url,
            f"SELECT last_archived_wal >= '{file}' FROM pg_stat_archiver"
            " WHERE last_archived_wal IS NOT NULL",
        )
        old = world.ledger.settings
        world.ledger.close()
        dumped = tmp_path / "as-it-was"
        dumped.mkdir()

        restored.configure(
            f"restore_command = 'cp {archive}/%f %p'\n"
            f"recovery_target_time = '{moment.isoformat()}'\n"
            "recovery_target_action = promote\narchive_mode = off\n"
        )
        (restored.data / "recovery.signal").touch()
        restored.start()
        until(restored.url, "SELECT NOT pg_is_in_recovery()")

        # By itself it is a whole, sound log of that moment; the signer will not go on from it.
        settings = Settings(data_dir=old.data_dir, database_url=restored.url)
        reading = Ledger(settings, clock=world.clock, writer=False)
        assert reading.reader.tree_size() == size_then
        run_of(reading, dumped)
        reading.close()
        verified(world.ledger.vkey, "--offline", dumped, evidence=tmp_path / "no-evidence")
        with pytest.raises(ForkRefused, match="the database is older than the signer"):
            Ledger(settings, clock=world.clock)

        monkeypatch.setenv("LEDGER_DATA_DIR", str(old.data_dir))
        monkeypatch.setenv("LEDGER_DATABASE_URL", restored.url)
        shell = Shell(tmp_path, capsys)
        out = shell.ok("recover", "--from", tmp_path / "mirror", "--openings", primary.url)
        assert f"{size} entries, {size_then} before" in out
        assert "sealed records have their openings" in out
        assert "sound: " in shell.ok("fsck", "--now", format_time(world.clock.now))
        ledger = Ledger(settings, clock=world.clock)
        ledger.log([world.submission("afterwards")])
        assert run_of(ledger, tmp_path / "mirror").old_size == size
        ledger.close()
        mirror = tmp_path / "mirror"
        verified(world.ledger.vkey, "--offline", mirror, evidence=tmp_path / "evidence")
