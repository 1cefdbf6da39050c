"""Bodies on their way in: what they may take of the memory, and how long they may take."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from ledger.errors import Overloaded
from web.bodies import Bodies, Malformed, TooSlow, check_framing
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
