"""A lost database comes back from a mirror, and the log goes on as if nothing had happened."""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from cli_world import Shell
from kit import PROJECTIONS, rows_of
from ledger_world import ORIGIN, World, with_history
from mirror_world import START, both_ways, files, marks, run, run_of, verified

from ledger.assembly import Ledger, recovering
from ledger.errors import ForkRefused
from ledger.mirrors.cosigning import with_lines
from ledger.records.charter import default_charter
from ledger.records.deadline import format_time
from ledger.settings import Settings
from ledger.storage import tables
from ledger.storage.store import Store
from ledger.tlog.checkpoint import parse_checkpoint
from ledger.tlog.note import NoteSignature, generate_key, parse_note

DERIVED = (tables.ENTRIES, tables.TILES, tables.DISCLOSURES, *PROJECTIONS)


@pytest.fixture
def shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """A shell whose ledger is the one of ``small`` and ``told``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    return Shell(tmp_path, capsys)


@pytest.fixture
def told(tmp_path: Path) -> Iterator[World]:
    """A ledger with a history, on SQLite."""
    with World(tmp_path / "ledger", start=START) as made:
        yield with_history(made, weights_change=False)


def root_of(folder: Path) -> str:
    note = parse_note((folder / "log" / "checkpoint").read_bytes())
    return parse_checkpoint(note.text).root.hex()


def test_an_empty_database_is_refilled_and_the_log_goes_on(
    told: World, database_url: str, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(told, tmp_path / "mirror")
    # A line by ML-DSA-44 is longer than a checkpoint's text may be.
    checkpoint = tmp_path / "mirror" / "log" / "checkpoint"
    line = NoteSignature("witness.example", 7, bytes(2_432))
    checkpoint.write_bytes(with_lines(checkpoint.read_bytes(), [line], origin=ORIGIN))
    old = tmp_path / "ledger" / "ledger.db"
    before = {table.name: rows_of(told.ledger.store, table) for table in DERIVED}
    sealed = rows_of(told.ledger.store, tables.OPENINGS)
    size, now = told.reader.tree_size(), told.clock.now
    told.ledger.close()
    monkeypatch.setenv("LEDGER_DATABASE_URL", database_url)
    monkeypatch.setattr(recovering, "AT_ONCE", 100)

    # Whoever stops it in the middle can run it again.
    with monkeypatch.context() as patch:

        def stop(_what: str, done: int, _total: int) -> None:
            if done > 200:
                raise KeyboardInterrupt

        patch.setattr("ledger.cli.pulling.Shown.__call__", lambda _self, *told: stop(*told))
        assert shell("recover", "--from", "mirror").status == 130
    out = shell.ok("recover", "--from", "mirror")
    assert f"{size} entries, 202 before, root {root_of(tmp_path / 'mirror')}" in out
    open_still = sum(1 for row in before["embargoes"] if row[4] is None)
    # One was opened in part: what the committee withholds of it is not in the log either.
    assert f"{open_still + 1} records have no opening here (entries" in out
    assert "only the authors can open these records, and they become overdue" in out
    said = shell("fsck", "--now", format_time(now))
    assert said.status == 1
    assert f"{open_still + 1} findings in {size} entries" in said.out

    out = shell.ok("recover", "--from", "mirror", "--openings", old)
    assert f"{size} entries, {size} before" in out
    assert f"{open_still + 1} openings were taken over from the old database" in out
    assert f"all {open_still} sealed records have their openings" in out
    assert "sound: " in shell.ok("fsck", "--now", format_time(now))
    store = Store(database_url)
    try:
        assert {table.name: rows_of(store, table) for table in DERIVED} == before
        assert [row[0] for row in rows_of(store, tables.OPENINGS)] == [row[0] for row in sealed]
    finally:
        store.close()

    # The next entry continues the tree: the mirror of before takes it as its own.
    settings = Settings(data_dir=tmp_path / "ledger", database_url=database_url)
    kept = marks(tmp_path / "mirror")
    ledger = Ledger(settings, clock=told.clock)
    try:
        ledger.log([told.submission("afterwards")])
        done = run_of(ledger, tmp_path / "mirror")
        assert (done.old_size, done.checkpoint.size) == (size, size + 2)
        told.clock.now += 91 * 86_400
        swept = ledger.embargo.open_due()
        assert (swept.opened, swept.failed) == (open_still + 1, ())
    finally:
        ledger.close()
    after = marks(tmp_path / "mirror")
    assert all(after[path] == kept[path] for path in kept if path.startswith("log/tile/"))
    both_ways(told.ledger.vkey, tmp_path / "mirror", evidence=tmp_path / "evidence")


def test_a_database_behind_the_signer_says_how_to_recover_and_does(
    small: World, shell: Shell, tmp_path: Path
) -> None:
    database = tmp_path / "ledger" / "ledger.db"
    backup = tmp_path / "backup.db"
    copy_database(database, backup)
    small.log(*[small.submission(f"lost{n}") for n in range(3)])
    run(small, tmp_path / "mirror")
    small.ledger.close()
    copy_database(database, tmp_path / "aside.db")
    copy_database(backup, database)
    with pytest.raises(ForkRefused, match=r"with `ledger recover --from URL\|DIR`"):
        Ledger(Settings(data_dir=tmp_path / "ledger"), clock=small.clock)
    assert "`ledger recover --from" in shell.ok("status")
    out = shell.ok("recover", "--from", "mirror", "--openings", "aside.db")
    assert "47 entries, 41 before" in out
    assert "3 openings were taken over" in out
    assert "all 23 sealed records have their openings" in out
    assert "agrees with the database at size 47" in shell.ok("status")
    ledger = Ledger(Settings(data_dir=tmp_path / "ledger"), clock=small.clock)
    ledger.log([small.submission("next")])
    run_of(ledger, tmp_path / "mirror")
    ledger.close()
    verified(small.ledger.vkey, "--offline", tmp_path / "mirror", evidence=tmp_path / "evidence")


def test_a_charter_limits_gpus_after_a_recovery_that_was_stopped(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, backup = tmp_path / "ledger" / "ledger.db", tmp_path / "backup.db"
    with World(tmp_path / "ledger", start=START) as world:
        rules = default_charter().to_dict()
        public = {
            "charter": rules | {"quotas": rules["quotas"] | {"member_gpus": 20}},
            "in_force_from": format_time(START),
            "replaces": 0,
        }
        world.log(world.statement("council", "charter", "charter-version/1", public))
        world.log(world.submission("kept"))
        copy_database(database, backup)
        world.log(world.submission("lost"))
        run(world, tmp_path / "mirror")
    copy_database(backup, database)
    with monkeypatch.context() as patch:

        def stop(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        patch.setattr("ledger.cli.recovering.restore_openings", stop)
        assert shell("recover", "--from", "mirror").status == 130
    ledger = Ledger(Settings(data_dir=tmp_path / "ledger"), clock=world.clock)
    try:
        # The two that were recovered hold 16 GPUs together.
        [logged] = ledger.log([world.submission("too much")])
        assert logged.accepted.decision is not None
        assert logged.accepted.decision.kind == "rejected"
    finally:
        ledger.close()


def test_a_mirror_that_is_not_this_log_or_older_is_refused_and_nothing_is_written(
    small: World, shell: Shell, tmp_path: Path
) -> None:
    run(small, tmp_path / "mirror")
    shutil.copytree(tmp_path / "ledger", tmp_path / "fork")
    small.log(small.submission("newer"))
    small.ledger.close()
    database = tmp_path / "ledger" / "ledger.db"
    before = database.read_bytes()
    shell("recover", "--from", "mirror").refused("signer has signed 43 entries, and the .* 41: ")
    memory = tmp_path / "ledger" / "keys" / "signer.memory"
    assert memory.is_file()
    away = memory.rename(tmp_path / "memory")
    said = shell("recover", "--from", "mirror")
    assert said.status == 2
    assert re.search("this database holds 43 entries, and the mirror has 41: ", said.err)
    away.rename(memory)

    fork = Ledger(Settings(data_dir=tmp_path / "fork"), clock=small.clock)
    fork.log([small.submission("other"), small.submission("and another")])
    run_of(fork, tmp_path / "forked")
    fork.close()
    shell("recover", "--from", "forked").refused("signer has signed 43 .*these are two histories")

    with World(tmp_path / "stranger", start=START) as stranger:
        run(stranger, tmp_path / "strange")
    other = generate_key("ledger.example/apsci", bytes(32))[1]
    shell("recover", "--from", "strange").refused("no known signature|signature")
    shell("recover", "--from", "mirror", "--vkey", other).refused("not the one that --vkey names")
    shell("recover", "--from", "nowhere").refused("nor a folder")
    shell("recover", "--from", "mirror", "--openings", "no.db").refused("there is no database at")
    assert database.read_bytes() == before

    # A mirror that was damaged fills nothing: each bundle is held against the root.
    run_of_copy(tmp_path)
    (tmp_path / "ledger" / "ledger.db").unlink()
    bundle = tmp_path / "newest" / "log" / "tile" / "entries" / "000.p" / "43"
    bundle.write_bytes(bundle.read_bytes().replace(b"admitted", b"rejected"))
    shell("recover", "--from", "newest").refused("are not those that the checkpoint")
    shell("status").refused("holds no ledger yet")
    os.environ["LEDGER_KEY_DIR"] = str(tmp_path / "no-keys")
    try:
        shell("recover", "--from", "newest").refused("there is no key of this log at")
    finally:
        del os.environ["LEDGER_KEY_DIR"]


def run_of_copy(tmp_path: Path) -> None:
    """A mirror of the ledger as it is, without its keys."""
    ledger = Ledger(Settings(data_dir=tmp_path / "ledger"), writer=False)
    try:
        run_of(ledger, tmp_path / "newest")
    finally:
        ledger.close()
    assert "log/checkpoint" in files(tmp_path / "newest")


def copy_database(source: Path, target: Path) -> None:
    """A whole SQLite database, with what is in its journal."""
    for suffix in ("-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    target.unlink(missing_ok=True)
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)
    old.close()
    new.close()
