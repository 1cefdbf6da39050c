"""Founding a ledger: keys, the genesis entry, the first signed checkpoint."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ledger import keys
from ledger.assembly.house import Ledger, system_clock
from ledger.errors import Conflict
from ledger.records.charter import Charter, default_charter
from ledger.records.entry import Author, Entry, genesis_entry, parse_entry
from ledger.sequencer.memory import SignerMemory
from ledger.settings import Settings
from ledger.storage.projections import fact_of
from ledger.storage.shapes import Head, NewBatch, StoredEntry
from ledger.storage.store import Store
from ledger.tlog.merkle import CompactRange, Extension, leaf_hash
from ledger.tlog.note import MLDSA44, generate_key
from ledger.vault import KEY_BYTES


def create(
    settings: Settings,
    *,
    origin: str,
    authors: Sequence[Author],
    charter: Charter | None = None,
    clock: Callable[[], int] = system_clock,
    random: Callable[[int], bytes] = os.urandom,
) -> str:
    """Make keys and the genesis entry of a new ledger, sign its first checkpoint; the log's vkey.

    Refuses with Conflict where a key, a signer's memory or a log exists already: nothing is ever
    overwritten. If it fails halfway it takes back the key files that it made.
    """
    key_dir = settings.key_dir
    for name in (keys.LOG_KEY, keys.LOG_MLDSA_KEY, keys.OPENINGS_KEY, keys.SIGNER_MEMORY):
        if (key_dir / name).exists():
            raise Conflict(f"{key_dir / name} exists already: this folder belongs to a ledger")
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    key_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    store = Store(settings.database_url)
    made: list[Path] = []
    entry = None
    try:
        store.acquire_writer()
        if not store.is_empty():
            raise Conflict("this database holds a ledger already")  # noqa: TRY301 - the handler below lets go of what is open
        signer, vkey = generate_key(origin, random(32))
        entry = genesis_entry(
            origin=origin,
            vkey=vkey,
            authors=authors,
            charter=charter or default_charter(),
            logged_at=clock(),
        )
        store.migrate()
        keys.write_signer(key_dir / keys.LOG_KEY, signer)
        made.append(key_dir / keys.LOG_KEY)
        if settings.mldsa:
            made.append(write_mldsa_key(key_dir, origin, seed=random(32)))
        keys.write_openings_key(key_dir / keys.OPENINGS_KEY, random(KEY_BYTES))
        made.append(key_dir / keys.OPENINGS_KEY)
        SignerMemory(key_dir / keys.SIGNER_MEMORY).create()
        made.append(key_dir / keys.SIGNER_MEMORY)
        _write_genesis(store, entry, parse_entry(entry))
    except BaseException:
        # Where the log is stored after all, or nobody can say, its keys stay.
        if made and _first_entry(store) != entry:
            for path in made:
                path.unlink()
        raise
    finally:
        store.close()
    # Opening it signs the head, as after any commit that was not signed.
    Ledger(settings, clock=clock).close()
    return vkey


def write_mldsa_key(key_dir: Path, origin: str, *, seed: bytes) -> Path:
    """Write the log's second key to a new file. Raises KeyFileError where it exists."""
    path = key_dir / keys.LOG_MLDSA_KEY
    keys.write_signer(path, generate_key(origin, seed, key_type=MLDSA44)[0])
    return path


def _first_entry(store: Store) -> bytes | None:
    with store.snapshot() as reads:
        first = reads.entry(0)
    return first.data if first else None


def _write_genesis(store: Store, data: bytes, entry: Entry) -> None:
    stored = StoredEntry(
        index=0,
        kind="genesis",
        job_id=None,
        logged_at=entry.logged_at,
        publish_by=None,
        leaf_hash=leaf_hash(data),
        statement_digest=None,
        data=data,
    )
    extension = Extension(CompactRange(), [stored.leaf_hash])
    store.create_log(
        NewBatch(
            head=Head(1, extension.root, extension.range.edge(), entry.logged_at),
            entries=[stored],
            facts=[fact_of(0, entry)],
        )
    )
