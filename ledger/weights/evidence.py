"""What a statement says its ``weights_unchanged`` rests on, and how each kind is checked later.

* ``oms_root``: root digests before and after. Checked by their being equal, and by hashing the
  model again where somebody has it.
* ``readonly_mount``: the digest of a node's report. Checked against the report, which the
  orchestrator keeps.
* ``tee_attestation``: the digest of a quote of some hardware. The ledger knows no format of these
  itself: a package that does declares the entry point ``apsci_ledger.tee_verifiers``, named by the
  format, a callable that takes the quote's bytes and raises where it does not verify.

The evidence is sealed with the rest of a statement, and holds no path and no name of a file.
"""

from collections.abc import Callable, Mapping
from hashlib import sha256
from importlib.metadata import entry_points
from typing import Any, Final, TypeAlias

from ledger.records.evidence import MEMBERS
from ledger.weights.mounts import parse_report, require_read_only
from ledger.weights.refusal import WeightsDiffer, WeightsRefused
from schemas.statements import WeightsCheck, WeightsEvidence
from schemas.values import DigestSet

TEE_VERIFIERS: Final = "apsci_ledger.tee_verifiers"
MAX_QUOTE: Final = 1 << 20
TeeVerifier: TypeAlias = Callable[[bytes], object]


def oms_root(before: str, after: str) -> WeightsEvidence:
    """Evidence of two root digests, in hex; they may differ, and then it says so."""
    return WeightsEvidence(
        kind=WeightsCheck.OMS_ROOT, before=DigestSet(before), after=DigestSet(after)
    )


def readonly_mount(report: bytes) -> WeightsEvidence:
    """Evidence of a node's report. Raises WeightsRefused, WeightsDiffer where it could write."""
    require_read_only(parse_report(report))
    return WeightsEvidence(kind=WeightsCheck.READONLY_MOUNT, report=_digest(report))


def tee_attestation(format_: str, quote: bytes) -> WeightsEvidence:
    """Evidence of a quote, whatever it says: only a verifier of its format can tell."""
    return WeightsEvidence(kind=WeightsCheck.TEE_ATTESTATION, format=format_, report=_digest(quote))


def check_evidence(
    evidence: WeightsEvidence,
    held: Mapping[str, bytes],
    verifiers: Mapping[str, TeeVerifier] | None = None,
) -> None:
    """Check one piece of disclosed evidence. ``held``: reports and quotes by SHA-256 in hex.

    Raises WeightsDiffer where it does not show that nothing changed, WeightsRefused where that
    cannot be told here: what its digest names is not held, or no verifier knows the format.
    """
    members = frozenset(
        name for name in ("before", "after", "format", "report") if getattr(evidence, name)
    )
    if members != MEMBERS[evidence.kind]:
        wanted = ", ".join(sorted(MEMBERS[evidence.kind]))
        raise WeightsRefused(f"{evidence.kind} has these members and no others: {wanted}")
    if evidence.kind is WeightsCheck.OMS_ROOT:
        if evidence.before != evidence.after:
            raise WeightsDiffer("the root digests before and after are not the same")
        return
    report = held.get(evidence.report.sha256) if evidence.report else None
    if report is None:
        raise WeightsRefused("what its digest names is not among the files given")
    if evidence.kind is WeightsCheck.READONLY_MOUNT:
        require_read_only(parse_report(report))
        return
    _check_quote(evidence.format or "", report, tee_verifiers() if verifiers is None else verifiers)


def tee_verifiers() -> dict[str, TeeVerifier]:
    """The verifiers that installed packages bring, by format; none come with the ledger."""
    found: dict[str, TeeVerifier] = {}
    for point in entry_points(group=TEE_VERIFIERS):
        verifier: Any = point.load()
        found[point.name] = verifier
    return found


def _check_quote(format_: str, quote: bytes, verifiers: Mapping[str, TeeVerifier]) -> None:
    verifier = verifiers.get(format_)
    if verifier is None:
        raise WeightsRefused(f"no verifier of {format_} is installed: nothing is said about it")
    try:
        verifier(quote)
    except Exception as error:  # noqa: BLE001 - whatever somebody else's verifier raises
        raise WeightsDiffer(f"the {format_} verifier refuses: {type(error).__name__}") from None


def _digest(data: bytes) -> DigestSet:
    return DigestSet(sha256(data).hexdigest())
