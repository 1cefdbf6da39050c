"""``/log/keys``: the entries in which one key of the log names the next.

For whoever trusts an old one. One line for each, oldest first, canonical JSON:

    {"entry":{"format":"apsci-ledger/1","kind":"log_key",…},"index":812}

There is no such file while the log has its first key. It is believed as far as the signatures in
it go, and those suffice: each key that is trusted has named the next one itself. Whether the log
holds these entries at those places is for those to check who read entries: see ``Speakers``.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ledger.client.tree import Files
from ledger.errors import FormatError, LedgerError, NotFound, SignatureError
from ledger.records import canonical
from ledger.records.entry import parse_entry
from ledger.records.succession import MAX_HANDOVERS, Succession, heir, heirs
from ledger.tlog.checkpoint import open_checkpoint, parse_checkpoint
from ledger.tlog.note import VerifierKey, format_vkey, parse_note

PATH: Final = "log/keys"
MAX_BYTES: Final = 1 << 20
_MARK: Final = b'"kind":"log_key"'


def format_handovers(entries: Iterable[tuple[int, bytes]]) -> str | None:
    """The lines for entries with their indices, without the last newline; None for none."""
    lines = [b'{"entry":%b,"index":%d}' % (data, index) for index, data in entries]
    return b"\n".join(lines).decode() if lines else None


def parse_handovers(data: bytes) -> list[tuple[int, Succession]]:
    """The named keys and their entries' indices. Raises FormatError; verifies nothing."""
    lines = data.split(b"\n")
    if lines.pop() or not 1 <= len(lines) <= MAX_HANDOVERS:
        raise FormatError(f"{PATH} is not a list of one to {MAX_HANDOVERS} lines")
    found: list[tuple[int, Succession]] = []
    for line in lines:
        value = canonical.decode(line, limit=MAX_BYTES)
        if type(value) is not dict or value.keys() != {"entry", "index"}:
            raise FormatError(f"a line of {PATH} is not an entry and its index")
        succession = parse_entry(canonical.encode(value["entry"])).succession
        index = value["index"]
        if succession is None or type(index) is not int or index < 1:
            raise FormatError(f"a line of {PATH} names no key of a log")
        found.append((index, succession))
    return found


def signing_key(note: bytes, keys: Sequence[VerifierKey]) -> VerifierKey | None:
    """The oldest of ``keys`` that has a line in a note, verified or not; None for none of them."""
    lines = {(line.name, line.key_id) for line in parse_note(note).signatures}
    return next((key for key in keys if (key.name, key.key_id) in lines), None)


def keys_for(files: Files, note: bytes, trusted: VerifierKey) -> tuple[VerifierKey, ...]:
    """``trusted`` and the keys that followed it in the tree of ``note``; the last one has to sign.

    By the file there, which says where the entries stand. Raises what ``keys_after`` does.
    """
    size = parse_checkpoint(parse_note(note).text).size
    named = [each for index, each in _listed(files) if index < size]
    return tuple(heirs(trusted, named))


def keys_after(files: Files, trusted: VerifierKey) -> tuple[VerifierKey, ...]:
    """``trusted`` and every key that followed it, by the file there; oldest first.

    Raises FormatError and SignatureError for a file that says of a trusted key what that key did
    not sign. Without the file there is the trusted key alone.
    """
    return tuple(heirs(trusted, [each for _, each in _listed(files)]))


class Speakers:
    """Which key has to sign a tree's checkpoint ``note``, by the entries that are read one by one.

    ``chain`` is of keys that followed one another, as far as is known before the first entry.
    ``listed`` is what the source says will come: it only lets a tree go on for the time being, so
    that a thief's is refused at the entry which he cannot get over.
    """

    def __init__(
        self, chain: Sequence[VerifierKey], note: bytes, listed: Iterable[Succession] = ()
    ) -> None:
        self.chain = list(chain)
        self._note = note
        self._listed = list(listed)
        self._at: int | None = None

    @property
    def to_come(self) -> Sequence[VerifierKey]:
        """The last key of the chain, and those that are to follow it by the source's list."""
        return heirs(self.chain[-1], self._listed)

    def take(self, index: int, data: bytes) -> bool:
        """Read one entry of the tree; whether another key speaks from here on.

        What names a key without both signatures names none.
        """
        if _MARK not in data:
            return False
        try:
            named = parse_entry(data).succession
            if named is None or named.replaces != self.chain[-1].key_id:
                return False
            following = heir(named, of=self.chain[-1])
        except LedgerError:
            return False
        if len(self.chain) > MAX_HANDOVERS:
            raise FormatError(f"more than {MAX_HANDOVERS} keys followed one another")
        self.chain.append(following)
        self._at = index
        return True

    def settle(self) -> VerifierKey:
        """The key that speaks for the log, after the last entry: it has signed the checkpoint.

        Raises SignatureError.
        """
        if not _has_signed(self._note, self.chain[-1]):
            raise self._refused()
        return self.chain[-1]

    def require_hope(self) -> None:
        """Check that the key which speaks by now has signed, or one that is to follow it.

        Raises SignatureError.
        """
        if not any(_has_signed(self._note, key) for key in self.to_come):
            raise self._refused()

    def _refused(self) -> SignatureError:
        what = "" if self._at is None else f", named in entry {self._at},"
        return SignatureError(
            f"the log's key {format_vkey(self.chain[-1])}{what} has not signed the checkpoint: one"
            " that it replaced is not enough"
        )


def _has_signed(note: bytes, key: VerifierKey) -> bool:
    try:
        open_checkpoint(note, [key])
    except SignatureError:
        return False
    return True


def _listed(files: Files) -> list[tuple[int, Succession]]:
    try:
        return parse_handovers(files.get(f"/{PATH}", limit=MAX_BYTES))
    except NotFound:
        return []
