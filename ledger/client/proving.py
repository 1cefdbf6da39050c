"""What the API says, held against the entries of the log: who tells something else, lies.

The API only says where to look. Entries come from the tree, which is proved, authors' signatures
and openings are verified, and what they come to is made anew and compared.
"""

from collections.abc import Iterator

from msgspec import structs

from ledger.client.answers import Answers, part
from ledger.client.claims import difference, lie
from ledger.client.filters import JobQuery
from ledger.client.opened import (
    PLACES,
    ArtifactsInOrder,
    NotOpened,
    artifact_at,
    artifacts_in,
    model_from,
)
from ledger.client.registry import Registry
from ledger.client.story import JobStory
from ledger.client.tree import Leaf, Tree
from ledger.errors import LedgerError, Misbehaviour, NotFound
from ledger.records.charters_shown import charters_shown
from ledger.tlog.note import VerifierKey
from schemas.answers import ArtifactShown, Event, JobDetail, JobShown, Member, ModelShown
from schemas.council import CharterShown


class Prover:
    """Holds answers about one tree against it. Everything here raises Misbehaviour."""

    def __init__(self, answers: Answers, tree: Tree) -> None:
        self._answers = answers
        self._tree = tree
        self._keys: Registry | None = None

    def members(self, told: Iterator[Member]) -> Iterator[Member]:
        """Members whose keys have been found in the entries that registered them."""
        for member in told:
            for key in member.keys:
                if not self._registry().holds(member.name, key.vkey):
                    raise self._lie(
                        f"no entry registers the key {key.key_id} for {member.name}", member
                    )
            yield member

    def jobs(self, told: Iterator[JobShown], asked: JobQuery) -> Iterator[JobShown]:
        """Jobs of a list, newest first and as asked for, as their entries have them."""
        for job, proved in self._listed(told, asked):
            self._compare(job, self._decided(proved.job, job), what=f"job {job.job_id}")
            yield job

    def job(self, told: JobDetail, job_id: str) -> JobDetail:
        """One job with its history."""
        if told.job.job_id != job_id:
            raise self._lie(f"asked for {job_id}, the API tells of {told.job.job_id}", told)
        proved = self._story(job_id, [event.index for event in told.events]).detail()
        proved = structs.replace(proved, job=self._decided(proved.job, told.job))
        self._compare(told, proved, what=f"job {job_id}")
        return told

    def models(self, told: Iterator[ModelShown]) -> Iterator[ModelShown]:
        """Models in the order of a list, each made anew from the jobs that are listed for it."""
        before = self._tree.size
        for model in told:
            if model.first_disclosed_index >= before:
                raise self._lie(f"the list goes back to entry {model.first_disclosed_index}", model)
            before = model.first_disclosed_index
            asked = JobQuery(more={"model": model.digest})
            listed = self._answers.list("/jobs", JobShown, asked.params())
            details = (detail for _, detail in self._listed(listed, asked))
            try:
                proved = model_from(model.digest, details)
            except NotOpened as error:
                raise self._lie(str(error), model) from error
            self._compare(model, proved, what=f"model {model.digest}")
            yield model

    def artifacts(self, told: Iterator[ArtifactShown]) -> Iterator[ArtifactShown]:
        """Artifacts in the order of a list, each as its opening names it, and none left out."""
        order = ArtifactsInOrder(lambda index: artifacts_in(self._tree.leaf(index)))
        detail: JobDetail | None = None
        shown: ArtifactShown | None = None
        try:
            for shown in told:
                index, n = divmod(shown.place, PLACES)
                if not 0 <= index < self._tree.size:
                    raise NotOpened(f"there is no entry {index}")  # noqa: TRY301 - told in one place
                order.take(shown.place)
                if detail is None or detail.job.job_id != shown.job_id:
                    detail = self._proved(shown.job_id)
                if index not in {event.index for event in detail.events}:
                    raise NotOpened(f"entry {index} is not about job {shown.job_id}")  # noqa: TRY301 - as above
                proved = artifact_at(self._tree.leaf(index), n, detail.job)
                self._compare(shown, proved, what=f"artifact {n} of entry {index}")
                yield shown
            order.end()
        except NotOpened as error:
            raise self._lie(f"the list of artifacts does not hold: {error}", shown) from error

    def _listed(
        self, told: Iterator[JobShown], asked: JobQuery
    ) -> Iterator[tuple[JobShown, JobDetail]]:
        before = self._tree.size
        for job in told:
            if job.submitted_index >= before:
                raise self._lie(f"the list goes back to entry {job.submitted_index}", job)
            before = job.submitted_index
            if not asked.takes(job):
                raise self._lie(f"job {job.job_id} is not one that was asked for", job)
            yield job, self._proved(job.job_id)

    def _proved(self, job_id: str) -> JobDetail:
        """What the entries about a job come to, which the API names and the tree proves."""
        events = self._answers.list(f"/jobs/{part(job_id)}/events", Event)
        return self._story(job_id, [event.index for event in events]).detail()

    def _story(self, job_id: str, indices: list[int]) -> JobStory:
        if indices != sorted(set(indices)):
            raise self._lie(f"the history of {job_id} is out of order", indices)
        story = JobStory(check_author=self._registry().check)
        for index in indices:
            leaf = self._tree.leaf(index)
            if leaf.entry.job_id != job_id:
                raise self._lie(f"entry {index} is not about job {job_id}", indices, leaf)
            story.take(leaf)
        return story

    def charters(self) -> tuple[CharterShown, ...]:
        """Every version of the charter, oldest first, each signed by enough of the council.

        Made anew from the entries that the API names, each of which names the one before it: none
        is left out but perhaps the newest.
        """
        told = tuple(self._answers.list("/charters", CharterShown))[::-1]
        proved = charters_shown(self._registry().enacted)
        self._compare(told, proved, what="the charter")
        return proved

    def council(self) -> dict[str, list[VerifierKey]]:
        """The keys of the council that are valid at the end of the tree, by name."""
        return self._registry().council(self._tree.size)

    def _told_charters(self) -> list[CharterShown]:
        try:
            return list(self._answers.list("/charters", CharterShown))[::-1]
        except NotFound:
            return []  # of a ledger whose software is older than its charter's versions

    def _registry(self) -> Registry:
        """The keys that the API names, each read from the entry that registered or retired it.

        The charter's versions are taken in with them: they say how many of the council must sign.
        """
        if self._keys is None:
            known = Registry()
            places = {0, *(each.index for each in self._told_charters())}
            for member in self._answers.list("/members", Member):
                for key in member.keys:
                    places.update(at for at in (key.since, key.until) if at is not None)
            for index in sorted(places):
                leaf = self._tree.leaf(index)
                try:
                    known.take(leaf)
                except LedgerError as error:
                    raise self._lie(
                        f"entry {index} of the log does not hold: {error}", index, leaf
                    ) from error
            self._keys = known
        return self._keys

    def _decided(self, proved: JobShown, told: JobShown) -> JobShown:
        """A job whose decision is the first entry behind this tree: there it is taken as told.

        Both entries are made at once, so only an ``at`` that lies between them meets this.
        """
        if proved.submitted_index != self._tree.size - 1:
            return proved
        return structs.replace(proved, state=told.state, rejection_code=told.rejection_code)

    def _compare(self, told: object, proved: object, *, what: str) -> None:
        if (where := difference(proved, told)) is not None:
            raise self._lie(f"the API says of {what} what the log does not: {where}", told)

    def _lie(self, message: str, told: object, *leaves: Leaf) -> Misbehaviour:
        return lie(message, told, leaves, note=self._tree.note)
