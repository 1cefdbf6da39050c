import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from bulk_reading import PUBLIC_URL
from ledger_world import World, with_history

from ledger.assembly.bulk import BulkFiles, logged_manifests
from ledger.errors import ValueRefused
from ledger.exports import export, sets
from ledger.fsck import Finding, Findings, check
from ledger.rebuild import rebuild
from ledger.records.entry import Manifest, manifest_entry, parse_entry

ROOT = Path(__file__).resolve().parents[2]


def _bulk(world: World, folder: Path) -> BulkFiles:
    return BulkFiles(
        store=world.ledger.store,
        folder=folder,
        public_url=PUBLIC_URL,
        append=world.ledger.sequencer.submit,
    )


def test_the_digest_of_the_sums_becomes_an_entry_once(fresh: World, tmp_path: Path) -> None:
    size = fresh.reader.tree_size()
    bulk = _bulk(fresh, tmp_path / "bulk")
    name = bulk.make()
    sums = tmp_path.joinpath("bulk", name, "SHA256SUMS").read_bytes()
    with fresh.reader.at() as view:
        assert view.size == size + 1
        shown = view.entry(size)
    assert shown.kind == "manifest"
    assert json.loads(bytes(shown.entry)) == {
        "format": "apsci-ledger/1",
        "kind": "manifest",
        "logged_at": shown.logged_at,
        "name": f"bulk/{name}/SHA256SUMS",
        "digest": {"sha256": hashlib.sha256(sums).hexdigest()},
        "tree_size": size,
    }
    assert bulk.log_manifests() == 0
    assert fresh.reader.tree_size() == size + 1


def test_what_was_made_beside_a_server_is_logged_with_the_next(
    fresh: World, tmp_path: Path
) -> None:
    folder = tmp_path / "bulk"
    bulk = _bulk(fresh, folder)
    bulk.make()
    for job in ("first", "second"):
        fresh.log(fresh.submission(job))
        export(fresh.ledger.store, folder, public_url=PUBLIC_URL)
    assert len(sets.names(folder)) == 3
    assert bulk.log_manifests() == 2
    with fresh.reader.at() as view:
        listed = [
            json.loads(bytes(each.entry))["tree_size"]
            for each in view.entries(start=0, limit=100)
            if each.kind == "manifest"
        ]
    assert listed == sorted(listed)
    assert len(listed) == 3


def test_a_set_of_an_earlier_size_is_logged_too(fresh: World, tmp_path: Path) -> None:
    size = fresh.reader.tree_size()
    bulk = _bulk(fresh, tmp_path / "bulk")
    fresh.log(fresh.submission("job"))
    later = bulk.make()
    before = export(fresh.ledger.store, bulk.folder, public_url=PUBLIC_URL, size=size)
    assert bulk.log_manifests() == 1
    logged = logged_manifests(fresh.ledger.store, [before, later])
    assert [each.manifest.tree_size for each in logged.values()] == [size + 2, size]
    assert set(logged) == {sets.manifest_name(name) for name in (before, later)}


def test_files_of_another_log_are_not_logged(fresh: World, tmp_path: Path) -> None:
    bulk = _bulk(fresh, tmp_path / "bulk")
    name = export(fresh.ledger.store, bulk.folder, public_url=PUBLIC_URL)
    package = bulk.folder / name / "datapackage.json"
    with fresh.reader.at() as view:
        root = view.root.hex()
    package.write_bytes(package.read_bytes().replace(root.encode(), b"0" * 64))
    assert bulk.log_manifests() == 0
    assert "files of another log" in bulk.refused[name]


@pytest.mark.parametrize("file", ["jobs.csv", "ledger.sqlite", "SHA256SUMS"])
def test_a_set_that_is_not_what_its_list_says_is_not_logged_until_it_is(
    fresh: World, tmp_path: Path, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    bulk = _bulk(fresh, tmp_path / "bulk")
    name = export(fresh.ledger.store, bulk.folder, public_url=PUBLIC_URL)
    size = fresh.reader.tree_size()
    path = bulk.folder / name / file
    whole = path.read_bytes()
    path.write_bytes(bytes([whole[0] ^ 1]) + whole[1:])
    assert bulk.log_manifests() == 0
    assert file in bulk.refused[name]
    assert len(caplog.records) == 1
    # It is said once, not with every sweep.
    assert bulk.log_manifests() == 0
    assert len(caplog.records) == 1
    assert fresh.reader.tree_size() == size
    shutil.rmtree(bulk.folder / name)
    assert bulk.make() == name
    assert (bulk.refused, fresh.reader.tree_size()) == ({}, size + 1)


def test_other_files_under_a_name_that_was_logged_are_named_and_not_logged(
    fresh: World, tmp_path: Path
) -> None:
    bulk = _bulk(fresh, tmp_path / "bulk")
    name = bulk.make()
    size = fresh.reader.tree_size()
    folder = bulk.folder / name
    jobs = folder / "jobs.csv"
    sums = folder / "SHA256SUMS"
    old = hashlib.sha256(jobs.read_bytes()).hexdigest()
    jobs.write_bytes(jobs.read_bytes() + b"another row\r\n")
    new = hashlib.sha256(jobs.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(old, new))
    assert list(sets.check(folder)) == []
    assert _bulk(fresh, bulk.folder).log_manifests() == 0
    later = _bulk(fresh, bulk.folder)
    assert later.log_manifests() == 0
    assert f"entry {size - 1} holds another digest" in later.refused[name]
    assert fresh.reader.tree_size() == size


def test_two_processes_log_a_set_once(fresh: World, tmp_path: Path) -> None:
    bulk = _bulk(fresh, tmp_path / "bulk")
    export(fresh.ledger.store, bulk.folder, public_url=PUBLIC_URL)
    size = fresh.reader.tree_size()
    descriptor = os.open(bulk.folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert bulk.log_manifests() == 0
    finally:
        os.close(descriptor)
    assert fresh.reader.tree_size() == size
    assert bulk.log_manifests() == 1
    assert _bulk(fresh, bulk.folder).log_manifests() == 0
    assert fresh.reader.tree_size() == size + 1


def test_the_log_with_a_manifest_is_sound_for_every_judge(fresh: World, tmp_path: Path) -> None:
    with_history(fresh)
    _bulk(fresh, tmp_path / "bulk").make()
    fresh.log(fresh.submission("after"))
    found: list[Finding] = []
    check(
        fresh.ledger.store, Findings(found.append), now=fresh.clock(), vault=None, remembered=None
    )
    assert [each for each in found if each.sort != "overdue"] == []
    rebuild(fresh.ledger.store)
    mirror = tmp_path / "mirror"
    _write_mirror(fresh, mirror)
    vkey = fresh.ledger.vkey
    command = [sys.executable, str(ROOT / "scripts" / "verify.py"), "--offline", str(mirror)]
    said = subprocess.run(
        [*command, "--vkey", vkey, "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    report = json.loads(said.stdout)
    assert report["warning_counts"].get("unknown-kind") is None
    assert not [each for each in report["finding_counts"] if "manifest" in each or "entry" in each]


def _write_mirror(world: World, folder: Path) -> None:
    from ledger.tlog.tiles import bundles_for_size, tile_path, tiles_for_size  # noqa: PLC0415

    newest = world.reader.newest()
    for tile in (*tiles_for_size(newest.size), *bundles_for_size(newest.size)):
        path = folder / tile_path(tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(world.reader.file(tile, size=newest.size))
    folder.joinpath("checkpoint").write_bytes(newest.note)
    folder.joinpath("vkey").write_text(world.ledger.vkey + "\n")


def test_a_list_of_more_entries_than_there_are_is_refused(fresh: World) -> None:
    size = fresh.reader.tree_size()
    manifest = Manifest(name="bulk/x/SHA256SUMS", digest=bytes(32), tree_size=size + 1)
    [result] = fresh.ledger.sequencer.submit([manifest]).result()
    assert isinstance(result, ValueRefused)
    assert fresh.reader.tree_size() == size


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../secret"},
        {"name": ""},
        {"digest": {"sha256": "00"}},
        {"digest": "00" * 32},
        {"tree_size": 0},
        {"tree_size": True},
        {"job_id": "0" * 26},
    ],
)
def test_a_manifest_in_another_form_is_refused(wrong: dict[str, object]) -> None:
    manifest = Manifest(name="bulk/x/SHA256SUMS", digest=bytes(range(32)), tree_size=7)
    data = manifest_entry(manifest, logged_at=1_790_000_000)
    assert parse_entry(data).manifest == manifest
    value = {**json.loads(data), **wrong}
    text = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(ValueRefused):
        parse_entry(text)
