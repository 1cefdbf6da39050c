"""All witnesses of a policy at once: the thread that keeps asking them, and one pass on demand.

Looks for a new checkpoint ten times a second and sends the newest one only: what a witness was
too slow for is not queued, since each checkpoint vouches for all before it. Every witness has its
own turn, so none waits for another; what is kept is kept as soon as it is there.
"""

import asyncio
import logging
import random as chance
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from ledger.errors import LedgerError
from ledger.storage.snapshot import Snapshot
from ledger.storage.store import Store
from ledger.tlog.note import VerifierKey
from ledger.tlog.standard import Standard, identity, with_lines
from ledger.witnessing import asking as asking_bounds
from ledger.witnessing.correspondent import Correspondent, Cosigned
from ledger.witnessing.pace import Pace
from ledger.witnessing.trouble import ALARMING, Trouble, WitnessRefused

T = TypeVar("T")
Clock = Callable[[], int]

log = logging.getLogger(__name__)

LOOK_S: Final = 0.1
TROUBLED_LOOK_S: Final = 2.0
"""Between two looks while our own database fails."""
STOP_S: Final = 10.0
"""How long a look-up of a name that hangs may keep the process from ending."""
JUDGED_AT_START: Final = 64
"""Newest sizes that are judged at each start: a crash may have come between lines and verdict."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one turn with a witness went: cosigned up to ``size``, or in which trouble it ended.

    Both are None where its quota has no room for a request.
    """

    name: str
    size: int | None = None
    lines: tuple[str, ...] = ()
    trouble: Trouble | None = None


class Witnessing:
    """Asks the witnesses of a standard. ``check`` makes one pass; ``start`` goes on until ``stop``.

    ``clock`` is Unix seconds; ``random`` draws evenly from 0 to 1.
    """

    def __init__(
        self,
        store: Store,
        standard: Standard,
        *,
        pace: Pace,
        clock: Clock,
        random: Callable[[], float] = chance.random,
        look_s: float = LOOK_S,
    ) -> None:
        self._store = store
        self._standard = standard
        self._pace = pace
        self._clock = clock
        self._random = random
        self._look_s = look_s
        self.alarm = threading.Event()
        """Set when a witness names a newer tree than ours, or another one; who looks clears it."""
        self.heard = threading.Event()
        """Set when cosignatures were kept, and judged; who waits for them clears it."""
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="witnessing", daemon=True)
        # Not asyncio's own threads: names are looked up there, and that may hang.
        self._database = ThreadPoolExecutor(2, thread_name_prefix="witnessing")

    def start(self) -> None:
        """Begin to ask, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Drop what is under way and stop; harmless where nothing runs."""
        self._stopping.set()
        self.look()
        if self._thread.is_alive():
            self._thread.join(STOP_S)
        self._database.shutdown()

    def look(self) -> None:
        """Look for a new checkpoint at once; harmless where nothing runs."""
        loop, wake = self._loop, self._wake
        if loop is not None and wake is not None:
            with suppress(RuntimeError):  # the loop was closed meanwhile
                loop.call_soon_threadsafe(wake.set)

    def check(self) -> tuple[Outcome, ...]:
        """Ask every witness for the newest checkpoint now, back-off or not; quotas still hold."""

        async def once() -> tuple[Outcome, ...]:
            async with _client() as client:
                turns = [self._turn(client, each) for each in self._correspondents()]
                return tuple(await asyncio.gather(*turns))

        return asyncio.run(once())

    def _run(self) -> None:
        try:
            asyncio.run(self._keep_asking())
        except Exception as error:  # noqa: BLE001 - the thread's end; a traceback would show answers
            log.error("the witnesses are not asked any more: %s", type(error).__name__)  # noqa: TRY400 - as above

    async def _keep_asking(self) -> None:
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        if self._stopping.is_set():
            return
        turns: dict[Correspondent, asyncio.Task[Outcome]] = {}
        correspondents: Sequence[Correspondent] | None = None
        async with _client() as client:
            try:
                while not self._stopping.is_set():
                    wait_s = self._look_s
                    # Before the look: what is signed during it is looked for right after it.
                    self._wake.clear()
                    try:
                        if correspondents is None:
                            await self._stored(self._judge_stored)
                            correspondents = await self._stored(self._correspondents)
                        self._begin_turns(
                            client, correspondents, turns, await self._stored(self._newest)
                        )
                    except LedgerError as error:
                        log.warning("the witnesses wait for the database: %s", error)
                        wait_s = TROUBLED_LOOK_S
                    await self._pause(wait_s)
            finally:
                for turn in turns.values():
                    turn.cancel()
                await asyncio.gather(*turns.values(), return_exceptions=True)

    def _begin_turns(
        self,
        client: httpx.AsyncClient,
        correspondents: Sequence[Correspondent],
        turns: dict[Correspondent, asyncio.Task[Outcome]],
        newest: int,
    ) -> None:
        for each in correspondents:
            last = turns.get(each)
            if last is not None and last.done():
                # A failed turn has said in its state when to come again; what it raised is ours.
                error = last.exception()
                if error is not None:
                    log.error("a turn with %s broke off: %s", each.name, type(error).__name__)
                del turns[each]
                last = None
            if last is None and newest and each.is_due(newest):
                turn = asyncio.get_running_loop().create_task(self._turn(client, each))
                turn.add_done_callback(self._went_well)
                turns[each] = turn

    def _went_well(self, turn: asyncio.Task[Outcome]) -> None:
        """Look again after a turn, but for one that our own database has broken off."""
        if self._wake is not None and not turn.cancelled() and turn.exception() is None:
            self._wake.set()

    async def _stored(self, work: Callable[..., T], *given: object) -> T:
        """``work`` on the database, in a thread of its own."""
        return await asyncio.get_running_loop().run_in_executor(self._database, work, *given)

    async def _pause(self, seconds: float) -> None:
        assert self._wake is not None
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def newest_elsewhere(self, origin: str) -> dict[str, bytes]:
        """What each witness shows as the newest checkpoint of a log, by its name in the policy.

        Asks all of them at once, outside their quotas; who does not show any is left out. The notes
        are as they came: what they prove is for the caller to find out.
        """

        async def all_at_once() -> dict[str, bytes]:
            shown = [each for each in self._standard.policy.witnesses if each.url is not None]
            async with _client() as client:
                notes = await asyncio.gather(
                    *(asking_bounds.newest(client, str(each.url), origin) for each in shown)
                )
            pairs = zip(shown, notes, strict=True)
            return {each.name: note for each, note in pairs if note is not None}

        return asyncio.run(all_at_once())

    async def _turn(self, client: httpx.AsyncClient, asked: Correspondent) -> Outcome:
        try:
            found = await asked.converse(client)
        except WitnessRefused as refused:
            await self._stored(self._keep, asked, None)
            if refused.trouble in ALARMING:
                self.alarm.set()
            return Outcome(asked.name, trouble=refused.trouble)
        await self._stored(self._keep, asked, found)
        if found is None:
            return Outcome(asked.name)
        lines = tuple(line.text for line in found.lines)
        return Outcome(asked.name, size=found.size, lines=lines)

    def _keep(self, asked: Correspondent, found: Cosigned | None) -> None:
        """Keep states and lines; whoever brings the line that was missing says so."""
        with self._store.witnessing() as writes:
            for state in asked.states.values():
                writes.keep_state(state)
            if found is not None:
                for line in found.lines:
                    writes.keep_line(found.size, line.witness, time_s=line.time_s, line=line.text)
        if found is not None:
            self._judge([found.size])
            self.heard.set()

    def _judge(self, sizes: Sequence[int]) -> None:
        if not self._standard.asks:
            return
        with self._store.snapshot() as reads:
            digest = self._standard.digest
            fresh = [size for size in sizes if not reads.is_quorum(digest, size)]
            met = [size for size in fresh if self._is_met(reads, size)]
        if met:
            # What is shown follows from it: after a power cut, with the witnesses out of reach, the
            # log would show less than it had, which convicts it.
            with self._store.witnessing(durable=True) as writes:
                writes.keep_quorums(digest, met, met_at=self._clock())

    def _is_met(self, reads: Snapshot, size: int) -> bool:
        checkpoint = reads.checkpoint(size)
        if checkpoint is None:
            return False
        lines = reads.cosignatures(size, self._standard.witnesses)
        note = with_lines(checkpoint.note, [line.first_line for line in lines])
        return self._standard.is_met_by(note)

    def _judge_stored(self) -> None:
        """Judge what was cosigned before: all of it where the policy is new, else the newest."""
        with self._store.snapshot() as reads:
            is_new = reads.newest_quorum(self._standard.digest) is None
            sizes = reads.cosigned_sizes()
            some: list[int] = []
            for size in sizes:
                some.append(size)
                if len(some) == JUDGED_AT_START:
                    if self._stopping.is_set():
                        return
                    self._judge(some)
                    some = []
                    if not is_new:
                        return
        self._judge(some)

    def _newest(self) -> int:
        with self._store.snapshot() as reads:
            newest = reads.newest_checkpoint()
        return newest.size if newest else 0

    def _correspondents(self) -> tuple[Correspondent, ...]:
        """One for each address: a witness may have several keys, and answers with all of them."""
        groups: dict[str, list[tuple[str, VerifierKey]]] = {}
        for each in self._standard.policy.witnesses:
            if each.url is not None:
                groups.setdefault(each.url.rstrip("/"), []).append((each.name, each.key))
        with self._store.snapshot() as reads:
            return tuple(
                Correspondent(
                    self._store,
                    name=", ".join(name for name, _ in members),
                    address=address,
                    keys=[key for _, key in members],
                    states=reads.witness_states([identity(key) for _, key in members]),
                    pace=self._pace,
                    clock=self._clock,
                    random=self._random,
                    database=self._database,
                )
                for address, members in groups.items()
            )


@contextmanager
def asking(witnessing: Witnessing | None) -> Iterator[None]:
    """Ask the witnesses, if there are any, while the context is open."""
    if witnessing is not None:
        witnessing.start()
    try:
        yield
    finally:
        if witnessing is not None:
            witnessing.stop()


def _client() -> httpx.AsyncClient:
    return httpx.AsyncClient(follow_redirects=False, timeout=asking_bounds.TIMEOUT_S)
