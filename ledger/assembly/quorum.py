"""Holds the log's answers back until the witnesses' quorum has cosigned what they speak of.

The witnesses are the only memory that two machines with copies of one key share. A witness never
cosigns two trees that contradict each other, and any two quorums of a strict policy have a witness
in common. So whatever passes here on one machine, nothing that contradicts it passes on another, as
long as that witness is honest. Asks by ``ledger.witnessing``, believes only what that has verified
and kept, in this process or another; signs nothing.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

from ledger.errors import LogUnavailable, Unwitnessed
from ledger.reader.publication import Publication
from ledger.storage.store import Store
from ledger.witnessing import Witnessing

LOOK_S: Final = 0.05
"""Between two looks for what other processes were told by the witnesses."""


class WitnessQuorum:
    """The quorum of a strict policy, for the one thread that sequences; see ``Quorum`` there."""

    def __init__(
        self, store: Store, publication: Publication, witnessing: Witnessing, *, wait_s: float
    ) -> None:
        self._store = store
        self._publication = publication
        self._held = 0
        self.witnessing = witnessing
        self.wait_s = wait_s

    def holds(self, size: int) -> bool:
        """Whether the tree of ``size`` entries, or one that continues it, has met the policy."""
        if size > self._held:
            with self._store.snapshot() as reads:
                found = self._publication.covering(reads, size - 1)
            if found is not None:
                self._held = found[0].size
        return size <= self._held

    def wait(
        self, size: int, *, until: float, stopped: Callable[[], LogUnavailable | None]
    ) -> bytes | None:
        """Wait until ``holds``: the cosigned note of ``size``, None where only a larger one is.

        Raises Unwitnessed once the monotonic clock says ``until``, and what ``stopped`` returns.
        """
        self.witnessing.look()
        while not self.holds(size):
            if (why := stopped()) is not None:
                raise why
            if monotonic() >= until:
                raise Unwitnessed(
                    f"too few witnesses have cosigned the tree of {size} entries yet: nothing is"
                    f" promised. Send the same statement again"
                )
            self.witnessing.heard.wait(LOOK_S)
            self.witnessing.heard.clear()
        with self._store.snapshot() as reads:
            found = self._publication.covering(reads, size - 1)
        return found[1] if found is not None and found[0].size == size else None
