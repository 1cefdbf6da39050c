"""What a receiver does not take: it comes again at its times, and hides nothing that follows."""

from collections.abc import Callable

import pytest
from ledger_world import World
from webhook_world import (
    SECRET,
    Receiver,
    begun,
    cursor_of,
    expected_of,
    hook,
)

from ledger.records.deadline import DAY_S
from ledger.webhooks import schedule
from ledger.webhooks.events import Event


def test_a_message_that_is_not_taken_comes_again_at_its_times_until_it_is_a_dead_letter(
    world: World, receiver: Receiver
) -> None:
    receiver.answer = lambda _got: (500, {})
    sending = begun(world, hook(receiver.url, Event.SUBMITTED))
    world.log(world.submission("one"))
    begin = world.clock.now
    assert sending.work() == 1
    for attempt, wait in enumerate(schedule.DELAYS_S, start=2):
        at = world.clock.now
        world.clock.now = at + wait - 1
        assert sending.work() == 0
        world.clock.now = at + wait
        assert sending.work() == 1
        assert len(receiver.got) == attempt
    assert world.clock.now - begin == sum(schedule.DELAYS_S)
    assert len({(each.id, each.body) for each in receiver.got}) == 1
    stamps = [int(each.headers["webhook-timestamp"]) for each in receiver.got]
    assert stamps == sorted(set(stamps))
    assert all(each.is_signed_by(SECRET) for each in receiver.got)
    assert cursor_of(world).disabled == "no message was taken for 75 hours"
    world.days(30)
    assert sending.work() == 0
    with world.ledger.store.webhooks() as rows:
        rows.enable("newsroom")
    assert sending.work() == 0
    with world.ledger.store.webhooks() as rows:
        (dead,) = rows.dead(limit=9)
        assert rows.waiting() == {}
        assert (dead.message_id, dead.attempts, dead.failure) == (
            receiver.got[0].id,
            10,
            "answered with 500",
        )
        assert rows.revive(now=world.clock.now, message_id=dead.message_id) == 1
        assert rows.revive(now=world.clock.now, message_id=dead.message_id) == 0
    assert sending.work() == 1
    world.clock.now += schedule.DELAYS_S[0]
    receiver.answer = lambda _got: (200, {})
    assert sending.work() == 1
    assert len(set(receiver.ids)) == 1
    with world.ledger.store.webhooks() as rows:
        assert (rows.dead(limit=9), rows.waiting()) == ([], {})


def test_one_message_that_a_receiver_stumbles_over_does_not_hide_the_others(
    world: World, receiver: Receiver
) -> None:
    webhook = hook(receiver.url, Event.SUBMITTED)
    sending = begun(world, webhook)
    start = world.reader.tree_size()
    world.log(*[world.submission(f"job{n}") for n in range(5)])
    expected = expected_of(world, webhook, start)
    poison = expected[1]
    receiver.answer = lambda got: (500 if got.place == poison else 204, {})
    assert sending.work() == 5
    assert receiver.places == expected
    receiver.answer = lambda _got: (204, {})
    world.clock.now += 5
    assert sending.work() == 1
    assert receiver.places == [*expected, poison]
    assert sending.work() == 0


def test_a_receiver_that_takes_other_messages_stays_enabled_when_one_becomes_a_dead_letter(
    world: World, receiver: Receiver
) -> None:
    sending = begun(world, hook(receiver.url, Event.SUBMITTED))
    world.log(world.submission("poison"))
    poison = world.reader.tree_size() - 2
    receiver.answer = lambda got: (500 if got.index == poison else 204, {})
    assert sending.work() == 1
    for number, wait in enumerate(schedule.DELAYS_S):
        world.clock.now += wait
        world.log(world.submission(f"good{number}"))
        assert sending.work() == 2
    with world.ledger.store.webhooks() as rows:
        assert [each.leaf_index for each in rows.dead(limit=9)] == [poison]
    assert cursor_of(world).disabled is None


def test_a_receiver_that_takes_nothing_is_probed_and_gets_everything_when_it_is_back(
    world: World, receiver: Receiver
) -> None:
    receiver.answer = lambda _got: (503, {})
    webhook = hook(receiver.url, Event.SUBMITTED)
    sending = begun(world, webhook)
    start = world.reader.tree_size()
    world.log(*[world.submission(f"job{n}") for n in range(30)])
    expected = expected_of(world, webhook, start)
    assert sending.work() == schedule.PATIENCE
    assert sending.work() == 0
    for rest in (5, 10, 20):
        world.clock.now += rest - 1
        assert sending.work() == 0
        world.clock.now += 1
        assert sending.work() == 1
    assert len(receiver.got) == 6
    receiver.answer = lambda _got: (204, {})
    world.clock.now += 3_600
    sending.work()
    taken = receiver.places[6:]
    assert sorted(taken) == expected
    fresh = [each for each in taken if each not in receiver.places[:6]]
    assert fresh == sorted(fresh)
    assert cursor_of(world).failures == 0


def test_a_receiver_that_asks_for_time_is_left_alone_for_so_long(
    world: World, receiver: Receiver
) -> None:
    receiver.answer = lambda _got: (429, {"Retry-After": "120"})
    sending = begun(world, hook(receiver.url, Event.SUBMITTED))
    world.log(world.submission("one"), world.submission("two"))
    assert sending.work() == 1
    receiver.answer = lambda _got: (204, {})
    world.clock.now += 119
    assert sending.work() == 0
    world.clock.now += 1
    assert sending.work() == 2
    assert len(set(receiver.ids)) == 2
    receiver.answer = lambda _got: (503, {"Retry-After": "999999999"})
    world.log(world.submission("three"))
    assert sending.work() == 1
    assert cursor_of(world).rests_until == world.clock.now + DAY_S


def test_a_receiver_that_is_gone_is_told_no_more_and_misses_nothing_when_enabled_again(
    world: World, receiver: Receiver
) -> None:
    receiver.answer = lambda _got: (410, {})
    webhook = hook(receiver.url, Event.SUBMITTED)
    sending = begun(world, webhook)
    start = world.reader.tree_size()
    world.log(world.submission("one"), world.submission("two"))
    assert sending.work() == 1
    assert cursor_of(world).disabled == "answered with 410"
    world.days(2)
    assert sending.work() == 0
    receiver.answer = lambda _got: (204, {})
    with world.ledger.store.webhooks() as rows:
        rows.enable("newsroom")
    assert sending.work() == 2
    assert receiver.places[1:] == expected_of(world, webhook, start)
    assert receiver.ids[0] == receiver.ids[1]


def test_no_redirect_is_followed(
    world: World, receivers: Callable[[], Receiver], caplog: pytest.LogCaptureFixture
) -> None:
    inner, outer = receivers(), receivers()
    outer.answer = lambda _got: (307, {"Location": inner.url})
    sending = begun(world, hook(outer.url, Event.SUBMITTED))
    world.log(world.submission("one"))
    assert sending.work() == 1
    assert inner.got == []
    assert cursor_of(world).failure == (
        "answered with 307, and no redirect is followed: set the address that is meant"
    )
    assert "answered with 307" in caplog.text
    assert "canary-token" not in caplog.text


def test_no_log_line_holds_a_secret_or_an_address_beyond_its_host(
    world: World, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    answers = iter([(500, {}), (302, {"Location": "/canary-location"}), (410, {})])
    receiver.answer = lambda _got: next(answers)
    webhook = hook(receiver.url, Event.SUBMITTED)
    sending = begun(world, webhook)
    world.log(*[world.submission(f"job{n}") for n in range(3)])
    assert sending.work() == 3
    said = caplog.text + repr(webhook) + repr(cursor_of(world))
    assert said.count("newsroom") > 3
    assert webhook.target.shown in caplog.text
    assert [each for each in ("canary", repr(SECRET), "AAECAwQF", "/hook") if each in said] == []
