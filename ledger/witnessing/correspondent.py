"""Our side of the conversation with one witness: what is sent to it, and what is taken from it."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final

import httpx

from ledger.errors import LogUnavailable
from ledger.storage.shapes import StoredCheckpoint, StoredWitness
from ledger.storage.store import Store
from ledger.storage.tree import nodes_of
from ledger.tlog.cosignature import AddCheckpoint, format_add_checkpoint
from ledger.tlog.merkle import consistency_path
from ledger.tlog.note import VerifierKey, parse_note
from ledger.witnessing import pace
from ledger.witnessing.asking import Line, ask, verified_lines
from ledger.witnessing.pace import Pace
from ledger.witnessing.trouble import ALARMING, Trouble, WitnessRefused

log = logging.getLogger(__name__)

ROUNDS: Final = 3
"""Requests of one turn: the witness may name another size, and another worker may be quicker."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The checkpoint of ``size`` and the lines that its witness gave for it, verified."""

    size: int
    note: bytes
    lines: tuple[Line, ...]


class Correspondent:
    """One address, and the witnesses' keys that answer there. Belongs to one event loop."""

    def __init__(
        self,
        store: Store,
        *,
        name: str,
        address: str,
        keys: Sequence[VerifierKey],
        states: dict[str, StoredWitness],
        pace: Pace,
        clock: Callable[[], int],
        random: Callable[[], float],
        database: Executor,
    ) -> None:
        self.name = name
        """What the policy calls it; addresses are not shown, they may hold a secret path."""
        self._store = store
        self._address = f"{address.rstrip('/')}/add-checkpoint"
        self._keys = tuple(keys)
        self.states = states
        self._pace = pace
        self._clock = clock
        self._random = random
        self._database = database
        self._old = max(each.size for each in states.values())

    def is_due(self, newest: int) -> bool:
        """Whether to ask now for the tree of ``newest`` entries."""
        now = self._clock()
        return any(
            self._pace.is_due(state, newest=newest, now=now) for state in self.states.values()
        )

    async def converse(self, client: httpx.AsyncClient) -> Cosigned | None:
        """Ask for cosignatures on the newest checkpoint; None where the quota ends on the way.

        ``states`` says afterwards how it went. Raises WitnessRefused; LogUnavailable where our own
        database fails, which is not the witness's fault.
        """
        try:
            found = await self._rounds(client)
        except WitnessRefused as refused:
            self._note_failure(refused, tuple(self.states))
            # What it claimed in a 409 is not believed twice: a size made up would silence us.
            self._old = max(each.size for each in self.states.values())
            raise
        if found is None:
            return None
        self._old = found.size
        given = {line.witness: line for line in found.lines}
        for witness, line in given.items():
            state = self.states[witness]
            self.states[witness] = pace.cosigned(state, size=found.size, at=line.time_s)
        silent = self.states.keys() - given.keys()
        self._note_failure(WitnessRefused(Trouble.NO_COSIGNATURE), silent)
        return found

    async def _rounds(self, client: httpx.AsyncClient) -> Cosigned | None:
        for _ in range(ROUNDS):
            now = self._clock()
            if not all(self._pace.may_ask(state, now=now) for state in self.states.values()):
                return None
            loop = asyncio.get_running_loop()
            checkpoint, body = await loop.run_in_executor(self._database, self._request, self._old)
            self.states = {
                witness: self._pace.asked(state, now=now) for witness, state in self.states.items()
            }
            reply = await ask(client, self._address, body, now=now)
            if reply.size is None:
                text = parse_note(checkpoint.note).text
                lines = verified_lines(reply.lines, self._keys, text=text, now=self._clock())
                return Cosigned(checkpoint.size, checkpoint.note, lines)
            if reply.size == self._old:
                break
            self._old = reply.size
        raise WitnessRefused(Trouble.CONFLICT)

    def _request(self, old: int) -> tuple[StoredCheckpoint, bytes]:
        """The newest checkpoint, and the body that proves that it continues the tree of ``old``."""
        with self._store.snapshot() as reads:
            newest = reads.newest_checkpoint()
            if newest is None:
                raise LogUnavailable("this ledger has signed no checkpoint yet")
            if old > newest.size:
                # Whoever signed that tree had the log's key. To cosign over it would hide it.
                raise WitnessRefused(Trouble.AHEAD)
            node = nodes_of(reads, size=newest.size)
            proof = consistency_path(old_size=old, new_size=newest.size, node=node)
        return newest, format_add_checkpoint(AddCheckpoint(old, tuple(proof), newest.note))

    def _note_failure(self, refused: WitnessRefused, witnesses: Iterable[str]) -> None:
        for witness in witnesses:
            state = self.states[witness]
            self.states[witness] = pace.failed(
                state,
                refused.trouble,
                now=self._clock(),
                retry_after_s=refused.retry_after_s,
                jitter=self._random(),
                longest_s=self._pace.longest_s,
            )
            wait_s = self.states[witness].retry_at - self._clock()
            say = log.error if refused.trouble in ALARMING else log.warning
            say("the witness %s is asked again in %d s: %s", self.name, wait_s, refused)
