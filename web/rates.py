"""How many answers one address on the network may have made for it: a token bucket each.

What costs nothing is not counted: files, what is at hand already, and "nothing has changed". The
buckets are this process's own, and at most ``MOST_BUCKETS``: the one that has rested longest goes
first, and comes back full. Nothing of an address is kept but its bucket, and nothing is logged.

Headers are those of draft-ietf-httpapi-ratelimit-headers-10. The limit is
``RateLimit-Policy: "default";q=600;w=60``, and ``RateLimit: "default";r=599;t=1`` says that 599 are
left and that in a second one more is.
"""

import math
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from time import monotonic
from typing import Final

from ledger.errors import LedgerError
from web.answer import Header, Scope

MOST_BUCKETS: Final = 50_000
WINDOW_S: Final = 60
IPV6_PREFIX: Final = 64
"""What one subscriber has at least: addresses below it cost nothing to change."""

_PORTED: Final = re.compile(r"(?:\[([^\]]{2,64})\]|([0-9.]{7,15}))(?::[0-9]{1,5})?")

Network = IPv4Network | IPv6Network


class RateExceeded(LedgerError):
    """No token is left for an address; the next one is there after ``retry_after_s`` seconds."""

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimits:
    """A bucket of ``per_minute`` tokens for each address, refilled at that rate; 0 is no limit.

    ``trusted`` are the networks of our own proxies: only what they say in ``X-Forwarded-For`` is
    believed, and of it the last address that is not one of theirs.
    """

    def __init__(
        self,
        per_minute: int,
        *,
        trusted: Sequence[Network] = (),
        clock: Callable[[], float] = monotonic,
        most: int = MOST_BUCKETS,
    ) -> None:
        self._per_minute = per_minute
        self._trusted = tuple(trusted)
        self._clock = clock
        self._most = most
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, scope: Scope) -> None:
        """Take one token for the client. Raises RateExceeded where none is left."""
        if not self._per_minute:
            return
        client = self.client(scope)
        left = self._left(client)
        if left < 1:
            wait = max(1, math.ceil((1 - left) * WINDOW_S / self._per_minute))
            raise RateExceeded(
                f"this server makes {self._per_minute} answers a minute for one address; the next"
                f" one in {wait} s",
                retry_after_s=wait,
            )
        self._put(client, left - 1)

    def charge(self, scope: Scope, tokens: int) -> None:
        """Take more for what is done already, below nothing if need be; negative: give back."""
        if self._per_minute and tokens:
            client = self.client(scope)
            self._put(client, min(float(self._per_minute), self._left(client) - tokens))

    def give_back(self, scope: Scope) -> None:
        """Undo one ``take``: what was done for the client was worth it."""
        self.charge(scope, -1)

    def headers(self, scope: Scope) -> Iterable[Header]:
        """What is left for the client; nothing where there is no limit."""
        if not self._per_minute:
            return
        left = self._left(self.client(scope))
        until = math.ceil((1 - (left if left < 1 else left % 1)) * WINDOW_S / self._per_minute)
        yield b"ratelimit-policy", b'"default";q=%d;w=%d' % (self._per_minute, WINDOW_S)
        yield b"ratelimit", b'"default";r=%d;t=%d' % (max(0, int(left)), until)

    def client(self, scope: Scope) -> str:
        """Whose bucket it is: an IPv4 address, or the network of an IPv6 one."""
        peer = scope.get("client")
        found = peer[0] if peer else ""
        if self._trusted and self._is_trusted(found):
            for each in reversed(_forwarded(scope)):
                if _address(each) is None:
                    # What is no address names nobody, and nor does what stands before it.
                    break
                found = each
                if not self._is_trusted(each):
                    break
        return _subscriber(found)

    def _left(self, client: str) -> float:
        known = self._buckets.get(client)
        if known is None:
            return float(self._per_minute)
        tokens, since = known
        grown = (self._clock() - since) * self._per_minute / WINDOW_S
        return min(float(self._per_minute), tokens + grown)

    def _put(self, client: str, tokens: float) -> None:
        self._buckets[client] = (tokens, self._clock())
        self._buckets.move_to_end(client)
        while len(self._buckets) > self._most:
            self._buckets.popitem(last=False)

    def _is_trusted(self, text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in self._trusted)


def _forwarded(scope: Scope) -> list[str]:
    """Every address of ``X-Forwarded-For``, the client's claim first and the nearest proxy last."""
    values = [value for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    parts = b",".join(values).decode("latin-1").split(",")
    return [_without_port(each.strip()) for each in parts if each.strip()]


def _without_port(text: str) -> str:
    """An address as some proxies write it: ``198.51.100.7:4711``, ``[2001:db8::7]:4711``."""
    found = _PORTED.fullmatch(text)
    return found[1] or found[2] if found else text


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """The address, without a zone, and that of IPv4 where a listener for both has mapped it."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or IPv6Address(int(address))
    return address


def _subscriber(text: str) -> str:
    address = _address(text)
    if address is None:
        return text[:64]
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, IPV6_PREFIX), strict=False))
    return str(address)
