"""A mirror's own cosignature: whoever makes it also holds every entry up to the checkpoint.

C2SP tlog-mirror: the lines stand in the checkpoint that the mirror serves, and are made only after
all entries are durable. Who signs, and what it remembers, is not this room's: see ``Cosigner``.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from ledger.client.tree import Tree
from ledger.mirrors.evidence import Signed, nodes_in
from ledger.mirrors.shapes import MAX_NOTE
from ledger.tlog.checkpoint import open_checkpoint
from ledger.tlog.merkle import consistency_path
from ledger.tlog.note import (
    MAX_SIGNATURES,
    Note,
    NoteSignature,
    VerifierKey,
    format_note,
    parse_note,
    parse_signatures,
)

Prove = Callable[[int], Sequence[bytes]]
"""The consistency proof from the tree of so many entries to the one that is to be cosigned."""


class Cosigner(Protocol):
    """A witness by its key and memory. Raises LedgerError for everything that it refuses."""

    def newest(self, origin: str) -> bytes | None:
        """The note that it cosigned last of a log; None before the first."""
        ...

    def cosign(self, note: bytes, *, size: int, prove: Prove) -> bytes:
        """Its lines on the checkpoint ``note`` of ``size`` entries, with the time of now."""
        ...


def contradicted(cosigner: Cosigner, keys: Sequence[VerifierKey], tree: Tree) -> Signed | None:
    """The checkpoint that was cosigned last, if ``tree`` does not continue it; else None.

    ``keys`` are the log's. One of a larger tree is not compared here: the cosigner refuses the
    smaller one by itself.
    """
    note = cosigner.newest(tree.checkpoint.origin)
    if note is None:
        return None
    checkpoint = open_checkpoint(note, keys)
    if checkpoint.size > tree.size or tree.root_at(checkpoint.size) == checkpoint.root:
        return None
    return checkpoint, note


def cosigned(note: bytes, tree: Tree, cosigner: Cosigner) -> bytes:
    """``note`` with the cosigner's lines last. Every entry of ``tree`` is durable already."""

    def prove(old_size: int) -> Sequence[bytes]:
        if old_size in {0, tree.size}:
            return ()
        return consistency_path(old_size=old_size, new_size=tree.size, node=nodes_in(tree))

    lines = parse_signatures(cosigner.cosign(note, size=tree.size, prove=prove))
    return with_lines(note, lines, origin=tree.checkpoint.origin)


def with_lines(note: bytes, own: Sequence[NoteSignature], *, origin: str) -> bytes:
    """``note`` with the lines of ``own`` at its end, and the log's lines at its beginning.

    There is one line for each name and key ID, and an own one replaces what came in its name. Of
    other cosigners' lines, the last are left out where they do not fit: nobody who adds lines may
    make a checkpoint that is too long to be read again.
    """
    came = parse_note(note)
    lines: dict[tuple[str, int], NoteSignature] = {}
    for line in sorted(came.signatures, key=lambda each: each.name != origin):
        lines.setdefault((line.name, line.key_id), line)
    for line in own:
        lines.pop((line.name, line.key_id), None)
    kept = list(lines.values())
    while True:
        made = Note(came.text, (*kept, *own))
        if len(made.signatures) <= MAX_SIGNATURES:
            data = format_note(made)
            if len(data) <= MAX_NOTE or len(kept) <= 1:
                return data
        kept.pop()
