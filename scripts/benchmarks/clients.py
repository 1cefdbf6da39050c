"""Many clients in one process, each with one statement under way: coroutines, as in the web.

A client sends its next statement when its last one is answered. Statements go to the desk as posted
ones do; or, where they were checked before, to the sequencer, all of one turn of the loop together.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from benchmarks.places import CannotMeasure
from ledger.assembly import Ledger
from ledger.records.proposal import Proposal
from ledger.sequencer.queue import Ticket
from ledger.sequencer.sequencer import Logged

CLIENTS: Final = 64
Send = Callable[[int], Awaitable[object]]


class _Waiting(asyncio.Future[object]):
    """One client that waits."""

    def is_wanted(self) -> bool:
        """Nobody here goes away."""
        return True


def post(ledger: Ledger, bodies: Sequence[bytes]) -> float:
    """The seconds until the desk has answered everything, posted by 64 clients."""

    async def run() -> float:
        loop = asyncio.get_running_loop()

        def settle(settled: Sequence[tuple[_Waiting, object]]) -> None:
            loop.call_soon_threadsafe(_wake, list(settled))

        def send(number: int) -> Awaitable[object]:
            waiting = _Waiting(loop=loop)
            ledger.enter(bodies[number], waiting, settle)
            return waiting

        return await _all(len(bodies), send)

    return asyncio.run(run())


def sequence(ledger: Ledger, proposals: Sequence[Proposal]) -> float:
    """The seconds until the sequencer has logged everything, handed over by 64 clients."""

    async def run() -> float:
        loop = asyncio.get_running_loop()
        sequencer = ledger.sequencer
        ready: list[tuple[Proposal, _Waiting]] = []

        def hand_over() -> None:
            works = [proposal for proposal, _ in ready]
            waiting = [each for _, each in ready]
            ready.clear()

            def answered(ticket: Ticket[Logged]) -> None:
                found = list(zip(waiting, ticket.result(), strict=True))
                loop.call_soon_threadsafe(_wake, found)

            sequencer.submit(works, callers=len(works)).add_done_callback(answered)

        def send(number: int) -> Awaitable[object]:
            if not ready:
                loop.call_soon(hand_over)
            waiting = _Waiting(loop=loop)
            ready.append((proposals[number], waiting))
            return waiting

        return await _all(len(proposals), send)

    return asyncio.run(run())


def _wake(settled: Sequence[tuple[_Waiting, object]]) -> None:
    for waiting, found in settled:
        waiting.set_result(found)


async def _all(count: int, send: Send) -> float:
    numbers = iter(range(count))

    async def client() -> None:
        for number in numbers:
            found = await send(number)
            if isinstance(found, BaseException):
                raise CannotMeasure(f"a statement was refused: {found}")

    begun = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return time.perf_counter() - begun
