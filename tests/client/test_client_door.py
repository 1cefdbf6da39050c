"""Asking a server that is not there, or says hardly anything: for how long, and what is told."""

from collections.abc import Iterator

import httpx
import pytest

from ledger.client.door import GIVE_UP_AFTER_S, LEAST_PER_S, TIMEOUT_S, Door
from ledger.errors import LogUnavailable


class Time:
    """Seconds that pass only while somebody waits."""

    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class Slow(httpx.SyncByteStream):
    """A body of so many bytes a second, without an end."""

    def __init__(self, time: Time, per_s: int) -> None:
        self._time, self._per_s = time, per_s

    def __iter__(self) -> Iterator[bytes]:
        while True:
            self._time.wait(1)
            yield bytes(self._per_s)


def test_a_server_that_is_not_there_is_given_up_in_time_and_said_on_the_way() -> None:
    time = Time()
    connecting: list[float] = []

    def nobody(request: httpx.Request) -> httpx.Response:
        wait = request.extensions["timeout"]["connect"]
        connecting.append(wait)
        time.wait(wait)
        raise httpx.ConnectTimeout("nobody")

    told: list[str] = []
    door = Door(
        "http://x.test",
        transport=httpx.MockTransport(nobody),
        pause=time.wait,
        clock=time,
        tell=told.append,
    )
    with pytest.raises(LogUnavailable, match="cannot be reached: ConnectT") as caught:
        door.get("/log/checkpoint")
    # An address that swallows everything is not waited for beyond the end, but for a second.
    assert time.now <= GIVE_UP_AFTER_S + 1
    assert connecting[0] == TIMEOUT_S
    assert connecting[-1] < TIMEOUT_S
    assert told == [f"{caught.value}; trying again for 30 s"]


def test_a_server_that_refuses_is_told_of_at_first_and_now_and_then() -> None:
    time = Time()

    def nobody(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    told: list[str] = []
    door = Door(
        "http://x.test",
        transport=httpx.MockTransport(nobody),
        pause=time.wait,
        clock=time,
        tell=told.append,
    )
    with pytest.raises(LogUnavailable):
        door.get("/")
    assert time.now <= GIVE_UP_AFTER_S
    assert [line.rpartition("; ")[2] for line in told][:2] == [
        "trying again for 60 s",
        "trying again for 52 s",
    ]
    assert len(told) <= 8


def test_an_answer_that_drips_is_no_answer() -> None:
    time = Time()

    def drips(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, stream=Slow(time, LEAST_PER_S // 2))

    door = Door("http://x.test", transport=httpx.MockTransport(drips), pause=time.wait, clock=time)
    with pytest.raises(LogUnavailable, match="more came too slowly"):
        door.get("/")
    assert time.now < GIVE_UP_AFTER_S + 3 * TIMEOUT_S
