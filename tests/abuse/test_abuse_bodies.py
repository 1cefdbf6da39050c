"""Bodies on their way in: what they may take of the memory, and how long they may take."""

import asyncio
import selectors
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from ledger.errors import Overloaded
from web.bodies import (
    CLOSING_S,
    FIRST_S,
    LEAST_PER_S,
    BeingStopped,
    Bodies,
    Malformed,
    TooSlow,
    check_framing,
)
from web.rates import RateExceeded

ROOM, SMALL = 1_000, 100


def scope(client: str) -> dict[str, Any]:
    return {"type": "http", "client": (client, 1), "headers": []}


@pytest.fixture
def bodies() -> Bodies:
    return Bodies(lambda given: str(given["client"][0]), room=ROOM, small=SMALL)


def sending(*parts: bytes) -> Any:
    rest: Iterator[bytes] = iter(parts)

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": next(rest), "more_body": True}

    return receive


async def read(body: Any, times: int) -> None:
    for _ in range(times):
        await body.receive()


def test_small_bodies_need_no_room(bodies: Bodies) -> None:
    held = [bodies.body(scope("a"), sending(b"x" * SMALL)) for _ in range(100)]
    for each in held:
        asyncio.run(read(each, 1))


def test_one_client_gets_half_of_the_room_and_all_of_them_the_whole(bodies: Bodies) -> None:
    part = b"x" * (ROOM // 2 + SMALL)
    first, second, third = (bodies.body(scope(name), sending(part, b"x")) for name in "abc")
    asyncio.run(read(first, 1))
    with pytest.raises(RateExceeded, match="nothing was stored"):
        asyncio.run(read(first, 1))
    asyncio.run(read(second, 1))
    small = bodies.body(scope("a"), sending(b"x" * SMALL))
    asyncio.run(read(small, 1))
    with pytest.raises(Overloaded):
        asyncio.run(read(third, 1))
    # What is given back is there for others, once.
    first.close()
    first.close()
    again = bodies.body(scope("d"), sending(part))
    asyncio.run(read(again, 1))
    with pytest.raises(Overloaded):
        asyncio.run(read(bodies.body(scope("e"), sending(part)), 1))


def test_a_refused_body_takes_no_room(bodies: Bodies) -> None:
    for _ in range(5):
        large = bodies.body(scope("a"), sending(b"x" * ROOM * 2))
        with pytest.raises(RateExceeded):
            asyncio.run(read(large, 1))
        large.close()
    asyncio.run(read(bodies.body(scope("a"), sending(b"x" * (ROOM // 2 + SMALL))), 1))


def test_a_body_that_never_comes_is_given_up() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    impatient = Bodies(lambda _: "a", first_s=0.001)
    with pytest.raises(TooSlow, match="0 bytes of the body came"):
        asyncio.run(read(impatient.body(scope("a"), never), 1))


class Skipping(selectors.DefaultSelector):
    """Waits for nothing: the time that somebody would wait passes at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        self.now += timeout
        return super().select(0)


def at_once(doing: Coroutine[Any, Any, None]) -> float:
    """Do it in a loop whose time is made up; how many seconds it took."""
    selector = Skipping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        loop.run_until_complete(doing)
    finally:
        loop.close()
    return selector.now


def coming(*parts: tuple[float, int]) -> Any:
    """So many bytes after so many seconds, and then nothing."""
    rest = iter(parts)

    async def receive() -> dict[str, Any]:
        after, size = next(rest, (1e6, 0))
        await asyncio.sleep(after)
        return {"type": "http.request", "body": bytes(size), "more_body": True}

    return receive


def test_what_came_fast_is_no_credit_for_being_silent() -> None:
    body = Bodies(lambda _: "a").body(scope("a"), coming((0, 32 * 2**20 - 400)))

    async def send() -> None:
        await read(body, 1)
        with pytest.raises(TooSlow):
            await read(body, 1)

    assert FIRST_S <= at_once(send()) < FIRST_S + 1


def test_a_body_may_take_as_long_as_it_comes_fast_enough_and_pause_now_and_then() -> None:
    steady = [(1.0, LEAST_PER_S)] * 1_000
    pausing = [(FIRST_S - 5, LEAST_PER_S * int(FIRST_S))] * 20
    for parts in (steady, pausing):
        body = Bodies(lambda _: "a").body(scope("a"), coming(*parts))
        at_once(read(body, len(parts)))

    async def send() -> None:
        with pytest.raises(TooSlow):
            await read(slow, 1_000)

    slow = Bodies(lambda _: "a").body(scope("a"), coming(*[(1.0, LEAST_PER_S // 2)] * 1_000))
    assert FIRST_S < at_once(send()) < 3 * FIRST_S


def test_a_server_that_closes_waits_a_little_for_a_body_and_then_refuses_it() -> None:
    closing = threading.Event()
    bodies = Bodies(lambda _: "a", closing=closing)
    waiting = bodies.body(scope("a"), coming((0, 10)))
    late = bodies.body(scope("a"), coming((CLOSING_S - 2, 10)))
    after = bodies.body(scope("a"), coming())

    async def send() -> None:
        asyncio.get_running_loop().call_later(3, closing.set)
        await read(waiting, 1)
        refused = asyncio.gather(read(waiting, 1), return_exceptions=True)
        await asyncio.sleep(4)
        await read(late, 1)
        (error,) = await refused
        assert isinstance(error, BeingStopped)
        with pytest.raises(BeingStopped):
            await read(after, 1)

    assert 3 + CLOSING_S <= at_once(send()) < 3 + CLOSING_S + 1


def test_a_request_names_one_host_and_no_foreign_coding() -> None:
    for headers in (
        [(b"host", b"a"), (b"host", b"a")],
        [(b"transfer-encoding", b"gzip, chunked")],
        [(b"transfer-encoding", b"chunked"), (b"transfer-encoding", b"chunked")],
    ):
        with pytest.raises(Malformed):
            check_framing({"headers": headers})
    check_framing({"headers": [(b"host", b"a"), (b"transfer-encoding", b" Chunked ")]})
    check_framing({"headers": []})
