"""One flipped bit in each kind of stored thing, and then every address that hands it out.

An answer is the one that the sound log gives, byte for byte, or it is a problem that says damage.
"""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import kit
import pytest
from fsck_world import FULL, PARTLY, World

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # browser lies there

from browser import Browser, Reply

from ledger.assembly import Ledger
from ledger.errors import Damaged, LogUnavailable
from ledger.exports import export, sets
from ledger.tlog.tiles import bundles_for_size, tile_path, tiles_for_size
from web.app import create_app

URL = "https://ledger.example"

FLIPS = {
    "a leaf hash in a full tile": ("entries", "leaf_hash", "leaf_index = 3", 0),
    "the last leaf hash": ("entries", "leaf_hash", "leaf_index = {last}", 31),
    "the bytes of a submission": ("entries", "data", "leaf_index = 1", 300),
    "the bytes of the last entry": ("entries", "data", "leaf_index = {last}", 60),
    "a node of the fourth level": ("nodes", "hash", "level = 4 AND n = 1", 5),
    "a node of the eighth level": ("nodes", "hash", "level = 8 AND n = 0", 5),
    "a hash in a tile": ("tiles", "hashes", "level = 0 AND n = 0", 3 * 32),
    "the root beside a tile": ("tiles", "root", "level = 0 AND n = 1", 31),
    "the edge": ("log_head", "edge", "1 = 1", 0),
    "the root of the newest checkpoint": ("checkpoints", "root", "size = {size}", 7),
    "the note of the newest checkpoint": ("checkpoints", "note", "size = {size}", 40),
    "the end of the newest checkpoint": ("checkpoints", "note", "size = {size}", -1),
    "the root of an older checkpoint": ("checkpoints", "root", "size = {older}", 7),
    "a signature of an older checkpoint": ("checkpoints", "note", "size = {older}", -9),
}
MENDED = {
    "a node of the fourth level",
    "a node of the eighth level",
    "a hash in a tile",
    "the root beside a tile",
    "the edge",
}
"""Of these there is a second copy: everything is answered as if nothing had been."""


@contextmanager
def _opened(world: World) -> Iterator[tuple[Ledger, Browser]]:
    ledger = Ledger(world.settings, clock=lambda: world.now)
    try:
        with Browser(create_app(ledger, public_url=URL)) as browser:
            yield ledger, browser
    finally:
        ledger.close()


def _addresses(size: int, older: int) -> list[str]:
    """Every address that hands out what is flipped here."""
    places = (0, 1, 3, 4, 17, 255, 256, 511, size - 1)
    tiles = [tile_path(tile) for tile in (*tiles_for_size(size), *bundles_for_size(size))]
    return [
        *(f"/log/{path}" for path in (*tiles, "tile/0/000.p/4", "tile/entries/000.p/2")),
        "/log/checkpoint",
        "/api/v1/checkpoint",
        f"/api/v1/checkpoint?at={older}",
        *(f"/api/v1/entries/{index}" for index in places),
        *(f"/api/v1/entries/{index}/proof" for index in places),
        *(f"/api/v1/entries/{index}/proof?size={size - 1}" for index in (1, 256, size - 2)),
        *(f"/entries/{index}.proof" for index in places),
        f"/entries/1.proof?at={older}",
        "/api/v1/entries?limit=20",
        f"/api/v1/entries?start={size - 5}",
        f"/api/v1/consistency?from=3&to={size}",
        f"/api/v1/consistency?from=255&to={size - 3}",
        f"/api/v1/consistency?from={older}&to={size}",
        f"/api/v1/jobs?at={size - 1}",
        *(f"/en/entries/{index}" for index in (1, 3, size - 1)),
        "/en/log?from=3",
        "/api/v1/corrections",
        "/api/v1/withheld",
        "/feeds/published.json",
        "/feeds/checkpoints.json",
        "/jobs.csv",
        *(
            address
            for job in (FULL, PARTLY)
            for address in (
                f"/api/v1/jobs/{job}",
                f"/api/v1/jobs/{job}/events",
                f"/api/v1/jobs/{job}/proof",
                f"/api/v1/jobs/{job}/admission",
                f"/jobs/{job}.proof",
                f"/en/jobs/{job}",
                f"/en/jobs/{job}/proof",
            )
        ),
    ]


def _asked(browser: Browser, addresses: list[str]) -> dict[str, Reply]:
    return {address: browser.get(address) for address in addresses}


class Sound:
    """What a sound log answers, its size, and a size at which an older checkpoint was published."""

    def __init__(self, world: World) -> None:
        with _opened(world) as (ledger, browser):
            self.size = ledger.reader.tree_size()
            with ledger.reader.at() as view:
                self.older = view.checkpoints(limit=2)[1].tree_size
            self.addresses = _addresses(self.size, self.older)
            self.replies = _asked(browser, self.addresses)
            self.again = kit.log(ledger, kit.submitted(PARTLY))[0].accepted
        assert {each.status for each in self.replies.values()} == {200}


@pytest.fixture(scope="module")
def sound() -> Callable[[World], Sound]:
    """What the sound log of an engine answers, asked once."""
    known: dict[str, Sound] = {}

    def of(world: World) -> Sound:
        engine = world.settings.database_url.partition(":")[0]
        if engine not in known:
            known[engine] = Sound(world)
        return known[engine]

    return of


def _flip(world: World, sound: Sound, name: str) -> None:
    table, column, which, at = FLIPS[name]
    where = which.format(size=sound.size, last=sound.size - 1, older=sound.older)
    found = bytearray(world.blob(f"SELECT {column} FROM {table} WHERE {where}"))
    found[at] ^= 1
    world.damage(f"UPDATE {table} SET {column} = :v WHERE {where}", v=bytes(found))


@pytest.mark.parametrize("name", FLIPS)
def test_no_answer_about_a_damaged_log_is_wrong_and_unmarked(
    world: World, sound: Callable[[World], Sound], name: str
) -> None:
    whole = sound(world)
    _flip(world, whole, name)
    with _opened(world) as (ledger, browser):
        refused = []
        for address, reply in _asked(browser, whole.addresses).items():
            if reply.status == 503:
                assert b"docs/problems/damaged" in reply.body, address
                refused.append(address)
            else:
                assert reply.body == whole.replies[address].body, address
        assert bool(refused) is (name not in MENDED), refused
        try:
            again = kit.log(ledger, kit.submitted(PARTLY))[0].accepted
        except (Damaged, LogUnavailable):
            assert refused or name == "the edge"
        else:
            assert again == whole.again


def test_nothing_is_appended_upon_an_edge_that_is_damaged(world: World) -> None:
    edge = world.blob("SELECT edge FROM log_head")
    with _opened(world) as (ledger, _):
        size = ledger.reader.tree_size()
        world.damage("UPDATE log_head SET edge = :v", v=bytes([edge[0] ^ 1]) + edge[1:])
        with pytest.raises(LogUnavailable, match=rf"edge of the head of {size} entries"):
            kit.log(ledger, kit.submitted(kit.ulid(77)))
        world.damage("UPDATE log_head SET edge = :v", v=edge)
        assert kit.log(ledger, kit.submitted(kit.ulid(77)))[0].accepted.index == size


def test_a_newest_checkpoint_that_is_damaged_is_followed_by_one_that_is_not(
    world: World, sound: Callable[[World], Sound]
) -> None:
    whole = sound(world)
    _flip(world, whole, "the end of the newest checkpoint")
    with _opened(world) as (ledger, browser):
        assert browser.get("/log/checkpoint").status == 503
        assert kit.log(ledger, kit.submitted(kit.ulid(77)))[0].accepted.index == whole.size
        assert browser.get("/log/checkpoint").status == 200


@pytest.mark.parametrize("name", ["a hash in a tile", "the root beside a tile"])
def test_no_set_of_bulk_files_is_made_with_a_tile_that_is_damaged(
    world: World, sound: Callable[[World], Sound], tmp_path: Path, name: str
) -> None:
    _flip(world, sound(world), name)
    with world.store() as store, pytest.raises(Damaged, match="tile"):
        export(store, tmp_path / "bulk", public_url=URL)
    assert sets.names(tmp_path / "bulk") == []


def test_damage_is_told_to_probes_and_logged_once_and_mended_without_a_restart(
    world: World, sound: Callable[[World], Sound], caplog: pytest.LogCaptureFixture
) -> None:
    whole = sound(world)
    met = []
    bundle, proof = "/log/tile/entries/000", "/api/v1/entries/40/proof"
    with _opened(world) as (ledger, browser):
        ledger.store.damage.told = lambda: met.append(1)
        before = browser.get("/readyz")
        assert before.body == b"ready\n"
        _flip(world, whole, "the bytes of a submission")
        _flip(world, whole, "a node of the fourth level")
        with caplog.at_level(logging.ERROR):
            for _ in range(3):
                assert browser.get(bundle).status == 503
        said = [each.message for each in caplog.records if each.message.startswith("damage:")]
        assert said == ["damage: tile/entries/000; it is not handed out: run `ledger fsck`"]
        assert len(met) == 3
        ready = browser.get("/readyz")
        assert (ready.status, ready.text) == (
            200,
            "ready\ndamaged: tile/entries/000: run `ledger fsck`\n",
        )
        _flip(world, whole, "the bytes of a submission")
        assert browser.get(bundle).status == 200
        assert browser.get(proof).status == 200


def test_a_log_whose_first_entry_is_damaged_is_not_opened(world: World) -> None:
    data = bytearray(world.blob("SELECT data FROM entries WHERE leaf_index = 0"))
    data[-4] ^= 1
    world.damage("UPDATE entries SET data = :v WHERE leaf_index = 0", v=bytes(data))
    with pytest.raises(Damaged, match="bytes of entry 0 do not have its leaf hash"):
        Ledger(world.settings, clock=lambda: world.now)
