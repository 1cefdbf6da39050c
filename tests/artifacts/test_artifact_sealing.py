"""Objects at rest: any part can be read, and nothing else than was sealed."""

import io
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.artifacts.sealing import CHUNK, HEADER, SealedFile, Sealer, Unsealer, sealed_length
from ledger.errors import CommitmentError

KEY = bytes(range(32))
SEALED_CHUNK = CHUNK + 16


def _random(count: int) -> bytes:
    return bytes(range(count))


def sealed(data: bytes, *, job: str = "one", pieces: int = 7_001) -> bytes:
    out = io.BytesIO()
    sealer = Sealer(out, key=KEY, job_id=job, random=_random)
    for start in range(0, len(data), pieces):
        sealer.write(data[start : start + pieces])
    sealer.finish()
    return out.getvalue()


def reading(at_rest: bytes) -> Callable[[int, int], bytes]:
    return lambda start, length: at_rest[start : start + length]


def unsealed(at_rest: bytes, length: int, *, job: str = "one", key: bytes = KEY) -> bytes:
    whole = Unsealer(reading(at_rest), key=key, job_id=job, length=length)
    return b"".join(whole.parts(0, length))


SIZES = [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK, 3 * CHUNK + 5]


@pytest.mark.parametrize("size", SIZES)
def test_what_was_sealed_is_read_back_and_its_length_at_rest_is_known(size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    at_rest = sealed(data)
    assert len(at_rest) == sealed_length(size)
    assert unsealed(at_rest, size) == data
    assert data[:64] not in at_rest or size < 64


@given(st.integers(0, 3 * CHUNK), st.integers(0, 3 * CHUNK))
def test_any_part_can_be_read_without_the_rest(start: int, length: int) -> None:
    data = bytes(i % 253 for i in range(3 * CHUNK + 9))
    whole = Unsealer(reading(sealed(data)), key=KEY, job_id="one", length=len(data))
    assert b"".join(whole.parts(start, length, chunks=1)) == data[start : start + length]


def test_another_job_or_key_or_order_of_chunks_does_not_decrypt() -> None:
    data = bytes(3 * CHUNK)
    at_rest = sealed(data)
    chunks = [at_rest[HEADER + i * SEALED_CHUNK :][:SEALED_CHUNK] for i in range(3)]
    swapped = at_rest[:HEADER] + chunks[1] + chunks[0] + chunks[2]
    with pytest.raises(CommitmentError):
        unsealed(at_rest, len(data), job="two")
    with pytest.raises(CommitmentError):
        unsealed(at_rest, len(data), key=bytes(32))
    with pytest.raises(CommitmentError):
        unsealed(swapped, len(data))
    with pytest.raises(CommitmentError):
        unsealed(at_rest[: HEADER + 2 * SEALED_CHUNK], 2 * CHUNK)
    with pytest.raises(CommitmentError):
        unsealed(at_rest[:-SEALED_CHUNK], len(data))
    with pytest.raises(CommitmentError):
        unsealed(b"", 5)


def test_every_flipped_byte_is_noticed() -> None:
    at_rest = sealed(b"a short artifact")
    for place in range(len(at_rest)):
        broken = bytearray(at_rest)
        broken[place] ^= 1
        with pytest.raises(CommitmentError):
            unsealed(bytes(broken), 16)


def test_an_object_is_a_file_for_what_wants_to_seek() -> None:
    data = bytes(i % 251 for i in range(2 * CHUNK + 10))
    whole = Unsealer(reading(sealed(data)), key=KEY, job_id="one", length=len(data))
    with io.BufferedReader(SealedFile(whole, len(data))) as file:
        assert file.read() == data
        assert file.seek(-10, io.SEEK_END) == len(data) - 10
        assert file.read(20) == data[-10:]
        assert file.seek(CHUNK - 2) == CHUNK - 2
        assert file.read(4) == data[CHUNK - 2 : CHUNK + 2]
        with pytest.raises(ValueError, match="begins at 0"):
            file.raw.seek(-1)
