"""Whether a witness cosigns: every answer of C2SP tlog-witness, in the order it asks for.

Pure: what was asked, whose keys are known and what was cosigned last come in; a checkpoint that is
to be cosigned comes out, or an answer that refuses. Nothing here is signed or stored.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ledger.errors import FormatError, LedgerError, ProofError, SignatureError
from ledger.tlog.checkpoint import Checkpoint, parse_checkpoint, signed_checkpoint
from ledger.tlog.cosignature import AddCheckpoint, parse_add_checkpoint
from ledger.tlog.merkle import EMPTY_ROOT, verify_consistency
from ledger.tlog.note import Note, VerifierKey, open_note, parse_note

KeysOf = Callable[[str], Sequence[VerifierKey]]
"""The keys that a log's checkpoints are signed with, by its origin; none for a stranger's."""


class Refused(LedgerError):
    """An answer other than 200: ``status``, and for a 409 the ``size`` that was cosigned last.

    ``conflict`` is a note that the log has signed although its tree contradicts the one that was
    cosigned, None where nothing of the sort was shown.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        size: int | None = None,
        conflict: Note | None = None,
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.size = size
        self.conflict = conflict
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class Latest:
    """The tree of a log that was cosigned last; before the first time, the empty one."""

    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Asked:
    """A request whose form and signature are in order. ``signed`` holds verified lines alone."""

    request: AddCheckpoint
    checkpoint: Checkpoint
    signed: Note


def read(body: bytes, *, keys_of: KeysOf) -> Asked:
    """Check what needs no memory: form, origin, signature, and that ``old`` is not above the size.

    Raises Refused: 400, 404 or 403.
    """
    try:
        request = parse_add_checkpoint(body)
        checkpoint = parse_checkpoint(parse_note(request.checkpoint).text)
    except FormatError as error:
        raise Refused(str(error), status=400) from None
    known = keys_of(checkpoint.origin)
    if not known:
        raise Refused("this witness does not follow a log of that origin", status=404)
    try:
        signed = open_note(request.checkpoint, known)
        signed_checkpoint(signed, known)
    except SignatureError as error:
        raise Refused(str(error), status=403) from None
    if request.old_size > checkpoint.size:
        raise Refused(
            f"the old size {request.old_size} is above the checkpoint's size {checkpoint.size}",
            status=400,
        )
    return Asked(request, checkpoint, signed)


def judge(asked: Asked, latest: Latest) -> None:
    """Check that the tree continues the one that was cosigned last; raises Refused: 409 or 422.

    The caller holds the memory still from before this until what follows from it is stored: else
    two requests could both continue the same tree, and one roll the other back.
    """
    request, checkpoint = asked.request, asked.checkpoint
    # Whatever ``old`` says: two signed roots for one size are proof that the log has lied.
    lied = checkpoint.size == latest.size and checkpoint.root != latest.root
    conflict = asked.signed if lied else None
    if request.old_size != latest.size:
        raise Refused(
            f"the size cosigned last is {latest.size}, not {request.old_size}",
            status=409,
            size=latest.size,
            conflict=conflict,
        )
    try:
        # Also: no proof from size 0, none between equal sizes, whose roots have to be equal, and
        # the one root that an empty tree has.
        verify_consistency(
            request.proof,
            old_size=latest.size,
            old_root=latest.root,
            new_size=checkpoint.size,
            new_root=checkpoint.root,
        )
    except ProofError as error:
        raise Refused(str(error), status=422, conflict=conflict) from None
