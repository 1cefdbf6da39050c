"""Asking a server until it answers: bounded answers, pauses that grow, errors of the house.

Nothing that comes through here is believed; what it claims is for others to check.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import httpx
import msgspec

from ledger.errors import (
    FormatError,
    LedgerError,
    LogUnavailable,
    NotFound,
    Overloaded,
    TooLarge,
    ValueRefused,
)
from schemas.posting import Problem

TIMEOUT_S: Final = 30.0
GIVE_UP_AFTER_S: Final = 60.0
FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 8.0
LEAST_PER_S: Final = 8 * 1024
"""How many bytes of an answer have to come in a second, on the whole, after ``TIMEOUT_S``."""
MAX_ANSWER: Final = 64 << 20
"""Bytes of one answer that are read: a page of 1,000 of the largest records fits."""
LATER: Final = frozenset({429, 502, 503, 504})
"""Statuses that mean: the same again, later."""

Params = Mapping[str, str | int | None]


class Door:
    """One server at ``url``. Gives up after ``give_up_after_s`` seconds without an answer.

    A ``Retry-After`` is waited for; where it would take longer than that, Overloaded says so. An
    answer that has begun may take ``TIMEOUT_S``, and a second more for each ``LEAST_PER_S`` bytes.
    ``tell`` hears in a line what is wrong before it is tried again: at first, and now and then.
    """

    def __init__(
        self,
        url: str,
        *,
        give_up_after_s: float = GIVE_UP_AFTER_S,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError):
            raise ValueRefused(f"{url!a:.90} is not an address", field="url") from None
        if parsed.scheme not in {"http", "https"} or not parsed.host:
            raise ValueRefused(f"{url!a:.90} is not an http:// or https:// address", field="url")
        self.url = url.rstrip("/")
        self._give_up_after_s = give_up_after_s
        self._pause = pause
        self._clock = clock
        self._tell = tell
        local = parsed.host in {"localhost", "::1"} or parsed.host.startswith("127.")
        # Proxy variables do not lead a loopback address astray.
        self._http = httpx.Client(
            timeout=TIMEOUT_S,
            follow_redirects=False,
            transport=transport,
            trust_env=not local,
            headers={"User-Agent": "apsci-ledger-client"},
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, params: Params | None = None, *, limit: int = MAX_ANSWER) -> bytes:
        """The body of the answer, at most ``limit`` bytes.

        Raises NotFound (404), ValueRefused (other 4xx), Overloaded and LogUnavailable for what
        could not be had in time, TooLarge above the limit.
        """
        given = {name: value for name, value in (params or {}).items() if value is not None}
        until = self._clock() + self._give_up_after_s
        pause = FIRST_PAUSE_S
        while True:
            try:
                status, body, wait_s = self._ask(path, given, limit, until=until)
            except httpx.HTTPError as error:
                wait_s = pause
                trouble: LedgerError = LogUnavailable(
                    f"{self.url} cannot be reached: {type(error).__name__}: {error}".rstrip(": ")
                )
            else:
                if status == 200:
                    return body
                if status not in LATER:
                    raise _refusal(self.url + path, status, body)
                trouble = Overloaded(
                    f"{self.url}{path} takes nothing now: {_said(status, body)}",
                    retry_after_s=round(wait_s),
                )
                wait_s = max(pause, wait_s)
            left = until - self._clock()
            if wait_s > left:
                raise trouble
            if pause in {FIRST_PAUSE_S, LONGEST_PAUSE_S}:
                self._tell(f"{trouble}; trying again for {left:.0f} s")
            self._pause(wait_s)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _ask(
        self, path: str, params: Mapping[str, Any], limit: int, *, until: float
    ) -> tuple[int, bytes, float]:
        begun = self._clock()
        reached = httpx.Timeout(TIMEOUT_S, connect=min(TIMEOUT_S, max(1.0, until - begun)))
        with self._http.stream("GET", self.url + path, params=params, timeout=reached) as answer:
            parts: list[bytes] = []
            size = 0
            for part in answer.iter_bytes():
                size += len(part)
                if self._clock() - begun > TIMEOUT_S + size / LEAST_PER_S:
                    raise httpx.ReadTimeout(f"{size} bytes came, and more came too slowly")
                if size > limit:
                    raise TooLarge(
                        f"{self.url}{path} answered with more than {limit} bytes",
                        limit=limit,
                        size=size,
                    )
                parts.append(part)
            text = answer.headers.get("Retry-After", "")
            wait_s = float(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0.0
            return answer.status_code, b"".join(parts), wait_s


def _refusal(address: str, status: int, body: bytes) -> LedgerError:
    said = f"{address}: {_said(status, body)}"
    if status == 404:
        return NotFound(said)
    if 400 <= status < 500:
        problem = _problem(body)
        field = problem.field if problem and isinstance(problem.field, str) else "address"
        return ValueRefused(said, field=field)
    if 300 <= status < 400:
        return FormatError(f"{said}: this is not where the ledger answers")
    return LogUnavailable(said)


def _said(status: int, body: bytes) -> str:
    """What a problem document says, on one line; a stranger's answer is not repeated."""
    problem = _problem(body)
    if problem is None:
        return f"HTTP {status}"
    told = " ".join(problem.detail.split())[:1000]
    return f"HTTP {status}: {''.join(each for each in told if each.isprintable())}"


def _problem(body: bytes) -> Problem | None:
    try:
        return msgspec.json.decode(body, type=Problem)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
