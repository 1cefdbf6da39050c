"""How many GPUs each member's jobs hold, as of the point that a batch has reached.

A job holds its GPUs from its admission to its end. Asks the store only about members for whom the
charter wants to know.
"""

from ledger.sequencer.known import Known


class HeldGpus:
    """The store's figures and what the batch has changed of them so far."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._before: dict[str, int] = {}
        self.changed: dict[str, int] = {}
        """GPUs by author, negative where jobs have ended."""
        self._taken: dict[str, tuple[str, int]] = {}

    def of(self, author: str) -> int:
        """GPUs that the jobs of ``author`` hold now."""
        if author not in self._before:
            self._before[author] = self._known.held_gpus(author)
        return self._before[author] + self.changed.get(author, 0)

    def take(self, job_id: str, author: str, gpus: int) -> None:
        """A job was admitted."""
        self._taken[job_id] = author, gpus
        self.changed[author] = self.changed.get(author, 0) + gpus

    def give_back(self, job_id: str) -> None:
        """A job that was admitted has ended."""
        taken = self._taken.get(job_id)
        if taken is None:
            job = self._known.jobs[job_id]
            taken = job["author"], job["gpu_count"]
        author, gpus = taken
        self.changed[author] = self.changed.get(author, 0) - gpus
