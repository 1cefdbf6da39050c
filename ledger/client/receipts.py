"""A receipt that the server gives, checked as ``ledger verify-proof`` checks one from anywhere."""

from collections.abc import Iterable
from typing import Any

from ledger.client.tree import Leaf
from ledger.errors import CommitmentError, FormatError, ProofError
from ledger.records import canonical
from ledger.records.commitment import PartialOpening, check_opening, check_partial
from ledger.records.statement import sealed_paths
from ledger.tlog.merkle import leaf_hash
from ledger.tlog.note import VerifierKey
from ledger.tlog.proof import MAX_PROOF_BYTES, parse_proof, verify_proof


def check_receipt(data: bytes, *, leaf: Leaf, keys: Iterable[VerifierKey]) -> None:
    """Check that ``data`` proves ``leaf`` under a checkpoint by one of ``keys``, and its opening.

    Raises FormatError, SignatureError, ProofError, CommitmentError.
    """
    proof = parse_proof(data)
    if proof.index != leaf.index:
        raise ProofError(f"the receipt is of entry {proof.index}, not of {leaf.index}")
    verify_proof(proof, leaf=leaf_hash(leaf.data), verifiers=keys)
    extra = canonical.decode(proof.extra or b"{}", limit=MAX_PROOF_BYTES)
    if type(extra) is not dict:
        raise FormatError("the receipt's extra is no object")
    if "entry" in extra and canonical.encode(extra["entry"]) != leaf.data:
        raise ProofError("the receipt carries another entry than the one that it proves")
    if "opening" in extra:
        _check_opening(leaf, extra["opening"])


def _check_opening(leaf: Leaf, opening: Any) -> None:  # noqa: ANN401 - decoded JSON
    signed = leaf.entry.signed
    if signed is None or signed.sealed_root is None:
        raise CommitmentError("the receipt has an opening, and its entry seals nothing")
    paths = sealed_paths(signed.schema)
    try:
        fields = dict(opening["fields"])
        if "seed" in opening:
            if fields.keys() != paths:
                raise CommitmentError("the opening's fields are not those of the schema")
            seed = canonical.decode_base64(opening["seed"])
            check_opening(signed.sealed_root, seed=seed, fields=fields)
            return
        partial = PartialOpening(
            fields=fields,
            salts={at: canonical.decode_base64(each) for at, each in opening["salts"].items()},
            closed={at: bytes.fromhex(each) for at, each in opening["closed"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError, FormatError):
        raise CommitmentError("the receipt's opening is malformed") from None
    check_partial(signed.sealed_root, partial, paths)
