"""What a submitter asks before submitting, and what the charter in force would say."""

from typing import Literal

from msgspec import UNSET, UnsetType

from schemas.answers import FindingShown, Shape
from schemas.statements import JobSubmitted
from schemas.values import AuthorName, Wire


class SubmissionAsked(Wire, frozen=True):
    """The body of ``POST /api/v1/check``: JSON in any spelling, unsigned, at most 64 KiB.

    With ``author``, a member, quotas that count what the member's jobs hold are judged as well.
    """

    schema: Literal["job-submitted/1"]
    public: JobSubmitted
    author: AuthorName | UnsetType = UNSET


class SubmissionJudged(Shape, frozen=True):
    """What the ledger would decide if this were submitted at ``judged_at``; nothing was logged.

    ``charter`` is the index of the charter in force then, ``opens_by`` when what such a submission
    seals would be open at the latest. A submission is judged anew when it is made.
    """

    verdict: Literal["admitted", "rejected"]
    findings: tuple[FindingShown, ...]
    charter: int
    in_force_from: str
    judged_at: str
    opens_by: str
    tree_size: int
