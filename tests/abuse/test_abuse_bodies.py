"""Bodies on their way in: what they may take of the memory, and how long they may take."""

import asyncio
import selectors
import threading
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import kit
import pytest

from ledger.artifacts.upload import Upload
from ledger.assembly import Ledger
from ledger.errors import ArtifactRefused, Overloaded
from web.artifacts import IDLE_S, UPLOADS_OF_ONE, Artifacts, _stream
from web.bodies import (
    CLOSING_S,
    FIRST_S,
    LARGE_BYTES,
    LEAST_OF_LARGE_PER_S,
    LEAST_PER_S,
    BeingStopped,
    Bodies,
    Malformed,
    TooSlow,
    check_framing,
    patience_s,
)
from web.newest import Newest
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
    steady = [(1.0, LEAST_PER_S)] * 128 + [(1.0, LEAST_OF_LARGE_PER_S)] * 300
    pausing = [(FIRST_S - 5, LEAST_OF_LARGE_PER_S * int(FIRST_S))] * 17
    for parts in (steady, pausing):
        body = Bodies(lambda _: "a").body(scope("a"), coming(*parts))
        at_once(read(body, len(parts)))

    async def send() -> None:
        with pytest.raises(TooSlow):
            await read(slow, 1_000)

    slow = Bodies(lambda _: "a").body(scope("a"), coming(*[(1.0, LEAST_PER_S // 2)] * 1_000))
    assert FIRST_S < at_once(send()) < 3 * FIRST_S


def test_a_large_body_is_there_in_eleven_minutes_or_not_at_all() -> None:
    slow = [(1.0, LEAST_PER_S)] * 4_096
    fast_enough = [(1.0, LEAST_OF_LARGE_PER_S)] * 512
    body = Bodies(lambda _: "a").body(scope("a"), coming(*fast_enough))
    at_once(read(body, len(fast_enough)))
    assert body.size == 32 * 2**20

    async def send() -> None:
        with pytest.raises(TooSlow):
            await read(dripped, len(slow))

    # The first MiB may drip in; of the rest hardly anything, however the body is declared.
    dripped = Bodies(lambda _: "a").body(scope("a"), coming(*slow))
    assert at_once(send()) < LARGE_BYTES / LEAST_PER_S + 2 * FIRST_S
    assert FIRST_S + patience_s(LARGE_BYTES, LARGE_BYTES) + patience_s(2**25, 31 * 2**20) < 11 * 60


def test_where_all_is_taken_who_holds_most_for_long_makes_room() -> None:
    kib = 1_024
    bodies = Bodies(lambda given: str(given["client"][0]), room=1_500 * kib, small=kib)
    later = [(FIRST_S - 1, 240 * kib), (FIRST_S - 1, 100 * kib)]
    first = bodies.body(scope("a"), coming((0.0, 400 * kib), *later))
    second = bodies.body(scope("b"), coming((0.0, 390 * kib), *later))
    early = bodies.body(scope("c"), coming((0.0, 720 * kib)))
    larger = bodies.body(scope("c"), coming((0.0, 700 * kib)))
    smaller = bodies.body(scope("c"), coming((0.0, 400 * kib)))

    async def send() -> None:
        loses = asyncio.gather(read(first, 3), return_exceptions=True)
        keeps = asyncio.gather(read(second, 3), return_exceptions=True)
        await asyncio.sleep(FIRST_S - 2)
        # Whatever comes is soon gone by itself.
        with pytest.raises(Overloaded, match="the server has room for"):
            await read(early, 1)
        await asyncio.sleep(FIRST_S - 8)
        # Somebody who would hold more than all others takes nothing from them.
        with pytest.raises(Overloaded, match="the server has room for"):
            await read(larger, 1)
        await read(smaller, 1)
        (error,) = await loses
        assert isinstance(error, Overloaded)
        assert "yours took the most" in str(error)
        assert await keeps == [None]

    at_once(send())
    assert (first.size, second.size, smaller.size) == (0, 730 * kib, 400 * kib)


class Taken:
    """An upload of which nothing is kept."""

    def write(self, data: bytes) -> None:
        raise AssertionError(f"{len(data)} bytes are too few to be written")


def test_an_artifact_that_comes_too_slowly_is_given_up() -> None:
    for each in (
        [(1.0, LEAST_PER_S // 2)] * 1_000,
        [(0.0, 2**20 - 1)],
        [(IDLE_S - 1, 1)] * 1_000,
    ):

        async def send(parts: list[tuple[float, int]] = each) -> None:
            with pytest.raises(ArtifactRefused, match="more came too slowly"):
                await _stream(coming(*parts), cast("Upload", Taken()))

        assert IDLE_S <= at_once(send()) < 3 * IDLE_S


def test_one_client_has_half_of_the_places_for_uploads(tmp_path: Path, sqlite_url: str) -> None:
    ledger = Ledger(kit.make_ledger(sqlite_url, tmp_path), clock=kit.Clock())
    newest = Newest(ledger.reader)
    door = Artifacts(ledger, newest, client=lambda given: str(given["client"][0]))
    try:
        with ExitStack() as uploads:
            for _ in range(UPLOADS_OF_ONE):
                uploads.enter_context(door._share(scope("a")))
            with pytest.raises(RateExceeded, match="nothing was debited"):
                uploads.enter_context(door._share(scope("a")))
            uploads.enter_context(door._share(scope("b")))
        with door._share(scope("a")):
            pass
    finally:
        door.close()
        newest.close()
        ledger.close()


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
