"""A dump on a server that has never heard of the ledger's roles, as the page says to restore it."""

from pathlib import Path

import psycopg
import pytest
from cli_world import Shell
from ledger_world import World
from mirror_world import START
from postgresql_servers import Server, ask, server

from ledger.storage.store import Store


def test_a_dump_is_restored_where_there_are_no_roles_and_gets_its_rights_again(
    primary: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with World(tmp_path / "ledger", primary.url, start=START) as world, server() as fresh:
        world.log(*[world.submission(f"job{n}") for n in range(3)])
        fresh.initialise()
        fresh.start()
        dump = str(primary.folder / "dump")
        primary.run("pg_dump", "--format=custom", f"--file={dump}", primary.url)
        bare = ("--no-owner", "--no-privileges", f"--dbname={fresh.url}")
        fresh.run("pg_restore", "--single-transaction", *bare, dump)
        restored = Store(fresh.url)
        assert restored.migrate()[0] == restored.migrate()[1]
        with restored.snapshot() as reads:
            assert reads.head().size == world.reader.tree_size()
        restored.close()
        assert not ask(fresh.url, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'ledger%'")
        with psycopg.connect(fresh.url, autocommit=True) as connection:
            connection.execute(Shell(tmp_path, capsys).ok("roles").encode())
        insert = "SELECT has_table_privilege('ledger_writer', 'entries', 'INSERT')"
        delete = "SELECT has_table_privilege('ledger_writer', 'entries', 'DELETE')"
        assert (ask(fresh.url, insert), ask(fresh.url, delete)) == (True, False)
