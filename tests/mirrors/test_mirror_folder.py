"""A mirror in a folder: what is in it, what a second run writes, and what outlives a crash."""

import json
import shutil
from pathlib import Path
from urllib.request import urlopen

import pytest
from ledger_world import World, with_history
from mirror_children import mirror_until
from mirror_world import (
    PUBLIC_URL,
    START,
    both_ways,
    files,
    marks,
    run,
    run_of,
    served,
    site_of,
    verified,
)
from processes import running

from ledger.assembly import Ledger
from ledger.exports import export, sets
from ledger.mirrors import (
    Folder,
    MirrorDiffers,
    MirrorFailed,
    MirrorRefused,
    Page,
    mirror,
)
from ledger.mirrors.site_part import ARCHIVED, FEEDS, OVERDUE
from ledger.settings import Settings
from web import feed_addresses


def test_a_mirror_verifies_and_a_second_run_writes_what_is_new(
    world: World, tmp_path: Path
) -> None:
    folder, vkey = tmp_path / "mirror", world.ledger.vkey
    with_history(world, weights_change=False)
    size = world.reader.tree_size()
    assert 256 < size < 512
    first = run(world, folder)
    assert (first.old_size, first.checkpoint.size) == (0, size)
    assert first.files == len(files(folder))
    assert first.bytes == sum(map(len, files(folder).values()))
    both_ways(vkey, folder, evidence=tmp_path / "evidence")

    before = marks(folder)
    changed = world.jobs["many7"]
    world.log(*[world.submission(f"more{n}") for n in range(300)])
    world.run("many7")
    second = run(world, folder)
    now = second.checkpoint.size
    assert second.old_size == size
    assert now == size + 603
    after = marks(folder)
    written = {path for path, mark in after.items() if before.get(path) != mark}
    assert second.files == len(written)
    assert before.keys() <= after.keys()

    jobs = {f"jobs/{world.jobs[f'more{n}']}.json" for n in range(300)}
    assert {path for path in written if path.startswith("jobs/")} == {
        *jobs,
        f"jobs/{changed}.json",
    }
    tiles = {
        *(f"log/tile/{level}/{n:03}" for level in ("0", "entries") for n in (1, 2)),
        *(f"log/tile/{level}/003.p/{now - 768}" for level in ("0", "entries")),
        "log/tile/1/000.p/3",
    }
    assert {path for path in written if path.startswith("log/")} == {*tiles, "log/checkpoint"}
    assert not any(path.startswith("schemas/") for path in written)
    archives = {path for path in written if path.startswith("feeds/") and path[-6].isdigit()}
    assert {int(Path(path).stem) for path in archives} == {1, 2}
    assert {path for path in before if path not in written} >= {
        "feeds/published/0.atom",
        f"log/tile/entries/001.p/{size - 256}",
        "log/vkey",
    }
    both_ways(vkey, folder, evidence=tmp_path / "evidence")

    assert run(world, folder).files == 0
    assert marks(folder) == after
    # Which runs a mirror was made in does not show: it is what the log is at its size.
    run(world, tmp_path / "anew")
    anew, grown = files(tmp_path / "anew"), files(folder)
    assert {path for path in grown if path not in anew} == {
        *(f"log/tile/{level}/001.p/{size - 256}" for level in ("0", "entries")),
        "log/tile/1/000.p/1",
    }
    assert {path: grown[path] for path in anew} == anew


def test_every_file_is_what_the_site_answers_there(world: World, tmp_path: Path) -> None:
    world.log(*[world.submission(f"early{n}") for n in range(150)])
    size = run(world, tmp_path / "mirror").checkpoint.size
    with served(tmp_path / "mirror") as address, site_of(world) as site:
        for path in files(tmp_path / "mirror"):
            if path in {"index.json", "index.html"}:
                continue
            with urlopen(f"{address}/{path}", timeout=120) as answer:
                body, media_type = answer.read(), answer.headers["Content-Type"]
            pinned = ""
            if path.startswith("jobs/"):
                state = json.loads(body)["ledger"]
                # As of the last entry about the job, and nothing about it came after.
                assert json.loads(body)["data"]["events"][-1]["index"] == state["tree_size"] - 1
                pinned = f"?at={state['tree_size']}"
            elif path.startswith("feeds/") and not Path(path).stem.isdigit():
                pinned = f"?at={size}"
            page = site.get(f"/{path}{pinned}")
            assert (page.status, page.body) == (200, body), path
            if path.endswith(".json"):
                assert media_type == "application/json"
    index = json.loads((tmp_path / "mirror" / "index.json").read_bytes())
    assert (index["tree_size"], index["source"]) == (size, PUBLIC_URL)
    assert index["vkey"] == world.ledger.vkey
    assert all((tmp_path / "mirror" / path).is_file() for path in index["parts"])
    page = (tmp_path / "mirror" / "index.html").read_text()
    assert f"first\n{size} entries" in page
    assert world.ledger.vkey in page


def test_the_feeds_are_those_of_the_site() -> None:
    assert set(FEEDS) == {*feed_addresses.FIXED, feed_addresses.JOBS}
    assert OVERDUE == feed_addresses.OVERDUE
    assert ARCHIVED == feed_addresses.RANGE


def test_bulk_files_come_along_and_stay_listed(small: World, tmp_path: Path) -> None:
    bulk, folder = tmp_path / "bulk", tmp_path / "mirror"

    def newest(_size: int) -> tuple[sets.BulkSet, Path] | None:
        name = sets.latest(bulk)
        return (sets.read_set(bulk / name), bulk / name) if name else None

    assert run(small, folder, bulk=newest).files
    assert not (folder / "bulk").exists()
    names = []
    for job in ("one", "two"):
        small.log(small.submission(job))
        names.append(export(small.ledger.store, bulk, public_url=PUBLIC_URL))
        run(small, folder, bulk=newest)
        assert files(folder / "bulk" / names[-1]) == files(bulk / names[-1])
    index = json.loads((folder / "bulk" / "index.json").read_bytes())
    assert index["latest"] == names[1]
    assert [each["name"] for each in index["sets"]] == names[::-1]
    assert run(small, folder, bulk=newest).files == 0
    assert list(sets.check(folder / "bulk" / names[0])) == []
    # Of one length and another content: left by a run that died before it listed the file.
    listed = folder / "bulk" / "index.json"
    held, kept = folder / "bulk" / names[1] / "jobs.csv", listed.read_bytes()
    other = held.read_bytes().replace(b"job_id", b"job-id")
    true = held.read_bytes()
    held.write_bytes(other)
    listed.unlink()
    with pytest.raises(MirrorDiffers, match=r"jobs\.csv can never change, and it has the SHA-256"):
        run(small, folder, bulk=newest)
    assert held.read_bytes() == other
    held.write_bytes(true)
    listed.write_bytes(kept)
    with World(tmp_path / "stranger", start=START) as stranger:
        stranger.log(*[stranger.submission(f"theirs{n}") for n in range(30)])
        with pytest.raises(MirrorFailed, match="holds bulk files of another log"):
            run(stranger, tmp_path / "strange", bulk=newest)
    # A source that was damaged is not spread, and what is there cannot be changed.
    small.log(small.submission("three"))
    name = export(small.ledger.store, bulk, public_url=PUBLIC_URL)
    table = bulk / name / "jobs.csv"
    table.write_bytes(table.read_bytes().replace(b"job_id", b"job-id"))
    with pytest.raises(MirrorFailed, match=r"jobs\.csv is not what was published"):
        run(small, folder, bulk=newest)


@pytest.mark.parametrize(
    "at",
    ["log/vkey", "log/tile/entries/000", "jobs/", "log/checkpoint"],
)
def test_a_run_that_is_killed_leaves_the_old_mirror_and_the_next_goes_on(
    small: World, tmp_path: Path, at: str
) -> None:
    folder, evidence = tmp_path / "mirror", tmp_path / "evidence"
    old = run(small, folder).checkpoint
    checkpoint = (folder / "log" / "checkpoint").read_bytes()
    small.log(*[small.submission(f"later{n}") for n in range(120)])
    if at == "log/vkey":
        (folder / at).unlink()
        folder = tmp_path / "first"
    with running(mirror_until, tmp_path / "ledger", folder, at) as (child, pipe):
        assert pipe.poll(120)
        assert pipe.recv() == "dying"
        child.join(120)
        assert child.exitcode == -9
    if at != "log/vkey":
        assert (folder / "log" / "checkpoint").read_bytes() == checkpoint
        found = verified(small.ledger.vkey, "--offline", folder, evidence=evidence)
        assert f"{old.size} entries" in found
    done = run(small, folder)
    assert done.checkpoint.size == old.size + 240
    verified(small.ledger.vkey, "--offline", folder, evidence=evidence)
    run(small, tmp_path / "anew")
    anew = files(tmp_path / "anew")
    assert {path: data for path, data in files(folder).items() if path in anew} == anew
    assert not list(folder.rglob(".*.new"))


def test_a_changed_file_that_never_changes_is_an_error_and_stays(
    small: World, tmp_path: Path
) -> None:
    folder = tmp_path / "mirror"
    small.log(*[small.submission(f"later{n}") for n in range(120)])
    run(small, folder)
    tile = folder / "log" / "tile" / "0" / "000"
    whole = tile.read_bytes()
    # One that lost its end is seen in the listing; one with another byte when all are compared.
    tile.write_bytes(whole[:-32])
    with pytest.raises(MirrorDiffers, match="log/tile/0/000 has 8160 bytes, and 8192 are right"):
        run(small, folder)
    for name in ("0/000", "entries/000"):
        path = folder / "log" / "tile" / name
        tile.write_bytes(whole)
        right = path.read_bytes()
        path.write_bytes(bytes([right[0], right[1] ^ 1]) + right[2:])
        changed = path.read_bytes()
        assert run(small, folder).files == 0
        with pytest.raises(MirrorDiffers, match=rf"{name} can never change.* nothing was overw"):
            run(small, folder, compares=True)
        assert path.read_bytes() == changed
        path.write_bytes(right)
    assert run(small, folder, compares=True).files == 0
    # What stands where a new file is to be is compared, too.
    before = (folder / "log" / "checkpoint").read_bytes()
    size = small.reader.tree_size() + 2
    planted = folder / "log" / "tile" / "0" / "001.p" / str(size - 256)
    planted.parent.mkdir(exist_ok=True)
    planted.write_bytes(bytes(32 * (size - 256)))
    small.log(small.submission("last"))
    with pytest.raises(MirrorDiffers, match=rf"001.p/{size - 256} can never change"):
        run(small, folder)
    assert (folder / "log" / "checkpoint").read_bytes() == before
    planted.unlink()
    # And one that is gone is made again.
    tile.unlink()
    run(small, folder)
    assert tile.read_bytes() == whole


def test_a_mirror_of_something_else_is_refused_and_left_alone(small: World, tmp_path: Path) -> None:
    # The same keys and the same first entries, then another history: what a fork looks like.
    with World(tmp_path / "other", start=small.clock.now) as fork:
        fork.log(*[fork.submission(f"other{n}") for n in range(25)])
        assert fork.ledger.vkey != small.ledger.vkey
        folder = tmp_path / "mirror"
        run(fork, folder)
        before = marks(folder)
        with pytest.raises(MirrorRefused, match="is a mirror of another log"):
            run(small, folder)
        assert marks(folder) == before
    (folder / "log" / "vkey").unlink()
    with pytest.raises(MirrorRefused, match="holds files and no mirror"):
        run(small, folder)
    (folder / "log" / "vkey").write_text(small.ledger.vkey + "\n")
    with pytest.raises(MirrorRefused, match="log/checkpoint was not signed by this log"):
        run(small, folder)
    (tmp_path / "file").write_text("")
    with pytest.raises(MirrorRefused, match="file is a file"):
        Folder(tmp_path / "file")


def test_a_mirror_ahead_of_a_restored_database_or_beside_it_is_refused(
    small: World, tmp_path: Path
) -> None:
    shutil.copytree(tmp_path / "ledger", tmp_path / "backup")
    small.log(small.submission("after"))
    folder = tmp_path / "mirror"
    run(small, folder)
    before = marks(folder)
    restored = Settings(data_dir=tmp_path / "backup")
    ledger = Ledger(restored, writer=False)
    try:
        with pytest.raises(MirrorRefused, match=r"is ahead: it holds 43 entries and .* 41\."):
            run_of(ledger, folder)
    finally:
        ledger.close()
    # Whoever restores the signer's memory with the rest can sign a second history.
    ledger = Ledger(restored, clock=small.clock)
    try:
        ledger.log([small.submission("otherwise"), small.submission("and so on")])
        with pytest.raises(MirrorRefused, match=r"of 43 entries is no beginning of this log"):
            run_of(ledger, folder)
    finally:
        ledger.close()
    assert marks(folder) == before


def test_a_site_whose_newest_checkpoint_still_waits_for_witnesses_is_told_apart(
    small: World, tmp_path: Path
) -> None:
    with site_of(small) as site:
        old = site.get("/log/checkpoint")
        small.log(small.submission("newer"))
        run(small, tmp_path / "mirror")

        class Waiting:
            def get(self, address: str) -> Page:
                return old if address == "/log/checkpoint" else site.get(address)

        target = Folder(tmp_path / "mirror")
        with pytest.raises(MirrorRefused, match=r"holds 43 entries, and .* of 41: the newer ones"):
            mirror(small.ledger.store, Waiting(), target, source=PUBLIC_URL)


def test_an_archive_that_is_gone_is_made_again(world: World, tmp_path: Path) -> None:
    world.log(*[world.submission(f"early{n}") for n in range(300)])
    folder = tmp_path / "mirror"
    run(world, folder)
    archive = folder / "feeds" / "submitted" / "1.atom"
    whole = archive.read_bytes()
    archive.unlink()
    assert run(world, folder).files == 1
    assert archive.read_bytes() == whole


def test_one_run_at_a_time_holds_a_folder(small: World, tmp_path: Path) -> None:
    with (
        Folder(tmp_path / "mirror").holding(),
        pytest.raises(MirrorRefused, match="another process is writing the mirror in"),
    ):
        run(small, tmp_path / "mirror")
    assert run(small, tmp_path / "mirror").files
