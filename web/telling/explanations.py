"""What stands behind a code, in a sentence or two that a reader needs no other page for.

Labels name a code; these say what it means and how it was found. They judge no job and know none.
"""

from collections.abc import Mapping
from typing import Final

from web.i18n import gettext, noted

CHECKS: Final[Mapping[str, str]] = {
    "oms_root": noted(
        "The cluster hashed every file of the model before the job and again after it, and put"
        " each set of hashes under one digest in the manner of OpenSSF Model Signing. Equal digests"
        " mean equal weights, down to the last bit."
    ),
    "readonly_mount": noted(
        "The weights lay on a disk that the job could read and not write. The cluster attests that"
        " it stayed so from start to end."
    ),
    "tee_attestation": noted(
        "The job ran inside hardware that measures what is loaded into it and signs the measurement"
        " with a key of its maker. The signed measurements before and after name the same weights."
    ),
}
"""How it was established that the weights are what they were, by ``weights_check``."""

FINDINGS: Final[Mapping[str, str]] = {
    "R1_weight_delta": noted(
        "The weights after the job were not those from before it. On this cluster models are"
        " studied, never changed."
    ),
    "R1_optimizer_on_uploaded_model": noted(
        "The submission asks to train the uploaded model itself. Separate probes and autoencoders"
        " may be trained beside it; the model may not."
    ),
    "R1_forbidden_workload": noted(
        "This kind of work ends in a changed model or carries one away. The charter lists such"
        " kinds by name and allows none of them."
    ),
    "R1_digest_mismatch": noted(
        "The weights that were loaded do not have the digest that the submission committed to."
    ),
    "R2_egress_ceiling": noted(
        "The submission asks to let out more than the charter allows one job. A ceiling keeps"
        " weights from being carried away in pieces."
    ),
    "R2_unmetered_egress": noted(
        "The submission sets no ceiling for what may leave the cluster, so nobody could say"
        " whether too much did."
    ),
    "R3_missing_record": noted(
        "Something that the record must hold is not there. Without a record there is no run."
    ),
    "R3_private_run_requested": noted(
        "The submission asks to run without a public record. There is no such run on this cluster."
    ),
    "Q_quota": noted("The submission asks for more GPUs than the cluster has."),
    "Q_malformed": noted(
        "What the submission says in one place does not go with what it says in another, or names"
        " something that the charter does not know."
    ),
}
"""Why a submission with this finding is rejected, by its code."""


def check_explained(code: str) -> str:
    """How a kind of check of the weights works; empty for one that is not known."""
    text = CHECKS.get(code)
    return gettext(text) if text else ""


def finding_explained(code: str) -> str:
    """Why the charter has something against this; empty for a code that is not known."""
    text = FINDINGS.get(code)
    return gettext(text) if text else ""
