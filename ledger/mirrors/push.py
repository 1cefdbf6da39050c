"""One run: brings a mirror from the checkpoint that it has to the newest one of this ledger.

A crash at any point leaves what the old checkpoint covers as it was, because that is never
rewritten, and the old checkpoint, because the new one comes last. So the next run goes on from
there, and what a run wrote before it died is compared, not trusted.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ledger.errors import LedgerError
from ledger.mirrors.about import INDEX_JSON, MIRROR, About, about_files, kind_of
from ledger.mirrors.about import MAX_INDEX as MAX_ABOUT
from ledger.mirrors.held import first_line, require_mirror
from ledger.mirrors.log_part import Progress, first_to_write, require_prefix, root_of, write_log
from ledger.mirrors.shapes import (
    CHECKPOINT,
    HANDOVERS,
    JSON,
    MAX_NOTE,
    SECOND_VKEY,
    TEXT,
    TILES,
    VKEY,
    File,
    MirrorDiffers,
    MirrorFailed,
    MirrorRefused,
    Target,
)
from ledger.mirrors.site import Site, ask
from ledger.mirrors.site_part import write_feeds, write_jobs, write_schemas
from ledger.mirrors.writing import MAX_COMPARED, Writer, sha256_of, sha256_of_bytes
from ledger.storage.store import Store
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint
from ledger.tlog.note import VerifierKey, parse_vkey
from schemas.bulk import BulkIndex, BulkSet

BULK_INDEX: Final = "bulk/index.json"
MAX_INDEX: Final = 16 << 20

BulkOf = Callable[[int], tuple[BulkSet, Path] | None]
"""The newest set of bulk files of a tree of at most so many entries, and the folder that it is."""


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a run did: ``files`` and ``bytes`` are what it wrote."""

    checkpoint: Checkpoint
    old_size: int
    files: int
    bytes: int


def mirror(
    store: Store,
    site: Site,
    target: Target,
    *,
    source: str,
    bulk: BulkOf = lambda _size: None,
    compares: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> Mirrored:
    """Bring ``target`` up to date. ``source`` is the public address of the site.

    With ``compares`` every tile and bundle that is there is read and compared. Raises
    MirrorRefused for a target that is not an older mirror of this log, MirrorDiffers for a file
    there that was changed, MirrorFailed.
    """
    with target.holding():
        vkey = ask(site, f"/{VKEY}").body
        note = ask(site, f"/{CHECKPOINT}")
        key = parse_vkey(first_line(vkey).decode("ascii"))
        checkpoint = open_checkpoint(note.body, [key])
        named = site.get(f"/{HANDOVERS}")
        handovers = named.body if named.status == 200 else None
        keys = require_mirror(target, vkey, handovers)
        old = _old_checkpoint(store, target, keys, checkpoint)
        old_size = old.size if old else 0
        with Writer(target) as writer:
            # From its first file on, whoever comes next knows whose mirror this is.
            writer.replace(File(VKEY, vkey, TEXT))
            if handovers is not None:
                writer.replace(File(HANDOVERS, handovers, TEXT))
            if (second := site.get(f"/{SECOND_VKEY}")).status == 200:
                writer.replace(File(SECOND_VKEY, second.body, TEXT))
            listed = dict(target.sizes(TILES))
            try:
                first = 0 if compares else first_to_write(listed, old_size=old_size)
            except MirrorDiffers as error:
                raise MirrorDiffers(f"{target.name}/{error}") from None
            write_log(store, writer, checkpoint, first=first, progress=progress)
            size = checkpoint.size
            # What was pulled has the log alone: then all the rest is missing.
            shown = old_size if _is_of_a_site(target) else 0
            write_jobs(store, site, writer, old_size=shown, size=size, progress=progress)
            write_feeds(store, site, writer, old_size=shown, size=size, progress=progress)
            write_schemas(site, writer)
            has_bulk = _write_bulk(store, target, writer, bulk(size), progress)
            for file in about_files(_about(checkpoint, vkey, source, has_bulk=has_bulk)):
                writer.replace(file)
            # The commit point: whoever reads the mirror meets the new tree from here on.
            writer.publish(File(CHECKPOINT, note.body, TEXT))
    return Mirrored(checkpoint, old_size, writer.files, writer.bytes)


def _old_checkpoint(
    store: Store, target: Target, keys: Sequence[VerifierKey], new: Checkpoint
) -> Checkpoint | None:
    """What the mirror is a copy of until now; None where nothing is there yet."""
    note = target.read(CHECKPOINT, limit=MAX_NOTE)
    if note is None:
        return None
    try:
        old = open_checkpoint(note, keys)
    except LedgerError as error:
        raise MirrorRefused(
            f"{target.name}/{CHECKPOINT} was not signed by this log: {error}"
        ) from None
    if old.size > new.size:
        with store.snapshot() as reads:
            stored = reads.head().size
        if old.size <= stored and root_of(store, old.size) == old.root:
            raise MirrorRefused(
                f"{target.name} holds {old.size} entries, and the site shows a checkpoint of"
                f" {new.size}: the newer ones still wait for witnesses"
            )
        raise MirrorRefused(
            f"{target.name} is ahead: it holds {old.size} entries and this ledger {new.size}. A"
            " database that was restored from a backup is refilled with `ledger recover`"
        )
    try:
        require_prefix(store, old, new)
    except LedgerError as error:
        raise MirrorRefused(
            f"{target.name} holds another history: its checkpoint of {old.size} entries is no"
            f" beginning of this log ({error}). Keep both: they prove that somebody signed two"
        ) from None
    return old


def _is_of_a_site(target: Target) -> bool:
    return kind_of(target.read(INDEX_JSON, limit=MAX_ABOUT)) == MIRROR


def _write_bulk(
    store: Store,
    target: Target,
    writer: Writer,
    found: tuple[BulkSet, Path] | None,
    progress: Progress,
) -> bool:
    """Write the set's files and the list of all sets that the mirror has; whether it has any."""
    sets = {each.name: each for each in _sets(target, target.read(BULK_INDEX, limit=MAX_INDEX))}
    known = {
        file.path.removeprefix("/"): file.sha256 for each in sets.values() for file in each.files
    }
    if found is None:
        return bool(sets)
    newest, folder = found
    if newest.root != root_of(store, newest.tree_size).hex():
        raise MirrorFailed(f"{folder} holds bulk files of another log: set LEDGER_EXPORT_DIR")
    for done, each in enumerate(newest.files):
        progress("bulk", done, len(newest.files))
        source = folder / each.name
        if newest.name not in sets and sha256_of(source) != each.sha256:
            raise MirrorFailed(f"{source} is not what was published: run `ledger export --check`")
        media_type = each.media_type
        if media_type.startswith("text/"):
            media_type += "; charset=utf-8"
        path = each.path.removeprefix("/")
        _require_digest(target, path, each.sha256, known.get(path))
        writer.keep(File(path, source, media_type, is_immutable=True))
    progress("bulk", len(newest.files), len(newest.files))
    sets[newest.name] = newest
    listed = sorted(sets.values(), key=lambda each: (each.tree_size, each.name), reverse=True)
    index = BulkIndex(latest=listed[0].name, sets=tuple(listed))
    writer.replace(File(BULK_INDEX, msgspec.json.encode(index), JSON))
    return True


def _require_digest(target: Target, path: str, sha256: str, known: str | None) -> None:
    """Check that a bulk file which is there, if one is, has the digest that was published.

    What the mirror's own list names was compared when it was written. What a run left that died
    before its list is read again, up to MAX_COMPARED bytes. Raises MirrorDiffers.
    """
    if known is None and 0 < (target.size(path) or 0) <= MAX_COMPARED:
        known = sha256_of_bytes(target.read(path, limit=MAX_COMPARED) or b"")
    if known is not None and known != sha256:
        raise MirrorDiffers(
            f"{target.name}/{path} can never change, and it has the SHA-256 {known}, where"
            f" {sha256} was published: nothing was overwritten; find out who changed it"
        )


def _sets(target: Target, data: bytes | None) -> Iterable[BulkSet]:
    if data is None:
        return ()
    try:
        return msgspec.json.decode(data, type=BulkIndex).sets
    except msgspec.MsgspecError:
        raise MirrorFailed(f"{target.name}/{BULK_INDEX} cannot be read: remove it") from None


def _about(checkpoint: Checkpoint, vkey: bytes, source: str, *, has_bulk: bool) -> About:
    parts = {
        CHECKPOINT: "the signed checkpoint: size and root of the tree",
        VKEY: "the key that signs it",
        "log/tile/entries/000" if checkpoint.size >= 256 else _first_bundle(checkpoint.size): (
            "the entries, 256 in a file (C2SP tlog-tiles)"
        ),
        "feeds/published.json": "feeds, each as JSON and Atom, with their archives",
        "schemas/index.json": "the shapes of all of this",
    }
    if has_bulk:
        parts[BULK_INDEX] = "bulk files: tables, entries, proofs"
    return About(
        origin=checkpoint.origin,
        vkey=first_line(vkey).decode("ascii"),
        tree_size=checkpoint.size,
        root=checkpoint.root.hex(),
        source=source,
        parts=parts,
    )


def _first_bundle(size: int) -> str:
    return f"log/tile/entries/000.p/{size}"
