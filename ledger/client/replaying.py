"""All jobs from all entries: what no server can shorten, since the root counts every entry."""

from collections.abc import Iterator

from ledger.client.handovers import Speakers
from ledger.client.registry import Registry
from ledger.client.story import JobStory
from ledger.client.tree import Leaf, Tree
from ledger.errors import LedgerError, Misbehaviour
from schemas.answers import JobShown


def replay(
    tree: Tree, *, verify: bool, member: str | None, speakers: Speakers | None = None
) -> Iterator[JobShown]:
    """Every job of ``tree``, or of one member, in the order of submission.

    ``speakers`` is held against every entry before the first job is given out. Raises Misbehaviour
    for an entry that the log should never have taken, and what ``Speakers`` does.
    """
    registry = Registry()
    stories: dict[str, JobStory] = {}
    for leaf in tree.leaves(0, tree.size):
        _register(registry, leaf)
        if speakers is not None:
            speakers.take(leaf.index, leaf.data)
        job_id = leaf.entry.job_id
        if job_id is None:
            continue
        if leaf.entry.kind == "submitted" and _is_of(leaf, member):
            check = registry.check if verify else _unchecked
            stories.setdefault(job_id, JobStory(check_author=check, keeps_events=False))
        if job_id in stories:
            stories[job_id].take(leaf)
    if speakers is not None:
        speakers.settle()
    for story in stories.values():
        assert story.job is not None
        yield story.job


def _register(registry: Registry, leaf: Leaf) -> None:
    try:
        registry.take(leaf)
    except LedgerError as error:
        raise Misbehaviour(
            f"entry {leaf.index} of the log does not hold: {error}",
            evidence={f"entry-{leaf.index}.json": leaf.data},
        ) from error


def _is_of(leaf: Leaf, member: str | None) -> bool:
    signed = leaf.entry.signed
    return member is None or (signed is not None and signed.statement.author == member)


def _unchecked(leaf: Leaf) -> None:
    """Believe a signature, where nothing is to be verified."""
