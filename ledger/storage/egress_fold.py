"""The counters of what has left, folded from entries: what ``rebuild`` and ``fsck`` make anew.

The jobs and the charters of the entries are projected before. A counter's key for a model is the
tag that lies beside the submission's opening, so no key of the vault is needed. What comes out is
what the sequencer wrote as it went: the same debits in the same order, under the same charters.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, delete

from ledger.errors import EgressRefused
from ledger.records.charters import Charters
from ledger.records.egress import Debit, debit_of, is_egress, keys_of
from ledger.storage.driver import Driver
from ledger.storage.egress import read_book, write_book
from ledger.storage.projections import Fact, current_jobs
from ledger.storage.snapshot import Snapshot
from ledger.storage.tables import EGRESS_COUNTERS, EGRESS_DAYS, FOREVER

ModelTags = Callable[[Collection[int]], Mapping[int, bytes | None]]
"""The model tags beside the openings of some submissions, by leaf index."""

UNNAMED: Final = "unnamed/"


def model_key(tag: bytes | None, *, member: str) -> str:
    """The key of a member's counter for one model; all models without name or digest share one."""
    return UNNAMED + member if tag is None else tag.hex()


def stored_tags(connection: Connection) -> ModelTags:
    """The model tags as this database holds them."""

    def tags(indices: Collection[int]) -> dict[int, bytes | None]:
        rows = Driver(connection).fetch_in(
            "SELECT leaf_index, model_tag FROM openings WHERE leaf_index IN", indices
        )
        return dict(rows)

    return tags


def drop_egress(connection: Connection) -> None:
    """Empty the counters, in the caller's transaction."""
    connection.execute(delete(EGRESS_COUNTERS))
    connection.execute(delete(EGRESS_DAYS))


def fold_egress(
    connection: Connection,
    facts: Sequence[Fact],
    *,
    tags: ModelTags,
    passed: Callable[[Debit, EgressRefused], None] = lambda _debit, _error: None,
) -> list[Debit]:
    """Take what these facts let out from its counters; they are projected already. The debits.

    What is logged is a fact, also where it passes a ceiling: then ``passed`` is told.
    """
    letting = [fact for fact in facts if is_egress(fact.public)]
    if not letting:
        return []
    driver = Driver(connection)
    jobs = current_jobs(driver, {fact.job_id for fact in letting if fact.job_id is not None})
    known = tags({job["submitted_index"] for job in jobs.values()})
    versions = Snapshot(connection).charters(size=FOREVER)
    debits = list(_debits(letting, jobs, known, versions))
    book = read_book(
        driver,
        keys_of(
            jobs,
            {debit.member for debit in debits},
            {debit.model_key for debit in debits if debit.model_key is not None},
        ),
    )
    for debit in debits:
        try:
            book.take(debit)
        except EgressRefused as error:
            passed(debit, error)
            book.take(debit, logged=True)
    write_book(driver, book)
    return debits


def _debits(
    facts: Sequence[Fact],
    jobs: Mapping[str, Mapping[str, Any]],
    tags: Mapping[int, bytes | None],
    versions: Charters,
) -> Iterator[Debit]:
    for fact in facts:
        assert fact.job_id is not None
        assert fact.public is not None
        job = jobs[fact.job_id]
        before = Charters(each for each in versions.versions if each.index < fact.index)
        yield debit_of(
            fact.public,
            index=fact.index,
            logged_at=fact.logged_at,
            job=job,
            charter=before.in_force(fact.logged_at).charter,
            model_key=model_key(tags.get(job["submitted_index"]), member=job["author"]),
        )
