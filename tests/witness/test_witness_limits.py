"""How often a witness cosigns, and that its clock only goes forward."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from witness_world import NOW, World, ask

from ledger.quota import MAX_KEYS
from ledger.tlog.cosignature import cosignature_time
from ledger.tlog.note import parse_signatures
from ledger.witness import Quota


def test_a_log_has_so_many_checkpoints_a_minute_and_is_told_when_to_come_back(
    tmp_path: Path,
) -> None:
    world = World(tmp_path, per_minute=3)
    for size in (1, 2, 3):
        assert world.post(ask(size - 1, size)).status == 200
    answer = world.post(ask(3, 4))
    assert (answer.status, answer.headers["retry-after"]) == (429, "20")
    # What costs nothing is answered still, and the refused checkpoint has left no trace.
    assert world.post(ask(0, 4)).body == b"3\n"
    assert world.post(ask(3, 3)).status == 200
    world.steps.now += 20
    assert world.post(ask(3, 4)).status == 200
    assert world.post(ask(4, 5)).status == 429
    world.close()


def test_refreshing_does_not_use_up_what_a_log_has(tmp_path: Path) -> None:
    world = World(tmp_path, per_minute=2)
    assert world.post(ask(0, 1)).status == 200
    for _ in range(5):
        world.clock.now += 10
        assert world.post(ask(1, 1)).status == 200
    assert world.post(ask(1, 2)).status == 200
    world.close()


def test_an_address_has_so_many_requests_and_this_machine_any_number(tmp_path: Path) -> None:
    world = World(tmp_path, address_per_minute=2)
    for client in ("192.0.2.1", "192.0.2.2"):
        assert [world.post(b"", client=client).status for _ in range(3)] == [400, 400, 429]
    # The addresses of one network of version 6 are one.
    found = [world.post(b"", client=f"2001:db8::{at}").status for at in range(3)]
    assert found == [400, 400, 429]
    assert world.post(b"", client="2001:db8:0:1::1").status == 400
    for client in ("127.0.0.1", "::1", "not an address"):
        assert {world.post(b"", client=client).status for _ in range(4)} == {400}
    world.steps.now += 30
    assert world.post(b"", client="192.0.2.1").status == 400
    assert world.get("/health").status == 200
    world.close()


def test_a_bucket_holds_no_more_than_a_minute_s_and_zero_is_no_limit() -> None:
    now = [0.0]
    quota = Quota(60, clock=lambda: now[0])
    now[0] = 100_000.0
    assert [quota.take("a") for _ in range(61)] == [None] * 60 + [1]
    now[0] += 0.5
    assert quota.take("a") == 1
    now[0] += 0.5
    assert quota.take("a") is None
    free = Quota(0, clock=lambda: now[0])
    assert {free.take("a") for _ in range(1_000)} == {None}


def test_what_is_remembered_of_addresses_is_bounded() -> None:
    quota = Quota(1, clock=lambda: 0.0)
    for number in range(MAX_KEYS + 50):
        assert quota.take(str(number)) is None
    assert len(quota._levels) == MAX_KEYS
    assert quota.take(str(MAX_KEYS)) == 60


@pytest.mark.parametrize("back", [1, 3_000_000])
def test_a_clock_that_goes_back_stops_the_witness_until_it_is_right(
    world: World, back: int
) -> None:
    world.post(ask(0, 7))
    world.clock.now -= back
    for body in (ask(7, 9), ask(7, 7)):
        answer = world.post(body)
        assert (answer.status, f"{back} s before" in answer.detail) == (503, True)
        assert int(answer.headers["retry-after"]) == min(back, 600)
    assert world.get("/health").status == 503
    # It knows still what it has cosigned.
    assert world.post(ask(0, 9)).body == b"7\n"
    world.clock.now += back
    assert world.get("/health").status == 200
    assert world.post(ask(7, 9)).status == 200


def test_a_new_witness_states_no_time_before_it_was_made(world: World) -> None:
    world.clock.now = 0
    assert world.post(ask(0, 7)).status == 503
    world.clock.now = NOW - 1
    assert world.post(ask(0, 7)).status == 503
    world.clock.now = NOW
    assert world.post(ask(0, 7)).status == 200


def test_a_clock_that_ran_ahead_is_believed_again_when_that_is_said_by_hand(world: World) -> None:
    world.clock.now = NOW + 1_000_000
    ahead = world.post(ask(0, 7)).body
    world.clock.now = NOW
    assert world.post(ask(7, 7)).status == 503
    with world.state.changing() as change:
        change.set_time(NOW)
    assert world.get("/health").status == 200
    # Neither the line from the future nor anything else of that time is given again.
    answer = world.post(ask(7, 7))
    assert (answer.status, answer.body != ahead) == (200, True)
    [line] = parse_signatures(answer.body)
    assert cosignature_time(line) == NOW
    assert world.post(ask(7, 9)).status == 200


def test_one_address_that_sends_slowly_does_not_keep_the_others_out(tmp_path: Path) -> None:
    world = World(tmp_path)
    scope = {"type": "http", "method": "POST", "path": "/add-checkpoint", "headers": []}
    answers: list[int] = []

    async def slow_and_quick() -> None:
        finish = asyncio.Event()

        async def never_ends() -> dict[str, Any]:
            await finish.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def at_once() -> dict[str, Any]:
            return {"type": "http.request", "body": ask(0, 7), "more_body": False}

        async def take(message: Any) -> None:
            answers.append(message.get("status", 0))

        def asked(client: str, receive: Any) -> Any:
            return world.app({**scope, "client": (client, 1)}, receive, take)

        slow = [asyncio.create_task(asked("192.0.2.1", never_ends)) for _ in range(8)]
        await asyncio.sleep(0)
        await asked("192.0.2.1", at_once)
        await asked("192.0.2.2", at_once)
        assert [each for each in answers if each] == [429, 200]
        finish.set()
        await asyncio.gather(*slow)
        await asked("192.0.2.1", at_once)

    asyncio.run(slow_and_quick())
    assert [each for each in answers if each] == [429, 200, *[400] * 8, 409]
    assert not world.app._waiting
    world.close()
