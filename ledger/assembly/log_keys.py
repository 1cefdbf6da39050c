"""The log's own keys: which one speaks for it, which sign beside it, and how one follows another.

Which key speaks is what the log says: the genesis entry's, or that of the newest ``log_key`` entry.
Which file holds it follows from that and from nothing else, so a crash between the entry and the
renaming of files loses nothing:

    log.key           the key that speaks, or the one before it after such a crash
    log.next.key      the one that is to follow; signs too as soon as the file is there
    log.previous.key  the one before; signs too until the file is removed

There is one signer's memory for all of them, so that a new key cannot sign what an old one may not.
"""

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger import keys
from ledger.client.handovers import format_handovers
from ledger.errors import Conflict, FormatError, LogUnavailable
from ledger.reader import Reader
from ledger.records.entry import parse_entry
from ledger.records.succession import Succession, heirs, succeed
from ledger.storage.store import Store
from ledger.tlog.note import (
    NoteSignature,
    Signer,
    VerifierKey,
    format_vkey,
    generate_key,
    parse_note,
    parse_vkey,
)


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The chain of the log's keys, and the private ones of them that are here."""

    chain: tuple[VerifierKey, ...]
    """Every key that ever spoke for the log, oldest first; the last one speaks now."""
    since: tuple[int, ...]
    """The entry from which on each of them speaks: 0 for the first."""
    entries: tuple[tuple[int, bytes], ...] = ()
    """The entries that name the later ones, with their indices."""

    @property
    def current(self) -> VerifierKey:
        """The key that speaks for the log now."""
        return self.chain[-1]

    @property
    def vkey(self) -> str:
        """The same, as text."""
        return format_vkey(self.current)

    @property
    def terms(self) -> tuple[tuple[str, int], ...]:
        """Each key as text, and the entry from which on it speaks."""
        return tuple(zip(map(format_vkey, self.chain), self.since, strict=True))

    def handovers(self, *, size: int) -> str | None:
        """What ``/log/keys`` says of a tree; None while the first key speaks."""
        return format_handovers([each for each in self.entries if each[0] < size])

    def announced(self, note: bytes | None) -> str:
        """The vkey to give out: of the oldest key that still signs, by the newest checkpoint.

        So whoever took it once has to take another one only when the old one falls silent.
        """
        lines: Sequence[NoteSignature] = ()
        # A damaged row keeps no server from starting: readers find it, and the next one is whole.
        with suppress(FormatError):
            lines = parse_note(note).signatures if note is not None else ()
        signing = {line.key_id for line in lines if line.name == self.current.name}
        kept = [key for key in self.chain if key.key_id in signing]
        return format_vkey(kept[0] if kept else self.current)


def read_log_keys(store: Store) -> LogKeys:
    """The log's keys by its entries, each checked to be named by the one before it.

    Raises LogUnavailable where the stored entries contradict that.
    """
    first = parse_vkey(Reader(store).genesis().vkey)
    named: list[Succession] = []
    entries: list[tuple[int, bytes]] = []
    with store.snapshot() as reads:
        rows = reads.log_keys(size=reads.head().size)
        for index, _ in rows:
            entry = reads.entry(index)
            succession = parse_entry(entry.data).succession if entry is not None else None
            if entry is None or succession is None:
                raise LogUnavailable(f"entry {index} names no key of the log: run `ledger fsck`")
            named.append(succession)
            entries.append((index, entry.data))
    chain = heirs(first, named)
    if len(chain) != 1 + len(rows):
        raise LogUnavailable("a key of the log follows none: run `ledger fsck`")
    since = (0, *(index for index, _ in rows))
    return LogKeys(tuple(chain), since, tuple(entries))


def read_signers(key_dir: Path, log: LogKeys) -> tuple[Signer, list[Signer]]:
    """The private key that speaks for the log, and those that sign beside it.

    Raises LogUnavailable where the key that speaks is not here, and KeyFileError.
    """
    names = (keys.LOG_KEY, keys.NEXT_LOG_KEY, keys.PREVIOUS_LOG_KEY)
    # The key file proper has to be there; after a crash in the middle of a rotation it may be
    # that it was renamed and the next one was not yet.
    there = [name for name in names if (key_dir / name).exists()] or [keys.LOG_KEY]
    found = {signer.vkey: signer for signer in (keys.read_signer(key_dir / n) for n in there)}
    current = found.pop(log.vkey, None)
    if current is None:
        here = ", ".join(found)
        raise LogUnavailable(
            f"the key in {key_dir} is {here}, but this log's key is {log.vkey}: point"
            f" LEDGER_KEY_DIR at the keys of this ledger"
        )
    strangers = [vkey for vkey, signer in found.items() if signer.name != current.name]
    if strangers:
        raise LogUnavailable(f"{strangers[0]} in {key_dir} is the key of another log")
    return current, list(found.values())


def begin_rotation(key_dir: Path, log: LogKeys, *, random: Callable[[int], bytes]) -> str:
    """Make the key that is to follow, unless it is here already; its vkey. Signs nothing.

    Raises Conflict while the key before the current one still signs: one rotation at a time.
    """
    path = key_dir / keys.NEXT_LOG_KEY
    if path.exists():
        return keys.read_signer(path).vkey
    if (key_dir / keys.PREVIOUS_LOG_KEY).exists():
        raise Conflict(
            "the last rotation is not over: the key before the current one still signs; end it"
            " with `ledger log-key retire` first"
        )
    signer, vkey = generate_key(log.current.name, random(32))
    keys.write_signer(path, signer)
    return vkey


def named_by(key_dir: Path, log: LogKeys) -> Succession | None:
    """What the old key and the next one say together; None where the log says it already."""
    following = keys.read_signer(key_dir / keys.NEXT_LOG_KEY)
    if following.vkey == log.vkey:
        return None
    current, _ = read_signers(key_dir, log)
    return succeed(current, following)


def settle_files(key_dir: Path, log: LogKeys) -> bool:
    """Give the key files the names that follow from the log; whether they had others.

    May be run again after a crash.
    """
    own, following = key_dir / keys.LOG_KEY, key_dir / keys.NEXT_LOG_KEY
    if not following.exists() or keys.read_signer(following).vkey != log.vkey:
        return False
    if own.exists():
        own.rename(key_dir / keys.PREVIOUS_LOG_KEY)
    following.rename(own)
    _sync(key_dir)
    return True


def retire_previous(key_dir: Path) -> bool:
    """Remove the private key before the current one, which signs no more; whether it was there."""
    path = key_dir / keys.PREVIOUS_LOG_KEY
    if not path.exists():
        return False
    path.unlink()
    _sync(key_dir)
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
