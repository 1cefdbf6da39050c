"""What opened records name, made anew from their jobs: models, and artifacts one by one.

The lists of the API are summaries over many entries. Each line is held against the jobs that it is
about, whose openings are verified. Pure: who asks brings the entries.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from ledger.client.tree import Leaf
from ledger.errors import LedgerError
from ledger.records.deadline import format_time
from ledger.records.opened import OpenedModel, artifacts_of, model_of
from schemas.answers import ArtifactShown, JobDetail, JobShown, ModelShown
from schemas.values import Artifact

PLACES: Final = 64
"""How many places of artifacts each entry has; see ``ArtifactShown.place``."""
SAYINGS: Final = 200
"""Of so many of the newest opened submissions the ledger lists the names of a model."""


def artifacts_in(leaf: Leaf) -> int:
    """How many artifacts an entry opens."""
    return len(_artifacts(leaf))


def artifact_at(leaf: Leaf, n: int, job: JobShown) -> ArtifactShown:
    """The ``n``-th artifact that a disclosure about ``job`` opens. Raises NotOpened."""
    named = _artifacts(leaf)
    if not 0 <= n < len(named):
        raise NotOpened(f"entry {leaf.index} opens {len(named)} artifacts, and no number {n}")
    artifact = named[n]
    return ArtifactShown(
        digest=artifact.digest.sha256,
        name=_shown(artifact.name) or "",
        kind=artifact.kind,
        bytes=artifact.bytes,
        content_access=str(artifact.content_access),
        uri=_shown(artifact.uri),
        job_id=job.job_id,
        member=job.member,
        disclosed_index=leaf.index,
        disclosed_at=format_time(leaf.entry.logged_at),
        place=leaf.index * PLACES + n,
    )


class NotOpened(LedgerError):
    """Something is shown as opened that the log does not open, or is left out though it does."""


class ArtifactsInOrder:
    """Sees that a list of artifacts, newest first, leaves out none of a disclosure that it shows.

    ``count`` gives how many artifacts the entry at an index opens.
    """

    def __init__(self, count: Callable[[int], int]) -> None:
        self._count = count
        self._index: int | None = None
        self._next = -1

    def take(self, place: int) -> None:
        """Take the next artifact's place. Raises NotOpened for one that is out of order."""
        index, n = divmod(place, PLACES)
        if self._index is None or index != self._index:
            if self._index is not None and index > self._index:
                raise NotOpened(f"the list goes back to entry {index}")
            self.end()
            self._index, self._next = index, self._count(index) - 1
        if n != self._next:
            raise NotOpened(f"entry {index} opens an artifact {self._next}, and {n} is shown")
        self._next -= 1

    def end(self) -> None:
        """The list is over, or goes on to another entry. Raises NotOpened."""
        if self._next >= 0:
            raise NotOpened(f"artifact {self._next} of entry {self._index} is left out")


def model_from(digest: str, details: Iterable[JobDetail]) -> ModelShown:
    """The model with these weights, from all jobs that name it. Raises NotOpened if none does."""
    named: list[tuple[int, JobShown, OpenedModel]] = []
    for detail in details:
        job = detail.job
        for index, model in _models_of(detail):
            if model.digest == digest and index == job.disclosed_index:
                named.append((index, job, model))
    if not named:
        raise NotOpened(f"no opened record names a model with the digest {digest[:64]!a}")
    named.sort(key=lambda each: -each[0])
    newest = named[0][2]
    names = (_shown(model.name) for _, _, model in named[:SAYINGS])
    return ModelShown(
        digest=digest,
        names=tuple(dict.fromkeys(name for name in names if name)),
        revision=_shown(newest.revision),
        dtype=_shown(newest.dtype),
        parameter_count=newest.parameter_count,
        jobs=len(named),
        gpu_seconds=sum(job.gpu_seconds or 0 for _, job, _ in named),
        first_disclosed_index=named[-1][0],
        members=tuple(sorted({job.member for _, job, _ in named})),
    )


def _artifacts(leaf: Leaf) -> tuple[Artifact, ...]:
    opened = leaf.entry.disclosed
    return () if opened is None else artifacts_of(opened.fields)


def _models_of(detail: JobDetail) -> Iterator[tuple[int, OpenedModel]]:
    for part in detail.sealed:
        if part.disclosure is not None and part.index == detail.job.submitted_index:
            model = model_of(part.disclosure.fields)
            if model is not None:
                yield part.disclosure.index, model


def _shown(text: str | None) -> str | None:
    # A database column holds no NUL, so the ledger shows a replacement for it.
    return None if text is None else text.replace("\0", "\ufffd")
