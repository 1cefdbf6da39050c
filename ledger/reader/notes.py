"""Stored checkpoints, each verified once before anything that is shown is made from it.

Known are the log's own keys, by its entries, and those that were named beside them: the key of the
second line, and the witnesses'. This room signs nothing and asks nobody.
"""

from collections.abc import Collection, Iterable
from typing import Final

from ledger.errors import Damaged, FormatError, SignatureError
from ledger.reader.memory import Memory
from ledger.records.entry import parse_entry
from ledger.storage.damage import Damage
from ledger.storage.shapes import StoredCheckpoint
from ledger.storage.snapshot import Snapshot
from ledger.tlog.checkpoint import signed_checkpoint
from ledger.tlog.note import VerifierKey, open_note, parse_vkey
from ledger.tlog.standard import Standard, with_lines

KEPT: Final = 2_048
"""Notes that are known to be sound: about 400 bytes each."""

Keys = tuple[VerifierKey, ...]


class Notes:
    """Verifies notes and remembers which it has. Thread-safe; one instance a process."""

    def __init__(self, damage: Damage, beside: Collection[VerifierKey] = ()) -> None:
        self._damage = damage
        self._beside: Keys = tuple(beside)
        self._log: Keys = ()
        self._sound: Memory[StoredCheckpoint, None] = Memory(KEPT)
        self._cosigned: Memory[tuple[bytes, tuple[str, ...], bool], bytes] = Memory(KEPT)
        self._last: StoredCheckpoint | None = None

    def trust(self, key: VerifierKey) -> None:
        """Verify the lines of this key too."""
        self._beside = (*self._beside, key)

    def require(self, snapshot: Snapshot, stored: StoredCheckpoint) -> StoredCheckpoint:
        """``stored``, once its note has verified and says the same size and root.

        A signature costs 40 us, so what was verified is not verified again. Raises Damaged.
        """
        if stored != self._last:
            self._sound.get(stored, lambda: self._verify(snapshot, stored))
            self._last = stored
        return stored

    def cosigned(
        self,
        snapshot: Snapshot,
        stored: StoredCheckpoint,
        lines: Iterable[str],
        *,
        standard: Standard | None = None,
    ) -> bytes:
        """The note of ``stored`` with those of ``lines`` that verify: the others are left out.

        Raises Damaged where some are left out, and what is left does not meet ``standard``.
        """
        asked = tuple(lines)
        return self._cosigned.get(
            (stored.note, asked, standard is not None),
            lambda: self._with_lines(snapshot, stored, asked, standard),
        )

    def _verify(self, snapshot: Snapshot, stored: StoredCheckpoint) -> None:
        if self._is_signed(stored, self._log):
            return
        # Another key may speak for the log by now, which a later entry names.
        keys = _log_keys(snapshot)
        if not self._is_signed(stored, keys):
            raise Damaged(f"the checkpoint of {stored.size} entries is not the one that was signed")
        self._log = keys

    def _is_signed(self, stored: StoredCheckpoint, keys: Keys) -> bool:
        try:
            found = signed_checkpoint(open_note(stored.note, (*keys, *self._beside)), keys)
        except (FormatError, SignatureError):
            return False
        return (found.size, found.root) == (stored.size, stored.root)

    def _with_lines(
        self,
        snapshot: Snapshot,
        stored: StoredCheckpoint,
        lines: tuple[str, ...],
        standard: Standard | None,
    ) -> bytes:
        keys = (*(self._log or _log_keys(snapshot)), *self._beside)
        alone = len(open_note(stored.note, keys).signatures)
        kept = [line for line in lines if _verifies(stored.note, line, keys, more_than=alone)]
        note = with_lines(stored.note, kept)
        if len(kept) < len(lines):
            where = f"a cosignature of the checkpoint of {stored.size} entries"
            if standard is not None and not standard.is_met_by(note):
                raise Damaged(where)
            self._damage.avoided(where)
        return note


def _verifies(note: bytes, line: str, keys: Keys, *, more_than: int) -> bool:
    try:
        return len(open_note(with_lines(note, [line]), keys).signatures) > more_than
    except (FormatError, SignatureError):
        return False


def _log_keys(snapshot: Snapshot) -> Keys:
    """Every key that ever spoke for the log, by what is stored. Raises Damaged."""
    first = snapshot.entry(0)
    genesis = parse_entry(first.data).genesis if first is not None else None
    later = [vkey for _, vkey in snapshot.log_keys(size=snapshot.head().size)]
    try:
        return tuple(parse_vkey(vkey) for vkey in (genesis.vkey if genesis else "", *later))
    except FormatError:
        raise Damaged("a key of the log cannot be read") from None
