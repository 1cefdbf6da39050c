"""C2SP tlog-proof: the receipt, which proves offline that an entry is in a log.

    c2sp.org/tlog-proof@v1
    extra eyJlbnRyeSI6e319
    index 777
    uY2Ur620J8hItHZMYnBQgYN2bo4MQRKTIzHRhiUG+Oc=
    …

    ledger.example/apsci
    1000
    0D1jt3KvmQGYF+4+AYKG02omFhvbW/6CKOksAqvpEV0=

    — ledger.example/apsci zmCwI+j7OD8NaO7pTT3Z…Irws=

The ``extra`` is carried and never believed: nothing in the proof authenticates it.
"""

from binascii import b2a_base64
from collections.abc import Iterable
from dataclasses import dataclass

from ledger.errors import FormatError
from ledger.tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint
from ledger.tlog.merkle import verify_inclusion
from ledger.tlog.note import VerifierKey, parse_note
from ledger.tlog.policy import Policy, check_policy
from ledger.tlog.spelling import decode_base64, decode_hash, decode_size

MAX_PROOF_BYTES = 4 * 2**20
"""Length of a receipt that is read."""
MAX_PROOF_HASHES = 63
"""No inclusion or consistency proof is longer in a tree of fewer than 2**63 leaves."""

_HEADER = b"c2sp.org/tlog-proof@v1\n"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A leaf's ``index``, its audit path (lowest first), and the signed note that it leads to.

    ``checkpoint`` is that note, byte for byte; ``extra`` is opaque.
    """

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None


def format_proof(proof: TlogProof) -> bytes:
    """Return the bytes of a ``.tlog-proof`` file. Its parts are not checked."""
    extra = b"" if proof.extra is None else b"extra " + b2a_base64(proof.extra)
    hashes = b"".join(map(b2a_base64, proof.hashes))
    return b"%bindex %d\n%b\n%b" % (_HEADER + extra, proof.index, hashes, proof.checkpoint)


def parse_proof(data: bytes) -> TlogProof:
    """Read a ``.tlog-proof`` file. Raises FormatError; nothing is verified yet."""
    if len(data) > MAX_PROOF_BYTES:
        raise FormatError(f"a proof of {len(data)} bytes; at most {MAX_PROOF_BYTES} are read")
    if not data.startswith(_HEADER):
        raise FormatError("a proof begins with the line c2sp.org/tlog-proof@v1")
    head, blank, checkpoint = data[len(_HEADER) :].partition(b"\n\n")
    if not blank:
        raise FormatError("a proof without a blank line before its checkpoint")
    try:
        lines = head.decode("ascii").split("\n", MAX_PROOF_HASHES + 2)
    except UnicodeDecodeError:
        raise FormatError("a proof with other than ASCII characters above its checkpoint") from None
    extra = None
    if lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "), what="the proof's extra")
    if not lines or not lines[0].startswith("index "):
        raise FormatError("a proof without its index line")
    index = decode_size(lines.pop(0).removeprefix("index "), what="the proof's index")
    if len(lines) > MAX_PROOF_HASHES:
        raise FormatError(f"a proof of more than {MAX_PROOF_HASHES} hashes")
    hashes = tuple(decode_hash(line, what="a hash of the proof") for line in lines)
    parse_checkpoint(parse_note(checkpoint).text)
    proof = TlogProof(index, hashes, checkpoint, extra)
    if format_proof(proof) != data:
        raise FormatError("a proof that is not in its one spelling")
    return proof


def verify_proof(
    proof: TlogProof,
    *,
    leaf: bytes,
    verifiers: Iterable[VerifierKey] = (),
    policy: Policy | None = None,
) -> Checkpoint:
    """Return the checkpoint under which the proof shows ``leaf``, a leaf hash, at its index.

    The checkpoint must satisfy ``policy`` or, where none is given, carry its own log's
    signature by one of ``verifiers``. Raises FormatError, SignatureError or ProofError.
    """
    if policy is None:
        checkpoint = open_checkpoint(proof.checkpoint, verifiers)
    else:
        checkpoint = check_policy(proof.checkpoint, policy)
    verify_inclusion(
        proof.hashes, index=proof.index, size=checkpoint.size, leaf=leaf, root=checkpoint.root
    )
    return checkpoint
