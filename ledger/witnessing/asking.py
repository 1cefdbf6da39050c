"""One request to one witness over HTTP, and what its answer may be: bounded in bytes and in time.

An answer is bytes from a stranger: it is not decompressed, followed elsewhere or quoted.
"""

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Final

import httpx

from ledger.errors import FormatError, SignatureError
from ledger.tlog.cosignature import verify_cosignature
from ledger.tlog.note import VerifierKey, parse_signatures
from ledger.tlog.spelling import decode_size
from ledger.tlog.standard import identity
from ledger.witnessing.trouble import Trouble, WitnessRefused

MAX_ANSWER: Final = 512 * 1024
"""Bytes of a hundred cosignature lines by ML-DSA-44, and some."""
TIMEOUT_S: Final = 20.0
"""For the whole exchange, however slowly it drips."""
CLOCK_SKEW_S: Final = 300
SHOW_TIMEOUT_S: Final = 5.0
"""For the whole of a checkpoint that is merely read."""
SIZE_TYPE: Final = "text/x.tlog.size"

_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)
_REFUSALS: Final = {
    403: Trouble.FORBIDDEN,
    404: Trouble.UNKNOWN_LOG,
    422: Trouble.INCONSISTENT,
    429: Trouble.BUSY,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: ``lines`` of a 200, or from a 409 the ``size`` that the witness knows."""

    lines: bytes = b""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """A cosignature that verified, the witness that made it (``name+hex8``), and its time."""

    witness: str
    time_s: int
    text: str


async def ask(client: httpx.AsyncClient, address: str, body: bytes, *, now: int) -> Reply:
    """Send an add-checkpoint request. Raises WitnessRefused for all but a 200 and a sound 409.

    ``now`` is what a Retry-After with a date is counted from.
    """
    try:
        async with asyncio.timeout(TIMEOUT_S):
            async with client.stream("POST", address, content=body, headers=HEADERS) as answer:
                data = await _bounded(answer)
    except (TimeoutError, httpx.TimeoutException):
        raise WitnessRefused(Trouble.TIMEOUT) from None
    except (httpx.HTTPError, httpx.InvalidURL):
        raise WitnessRefused(Trouble.UNREACHABLE) from None
    return _read(answer, data, now=now)


async def newest(client: httpx.AsyncClient, address: str, origin: str) -> bytes | None:
    """The newest checkpoint that a witness holds of a log, where it shows that; None otherwise.

    ``address`` is the witness's prefix. Not part of tlog-witness: our own witness and others like
    it answer at ``/<SHA-256 of the origin>/checkpoint``. Nothing in it is verified here.
    """
    where = f"{address.rstrip('/')}/{sha256(origin.encode()).hexdigest()}/checkpoint"
    try:
        async with asyncio.timeout(SHOW_TIMEOUT_S):
            async with client.stream("GET", where, headers=_READING) as answer:
                return await _bounded(answer) if answer.status_code == 200 else None
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, WitnessRefused):
        return None


HEADERS: Final = {
    "Content-Type": "text/plain; charset=utf-8",
    "Accept-Encoding": "identity",
    "User-Agent": "apsci-ledger",
}
_READING: Final = {"Accept-Encoding": "identity", "User-Agent": "apsci-ledger"}


def verified_lines(
    data: bytes, keys: Sequence[VerifierKey], *, text: str, now: int
) -> tuple[Line, ...]:
    """The cosignatures in ``data`` by ``keys`` over the checkpoint's ``text``, one for each key.

    Lines by anybody else are ignored. Raises WitnessRefused where a line of a key is forged, where
    none is there, or where one states a time that is more than five minutes from ``now``: it is to
    bound when this tree existed.
    """
    try:
        lines = parse_signatures(data)
    except FormatError:
        raise WitnessRefused(Trouble.BAD_ANSWER) from None
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[str, Line] = {}
    for line in lines:
        key = known.get((line.name, line.key_id))
        if key is None:
            continue
        try:
            time_s = verify_cosignature(text, line, verifier=key)
        except (SignatureError, FormatError):
            raise WitnessRefused(Trouble.BAD_SIGNATURE) from None
        if abs(time_s - now) > CLOCK_SKEW_S:
            raise WitnessRefused(Trouble.WRONG_CLOCK)
        found.setdefault(identity(key), Line(identity(key), time_s, line.line))
    if not found:
        raise WitnessRefused(Trouble.NO_COSIGNATURE)
    return tuple(found.values())


async def _bounded(answer: httpx.Response) -> bytes:
    data = b""
    async for chunk in answer.aiter_raw():
        data += chunk
        if len(data) > MAX_ANSWER:
            raise WitnessRefused(Trouble.TOO_LARGE)
    return data


def _read(answer: httpx.Response, data: bytes, *, now: int) -> Reply:
    status = answer.status_code
    if status == 200:
        return Reply(lines=data)
    if status == 409:
        return Reply(size=_size(answer, data))
    wait = _retry_after(answer.headers.get("retry-after", ""), now=now)
    if 300 <= status < 400:
        raise WitnessRefused(Trouble.REDIRECT)
    if status >= 500:
        raise WitnessRefused(Trouble.SERVER_ERROR, retry_after_s=wait)
    raise WitnessRefused(_REFUSALS.get(status, Trouble.REFUSED), retry_after_s=wait)


def _size(answer: httpx.Response, data: bytes) -> int:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip()
    if kind != SIZE_TYPE or not data.endswith(b"\n"):
        raise WitnessRefused(Trouble.BAD_ANSWER)
    try:
        return decode_size(data[:-1].decode("ascii"), what="the witness's size")
    except (UnicodeDecodeError, FormatError):
        raise WitnessRefused(Trouble.BAD_ANSWER) from None


def _retry_after(text: str, *, now: int) -> int | None:
    if _SECONDS.fullmatch(text):
        return int(text)
    try:
        return max(0, int(parsedate_to_datetime(text[:64]).timestamp()) - now)
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
