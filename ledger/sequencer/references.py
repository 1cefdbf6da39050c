"""What a statement says about an earlier entry: whether that entry is there, whose, and how it is.

Asks what a batch knows of the log, as of the statement's place in it, and changes nothing.
"""

import msgspec

from ledger.errors import Conflict, NotFound, OutOfOrder, ValueRefused
from ledger.records.deadline import format_time, latest_review, parse_time
from ledger.records.entry import Reason
from ledger.records.proposal import Disclosure, Proposal
from ledger.records.statement import ParsedStatement
from ledger.sequencer.known import Known
from ledger.storage.shapes import StoredEntry
from schemas.statements import JobCorrected, JobOpen, JobWithheld


def check_reference(work: Proposal, known: Known, *, logged_at: int) -> Disclosure | None:
    """Check the entry that a statement speaks of; what an ``open`` discloses.

    Raises ValueRefused, NotFound, Conflict and OutOfOrder.
    """
    public = work.parsed.public
    if isinstance(public, JobOpen):
        _own_entry(work.parsed, known, public.discloses, "statement.public.discloses")
        assert work.opens is not None
        check_sealed(work.opens, known, logged_at=logged_at)
        return work.opens
    if isinstance(public, JobCorrected):
        _own_entry(work.parsed, known, public.corrects, "statement.public.corrects")
    if isinstance(public, JobWithheld):
        _check_withheld(work.parsed, public, known, logged_at)
    return None


def check_sealed(disclosure: Disclosure, known: Known, *, logged_at: int) -> None:
    """Check that an entry is sealed, and may be opened now, in this way.

    Raises NotFound, OutOfOrder, and Conflict where it has to be prepared again.
    """
    embargo = known.embargoes.get(disclosure.index)
    if embargo is None or embargo.job_id != disclosure.job_id:
        raise NotFound(f"entry {disclosure.index} seals nothing")
    if embargo.disclosed_index is not None:
        raise OutOfOrder(
            f"entry {disclosure.index} is open already, by entry {embargo.disclosed_index}"
        )
    if disclosure.reason is Reason.DEADLINE and logged_at < embargo.publish_by:
        # The sweeper's clock was ahead, or was set back since: the log's own time decides.
        raise OutOfOrder(
            f"entry {disclosure.index} is due at {format_time(embargo.publish_by)}, and the "
            f"log is at {format_time(logged_at)}"
        )
    if embargo.withheld_index != disclosure.withheld_by:
        raise Conflict(
            f"entry {disclosure.index} was withheld in part while it was being opened: again"
        )


def _own_entry(parsed: ParsedStatement, known: Known, index: int, field: str) -> None:
    entry = known.entries.get(index)
    if entry is None or entry.job_id != parsed.job_id:
        raise ValueRefused(f"{field}: entry {index} is not about this job", field=field)
    if _author_of(entry) != parsed.statement.author:
        raise ValueRefused(
            f"{field}: entry {index} was not made by {parsed.statement.author}", field=field
        )


def _check_withheld(
    parsed: ParsedStatement, public: JobWithheld, known: Known, logged_at: int
) -> None:
    embargo = known.embargoes.get(public.withholds)
    field = "statement.public.withholds"
    if embargo is None or embargo.job_id != parsed.job_id:
        raise ValueRefused(
            f"{field}: entry {public.withholds} is not a sealed entry of this job", field=field
        )
    if embargo.disclosed_index is not None:
        raise OutOfOrder(f"entry {embargo.index} is open since {embargo.disclosed_index}")
    if embargo.withheld_index is not None:
        raise Conflict(
            f"entry {embargo.index} is withheld already by entry {embargo.withheld_index}"
        )
    if logged_at >= embargo.publish_by:
        raise OutOfOrder(
            f"entry {embargo.index} was due at {format_time(embargo.publish_by)}: "
            f"nothing can be withheld from its deadline on"
        )
    review = parse_time(public.review_by)
    latest = latest_review(logged_at)
    if not logged_at < review <= latest:
        raise ValueRefused(
            f"statement.public.review_by: {public.review_by} is not within 180 days; "
            f"the latest is {format_time(latest)}",
            field="statement.public.review_by",
        )


def _author_of(entry: StoredEntry) -> str | None:
    if entry.statement_digest is None:
        return None
    author: str = msgspec.json.decode(entry.data)["statement"]["author"]
    return author
