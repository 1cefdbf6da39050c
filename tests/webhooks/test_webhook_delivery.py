"""What a webhook is told: everything, in the order of the log, until its receiver has taken it."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from ledger_world import World, words_of
from webhook_world import (
    OLD_SECRET,
    PUBLIC_URL,
    SECRET,
    WAIT_S,
    Receiver,
    begun,
    courier,
    cursor_of,
    hook,
    source,
)

from ledger.errors import LogUnavailable
from ledger.records.deadline import DAY_S, format_time
from ledger.webhooks import schedule
from ledger.webhooks.config import Webhook
from ledger.webhooks.courier import AT_ONCE, LEASE_S
from ledger.webhooks.couriers import Couriers
from ledger.webhooks.events import TYPES, Event, Place
from ledger.webhooks.sending import Reply

ALL = tuple(each for each in Event if each is not Event.MATCHED)


def _rejected(world: World, job: str) -> bytes:
    return world.submission(
        job,
        author="beta",
        workload_type="lora",
        optimizer_targets=["uploaded_model"],
        gradient_scope="auxiliary_only",
    )


def _history(world: World) -> None:
    """Something for every event."""
    first = world.log(world.submission("one"), _rejected(world, "two"))[0]
    world.run("one")
    world.days(91)
    world.sweep()
    correction = {
        "corrects": first.index,
        "field": "public.gpu_count",
        "value": "16",
        "reason": "a typing mistake",
    }
    world.log(world.statement("alpha", "corrected", "job-corrected/1", correction, job="one"))


def _expected(world: World, webhook: Webhook, start: int) -> list[tuple[int, str]]:
    """What a webhook has to be told, read from the streams of the feeds one by one."""
    found = []
    with world.reader.at() as view:
        streams = {
            Event.SUBMITTED: view.stream_submitted(),
            Event.REJECTED: view.stream_rejected(),
            Event.PUBLISHED: view.stream_published(),
            Event.CORRECTED: view.stream_corrections(),
            Event.CHECKPOINT: view.stream_checkpoints(),
        }
        if webhook.search:
            streams[Event.MATCHED] = view.stream_jobs(webhook.search)
        for event in webhook.events:
            places = streams[event].from_(start, below=view.size, limit=10_000)
            found += [(index, event) for index in places]
    return [(index, TYPES[event]) for index, event in sorted(found)]


def _in_any_spelling(words: Sequence[str], seeds: Sequence[bytes], seen: bytes) -> list[bytes]:
    """What of sealed words, their unsalted digests and the seeds stands in ``seen``."""
    forbidden = list(seeds)
    for word in words:
        raw = word.encode()
        digests = [hashlib.sha256(each).digest() for each in (raw, json.dumps(word).encode())]
        forbidden += [raw, *digests]
    spelt = [
        way(each)
        for each in forbidden
        for way in (bytes, base64.b64encode, lambda each: each.hex().encode())
    ]
    return [each for each in spelt if each in seen]


# --- what is told -------------------------------------------------------------------------------


def test_everything_after_the_beginning_is_told_once_in_the_order_of_the_log(
    world: World, receiver: Receiver
) -> None:
    world.log(world.submission("before"))
    webhook = hook(receiver.url, *ALL, search={"member": "beta"})
    sending = begun(world, webhook)
    start = world.reader.tree_size()
    assert sending.work() == 0
    _history(world)
    expected = _expected(world, webhook, start)
    assert {kind for _, kind in expected} == set(TYPES.values())
    assert sending.work() == len(expected)
    assert receiver.places == expected
    assert len(set(receiver.ids)) == len(expected)
    assert sending.work() == 0
    assert cursor_of(world).next_index == world.reader.tree_size()
    assert all(each.is_signed_by(SECRET) for each in receiver.got)
    assert {each.headers["webhook-timestamp"] for each in receiver.got} == {str(world.clock.now)}
    assert {each.headers["content-type"] for each in receiver.got} == {"application/json"}


def test_more_than_is_looked_up_at_once_is_told_without_a_gap(
    world: World, receiver: Receiver
) -> None:
    webhook = hook(receiver.url, Event.SUBMITTED, Event.CHECKPOINT)
    sending = begun(world, webhook)
    start = world.reader.tree_size()
    world.log(*[world.submission(f"many{n}") for n in range(AT_ONCE)])
    world.log(*[world.submission(f"more{n}") for n in range(7)])
    sending.work()
    assert receiver.places == _expected(world, webhook, start)
    assert len(receiver.got) == AT_ONCE + 7 + 2


def test_a_message_says_what_the_entry_says_and_where_to_read_on(
    world: World, receiver: Receiver
) -> None:
    sending = begun(world, hook(receiver.url, *ALL))
    _history(world)
    sending.work()
    by_type = {each.event["type"]: each.event for each in receiver.got}
    with world.reader.at() as view:
        job = view.job(world.job_id("two")).job
        published = view.stream_published().from_(0, below=view.size, limit=9)
    rejected = by_type["job.rejected"]
    index = job.submitted_index + 1
    assert rejected["timestamp"] == job.submitted_at
    assert rejected["data"] == {
        "webhook": "newsroom",
        "index": index,
        "entry_kind": "rejected",
        "kind": "rejected",
        "tree_size": index + 1,
        "url": f"{PUBLIC_URL}/jobs/{job.job_id}",
        "api": f"{PUBLIC_URL}/api/v1/jobs/{job.job_id}",
        "entry": f"{PUBLIC_URL}/entries/{index}.json",
        "proof": f"{PUBLIC_URL}/entries/{index}.proof",
        "job_id": job.job_id,
        "member": "beta",
        "codes": rejected["data"]["codes"],
        "job": rejected["data"]["job"],
    }
    assert "R1_forbidden_workload" in rejected["data"]["codes"]
    assert rejected["data"]["job"]["state"] == "rejected"
    disclosed = by_type["record.published"]["data"]
    assert disclosed["index"] == published[-1]
    assert disclosed["entry_kind"] == "disclosed"
    assert disclosed["kind"] in {"submitted", "completed"}
    assert disclosed["reason"] == "deadline"
    assert disclosed["proof"] == f"{PUBLIC_URL}/entries/{disclosed['discloses']}.proof"
    assert by_type["record.corrected"]["data"]["corrects"] == receiver.got[0].index
    checkpoint = by_type["checkpoint.published"]["data"]
    assert checkpoint["tree_size"] == checkpoint["index"] + 1
    assert len(checkpoint["root"]) == 64
    assert "job" not in checkpoint


def test_a_message_has_the_same_bytes_whenever_it_is_made(world: World, receiver: Receiver) -> None:
    webhook = hook(receiver.url, *ALL)
    sending = begun(world, webhook)
    world.log(world.submission("one"), _rejected(world, "two"))
    sending.work()
    told = {each.place: each.body for each in receiver.got}
    world.run("one")
    world.days(91)
    world.sweep()
    for (index, kind), body in told.items():
        (event,) = [each for each, name in TYPES.items() if name == kind]
        assert source(world).body(webhook, Place(index, event)) == body


def test_nothing_sealed_is_in_any_message_before_it_is_opened(
    world: World, receiver: Receiver
) -> None:
    webhook = hook(receiver.url, *ALL, search={"state": "completed"})
    sending = begun(world, webhook)
    jobs = [f"job{n}" for n in range(6)]
    world.log(*[world.submission(job) for job in jobs])
    for job in jobs[:3]:
        world.run(job)
    sending.work()
    seen = b"\n".join(each.body + repr(each.headers).encode() for each in receiver.got)
    words = words_of(world, jobs)
    assert len(words) > 20
    assert (
        _in_any_spelling(words, [seed for job in jobs for seed in world.sealed[job].seeds], seen)
        == []
    )
    world.days(91)
    world.sweep()
    before = len(receiver.got)
    sending.work()
    after = b"\n".join(each.body for each in receiver.got[before:])
    titles = [word for word in words if "-title-" in word]
    assert [word for word in titles if word.encode() not in after] == []


def test_while_a_secret_is_changed_a_receiver_may_know_either(
    world: World, receiver: Receiver
) -> None:
    sending = begun(world, hook(receiver.url, Event.SUBMITTED, secrets=(SECRET, OLD_SECRET)))
    world.log(world.submission("one"))
    sending.work()
    (got,) = receiver.got
    assert got.is_signed_by(SECRET)
    assert got.is_signed_by(OLD_SECRET)
    assert not got.is_signed_by(bytes(32))


# --- what is not taken --------------------------------------------------------------------------


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
    expected = _expected(world, webhook, start)
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
    expected = _expected(world, webhook, start)
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
    assert receiver.places[1:] == _expected(world, webhook, start)
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


# --- several workers, and crashes ---------------------------------------------------------------


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
    couriers = [begun(world, each) for each in hooks]
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
    running = Couriers([courier(world, webhook)], look_s=0.01, patience_s=0.01)
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


def test_a_body_is_the_event_that_the_schema_describes(world: World, receiver: Receiver) -> None:
    sending = begun(world, hook(receiver.url, Event.SUBMITTED))
    world.log(world.submission("one"))
    sending.work()
    (got,) = receiver.got
    assert list(json.loads(got.body)) == ["type", "timestamp", "data"]
    assert got.event["timestamp"] == format_time(world.clock.now)
