"""A copy of somebody else's log: what is verified before it is kept, and what is refused."""

import shutil
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from ledger_world import World, with_history
from mirror_world import app_of, both_ways, files, marks, run, serving, site_of, verified

from ledger.assembly import Ledger
from ledger.cli.asking import InProcessSite
from ledger.errors import FormatError, LedgerError, Misbehaviour, NotFound, ProofError
from ledger.mirrors import Folder, MirrorFailed, MirrorRefused, MirrorServer, Pulled, pull
from ledger.mirrors.shapes import FOREVER, REVALIDATE, TEXT
from ledger.settings import Settings
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.note import parse_vkey

Change = Callable[[str, bytes], bytes]


class SiteFiles:
    """A site as a source of files; ``change`` is what a dishonest one does to them."""

    url = "https://ledger.example"

    def __init__(self, site: InProcessSite, change: Change = lambda _path, data: data) -> None:
        self._site, self._change = site, change
        self.asked: list[str] = []

    def get(self, path: str, *, limit: int) -> bytes:
        self.asked.append(path)
        page = self._site.get(path)
        if page.status != 200:
            raise NotFound(path)
        data = self._change(path, page.body)
        assert len(data) <= limit
        return data


def pulled(world: World, folder: Path, files_: SiteFiles) -> Pulled:
    key = parse_vkey(world.ledger.vkey)
    return pull(
        files_, Folder(folder), key=key, open_note=lambda note: open_checkpoint(note, [key])
    )


def test_a_pulled_copy_is_the_log_verifies_and_grows(world: World, tmp_path: Path) -> None:
    with_history(world, weights_change=False)
    copy, own = tmp_path / "copy", tmp_path / "own"
    with site_of(world) as site:
        first = pulled(world, copy, SiteFiles(site))
    verified(world.ledger.vkey, "--offline", copy, evidence=tmp_path / "evidence")
    before = marks(copy)
    world.log(*[world.submission(f"more{n}") for n in range(300)])
    with site_of(world) as site:
        source = SiteFiles(site)
        second = pulled(world, copy, source)
        assert pulled(world, copy, SiteFiles(site)).files == 0
    assert (second.old_size, second.checkpoint.size) == (
        first.checkpoint.size,
        first.checkpoint.size + 600,
    )
    both_ways(world.ledger.vkey, copy, evidence=tmp_path / "evidence")
    # Only what is new was fetched, and nothing was written twice.
    assert "/log/tile/entries/000" not in source.asked
    assert "/log/tile/entries/001" in source.asked
    after = marks(copy)
    assert {path for path in before if after[path] != before[path]} == {
        *("index.json", "index.html", "log/checkpoint"),
    }
    # The tiles that were computed here are the ones that the ledger serves.
    run(world, own)
    log = {path: data for path, data in files(own).items() if path.startswith("log/")}
    assert {path: files(copy)[path] for path in log} == log


def test_a_pulled_copy_becomes_a_mirror_of_the_whole_site(small: World, tmp_path: Path) -> None:
    with site_of(small) as site:
        pulled(small, tmp_path / "copy", SiteFiles(site))
    assert not (tmp_path / "copy" / "jobs").exists()
    run(small, tmp_path / "copy")
    run(small, tmp_path / "mirror")
    assert files(tmp_path / "copy") == files(tmp_path / "mirror")


@pytest.mark.parametrize(
    ("where", "change", "error"),
    [
        ("/log/tile/entries/000", lambda data: data.replace(b"admitted", b"rejected"), ProofError),
        ("/log/tile/entries/000", lambda data: data[:-1], FormatError),
        ("/log/tile/entries/001.p/25", lambda data: data + b"\0\1x", ProofError),
        ("/log/tile/1/000.p/1", lambda data: data[::-1], ProofError),
        ("/log/tile/0/001.p/25", lambda data: data[:-32], ProofError),
        ("/log/checkpoint", lambda data: data.replace(b"281\n", b"280\n"), LedgerError),
        ("/log/checkpoint", lambda _data: b"", FormatError),
    ],
)
def test_what_was_not_signed_is_never_kept(
    small: World,
    tmp_path: Path,
    where: str,
    change: Callable[[bytes], bytes],
    error: type[LedgerError],
) -> None:
    copy = tmp_path / "copy"
    small.log(*[small.submission(f"more{n}") for n in range(120)])
    with site_of(small) as site:
        bad = SiteFiles(site, lambda path, data: change(data) if path == where else data)
        with pytest.raises(error):
            pulled(small, copy, bad)
        assert where in bad.asked
        assert not (copy / "log" / "checkpoint").exists()
        # What was proved before that is kept, and an honest source completes it.
        assert pulled(small, copy, SiteFiles(site)).checkpoint.size == 281
        pulled(small, tmp_path / "honest", SiteFiles(site))
    assert files(copy) == files(tmp_path / "honest")


def test_two_histories_are_refused_and_their_evidence_is_kept(small: World, tmp_path: Path) -> None:
    """The operator restores a backup, the signer's memory and all, and logs something else."""
    shutil.copytree(tmp_path / "ledger", tmp_path / "backup")
    copy = tmp_path / "copy"
    small.log(*[small.submission(f"true{n}") for n in range(4)])
    with site_of(small) as site:
        held = pulled(small, copy, SiteFiles(site)).checkpoint
    before = marks(copy)
    note = (copy / "log" / "checkpoint").read_bytes()
    fork = Ledger(Settings(data_dir=tmp_path / "backup"), clock=small.clock)
    sizes = []
    try:
        for jobs in (1, 3, 130):
            fork.log([small.submission(f"{jobs} other{n}") for n in range(jobs)])
            new = fork.reader.newest()
            sizes.append(new.size)
            with InProcessSite(app_of(fork)) as site, pytest.raises(Misbehaviour) as caught:
                pulled(small, copy, SiteFiles(site))
            assert "has signed two histories" in str(caught.value)
            name = f"{held.size}-{new.size}-{new.root.hex()[:16]}"
            kept = files(copy / "evidence" / name)
            assert kept == caught.value.evidence
            assert kept["old-checkpoint"] == note
            assert kept["new-checkpoint"] == new.note
            proof = copy / "evidence" / name / "split-view.json"
            said = verified(small.ledger.vkey, "evidence", proof)
            assert "signed two histories that cannot both be true" in said
    finally:
        fork.close()
    assert sizes[0] < held.size == sizes[1] < sizes[2]
    after = marks(copy)
    assert {path: after[path] for path in before} == before


def test_a_source_that_is_behind_and_a_copy_that_was_damaged_are_told_apart(
    small: World, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    with site_of(small) as site:
        old = site.get("/log/checkpoint").body
        small.log(small.submission("newer"))
        pulled(small, copy, SiteFiles(site))
        before = marks(copy)

        def replay(path: str, data: bytes) -> bytes:
            return old if path == "/log/checkpoint" else data

        with pytest.raises(MirrorFailed, match="of 41 entries, and this mirror has one of 43"):
            pulled(small, copy, SiteFiles(site, replay))
        with World(tmp_path / "other") as other, site_of(other) as stranger:
            with pytest.raises(LedgerError):
                pulled(small, copy, SiteFiles(stranger))
            with pytest.raises(MirrorRefused, match="is a mirror of another log"):
                pulled(other, copy, SiteFiles(stranger))
        assert marks(copy) == before
        tile = copy / "log" / "tile" / "0" / "000.p" / "43"
        whole = tile.read_bytes()
        tile.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(MirrorFailed, match="do not have the root of its own checkpoint"):
            pulled(small, copy, SiteFiles(site))
        tile.unlink()
        with pytest.raises(MirrorFailed, match=r"000\.p/43 is missing"):
            pulled(small, copy, SiteFiles(site))


def test_the_server_of_a_mirror_says_what_each_file_is(small: World, tmp_path: Path) -> None:
    folder = tmp_path / "mirror"
    run(small, folder)
    folder.joinpath("secret").mkdir()
    with (
        MirrorServer(folder, "127.0.0.1", 0) as server,
        serving(server),
        httpx.Client(base_url=server.url, trust_env=False, timeout=120) as client,
    ):
        for path, data in files(folder).items():
            answer = client.get(f"/{path}")
            assert (answer.status_code, answer.content) == (200, data)
            stays = path.startswith("log/tile/")
            assert answer.headers["Cache-Control"] == (FOREVER if stays else REVALIDATE), path
        assert client.get("/log/checkpoint").headers["Content-Type"] == TEXT
        assert client.get("/").headers["Content-Type"] == "text/html; charset=utf-8"
        for path in (
            *("/.mirror.lock", "/%2emirror.lock", "/secret/", "/log/", "/log/tile/0/009"),
            *("/../ledger/ledger.db", "/%2e%2e/ledger/ledger.db", "/log/tile/entries/000.p/40"),
        ):
            answer = client.get(path)
            assert answer.status_code == 404, path
            assert answer.headers["Cache-Control"] == REVALIDATE
        assert client.post("/log/checkpoint").status_code == 501
