"""Keeps a verified copy of somebody else's log.

What the source says is held against the key, against the checkpoint that this mirror holds itself,
and hash by hash against the root, before a byte of it is kept. The tiles of the copy are not the
source's but computed here from the entries. Where a source signed two histories, both checkpoints
are kept, with the hashes that prove it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ledger.client.handovers import MAX_BYTES, Speakers, parse_handovers, signing_key
from ledger.client.tree import Files, Tree
from ledger.errors import LedgerError, Misbehaviour, NotFound
from ledger.mirrors.about import COPY, About, about_files
from ledger.mirrors.cosigning import Cosigner, contradicted, cosigned
from ledger.mirrors.evidence import NAME, Signed, nodes_in, split_view
from ledger.mirrors.held import Held, handovers_of, require_mirror
from ledger.mirrors.log_part import Progress, path_of
from ledger.mirrors.second_key import second_vkey
from ledger.mirrors.shapes import (
    BYTES,
    CHECKPOINT,
    HANDOVERS,
    JSON,
    MAX_NOTE,
    SECOND_VKEY,
    TEXT,
    VKEY,
    File,
    MirrorFailed,
    Target,
)
from ledger.mirrors.writing import Writer
from ledger.records.succession import heirs
from ledger.tlog.checkpoint import Checkpoint
from ledger.tlog.growth import CompactRange, Extension
from ledger.tlog.hashing import leaf_hash
from ledger.tlog.merkle import NodeReader
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
    cosigner: Cosigner | None = None,
    progress: Progress = lambda _what, _done, _total: None,
) -> Pulled:
    """Bring ``target`` to the newest checkpoint of the log that ``files`` is.

    ``open_note`` verifies a checkpoint: by the key alone, or by a policy with witnesses too. What
    ``cosigner`` refuses is raised after the checkpoint is in its place, without its lines.
    Raises Misbehaviour, whose evidence is kept in the mirror, where the log contradicts what it
    signed before; SignatureError where the newest key that the entries name has not signed, which
    is known before that entry's bundle is written; MirrorFailed for a source that is behind,
    ProofError for files that are not what was signed, and what ``Files`` raises.
    """
    with target.holding():
        note = files.get(f"/{CHECKPOINT}", limit=MAX_NOTE)
        handovers = _handovers(files)
        known = require_mirror(target, _line(key), handovers)
        checkpoint = open_note(note)
        held = Held.of(target, known)
        speakers = _speakers(target, known, (checkpoint, note), handovers)
        key = _accused(speakers, known, note, held)
        if held is not None and checkpoint.size <= held.checkpoint.size:
            _require_same(files, target, held, key, (checkpoint, note))
        tree = Tree(files, checkpoint, note, verify=True)
        old_size = held.checkpoint.size if held else 0
        if held is not None and tree.root_at(old_size) != held.checkpoint.root:
            raise _fork(target, key, held.signed, (checkpoint, note), nodes_in(tree))
        speakers.require_hope()
        keys = [*known, *speakers.to_come]
        if cosigner is not None and (old := contradicted(cosigner, keys, tree)) is not None:
            raise _fork(target, key, old, (checkpoint, note), nodes_in(tree))
        second = second_vkey(files, target, key, note)
        with Writer(target) as writer:
            # From its first file on, whoever comes next knows whose mirror this is.
            _write_keys(writer, {SECOND_VKEY: second} | ({} if held else {VKEY: _line(known[-1])}))
            if checkpoint.size > old_size:
                start = old_size // TILE_WIDTH * TILE_WIDTH
                edge = held.edge(start) if held else CompactRange()
                _write_log(tree, writer, edge, speakers, progress)
            vkey = _line(speakers.settle())
            if _goes_on(target.read(HANDOVERS, limit=MAX_BYTES), handovers):
                _write_keys(writer, {HANDOVERS: handovers})
            for file in about_files(_about(files, checkpoint, vkey)):
                writer.replace(file)
            refused = None
            if cosigner is not None:
                # A cosignature of a mirror says that the entries are on its disk: they come first.
                target.settle()
                try:
                    note = cosigned(note, tree, cosigner)
                except LedgerError as error:
                    refused = error
            writer.publish(File(CHECKPOINT, note, TEXT))
            # Last, since what the mirror holds has to open under its own key at any moment.
            writer.publish(File(VKEY, vkey, TEXT))
        if refused is not None:
            raise refused
    return Pulled(checkpoint, old_size, writer.files, writer.bytes)


def _write_keys(writer: Writer, keys: Mapping[str, bytes | None]) -> None:
    for place, data in keys.items():
        if data is not None:
            writer.replace(File(place, data, TEXT))


def _handovers(files: Files) -> bytes | None:
    try:
        return files.get(f"/{HANDOVERS}", limit=MAX_BYTES)
    except NotFound:
        return None


def _goes_on(kept: bytes | None, now: bytes | None) -> bool:
    """Whether a list of keys may take the place of the one that is kept."""
    return now is not None and now.startswith(kept or b"")


def _speakers(
    target: Target, known: Sequence[VerifierKey], new: Signed, handovers: bytes | None
) -> Speakers:
    """The keys that the new checkpoint needs, by what the mirror knows of its own entries."""
    checkpoint, note = new
    below = [each for index, each in handovers_of(target) if index < checkpoint.size]
    listed = parse_handovers(handovers) if handovers is not None else []
    return Speakers(heirs(known[-1], below), note, [each for _, each in listed])


def _accused(
    speakers: Speakers, known: Sequence[VerifierKey], note: bytes, held: Held | None
) -> VerifierKey:
    """The key that would have signed two histories: both the mirror's checkpoint and ``note``.

    Where no key signed both, the newest known one, once the note is known to be no thief's.
    """
    both = [each for each in known if held is None or signing_key(held.note, [each])]
    if (found := signing_key(note, both)) is not None:
        return found
    speakers.require_hope()
    return signing_key(note, speakers.to_come) or known[-1]


def _line(key: VerifierKey) -> bytes:
    return format_vkey(key).encode() + b"\n"


def _require_same(files: Files, target: Target, held: Held, key: VerifierKey, new: Signed) -> None:
    """Check a checkpoint that is not newer than ours."""
    checkpoint = new[0]
    if held.root_at(checkpoint.size) != checkpoint.root:
        raise _fork(target, key, held.signed, new, held.nodes)
    if checkpoint.size < held.checkpoint.size:
        raise MirrorFailed(
            f"{files.url} shows a checkpoint of {checkpoint.size} entries, and this mirror has one"
            f" of {held.checkpoint.size} already: it is out of date, or hides what is new"
        )


def _write_log(
    tree: Tree, writer: Writer, edge: CompactRange, speakers: Speakers, progress: Progress
) -> None:
    """Fetch the bundles from the edge on, and write them and the tiles that follow from them."""
    first = edge.size
    for number in range(first // TILE_WIDTH, -(-tree.size // TILE_WIDTH)):
        entries = tree.bundle(number)
        width = len(entries)
        for at, entry in enumerate(entries):
            if speakers.take(number * TILE_WIDTH + at, entry):
                speakers.require_hope()
        leaves = [leaf_hash(each) for each in entries]
        edge = Extension(edge, leaves).range
        writer.submit(writer.keep, _file(Tile(ENTRIES, number, width), encode_bundle(entries)))
        writer.submit(writer.keep, _file(Tile(0, number, width), b"".join(leaves)))
        progress(WHAT, number * TILE_WIDTH + width, tree.size)
    if edge.root() != tree.root:
        raise MirrorFailed("what was fetched does not have the root that was signed")
    nodes = nodes_in(tree)
    for tile in tiles_for_size(tree.size):
        if tile.level and (tile.n + 1) * TILE_WIDTH << TILE_HEIGHT * tile.level > first:
            start, level = tile.n * TILE_WIDTH, TILE_HEIGHT * tile.level
            hashes = [nodes(level, at) for at in range(start, start + tile.width)]
            writer.submit(writer.keep, _file(tile, b"".join(hashes)))
    writer.join()


def _fork(
    target: Target, key: VerifierKey, old: Signed, new: Signed, larger: NodeReader
) -> LedgerError:
    """The error for two histories, after what proves them is in the mirror.

    ``larger`` reads the nodes of the larger one of the two trees.
    """
    known, old_note = old
    checkpoint, note = new
    evidence = {
        "old-checkpoint": old_note,
        "new-checkpoint": note,
        NAME: split_view(key, old, new, larger),
    }
    folder = f"{EVIDENCE}/{known.size}-{checkpoint.size}-{checkpoint.root.hex()[:16]}"
    for file, data in evidence.items():
        target.replace(File(f"{folder}/{file}", data, JSON if file == NAME else TEXT))
    return Misbehaviour(
        f"the log has signed two histories: a checkpoint of {checkpoint.size} entries with the root"
        f" {checkpoint.root.hex()}, which does not go with the one of {known.size}"
        f" entries that this mirror holds or cosigned. `verify.py evidence"
        f" {target.name}/{folder}/{NAME}` confirms it anywhere: publish that file",
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
        kind=COPY,
        parts={
            CHECKPOINT: "the signed checkpoint: size and root of the tree",
            VKEY: "the key that signs it",
        },
    )
