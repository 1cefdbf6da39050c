"""Any sequence of requests, judged by a model that knows the trees and needs no proof."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from witness_world import FORK, LEAVES, LOG, STRANGER, World, ask, checkpoint

from ledger.tlog.note import NoteSignature, Signer, parse_note

SIZES = st.integers(0, 12)


@dataclass(frozen=True)
class Request:
    """What a client sends: everything that it may get right or wrong."""

    old: int
    size: int
    fork: bool
    proof: str
    signature: str

    @property
    def leaves(self) -> list[bytes]:
        return FORK if self.fork else LEAVES

    def body(self) -> bytes:
        note = checkpoint(self.size, self.leaves)
        match self.signature:
            case "another key":
                note = checkpoint(self.size, self.leaves, [Signer(LOG.name, bytes(32))])
            case "a stranger's":
                note = checkpoint(self.size, self.leaves, [STRANGER])
            case "a failing line too":
                forged = NoteSignature(LOG.name, LOG.key_id, bytes(64))
                note += forged.line.encode()
            case "a stranger's line too":
                note = checkpoint(self.size, self.leaves, [STRANGER, LOG])
        right = ask(self.old, self.size, self.leaves).split(b"\n\n")[0].split(b"\n")[1:]
        zeros = b"A" * 43 + b"="
        proof = {
            "right": right,
            "cut": right[:-1],
            "longer": [*right, zeros],
            "zeros": [zeros for _ in right],
            "too long": [zeros] * 64,
        }[self.proof]
        return b"\n".join([b"old %d" % self.old, *proof]) + b"\n\n" + note

    @property
    def proves(self) -> bool:
        """Whether the proof is the one that its sizes and its tree have."""
        needed = 0 < self.old < self.size
        return self.proof == "right" or (self.proof in {"cut", "zeros"} and not needed)


requests = st.builds(
    Request,
    old=SIZES,
    size=SIZES,
    fork=st.booleans(),
    proof=st.sampled_from(["right"] * 6 + ["cut", "longer", "zeros", "too long"]),
    signature=st.sampled_from(
        ["the log's"] * 6
        + ["another key", "a stranger's", "a failing line too", "a stranger's line too"]
    ),
)


def expected(request: Request, cosigned: list[bytes]) -> int:
    """The answer, from the leaves themselves: ``cosigned`` are those of the last tree."""
    if request.proof == "too long":
        return 400
    if request.signature in {"another key", "a stranger's", "a failing line too"}:
        return 403
    if request.old > request.size:
        return 400
    if request.old != len(cosigned):
        return 409
    if not request.proves:
        return 422
    return 200 if request.leaves[: request.old] == cosigned else 422


@given(st.lists(requests, max_size=8))
@settings(deadline=None, max_examples=60)
def test_every_sequence_is_answered_as_the_model_says(sequence: list[Request]) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        # Nothing here is about lost power: the disk may be slow, the test may not.
        world.state._writer.execute("PRAGMA synchronous = OFF")
        cosigned: list[bytes] = []
        for request in sequence:
            # Half of all old sizes are what an honest client would have sent.
            for old in (request.old, len(cosigned)):
                tried = Request(old, request.size, request.fork, request.proof, request.signature)
                world.clock.now += 10
                answer = world.post(tried.body())
                assert answer.status == expected(tried, cosigned), (tried, answer)
                if answer.status == 409:
                    assert answer.body == b"%d\n" % len(cosigned)
                if answer.status == 200:
                    cosigned = tried.leaves[: tried.size]
        world.close()


@given(st.binary(max_size=200), st.integers(0, 400))
@settings(deadline=None, max_examples=40)
def test_no_body_brings_anything_but_an_answer(junk: bytes, at: int) -> None:
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.state._writer.execute("PRAGMA synchronous = OFF")
        body = ask(0, 5)
        for data in (junk, body[:at] + junk + body[at:], body + junk, body[: -len(junk) or None]):
            status = world.post(data).status
            assert status in {200, 400, 403, 404, 409, 422}
            assert status != 200 or parse_note(data.split(b"\n\n", 1)[1])
        world.close()
