"""What the signer's memory cannot know: a database and a memory that are old together, or twice.

Only others still know then what was signed; each test tries to fork the log past them.
"""

import logging
import shutil
from pathlib import Path

import pytest
from cli_world import Shell
from ledger_world import World
from mirror_world import START, run, run_of, served

from ledger.assembly import Ledger, elsewhere
from ledger.assembly.elsewhere import require_newest
from ledger.errors import ForkRefused
from ledger.settings import Settings

Log = pytest.LogCaptureFixture


@pytest.fixture
def shell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Shell:
    """A shell whose ledger is the one of ``small``, with a mirror beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "ledger"))
    monkeypatch.setenv("LEDGER_MIRROR", "mirror")
    return Shell(tmp_path, capsys)


def copied(world: World, folder: Path) -> Path:
    """A copy of all that the machine has: database, keys and the signer's memory."""
    world.ledger.close()
    shutil.copytree(world.ledger.settings.data_dir, folder)
    world.ledger = Ledger(world.ledger.settings, clock=world.clock)
    return folder


def asked(settings: Settings, world: World) -> None:
    """Open a ledger for writing and ask the others, as `ledger serve` does."""
    ledger = Ledger(settings, clock=world.clock)
    try:
        require_newest(ledger)
    finally:
        ledger.close()


def test_a_database_and_a_memory_of_the_same_old_backup_sign_nothing_beside_a_mirror(
    small: World, shell: Shell, tmp_path: Path
) -> None:
    old = copied(small, tmp_path / "backup")
    small.log(*[small.submission(f"lost{n}") for n in range(3)])
    run(small, tmp_path / "mirror")
    small.ledger.close()
    shutil.move(tmp_path / "ledger", tmp_path / "aside")
    shutil.copytree(old, tmp_path / "ledger")
    memory = (tmp_path / "ledger" / "keys" / "signer.memory").read_bytes()

    for command in ("publish-due", "worker", "serve"):
        shell(command).refused(
            "mirror has 47 entries under this log's signature, and this database 41: it was"
            " restored from an old backup",
            "`ledger recover --from MIRROR`",
        )
    assert (tmp_path / "ledger" / "keys" / "signer.memory").read_bytes() == memory
    out = shell.ok("recover", "--from", "mirror", "--openings", "aside/ledger.db")
    assert "47 entries, 41 before" in out
    assert "opened " in shell.ok("publish-due")
    assert "sound: " in shell.ok("fsck")
    ledger = Ledger(Settings(data_dir=tmp_path / "ledger"), writer=False)
    try:
        assert run_of(ledger, tmp_path / "mirror").old_size == 47
    finally:
        ledger.close()


def test_two_regions_on_copies_of_one_key_are_told_apart_by_a_mirror(
    small: World, tmp_path: Path
) -> None:
    """Each has its own memory, so each signs: the one that starts second is stopped."""
    other = Settings(data_dir=copied(small, tmp_path / "region"))
    small.log(small.submission("here"))
    run(small, tmp_path / "mirror")
    second = Ledger(other, clock=small.clock)
    second.log([small.submission("there"), small.submission("and there")])
    second.close()
    small.ledger.close()
    with served(tmp_path / "mirror") as address:
        for place in (str(tmp_path / "mirror"), address):
            beside = {"mirror": place}
            with pytest.raises(ForkRefused, match=r"another tree of 43 .* there are two histories"):
                asked(other.model_copy(update=beside), small)
            asked(small.ledger.settings.model_copy(update=beside), small)


def test_a_mirror_that_is_behind_or_away_or_not_ours_is_no_obstacle(
    small: World, tmp_path: Path, caplog: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "GIVE_UP_AFTER_S", 0.0)
    run(small, tmp_path / "mirror")
    small.log(small.submission("newer"))
    small.ledger.close()
    with caplog.at_level(logging.WARNING):
        asked(small.ledger.settings.model_copy(update={"mirror": str(tmp_path / "mirror")}), small)
        assert not caplog.messages
    with World(tmp_path / "stranger", start=START) as stranger:
        run(stranger, tmp_path / "strange")
    for place in ("nowhere", "strange", "http://127.0.0.1:1"):
        caplog.clear()
        where = place if "://" in place else str(tmp_path / place)
        with caplog.at_level(logging.WARNING):
            asked(small.ledger.settings.model_copy(update={"mirror": where}), small)
        assert "was not asked for a newer history" in caplog.text
