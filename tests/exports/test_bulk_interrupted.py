import errno
import fcntl
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from bulk_reading import FILES, PUBLIC_URL
from ledger_world import World

from ledger.exports import ExportFailed, ExportRunning, export, flat, partial, sets
from ledger.exports.export import VERSION

CHILD = Path(__file__).with_name("bulk_children.py")


def _state(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _url(world: World) -> str:
    return world.ledger.settings.database_url


@pytest.mark.parametrize(
    "name",
    ["entries.ndjson.zst", ".finished", "jobs.csv", "events.parquet", "ledger.sqlite",
     "proofs.tar", "datapackage.json", "SHA256SUMS"],
)  # fmt: skip
def test_a_kill_leaves_no_half_published_set_and_the_next_run_ends_it(
    world: World, made: Path, tmp_path: Path, name: str
) -> None:
    command = [sys.executable, str(CHILD), _url(world), str(tmp_path), name]
    child = subprocess.run(command, check=False, capture_output=True)
    assert child.returncode == -signal.SIGKILL, child.stderr
    assert sets.names(tmp_path) == []
    assert sets.latest(tmp_path) is None
    export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)
    assert sets.latest(tmp_path) == made.name
    assert _state(tmp_path / made.name) == _state(made)
    assert {path.name for path in tmp_path.iterdir()} == {made.name, "latest", ".lock"}


def test_what_is_finished_and_sound_is_kept_and_the_rest_is_made_again(
    world: World, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_disk(monkeypatch, "ledger.sqlite")
    with pytest.raises(OSError, match="No space left"):
        export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)
    monkeypatch.undo()
    [growing] = tmp_path.glob(".partial-*")
    events = growing / "events.csv"
    data = bytearray(events.read_bytes())
    data[50] ^= 1
    events.write_bytes(data)
    kept = growing.joinpath("jobs.csv").stat().st_mtime_ns
    export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)
    assert _state(tmp_path / made.name) == _state(made)
    assert tmp_path.joinpath(made.name, "jobs.csv").stat().st_mtime_ns == kept


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_full_disk_leaves_what_was_published_as_it_was(
    fresh: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    store, folder = fresh.ledger.store, tmp_path / "bulk"
    before = export(store, folder, public_url=PUBLIC_URL)
    state = _state(folder / before)
    fresh.log(fresh.submission("later"))
    _fill_disk(monkeypatch, name)
    with pytest.raises(OSError, match="No space left"):
        export(store, folder, public_url=PUBLIC_URL)
    assert sets.names(folder) == [before]
    assert sets.latest(folder) == before
    assert _state(folder / before) == state
    monkeypatch.undo()
    after = export(store, folder, public_url=PUBLIC_URL)
    assert sets.names(folder) == [after, before]
    assert sets.latest(folder) == after
    assert _state(folder / before) == state
    assert list(sets.check(folder / after)) == []


def test_what_another_tree_or_version_left_behind_is_not_taken_up(
    world: World, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_disk(monkeypatch, "proofs.tar")
    with pytest.raises(OSError, match="No space left"):
        export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)
    monkeypatch.undo()
    [growing] = tmp_path.glob(".partial-*")
    notes = growing / partial.NOTES
    this = b'"about":"%d ' % VERSION
    assert this in notes.read_bytes()
    notes.write_bytes(notes.read_bytes().replace(this, b'"about":"0 '))
    old = growing.joinpath("jobs.csv").stat().st_mtime_ns
    export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)
    assert tmp_path.joinpath(made.name, "jobs.csv").stat().st_mtime_ns != old
    assert _state(tmp_path / made.name) == _state(made)


def test_a_set_that_is_there_is_never_made_again_and_latest_never_goes_back(
    fresh: World, tmp_path: Path
) -> None:
    store, folder = fresh.ledger.store, tmp_path / "bulk"
    small = fresh.reader.tree_size()
    fresh.log(fresh.submission("later"))
    newest = export(store, folder, public_url=PUBLIC_URL)
    times = {path.name: path.stat().st_mtime_ns for path in folder.joinpath(newest).iterdir()}
    older = export(store, folder, public_url=PUBLIC_URL, size=small)
    assert sets.names(folder) == [newest, older]
    assert sets.latest(folder) == newest
    assert export(store, folder, public_url=PUBLIC_URL) == newest
    assert times == {
        path.name: path.stat().st_mtime_ns for path in folder.joinpath(newest).iterdir()
    }


def test_two_do_not_make_files_in_one_folder_at_once(world: World, tmp_path: Path) -> None:
    with tmp_path.joinpath(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ExportRunning, match="another process"):
            export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)


def test_what_the_writer_of_parquet_refuses_is_an_error_of_the_export(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flat, "MEMORY", "1 furlong")
    with pytest.raises(ExportFailed, match="cannot be written"):
        export(world.ledger.store, tmp_path, public_url=PUBLIC_URL)
    assert sets.names(tmp_path) == []


def _fill_disk(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the disk be full when the file ``name`` is to be kept on it."""
    real: Callable[[Path], None] = partial.sync

    def sync(path: Path) -> None:
        if path.name.removeprefix(".").removesuffix(".new") == name:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        real(path)

    monkeypatch.setattr(partial, "sync", sync)
