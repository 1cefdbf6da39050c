"""What a witness may answer wrongly: none of it is kept, and the others are not held up by it."""

import gzip
import hashlib
from typing import Any

import pytest
from nacl.signing import SigningKey
from witness_process import key_id, line
from witnessing_world import World, cosigners

from ledger.witnessing import asking, correspondent
from ledger.witnessing.trouble import MEANINGS, Trouble

SIZE = {"Content-Type": "text/x.tlog.size"}
FORGER = SigningKey(hashlib.sha256(b"forger").digest())
HUGE = b"9" * 200 + b"\n"
STRANGE = {
    "wrong signature": ("wrong-signature", None, "bad-signature"),
    "other text": ("other-text", None, "bad-signature"),
    "another key of the same name": ("other-key", None, "no-cosignature"),
    "minutes ahead": ("clock", 301, "wrong-clock"),
    "minutes behind": ("clock", -301, "wrong-clock"),
    "garbage": ("status", (200, b"<html>\n", {}), "bad-answer"),
    "nothing": ("status", (200, b"", {}), "bad-answer"),
    "a line without its newline": ("status", (200, "\u2014 w AAAAAAAA".encode(), {}), "bad-answer"),
    "not UTF-8": ("status", (200, b"\xff\xfe\n", {}), "bad-answer"),
    "the checkpoint itself": ("status", (200, b"ledger.example/test\n4\n", {}), "bad-answer"),
    "compressed": (
        "status",
        (200, gzip.compress(b"x" * 10_000_000), {"Content-Encoding": "gzip"}),
        "bad-answer",
    ),
    "endless": ("huge", None, "too-large"),
    "closed": ("closes", None, "unreachable"),
    "another address": ("status", (307, b"", {"Location": "/elsewhere"}), "redirect"),
    "moved": ("status", (301, b"", {"Location": "http://example.com/"}), "redirect"),
    "no such log": ("status", (404, b"who?", {}), "unknown-log"),
    "forbidden": ("status", (403, b"", {}), "forbidden"),
    "bad request": ("status", (400, b"", {}), "refused"),
    "an unknown status": ("status", (418, b"", {}), "refused"),
    "a proof that fails": ("status", (422, b"", {}), "inconsistent"),
    "too many requests": ("status", (429, b"", {"Retry-After": "100"}), "busy"),
    "trouble of its own": ("status", (503, b"", {}), "server-error"),
    "a conflict without a size": ("status", (409, b"", SIZE), "bad-answer"),
    "a conflict of another type": (
        "status",
        (409, b"0\n", {"Content-Type": "text/html"}),
        "bad-answer",
    ),
    "a size that is none": ("status", (409, b"07\n", SIZE), "bad-answer"),
    "a size beyond numbers": ("status", (409, HUGE, SIZE), "bad-answer"),
    "the size that we sent": ("status", (409, b"0\n", SIZE), "conflict"),
}


def test_what_is_not_a_cosignature_of_this_witness_is_not_kept(world: World) -> None:
    world.log()
    honest = [each.name for each in world.witnesses[1:]]
    for failures, (name, (mode, given, trouble)) in enumerate(STRANGE.items(), 1):
        at = world.clock.now + given if mode == "clock" else given
        world.witnesses[0].behave(mode, at)
        assert world.troubles() == [trouble, None, None], name
        assert [each for each, _ in cosigners(world.note())] == honest, name
        state = world.status().witnesses[0]
        assert (state.size, state.failures, state.error) == (0, failures, trouble), name
    assert {trouble for _, _, trouble in STRANGE.values()} | {"ahead", "timeout"} == set(Trouble)
    world.witnesses[0].behave("honest")
    assert world.troubles() == [None, None, None]
    assert world.status().witnesses[0].failures == 0


def test_a_line_of_another_witness_counts_for_nobody(world: World) -> None:
    size = world.log()
    with world.ledger.store.snapshot() as reads:
        checkpoint = reads.checkpoint(size)
    assert checkpoint is not None
    text = checkpoint.note.partition(b"\n\n")[0] + b"\n"
    other = world.witnesses[1]
    key = SigningKey(hashlib.sha256(other.name.encode()).digest())
    at = world.clock.now
    blob = at.to_bytes(8, "big") + key.sign(b"cosignature/v1\ntime %d\n" % at + text).signature
    given = (other.name, key_id(other.name, 4, bytes(key.verify_key)), blob)
    assert line(*given).startswith("\u2014 witness.example/w1".encode())
    world.witnesses[0].behave("someone-else", given)
    other.behave("closes")
    assert world.troubles() == ["no-cosignature", "unreachable", None]
    assert world.status().cosigned_size is None
    with world.ledger.store.snapshot() as reads:
        kept = reads.cosignatures(size, [each.identity for each in world.witnesses])
    assert [each.witness for each in kept] == [world.witnesses[2].identity]


def test_of_many_lines_only_the_first_of_its_key_is_kept(world: World) -> None:
    size = world.log()
    world.witnesses[0].behave("many-lines")
    assert world.troubles() == [None, None, None]
    lines = world.note().rpartition(b"\n\n")[2].decode().splitlines()
    assert [each.split(" ")[1] for each in lines] == [
        "ledger.example/test",
        *(each.name for each in world.witnesses),
    ]
    assert cosigners(world.note())[0] == (world.witnesses[0].name, world.clock.now)
    assert world.status().cosigned_size == size


def test_a_witness_that_never_answers_is_given_up_and_holds_up_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow, ask = world.witnesses[1], asking.ask

    async def impatient(client: Any, address: str, body: bytes, **given: Any) -> Any:
        # The others may take as long as they need: only the one that never answers is short of it.
        monkeypatch.setattr(asking, "TIMEOUT_S", 0.1 if address.startswith(slow.url) else 120)
        return await ask(client, address, body, **given)

    monkeypatch.setattr(correspondent, "ask", impatient)
    size = world.log()
    slow.behave("slow")
    assert world.troubles() == [None, "timeout", None]
    assert world.status().cosigned_size == size


def test_a_body_without_end_ends_at_its_limit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "MAX_ANSWER", 200)
    world.log()
    assert world.troubles() == [None, None, None]
    world.witnesses[0].behave("status", (200, b"x" * 201, {}))
    assert world.troubles()[0] == "too-large"


def test_no_address_and_no_answer_is_ever_shown_or_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="ledger")
    world.log()
    strange: list[Any] = [("status", (500, b"do-not-repeat-this", {})), ("closes", None)]
    for mode, given in strange:
        world.witnesses[0].behave(mode, given)
        world.ask()
    said = " ".join(
        record.getMessage() for record in caplog.records if record.name.startswith("ledger")
    )
    shown = repr(world.status())
    for secret in ("secret-path", str(world.witnesses[0].port), "do-not-repeat-this"):
        assert secret not in said
        assert secret not in shown
    assert "the witness W0 is asked again" in said


def test_every_trouble_has_words() -> None:
    assert set(MEANINGS) == set(Trouble)
    assert all(len(words) > 10 for words in MEANINGS.values())
