"""Objects at rest: encrypted in chunks, so that any part can be read without the rest.

    header   nonce[24] ‖ the object's own key, encrypted (48 bytes)
    chunk i  XChaCha20-Poly1305 of 65,536 bytes, the last one shorter (STREAM)

A chunk's nonce is its number and whether it is the last: chunks that are swapped, doubled or cut
off do not decrypt. The associated data of the header is the job: an object of another job does not
decrypt either. A length is never stored in the clear, though the object's own tells it.
"""

import io
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

from nacl.bindings import (
    crypto_aead_xchacha20poly1305_ietf_decrypt,
    crypto_aead_xchacha20poly1305_ietf_encrypt,
)
from nacl.exceptions import CryptoError

from ledger.errors import CommitmentError

CHUNK: Final = 65_536
_MAC: Final = 16
_NONCE: Final = 24
_KEY: Final = 32
HEADER: Final = _NONCE + _KEY + _MAC
_SEALED: Final = CHUNK + _MAC


def sealed_length(length: int) -> int:
    """How many bytes an object of ``length`` bytes takes at rest."""
    return HEADER + length + _MAC * _chunks(length)


class Sealer:
    """Encrypts one object into ``target``. ``finish`` once, after the last ``write``."""

    def __init__(
        self, target: BinaryIO, *, key: bytes, job_id: str, random: Callable[[int], bytes]
    ) -> None:
        self._target = target
        self._own = random(_KEY)
        self._rest = bytearray()
        self._number = 0
        nonce = random(_NONCE)
        sealed = crypto_aead_xchacha20poly1305_ietf_encrypt(self._own, job_id.encode(), nonce, key)
        target.write(nonce + sealed)

    def write(self, data: bytes) -> None:
        """Take more bytes."""
        self._rest += data
        # The last chunk is marked as such, so one is held back until it is known not to be it.
        start = 0
        while len(self._rest) - start > CHUNK:
            self._seal(bytes(self._rest[start : start + CHUNK]), last=False)
            start += CHUNK
        del self._rest[:start]

    def finish(self) -> None:
        """Write the last chunk. The caller makes the file durable."""
        self._seal(bytes(self._rest), last=True)
        self._rest.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        nonce = _nonce(self._number, last=last)
        self._target.write(
            crypto_aead_xchacha20poly1305_ietf_encrypt(chunk, None, nonce, self._own)
        )
        self._number += 1


class Unsealer:
    """Reads an object of ``length`` bytes; ``read`` gives (start, length) of what is at rest.

    Raises CommitmentError wherever the bytes are not what was sealed for this job.
    """

    def __init__(
        self, read: Callable[[int, int], bytes], *, key: bytes, job_id: str, length: int
    ) -> None:
        self._read = read
        self._length = length
        header = read(0, HEADER)
        self._own = _opened(header[_NONCE:], job_id.encode(), header[:_NONCE], key)

    def parts(self, start: int, length: int, *, chunks: int = 16) -> Iterator[bytes]:
        """The bytes from ``start`` on, ``length`` of them, some chunks at a time."""
        stop = min(start + length, self._length)
        last = _chunks(self._length) - 1
        while start < stop:
            number = start // CHUNK
            until = min(number + chunks, last + 1)
            sealed = self._read(HEADER + number * _SEALED, (until - number) * _SEALED)
            plain = bytearray()
            for each in range(number, until):
                begin = (each - number) * _SEALED
                nonce = _nonce(each, last=each == last)
                plain += _opened(sealed[begin : begin + _SEALED], None, nonce, self._own)
            begin = start - number * CHUNK
            part = bytes(plain[begin : begin + stop - start])
            if not part:
                raise CommitmentError("a stored artifact is shorter than it was")
            yield part
            start += len(part)


class SealedFile(io.RawIOBase):
    """An object read as a file; wrap it in a buffer. For what wants to seek."""

    def __init__(self, whole: Unsealer, length: int) -> None:
        self._whole = whole
        self._length = length
        self._at = 0
        self._held: tuple[int, bytes] = (0, b"")

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to another place; one beyond the end reads nothing."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        if base + offset < 0:
            raise ValueError("a file begins at 0")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        """Fill ``buffer`` as far as one run of chunks goes."""
        start, held = self._held
        if not start <= self._at < start + len(held):
            if self._at >= self._length:
                return 0
            start = self._at // CHUNK * CHUNK
            held = next(self._whole.parts(start, self._length - start), b"")
            self._held = (start, held)
        part = held[self._at - start : self._at - start + len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)


def _opened(sealed: bytes, said: bytes | None, nonce: bytes, key: bytes) -> bytes:
    try:
        return crypto_aead_xchacha20poly1305_ietf_decrypt(sealed, said, nonce, key)
    except (CryptoError, ValueError, TypeError):
        raise CommitmentError(
            "a stored artifact does not decrypt: another openings key, or damaged bytes"
        ) from None


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes(15) + bytes([last]) + number.to_bytes(8, "big")


def _chunks(length: int) -> int:
    return max(-(-length // CHUNK), 1)
