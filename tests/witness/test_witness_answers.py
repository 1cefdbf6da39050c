"""Every answer of C2SP tlog-witness, over ASGI, and that only a 200 changes what is remembered."""

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest
from witness_world import (
    FORK,
    LOG,
    NOW,
    ORIGIN,
    STRANGER,
    WITNESS,
    World,
    ask,
    checkpoint,
)

from ledger.errors import FormatError
from ledger.tlog.checkpoint import Checkpoint, format_checkpoint, open_checkpoint
from ledger.tlog.cosignature import verify_cosignature
from ledger.tlog.merkle import EMPTY_ROOT
from ledger.tlog.note import (
    MLDSA44,
    Note,
    NoteSignature,
    Signer,
    format_note,
    open_note,
    parse_note,
    parse_signatures,
    sign_note,
)
from ledger.witness.app import MAX_BODY_BYTES

HASH = hashlib.sha256(ORIGIN.encode()).hexdigest()
LINE = b64encode(bytes(32)).decode() + "\n"


def size_of(world: World) -> int:
    """The size that the witness says in a 409."""
    answer = world.post(ask(2**62, 2**62, note=checkpoint_of(2**62)))
    assert answer.status == 409
    assert answer.headers["content-type"] == "text/x.tlog.size"
    assert answer.body.endswith(b"\n")
    return int(answer.body)


def checkpoint_of(size: int, root: bytes = bytes(32)) -> bytes:
    return sign_note(format_checkpoint(Checkpoint(ORIGIN, size, root)), [LOG])


def test_a_first_checkpoint_and_those_that_continue_it_are_cosigned(world: World) -> None:
    old = 0
    for size in (1, 2, 7, 8, 64, 79):
        world.clock.now += 1
        answer = world.post(ask(old, size))
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
        [line] = parse_signatures(answer.body)
        text = parse_note(checkpoint(size)).text
        assert verify_cosignature(text, line, verifier=WITNESS.verifier) == world.clock.now
        # As the specification has a client do: the lines put under the note open with it.
        opened = open_note(checkpoint(size) + answer.body, [LOG.verifier, WITNESS.verifier])
        assert len(opened.signatures) == 2
        old = size
    assert size_of(world) == 79


def test_the_newest_checkpoint_is_served_with_all_lines_and_nothing_before_it(
    world: World,
) -> None:
    assert world.get(f"/{HASH}/checkpoint").status == 404
    lines = world.post(ask(0, 7)).body
    answer = world.get(f"/{HASH}/checkpoint")
    assert (answer.status, answer.body) == (200, checkpoint(7) + lines)
    assert world.get(f"/{HASH}/checkpoint", "HEAD").body == b""
    later = world.post(ask(7, 9)).body
    assert world.get(f"/{HASH}/checkpoint").body == checkpoint(9) + later
    for wrong in (HASH.upper(), HASH[:-1], "0" * 64, f"{HASH}/checkpoint/x", "%00"):
        assert world.get(f"/{wrong}/checkpoint").status == 404


def test_only_lines_that_verified_are_kept(world: World) -> None:
    stranger = NoteSignature("somebody.example", 5, bytes(64))
    note = checkpoint(7) + stranger.line.encode()
    lines = world.post(ask(0, 7, note=note)).body
    assert world.get(f"/{HASH}/checkpoint").body == checkpoint(7) + lines


def test_the_same_checkpoint_again_has_its_time_refreshed(world: World) -> None:
    first = world.post(ask(0, 7)).body
    world.clock.now += 60
    second = world.post(ask(7, 7))
    assert second.status == 200
    [line] = parse_signatures(second.body)
    text = parse_note(checkpoint(7)).text
    assert verify_cosignature(text, line, verifier=WITNESS.verifier) == NOW + 60
    assert second.body != first
    # Whoever sends it again at once, and anybody can, gets the same line and costs no write.
    world.clock.now += 5
    assert world.post(ask(7, 7)).body == second.body
    world.clock.now += 1
    assert world.post(ask(7, 7)).body != second.body


def test_the_empty_tree_can_be_cosigned_and_continued(world: World) -> None:
    empty = ask(0, 0)
    assert world.post(empty).status == 200
    assert open_checkpoint(world.get(f"/{HASH}/checkpoint").body, [LOG.verifier]).size == 0
    world.clock.now += 60
    assert world.post(empty).status == 200
    assert world.post(ask(0, 3)).status == 200
    assert world.post(empty).status == 409


def test_an_empty_tree_with_another_root_is_422(world: World) -> None:
    for _ in range(2):
        assert world.post(ask(0, 0, note=checkpoint_of(0))).status == 422
        assert world.post(ask(0, 0)).status == 200
    assert checkpoint(0) == checkpoint_of(0, EMPTY_ROOT)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n\n",
        b"old 0\n\n",
        b"old 0\n" + checkpoint(7),
        b"old  0\n\n" + checkpoint(7),
        b"old 00\n\n" + checkpoint(7),
        b"old +0\n\n" + checkpoint(7),
        b"old -1\n\n" + checkpoint(7),
        b"old 9223372036854775808\n\n" + checkpoint(7),
        b"OLD 0\n\n" + checkpoint(7),
        b"old 0\r\n\r\n" + checkpoint(7),
        b"old 1\nAAAA\n\n" + checkpoint(7),
        b"old 1\n" + LINE[:-2].encode() + b"\n\n" + checkpoint(7),
        b"old 1\n" + (LINE * 64).encode() + b"\n" + checkpoint(7),
        b"old 0\n\n" + checkpoint(7)[:-1],
        b"old 0\n\n" + checkpoint(7) + b"\n",
        b"old 0\n\n" + checkpoint(7).replace(b"\n7\n", b"\n07\n"),
        b"old 0\n\n" + checkpoint(7).replace(b"\n7\n", b"\n9223372036854775808\n"),
        b"old 0\n\n" + parse_note(checkpoint(7)).text.encode(),
        b"old 0\n\n" + sign_note(f"{ORIGIN}\n7\n{LINE}an extension\n", [LOG]),
        b"old 0\n\n" + sign_note(f"{ORIGIN}\n7\n", [LOG]),
        b"\xff" * 100,
        b"old 8\n\n" + checkpoint(7),
    ],
)
def test_what_is_malformed_or_older_than_itself_is_400(world: World, body: bytes) -> None:
    world.post(ask(0, 7))
    answer = world.post(body)
    assert (answer.status, bool(answer.detail)) == (400, True)
    assert size_of(world) == 7


def test_as_many_proof_lines_as_there_may_be_are_read(world: World) -> None:
    world.post(ask(0, 5))
    answer = world.post(ask(5, 7, proof=[bytes(32)] * 63))
    assert (answer.status, "63 hashes" in answer.detail) == (422, True)


def test_a_log_that_nobody_follows_is_404(world: World) -> None:
    text = format_checkpoint(Checkpoint(STRANGER.name, 7, bytes(32)))
    answer = world.post(ask(0, 7, note=sign_note(text, [STRANGER])))
    assert answer.status == 404
    # Even where a log that is followed has signed it.
    assert world.post(ask(0, 7, note=sign_note(text, [LOG]))).status == 404


@pytest.mark.parametrize(
    "signers",
    [
        [STRANGER],
        [Signer(ORIGIN, bytes(32))],
        [Signer("log.example/honest2", bytes(range(32)))],
    ],
)
def test_a_checkpoint_that_its_log_has_not_signed_is_403(
    world: World, signers: list[Signer]
) -> None:
    assert world.post(ask(0, 7, note=checkpoint(7, signers=signers))).status == 403


def test_a_line_of_the_log_that_fails_is_403_whatever_stands_beside_it(world: World) -> None:
    good = parse_note(checkpoint(7))
    forged = NoteSignature(LOG.name, LOG.key_id, bytes(64))
    for lines in ((forged,), (good.signatures[0], forged), (forged, good.signatures[0])):
        note = good.text.encode() + b"\n" + "".join(line.line for line in lines).encode()
        assert world.post(ask(0, 7, note=note)).status == 403
    moved = format_note(Note(parse_note(checkpoint(8)).text, good.signatures))
    assert world.post(ask(0, 8, note=moved)).status == 403


def test_another_old_size_is_409_and_says_the_right_one(world: World) -> None:
    for old in (1, 7):
        answer = world.post(ask(old, 7))
        assert (answer.status, answer.body) == (409, b"0\n")
    world.post(ask(0, 7))
    for old, size in ((0, 7), (6, 7), (0, 9), (8, 9), (3, 5), (5, 5), (0, 0)):
        answer = world.post(ask(old, size))
        assert (answer.status, answer.body) == (409, b"7\n")
        assert answer.headers["content-type"] == "text/x.tlog.size"
    # It is said before any look at the proof.
    assert world.post(ask(3, 9, proof=[bytes(32)])).status == 409


def test_a_proof_that_does_not_verify_is_422(world: World) -> None:
    world.post(ask(0, 7))
    right = ask(7, 20)
    proof = right.split(b"\n\n")[0].split(b"\n")[1:]
    assert len(proof) > 2
    for wrong in (proof[:-1], proof[::-1], [*proof, proof[0]], [], proof[1:]):
        body = b"\n".join([b"old 7", *wrong]) + b"\n\n" + checkpoint(20)
        assert world.post(body).status == 422
    for other in (ask(7, 20, FORK), ask(7, 20, note=checkpoint(20, FORK))):
        assert world.post(other).status == 422
    assert world.post(right).status == 200


def test_a_proof_where_none_is_due_is_422(world: World) -> None:
    assert world.post(ask(0, 7, proof=[bytes(32)])).status == 422
    world.post(ask(0, 7))
    assert world.post(ask(7, 7, proof=[bytes(32)])).status == 422


def test_another_root_for_the_same_size_is_422_and_kept_as_proof_of_the_lie(world: World) -> None:
    held = checkpoint(7) + world.post(ask(0, 7)).body
    assert json.loads(world.get(f"/{HASH}/conflicts").body) == []
    assert world.post(ask(7, 7, FORK)).status == 422
    # Also where the old size is another, and once only.
    assert world.post(ask(0, 7, FORK)).status == 409
    [found] = json.loads(world.get(f"/{HASH}/conflicts").body)
    assert found == {
        "seen_at_s": NOW,
        "cosigned": held.decode(),
        "conflicting": checkpoint(7, FORK).decode(),
    }
    one, other = (
        open_checkpoint(found[each].encode(), [LOG.verifier])
        for each in ("cosigned", "conflicting")
    )
    assert (one.size, one.root != other.root) == (other.size, True)
    assert world.get(f"/{HASH}/checkpoint").body == held
    assert world.get(f"/{'0' * 64}/conflicts").status == 404


def test_proofs_of_lies_are_kept_up_to_a_number(world: World) -> None:
    world.post(ask(0, 7))
    for number in range(20):
        answer = world.post(ask(7, 7, note=checkpoint_of(7, bytes([number]) * 32)))
        assert answer.status == 422
    assert len(json.loads(world.get(f"/{HASH}/conflicts").body)) == 16


def test_a_body_that_is_too_long_is_413_however_it_comes(world: World) -> None:
    assert world.post(ask(0, 7) + b"x" * MAX_BODY_BYTES).status == 413
    for length in (b"%d" % (MAX_BODY_BYTES + 1), b"9" * 400, b"-1", b"1e3", b"\xb2"):
        assert world.post(ask(0, 7), headers=[(b"Content-Length", length)]).status == 413
    assert world.post(ask(0, 7), headers=[(b"content-length", b"500")]).status == 200


def test_a_client_that_leaves_in_the_middle_changes_nothing(world: World) -> None:
    async def gone() -> dict[str, str]:
        return {"type": "http.disconnect"}

    assert world.post(b"", receive=gone).status == 400
    assert size_of(world) == 0


def test_other_methods_and_addresses_are_refused(world: World) -> None:
    answer = world.get("/add-checkpoint")
    assert (answer.status, answer.headers["allow"]) == (405, "POST")
    for path in ("/", "/vkey", "/health", f"/{HASH}/checkpoint"):
        answer = world.request("POST", path, b"x")
        assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert world.get("/add-checkpoint/").status == 404
    assert world.post(ask(0, 1)).status == 200


def test_the_front_page_says_who_it_is_and_whom_it_follows(world: World) -> None:
    page = world.get("/").body.decode()
    assert WITNESS.vkey in page
    assert f"{ORIGIN}\n  nothing cosigned yet" in page
    world.post(ask(0, 7))
    page = world.get("/").body.decode()
    assert f"{ORIGIN}\n  size 7, cosigned 2026-11-28T19:00:00Z\n  /{HASH}/checkpoint" in page
    assert world.get("/vkey").body.decode() == WITNESS.vkey + "\n"
    assert world.get("/health").body == b"ok\n"


def test_a_second_key_of_a_log_is_trusted_beside_the_first(world: World) -> None:
    second = Signer(ORIGIN, bytes(32), key_type=MLDSA44)
    assert world.post(ask(0, 7, note=checkpoint(7, signers=[second]))).status == 403
    assert world.state.follow(ORIGIN, second.verifier)
    assert not world.state.follow(ORIGIN, second.verifier)
    assert world.post(ask(0, 7, note=checkpoint(7, signers=[second]))).status == 200
    world.clock.now += 60
    both = checkpoint(8, signers=[LOG, second])
    lines = world.post(ask(7, 8, note=both)).body
    assert world.get(f"/{HASH}/checkpoint").body == both + lines


def test_keys_that_no_log_has_are_not_followed(world: World) -> None:
    with pytest.raises(FormatError, match="type 0x01 or 0x06"):
        world.state.follow(WITNESS.name, WITNESS.verifier)
    with pytest.raises(FormatError, match="named like its origin"):
        world.state.follow("log.example/other", LOG.verifier)


def test_with_two_keys_of_its_own_it_answers_with_two_lines(tmp_path: Path) -> None:
    second = Signer(WITNESS.name, bytes(32), key_type=MLDSA44)
    world = World(tmp_path, signers=(WITNESS, second))
    answer = world.post(ask(0, 7))
    assert len(parse_signatures(answer.body)) == 2
    verifiers = [LOG.verifier, WITNESS.verifier, second.verifier]
    for note in (checkpoint(7) + answer.body, world.get(f"/{HASH}/checkpoint").body):
        assert len(open_note(note, verifiers).signatures) == 3
    assert world.get("/vkey").body.decode() == f"{WITNESS.vkey}\n{second.vkey}\n"
    world.close()
