"""What the sealed evidence of ``job-ended/2`` has to be beyond its types: members by kind, order.

Says which member is wrong and never what it was: the values are sealed. Whether evidence is *true*
is for a verifier of its kind.
"""

from collections.abc import Mapping
from typing import Final

from ledger.records.wire import refused
from schemas.statements import OutcomeEvidencedSealed, WeightsCheck
from schemas.values import PromptSketch

MEMBERS: Final[Mapping[WeightsCheck, frozenset[str]]] = {
    WeightsCheck.OMS_ROOT: frozenset({"before", "after"}),
    WeightsCheck.READONLY_MOUNT: frozenset({"report"}),
    WeightsCheck.TEE_ATTESTATION: frozenset({"format", "report"}),
}
"""What stands beside ``kind`` in one piece of evidence, neither less nor more."""
_ALL: Final = sorted(frozenset().union(*MEMBERS.values()))


def check_evidence(sealed: OutcomeEvidencedSealed) -> None:
    """Check the evidence about weights and the sketch of prompts. Raises ValueRefused."""
    for n, each in enumerate(sealed.model_weights_evidence or ()):
        given = {name for name in _ALL if getattr(each, name) is not None}
        odd = min(given ^ MEMBERS[each.kind], default=None)
        if odd is not None:
            reason = "does not belong to its kind" if odd in given else "this field is missing"
            raise refused(f"opening.fields.model.weights_evidence[{n}].{odd}", reason)
    if sealed.prompts_sketch is not None:
        _check_sketch(sealed.prompts_sketch)


def _check_sketch(sketch: PromptSketch) -> None:
    at = "opening.fields.prompts.sketch.hashes"
    if any(low >= high for low, high in zip(sketch.hashes, sketch.hashes[1:], strict=False)):
        raise refused(at, "they do not stand in ascending order, each once")
    # The bound as in the sketch's definition: hash < 2^64 / scale, in integers.
    if sketch.hashes and int(sketch.hashes[-1], 16) * sketch.scale >= 1 << 64:
        raise refused(at, "one of them is not below 2^64 / scale")
