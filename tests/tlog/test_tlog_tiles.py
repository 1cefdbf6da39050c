"""Coordinates, file names, bundles, and proofs that are read through tiles."""

import random
from itertools import pairwise

import pytest
import rfc6962_reference as rfc
from hostile import DECIMALS
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.errors import FormatError, ProofError, TooLarge
from ledger.tlog import merkle, tiles
from ledger.tlog.merkle import CompactRange, Extension
from ledger.tlog.tiles import ENTRIES, Tile

LEAVES = [merkle.leaf_hash(b"entry-%d" % number) for number in range(70_000)]
WHOLE = Extension(CompactRange(), LEAVES)


class Files:
    """The tiles of the tree of 70,000 leaves, cut to any smaller size; counts what is read."""

    def __init__(self) -> None:
        self.read: list[Tile] = []

    def __call__(self, tile: Tile) -> bytes:
        self.read.append(tile)
        return b"".join(WHOLE.node(8 * tile.level, tile.n * 256 + at) for at in range(tile.width))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1067), "tile/0/x001/067"),
        (Tile(1, 1_234_067), "tile/1/x001/x234/067"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(2, 1000, 1), "tile/2/x001/000.p/1"),
        (Tile(ENTRIES, 3, 232), "tile/entries/003.p/232"),
        (Tile(ENTRIES, 2**55 - 1), "tile/entries/x036/x028/x797/x018/x963/967"),
    ],
)
def test_a_tile_has_the_one_path_of_the_specification(tile: Tile, path: str) -> None:
    assert tiles.tile_path(tile) == path
    assert tiles.parse_tile_path(path) == tile


@given(st.integers(-1, 63), st.integers(0, 2**55 - 1), st.integers(1, 256))
def test_every_tile_path_reads_back(level: int, n: int, width: int) -> None:
    tile = Tile(level, n, width)
    assert tiles.parse_tile_path(tiles.tile_path(tile)) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/001/067",
        "tile/0/x001",
        "tile/0/x01/067",
        "tile/00/000",
        "tile/07/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/entries/x000/000",
        "tile/Entries/000",
        "tile/data/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/300",
        "tile/0/000.p/001",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/\u0660\u0660\u0660",
        "tile/٣/000",
        "tile/0/000.p/٣",
        "tile/0/..",
        "tile/0/../0/000",
        "tile/0/" + "x999/" * 6 + "999",
        "tile/0/" + "x001/" * 1_000_000 + "000",
    ],
)
def test_every_other_spelling_of_a_tile_path_is_refused(path: str) -> None:
    with pytest.raises(FormatError):
        tiles.parse_tile_path(path)


@given(st.text(max_size=30))
def test_a_hostile_tile_path_is_refused_or_is_the_tile_s_own(text: str) -> None:
    for path in (text, "tile/0/" + text, "tile/entries/000.p/" + text):
        try:
            tile = tiles.parse_tile_path(path)
        except FormatError:
            continue
        assert tiles.tile_path(tile) == path


@pytest.mark.parametrize("digits", DECIMALS)
def test_a_tile_path_with_a_wrong_number_is_refused(digits: str) -> None:
    for path in (f"tile/{digits}/000", f"tile/0/{digits}", f"tile/0/000.p/{digits}"):
        if path not in ("tile/0/007", "tile/0/000.p/10"):
            with pytest.raises(FormatError):
                tiles.parse_tile_path(path)


@pytest.mark.parametrize(
    "coordinates", [(-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 2**55, 1), (0, 0, 0), (0, 0, 257)]
)
def test_coordinates_that_no_tile_has_are_refused(coordinates: tuple[int, int, int]) -> None:
    with pytest.raises(FormatError, match="no tile has"):
        Tile(*coordinates)


def test_the_tree_of_70_000_has_the_tiles_that_the_specification_counts() -> None:
    found = list(tiles.tiles_for_size(70_000))
    assert [tile for tile in found if not tile.is_full] == [
        Tile(0, 273, 112),
        Tile(1, 1, 17),
        Tile(2, 0, 1),
    ]
    assert [sum(tile.is_full for tile in found if tile.level == level) for level in range(3)] == [
        273,
        1,
        0,
    ]
    assert list(tiles.tiles_for_size(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    bundles = list(tiles.bundles_for_size(70_000))
    assert (len(bundles), bundles[-1]) == (274, Tile(ENTRIES, 273, 112))
    assert all(bundle.is_entries for bundle in bundles)


def test_tiles_completed_step_by_step_are_all_full_tiles_each_once() -> None:
    cuts = [0, 1, 255, 256, 257, 511, 1024, 65_535, 65_536, 65_537, 70_000, 2**24 + 5]
    made = [tile for old, new in pairwise(cuts) for tile in tiles.new_tiles(old, new)]
    assert len(made) == len(set(made))
    assert sorted(made) == [tile for tile in tiles.tiles_for_size(cuts[-1]) if tile.is_full]
    assert tiles.new_tiles(300, 511) == []


@given(st.integers(0, 2**24))
def test_partial_tiles_are_what_is_left_of_each_level(size: int) -> None:
    expected = [
        Tile(level, size // 256 ** (level + 1), size // 256**level % 256)
        for level in range(4)
        if size // 256**level % 256
    ]
    assert tiles.partial_tiles(size) == expected


def test_a_tile_is_as_wide_as_its_tree_makes_it() -> None:
    for size in (1, 255, 256, 257, 1000, 65_536, 70_000):
        for tile in tiles.tiles_for_size(size):
            assert tiles.tile_at(tile.level, tile.n, size=size) == tile
        for bundle in tiles.bundles_for_size(size):
            assert tiles.tile_at(ENTRIES, bundle.n, size=size) == bundle
    for level, n in ((0, 4), (1, 1), (2, 0), (ENTRIES, 4), (0, -1), (-2, 0)):
        with pytest.raises(FormatError, match="has no tile"):
            tiles.tile_at(level, n, size=1000)


def test_the_root_of_a_full_tile_is_its_hash_in_the_tile_above() -> None:
    files = Files()
    data = files(Tile(0, 7))
    assert tiles.tile_root(data) == rfc.mth([b"entry-%d" % at for at in range(1792, 2048)])
    assert tiles.tile_root(data) == tiles.split_hashes(files(Tile(1, 0)))[7]
    for wrong in (data[:-32], data + data[:32], b""):
        with pytest.raises(FormatError, match="only a full tile"):
            tiles.tile_root(wrong)


@pytest.mark.parametrize("length", [0, 1, 31, 33, 8191, 8193, 8224])
def test_a_tile_that_is_not_whole_hashes_is_refused(length: int) -> None:
    with pytest.raises(FormatError, match="a tile is"):
        tiles.split_hashes(bytes(length))


def test_proofs_read_through_tiles_are_those_of_the_leaves() -> None:
    cache = tiles.TileCache(Files(), capacity=400)
    draw = random.Random(6962)
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 1000, 65_535, 65_536, 65_537, 70_000):
        nodes = tiles.TileNodes(cache, size=size)
        root = merkle.root_hash(LEAVES[:size])
        assert merkle.tree_root(size=size, node=nodes) == root
        tree = Extension(CompactRange(), LEAVES[:size])
        for place in {0, size - 1, size // 2, *(draw.randrange(size) for _ in range(20))}:
            path = merkle.inclusion_path(index=place, size=size, node=nodes)
            assert path == tree.inclusion_proof(place)
            merkle.verify_inclusion(path, index=place, size=size, leaf=LEAVES[place], root=root)
            proof = merkle.consistency_path(old_size=place, new_size=size, node=nodes)
            merkle.verify_consistency(
                proof,
                old_size=place,
                old_root=merkle.root_hash(LEAVES[:place]),
                new_size=size,
                new_root=root,
            )


def test_every_small_tree_gives_every_proof_of_the_rfc_through_tiles() -> None:
    entries = [b"entry-%d" % at for at in range(131)]
    cache = tiles.TileCache(Files())
    for size in range(1, 131):
        nodes = tiles.TileNodes(cache, size=size)
        for place in range(size):
            path = merkle.inclusion_path(index=place, size=size, node=nodes)
            assert path == rfc.path(place, entries[:size])
            if place:
                proof = merkle.consistency_path(old_size=place, new_size=size, node=nodes)
                assert proof == rfc.proof(place, entries[:size])


def test_only_tiles_that_the_tree_has_are_read_and_each_once_while_it_is_kept() -> None:
    files = Files()
    nodes = tiles.TileNodes(files, size=70_000)
    for _ in range(2):
        merkle.inclusion_path(index=69_999, size=70_000, node=nodes)
        merkle.inclusion_path(index=300, size=70_000, node=nodes)
    assert len(files.read) == len(set(files.read))
    assert set(files.read) <= set(tiles.tiles_for_size(70_000))


def test_the_cache_lets_go_of_the_tile_that_was_used_least_recently() -> None:
    files = Files()
    cache = tiles.TileCache(files, capacity=2)
    for n in (0, 1, 0, 2, 0, 1):
        cache.levels(0, n, tiles.TILE_WIDTH)
    assert [tile.n for tile in files.read] == [0, 1, 2, 1]


def test_nodes_that_the_tree_does_not_have_are_refused_before_anything_is_read() -> None:
    files = Files()
    nodes = tiles.TileNodes(files, size=1000)
    for level, index in ((0, 1000), (0, -1), (3, 125), (8, 3), (9, 1), (10, 0), (-1, 0)):
        with pytest.raises(ProofError, match="no complete node"):
            nodes(level, index)
    assert files.read == []


def test_a_tile_of_the_wrong_length_is_refused() -> None:
    nodes = tiles.TileNodes(lambda _: bytes(8192), size=1000)
    with pytest.raises(FormatError, match=r"tile/0/003\.p/232 has 8192 bytes, not 7424"):
        nodes(0, 999)


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=256))
@settings(deadline=None)
def test_bundles_read_back(entries: list[bytes]) -> None:
    assert tiles.decode_bundle(tiles.encode_bundle(entries)) == entries


def test_a_bundle_is_lengths_and_entries_and_nothing_else() -> None:
    assert tiles.encode_bundle([b"ab", b"", b"c"]) == b"\x00\x02ab\x00\x00\x00\x01c"
    longest = [bytes(65_535)] * 2
    assert tiles.decode_bundle(tiles.encode_bundle(longest)) == longest


def test_bundles_over_their_limits_are_not_made() -> None:
    with pytest.raises(TooLarge) as caught:
        tiles.encode_bundle([bytes(65_536)])
    assert (caught.value.limit, caught.value.size) == (65_535, 65_536)
    for entries in ([], [b""] * 257):
        with pytest.raises(FormatError, match="1 to 256 entries"):
            tiles.encode_bundle(entries)


def test_truncated_overlong_and_empty_bundles_are_refused() -> None:
    whole = tiles.encode_bundle([b"first", b"second"])
    boundary = len(tiles.encode_bundle([b"first"]))
    for end in range(len(whole)):
        if end != boundary:
            with pytest.raises(FormatError):
                tiles.decode_bundle(whole[:end])
    for wrong in (whole + b"\x00", whole + b"\x00\x01", tiles.encode_bundle([b""] * 256) + b"\x00"):
        with pytest.raises(FormatError):
            tiles.decode_bundle(wrong)


@given(st.binary(max_size=300))
def test_any_bytes_are_the_bundle_that_they_encode_or_are_refused(data: bytes) -> None:
    try:
        entries = tiles.decode_bundle(data)
    except FormatError:
        return
    assert tiles.encode_bundle(entries) == data
