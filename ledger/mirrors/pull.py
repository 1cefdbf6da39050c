"""Keeps a verified copy of somebody else's log.

What the source says is held against the key, against the checkpoint that this mirror holds itself,
and hash by hash against the root, before a byte of it is kept. The tiles of the copy are not the
source's but computed here from the entries. Where a source signed two histories, both checkpoints
are kept, with the hashes that lead to their roots.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ledger.client.tree import Files, Tree
from ledger.errors import LedgerError, Misbehaviour
from ledger.mirrors.about import About, about_files
from ledger.mirrors.held import Held, require_mirror
from ledger.mirrors.log_part import Progress, path_of
from ledger.mirrors.shapes import BYTES, CHECKPOINT, TEXT, VKEY, File, MirrorFailed, Target
from ledger.mirrors.writing import Writer
from ledger.tlog.checkpoint import MAX_CHECKPOINT_BYTES, Checkpoint
from ledger.tlog.growth import CompactRange, Extension
from ledger.tlog.hashing import leaf_hash
from ledger.tlog.note import VerifierKey, format_vkey
from ledger.tlog.tiles import (
    ENTRIES,
    TILE_HEIGHT,
    TILE_WIDTH,
    Tile,
    encode_bundle,
    tiles_for_size,
)

EVIDENCE: Final = "evidence"
WHAT: Final = "log"


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a run did: ``files`` and ``bytes`` are what it wrote."""

    checkpoint: Checkpoint
    old_size: int
    files: int
    bytes: int


def pull(
    files: Files,
    target: Target,
    *,
    key: VerifierKey,
    open_note: Callable[[bytes], Checkpoint],
    progress: Progress = lambda _what, _done, _total: None,
) -> Pulled:
    """Bring ``target`` to the newest checkpoint of the log that ``files`` is.

    ``open_note`` verifies a checkpoint: by the key alone, or by a policy with witnesses too.
    Raises Misbehaviour, whose evidence is kept in the mirror, where the log contradicts what it
    signed before; MirrorFailed for a source that is behind, ProofError for files that are not what
    was signed, and what ``Files`` raises.
    """
    with target.holding():
        vkey = format_vkey(key).encode() + b"\n"
        require_mirror(target, vkey)
        note = files.get(f"/{CHECKPOINT}", limit=MAX_CHECKPOINT_BYTES)
        checkpoint = open_note(note)
        held = Held.of(target, key)
        if held is not None and checkpoint.size <= held.checkpoint.size:
            _require_same(files, target, held, checkpoint, note)
        tree = Tree(files, checkpoint, note, verify=True)
        old_size = held.checkpoint.size if held else 0
        if held is not None and tree.root_at(old_size) != held.checkpoint.root:
            raise _fork(target, held, checkpoint, note, tree)
        with Writer(target) as writer:
            writer.replace(File(VKEY, vkey, TEXT))
            if checkpoint.size > old_size:
                start = old_size // TILE_WIDTH * TILE_WIDTH
                edge = held.edge(start) if held else CompactRange()
                _write_log(tree, writer, edge, progress)
            for file in about_files(_about(files, checkpoint, vkey)):
                writer.replace(file)
            writer.publish(File(CHECKPOINT, note, TEXT))
    return Pulled(checkpoint, old_size, writer.files, writer.bytes)


def _require_same(
    files: Files, target: Target, held: Held, checkpoint: Checkpoint, note: bytes
) -> None:
    """Check a checkpoint that is not newer than ours."""
    if held.root_at(checkpoint.size) != checkpoint.root:
        raise _fork(target, held, checkpoint, note, None)
    if checkpoint.size < held.checkpoint.size:
        raise MirrorFailed(
            f"{files.url} shows a checkpoint of {checkpoint.size} entries, and this mirror has one"
            f" of {held.checkpoint.size} already: it is out of date, or hides what is new"
        )


def _write_log(tree: Tree, writer: Writer, edge: CompactRange, progress: Progress) -> None:
    """Fetch the bundles from the edge on, and write them and the tiles that follow from them."""
    first = edge.size
    for number in range(first // TILE_WIDTH, -(-tree.size // TILE_WIDTH)):
        entries = tree.bundle(number)
        width = len(entries)
        leaves = [leaf_hash(each) for each in entries]
        edge = Extension(edge, leaves).range
        writer.submit(writer.keep, _file(Tile(ENTRIES, number, width), encode_bundle(entries)))
        writer.submit(writer.keep, _file(Tile(0, number, width), b"".join(leaves)))
        progress(WHAT, number * TILE_WIDTH + width, tree.size)
    if edge.root() != tree.root:
        raise MirrorFailed("what was fetched does not have the root that was signed")
    for tile in tiles_for_size(tree.size):
        if tile.level and (tile.n + 1) * TILE_WIDTH << TILE_HEIGHT * tile.level > first:
            data = b"".join(_nodes(tree.blocks, tile))
            writer.submit(writer.keep, _file(tile, data))
    writer.join()


def _nodes(blocks: tuple[bytes, ...], tile: Tile) -> list[bytes]:
    """The hashes of a tile above level 0: roots over whole blocks, which the tree has proved."""
    span = TILE_WIDTH ** (tile.level - 1)
    start = tile.n * TILE_WIDTH
    return [
        _root_over(blocks[at * span : (at + 1) * span]) for at in range(start, start + tile.width)
    ]


def _root_over(blocks: tuple[bytes, ...]) -> bytes:
    return Extension(CompactRange(), blocks).root


def _fork(
    target: Target, held: Held, checkpoint: Checkpoint, note: bytes, tree: Tree | None
) -> LedgerError:
    """The error for two histories, after their evidence is in the mirror.

    ``blocks`` are the roots over each 256 entries of the new tree, which lead to its root;
    ``tile`` the leaf hashes of the block in which the old tree ends. The old tree is the mirror.
    """
    evidence = {"old-checkpoint": held.note, "new-checkpoint": note}
    if tree is not None:
        number, rest = divmod(held.checkpoint.size, TILE_WIDTH)
        evidence["new-blocks"] = b"".join(tree.blocks)
        if rest:
            evidence["new-tile"] = b"".join(tree.hashes(number))
    name = f"{held.checkpoint.size}-{checkpoint.size}-{checkpoint.root.hex()[:16]}"
    for file, data in evidence.items():
        target.replace(File(f"{EVIDENCE}/{name}/{file}", data, BYTES))
    return Misbehaviour(
        f"the log has signed two histories: a checkpoint of {checkpoint.size} entries with the root"
        f" {checkpoint.root.hex()}, which does not go with the one of {held.checkpoint.size}"
        f" entries that this mirror holds. Both are in {target.name}/{EVIDENCE}/{name}, to be"
        " published",
        evidence=evidence,
    )


def _file(tile: Tile, data: bytes) -> File:
    return File(path_of(tile), data, BYTES, is_immutable=True)


def _about(files: Files, checkpoint: Checkpoint, vkey: bytes) -> About:
    return About(
        origin=checkpoint.origin,
        vkey=vkey.decode("ascii").strip(),
        tree_size=checkpoint.size,
        root=checkpoint.root.hex(),
        source=files.url,
        parts={
            CHECKPOINT: "the signed checkpoint: size and root of the tree",
            VKEY: "the key that signs it",
        },
    )
