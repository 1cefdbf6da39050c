"""How often a witness cosigns, and that its clock only goes forward."""

from pathlib import Path

import pytest
from witness_world import NOW, World, ask

from ledger.witness import Quota
from ledger.witness.limits import MAX_KEYS


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
