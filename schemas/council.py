"""What the ledger answers about its charter: each version whole, who signed it, and its time.

Public by construction, like ``schemas.answers``: made from the entries of the council alone.
"""

from schemas.answers import Shape
from schemas.charter import ArtifactCeilings, Quotas


class RulesShown(Shape, frozen=True):
    """Every rule of one version; what a ``charter/1`` does not name has its stated default.

    ``council_threshold`` is null in a ``charter/1``: a majority of the council.
    """

    version: str
    embargo_days: int
    gpu_total: int
    egress_ceiling_bytes: int
    artifact_ceilings: ArtifactCeilings
    quotas: Quotas
    admission_hours: int
    council_threshold: int | None
    allowed_workloads: tuple[str, ...]
    forbidden_workloads: tuple[str, ...]


class CharterShown(Shape, frozen=True):
    """One version of the charter, as the entry at ``index`` sets it.

    It counts for entries logged from ``in_force_from`` on and before ``in_force_until``, null
    where no later version ends it. Where the second is not after the first it never counts.
    ``replaces`` and ``signatures_needed`` are null for the first version, in genesis, which nobody
    signed; ``signed_by`` are names of council authors, whose statement it is first.
    """

    index: int
    logged_at: str
    in_force_from: str
    in_force_until: str | None
    replaces: int | None
    signed_by: tuple[str, ...]
    signatures_needed: int | None
    rules: RulesShown


class CharterNow(Shape, frozen=True):
    """The version in force at ``now``, and the one that is to come into force next, if any."""

    now: str
    in_force: CharterShown
    coming: CharterShown | None
