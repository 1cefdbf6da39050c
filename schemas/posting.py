"""What the ledger answers to authors: an acceptance with its receipt, or a problem that says why.

An acceptance promises that the statement is durable in a signed tree; a problem promises nothing,
and the same statement may be sent again.
"""

from msgspec import UNSET, UnsetType

from schemas.answers import Decision, Shape


class Accepted(Shape, frozen=True):
    """The answer to a statement that is durable in a signed tree.

    ``receipt`` is the text of its ``.tlog-proof``; ``decision`` is there for submissions only.
    """

    index: int
    kind: str
    logged_at: str
    decision: Decision | None
    receipt: str


class Receipted(Shape, frozen=True):
    """An acceptance, and whether this very request made the entry or an earlier one had."""

    created: bool
    accepted: Accepted


class Problem(Shape, frozen=True, omit_defaults=True):
    """RFC 9457: what was wrong, and what to change. ``type`` is a page that explains it."""

    type: str
    title: str
    status: int
    detail: str
    field: str | UnsetType = UNSET
    limit: int | UnsetType = UNSET
    size: int | UnsetType = UNSET
    retry_after: int | UnsetType = UNSET
    allowed: tuple[str, ...] | UnsetType = UNSET
    request_id: str | UnsetType = UNSET


class LineAnswer(Shape, frozen=True):
    """One line of a batch that was accepted; ``line`` counts from 1."""

    line: int
    status: int
    answer: Accepted


class LineProblem(Shape, frozen=True):
    """One line of a batch that was refused; ``line`` counts from 1."""

    line: int
    status: int
    problem: Problem
