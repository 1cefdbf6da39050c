"""What an admission receipt carries beside its proof: the decision, the submission, and its proof.

    {"entry":{…admitted…},"submission":{"entry":{…submitted…},"index":776,"proof":["uY2U…=",…]}}

Canonical. ``proof`` is the submission's audit path, lowest first, in the tree of the receipt's own
checkpoint, so that one file shows offline what was admitted. None of it is believed as it stands:
both entries hash to leaves that the two proofs lead from.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta

from ledger.records import canonical
from ledger.records.wire import convert
from ledger.tlog.proof import MAX_PROOF_HASHES
from ledger.tlog.spelling import decode_hash, encode_base64
from schemas.values import Index, Wire


class _Submission(Wire, frozen=True):
    entry: dict[str, Any]
    index: Index
    proof: Annotated[tuple[str, ...], Meta(max_length=MAX_PROOF_HASHES)]


class _Extra(Wire, frozen=True):
    entry: dict[str, Any]
    submission: _Submission


@dataclass(frozen=True, slots=True)
class AdmissionParts:
    """The canonical bytes of both entries, and the submission's index and audit path."""

    decision: bytes
    submission: bytes
    submitted_index: int
    proof: tuple[bytes, ...]


def format_admission(parts: AdmissionParts) -> bytes:
    """Return the ``extra`` of an admission receipt: spliced from canonical bytes, in key order."""
    return b'{"entry":%b,"submission":{"entry":%b,"index":%d,"proof":[%b]}}' % (
        parts.decision,
        parts.submission,
        parts.submitted_index,
        _hashes(parts.proof),
    )


def parse_admission(extra: bytes, *, limit: int) -> AdmissionParts:
    """Read the ``extra`` of an admission receipt, of at most ``limit`` bytes; verifies nothing.

    Raises TooLarge, FormatError, and ValueRefused naming the field.
    """
    shape = convert(canonical.decode(extra, limit=limit), _Extra, at="")
    return AdmissionParts(
        decision=canonical.encode(shape.entry),
        submission=canonical.encode(shape.submission.entry),
        submitted_index=shape.submission.index,
        proof=tuple(
            decode_hash(each, what="a hash of the submission's proof")
            for each in shape.submission.proof
        ),
    )


def _hashes(proof: Sequence[bytes]) -> bytes:
    return b",".join(b'"%b"' % encode_base64(each).encode() for each in proof)
