"""The drill of a failover: the primary dies under load, the replica takes over, nothing is lost."""

from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from cli_world import ORIGIN, Shell, process
from ledger_world import World
from mirror_world import START, run, run_of, verified
from ports import free_port
from postgresql_servers import Server, ask, server, until
from posting import Load, check_kept
from statements_in_time import Clerk

from ledger.assembly import Ledger
from ledger.errors import ForkRefused
from ledger.records.deadline import format_time

AT_LEAST = 8
"""Statements that are answered before the primary dies, and again after the replica took over."""


@pytest.fixture
def pair(postgresql_server: str) -> Iterator[tuple[Server, Server]]:
    """A primary that waits for its replica's disk, and that replica."""
    assert postgresql_server
    with server() as primary, server() as replica:
        primary.initialise()
        primary.start()
        replica.copy_of(primary, follows=True)
        replica.start()
        yield primary, replica


def either(pair: tuple[Server, Server]) -> str:
    """Whichever of the two takes writes, as libpq finds it."""
    hosts = ",".join(str(each.folder) for each in pair)
    return f"postgresql://postgres@/postgres?host={hosts}&target_session_attrs=read-write"


def test_a_primary_that_dies_under_load_is_followed_by_its_replica_and_nothing_is_lost(
    pair: tuple[Server, Server],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    primary, replica = pair
    # From now on a commit is answered for when it is on the replica's disk, too.
    ask(primary.url, "ALTER SYSTEM SET synchronous_standby_names = '*'")
    ask(primary.url, "SELECT pg_reload_conf()")
    until(primary.url, "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
    monkeypatch.chdir(tmp_path)
    port = free_port()
    for name, value in {
        "DATA_DIR": str(tmp_path / "data"),
        "DATABASE_URL": either(pair),
        "READ_DATABASE_URL": replica.url,
        "PORT": str(port),
    }.items():
        monkeypatch.setenv(f"LEDGER_{name}", value)
    shell = Shell(tmp_path, capsys)
    said = shell.ok("init", "--origin", ORIGIN, "--demo")
    vkey = next(line for line in said.splitlines() if line.startswith("log key: "))[9:]
    with process(["serve"], wait_for="serving "):
        load = Load(Clerk(shell.author("deepseek")), port)
        load.start()
        try:
            load.wait_for(AT_LEAST)
            primary.die()
            before = len(load.answers)
            replica.promote()
            load.wait_for(AT_LEAST)
        finally:
            load.stop()
        for answer in load.answers:
            with urlopen(f"http://127.0.0.1:{port}/entries/{answer['index']}.json") as reply:
                assert reply.status == 200
    assert len(load.answers) >= before + AT_LEAST
    assert set(load.statuses) <= {0, 200, 201, 503}
    check_kept(either(pair), load.answers, vkey)
    assert "sound: " in shell.ok("fsck")


def test_what_an_asynchronous_replica_had_not_got_yet_comes_back_from_a_mirror(
    pair: tuple[Server, Server],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    primary, replica = pair
    with World(tmp_path / "ledger", either(pair), start=START) as world:
        world.log(*[world.submission(f"first{n}") for n in range(5)])
        replica.caught_up_with(primary)
        # The line between the two breaks; nobody notices, and more is acknowledged.
        ask(replica.url, "ALTER SYSTEM SET primary_conninfo = ''")
        ask(replica.url, "SELECT pg_reload_conf()")
        until(replica.url, "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)")
        size_there = world.reader.tree_size()
        given = world.log(*[world.submission(f"acknowledged{n}") for n in range(3)])
        size = world.reader.tree_size()
        run(world, tmp_path / "mirror")
        primary.die()
        replica.promote()

        settings = world.ledger.settings
        with pytest.raises(ForkRefused, match=r"database is older than the signer.*ledger recover"):
            Ledger(settings, clock=world.clock)
        monkeypatch.setenv("LEDGER_DATA_DIR", str(settings.data_dir))
        monkeypatch.setenv("LEDGER_DATABASE_URL", settings.database_url)
        shell = Shell(tmp_path, capsys)
        out = shell.ok("recover", "--from", tmp_path / "mirror")
        assert f"{size} entries, {size_there} before" in out
        answers = [{"index": each.index, "receipt": each.receipt} for each in given]
        check_kept(replica.url, answers, world.ledger.vkey)
        ledger = Ledger(settings, clock=world.clock)
        ledger.log([world.submission("afterwards")])
        assert run_of(ledger, tmp_path / "mirror").old_size == size
        ledger.close()
        found = shell("fsck", "--now", format_time(world.clock.now))
        # Openings are in no mirror: what was sealed and not replicated is what fsck still names.
        assert "opening" in found.out
    mirror = tmp_path / "mirror"
    verified(world.ledger.vkey, "--offline", mirror, evidence=tmp_path / "evidence")
