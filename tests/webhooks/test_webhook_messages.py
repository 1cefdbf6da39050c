"""What a webhook is told: everything, in the order of the log, and nothing that is sealed."""

import base64
import hashlib
import json
from collections.abc import Sequence

from ledger_world import World, words_of
from webhook_world import (
    OLD_SECRET,
    PUBLIC_URL,
    SECRET,
    Receiver,
    begun,
    cursor_of,
    expected_of,
    hook,
    source,
)

from ledger.records.deadline import format_time
from ledger.webhooks.courier import AT_ONCE
from ledger.webhooks.events import TYPES, Event, Place

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
    world.run("one", unchanged=False)
    world.refuse("R3_missing_record", "There is no receipt.")
    world.days(91)
    world.sweep()
    correction = {
        "corrects": first.index,
        "field": "public.gpu_count",
        "value": "16",
        "reason": "a typing mistake",
    }
    world.log(world.statement("alpha", "corrected", "job-corrected/1", correction, job="one"))


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


def test_everything_after_the_beginning_is_told_once_in_the_order_of_the_log(
    world: World, receiver: Receiver
) -> None:
    world.log(world.submission("before"))
    webhook = hook(receiver.url, *ALL, search={"member": "beta"})
    sending = begun(world, webhook)
    start = world.reader.tree_size()
    assert sending.work() == 0
    _history(world)
    expected = expected_of(world, webhook, start)
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
    assert receiver.places == expected_of(world, webhook, start)
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


def test_a_body_is_the_event_that_the_schema_describes(world: World, receiver: Receiver) -> None:
    sending = begun(world, hook(receiver.url, Event.SUBMITTED))
    world.log(world.submission("one"))
    sending.work()
    (got,) = receiver.got
    assert list(json.loads(got.body)) == ["type", "timestamp", "data"]
    assert got.event["timestamp"] == format_time(world.clock.now)
