"""Several workers at once, one that sleeps or is interrupted, and receivers that hang."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from ledger_world import World
from webhook_world import (
    WAIT_S,
    Receiver,
    begun,
    courier,
    cursor_of,
    hook,
    source,
)

from ledger.errors import LogUnavailable
from ledger.webhooks.courier import LEASE_S
from ledger.webhooks.couriers import Couriers
from ledger.webhooks.events import Event
from ledger.webhooks.sending import Reply, post

without_haste = partial(post, timeout_s=WAIT_S)
"""An attempt that ends by itself only where the test has failed."""


def test_what_was_sent_and_not_noted_is_sent_again_with_the_same_id(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook = hook(receiver.url, Event.SUBMITTED)
    sending = begun(world, webhook)
    world.log(world.submission("one"), world.submission("two"))

    def broken(*_: Any, **__: Any) -> None:
        raise LogUnavailable("the database refuses")

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_write", broken)
        with pytest.raises(LogUnavailable):
            sending.work()
    assert sending.work() == 2
    first, again, second = receiver.got
    assert (first.id, first.body) == (again.id, again.body)
    assert second.id != first.id


def test_of_two_workers_one_sends_and_the_other_finds_the_webhook_taken(
    world: World, receiver: Receiver
) -> None:
    webhook = hook(receiver.url, Event.SUBMITTED)
    begun(world, webhook)
    world.log(world.submission("one"))
    entered, leave = threading.Event(), threading.Event()

    def slow(*_: Any) -> Reply:
        entered.set()
        assert leave.wait(WAIT_S)
        return Reply(204, None)

    holding = courier(world, webhook, holder="one", send=slow)
    thread = threading.Thread(target=holding.work)
    thread.start()
    try:
        assert entered.wait(WAIT_S)
        assert courier(world, webhook, holder="two").work() == 0
    finally:
        leave.set()
        thread.join()
    assert receiver.got == []
    assert courier(world, webhook, holder="two").work() == 0
    assert cursor_of(world).lease_by is None


def test_a_worker_that_slept_through_its_lease_overwrites_nothing(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = hook(receiver.url, Event.SUBMITTED)
    begun(world, webhook)
    world.log(world.submission("one"), world.submission("two"))

    def asleep(*_: Any) -> Reply:
        world.clock.now += LEASE_S
        assert courier(world, webhook, holder="awake").work() == 2
        return Reply(500, None)

    assert courier(world, webhook, holder="asleep", send=asleep).work() == 0
    assert "another worker has taken over" in caplog.text
    found = cursor_of(world)
    assert (found.next_index, found.failures) == (world.reader.tree_size(), 0)
    with world.ledger.store.webhooks() as rows:
        assert rows.waiting() == {}
    assert len(receiver.got) == 2


def test_a_receiver_that_never_answers_holds_up_no_other_and_no_statement(
    world: World, receivers: Callable[[], Receiver]
) -> None:
    stuck, quick = receivers(), receivers()
    leave = threading.Event()

    def hang(_got: object) -> tuple[int, dict[str, str]]:
        leave.wait(WAIT_S)
        return 204, {}

    stuck.answer = hang
    hooks = [
        hook(stuck.url, Event.SUBMITTED, name="stuck"),
        hook(quick.url, Event.SUBMITTED, name="quick"),
    ]
    couriers = [begun(world, each, send=without_haste) for each in hooks]
    running = Couriers(couriers, look_s=0.01)
    running.start()
    try:
        world.log(world.submission("one"))
        stuck.wait_for(1)
        world.log(world.submission("two"), world.submission("three"))
        assert len({got.id for got in quick.wait_for(3)}) == 3
        world.days(91)
        world.sweep()
        with world.reader.at() as view:
            assert view.job(world.job_id("three")).job.disclosed_index is not None
        assert len(stuck.got) == 1
    finally:
        leave.set()
        running.stop()
    assert stuck.got[0].place == quick.got[0].place


def test_the_end_of_an_attempt_that_hangs_is_not_waited_for(
    world: World, receiver: Receiver
) -> None:
    leave = threading.Event()

    def hang(_got: object) -> tuple[int, dict[str, str]]:
        leave.wait(WAIT_S)
        return 204, {}

    receiver.answer = hang
    webhook = hook(receiver.url, Event.SUBMITTED)
    begun(world, webhook)
    world.log(world.submission("one"))
    before = set(threading.enumerate())
    running = Couriers([courier(world, webhook, send=without_haste)], look_s=0.01, patience_s=0.01)
    running.start()
    try:
        receiver.wait_for(1)
        (thread,) = [each for each in threading.enumerate() if each.name == "webhook-newsroom"]
        assert thread not in before
        running.stop()
        assert thread.is_alive()
        assert thread.daemon
    finally:
        leave.set()
    thread.join(WAIT_S)
    assert not thread.is_alive()


def test_a_thread_goes_on_after_the_database_refused(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = hook(receiver.url, Event.SUBMITTED)
    begun(world, webhook)
    world.log(world.submission("one"))
    refusals = iter([LogUnavailable("the database refuses"), ValueError("canary")])
    real = source(world)

    class Refusing:
        def size(self) -> int:
            for error in refusals:
                raise error
            return real.size()

        events, body = real.events, real.body

    running = Couriers([courier(world, webhook, source=Refusing())], look_s=0.01, longest_s=0.02)
    running.start()
    try:
        receiver.wait_for(1)
    finally:
        running.stop()
    assert "webhook newsroom goes on in" in caplog.text
    assert "webhook newsroom: ValueError" in caplog.text
    assert "canary" not in caplog.text
