"""``/log/keys``: the entries in which one key of the log names the next.

For whoever trusts an old one. One line for each, oldest first, canonical JSON:

    {"entry":{"format":"apsci-ledger/1","kind":"log_key",…},"index":812}

There is no such file while the log has its first key. It is believed as far as the signatures in
it go, and those suffice: each key that is trusted has named the next one itself. Whether the log
holds these entries at those places is for those to check who read entries.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from ledger.client.tree import Files
from ledger.errors import FormatError, NotFound
from ledger.records import canonical
from ledger.records.entry import parse_entry
from ledger.records.succession import MAX_HANDOVERS, Succession, heirs
from ledger.tlog.note import VerifierKey, parse_note

PATH: Final = "log/keys"
MAX_BYTES: Final = 1 << 20


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
    """The keys that a checkpoint may be opened with: the file is asked where it takes another one.

    Raises what ``keys_after`` does.
    """
    if signing_key(note, [trusted]) is not None:
        return (trusted,)
    return keys_after(files, trusted)


def keys_after(files: Files, trusted: VerifierKey) -> tuple[VerifierKey, ...]:
    """``trusted`` and every key that followed it, by the file there; oldest first.

    Raises FormatError and SignatureError for a file that says of a trusted key what that key did
    not sign. Without the file there is the trusted key alone.
    """
    try:
        data = files.get(f"/{PATH}", limit=MAX_BYTES)
    except NotFound:
        return (trusted,)
    return tuple(heirs(trusted, [succession for _, succession in parse_handovers(data)]))
