"""Cuts the connections of clients that take all and give nothing: a watch beside the server.

The server knows no limit of time for a client that does not read what it asked for, and none of
connections for one address: some hundred sockets of one machine would keep everybody else out. So
a thread of each server process looks at that process's own sockets, once a second, and closes

- who has left an answer lying for ``WINDOW_S`` and taken less than ``LEAST_BYTES`` of it,
- what an address (for IPv6 a /64) has above ``each``, idle ones first, the longest silent before,
- where nearly all ``most`` are taken, some of whoever (for IPv6 a /48) has the most, in that order,
  but of nobody who has no more than ``FEW``.

Once the server closes, who takes an answer more slowly than ``CLOSING_BYTES`` in ``CLOSING_S`` is
cut, so that one slow download does not keep it.

It reads the kernel's own account of a connection (TCP_INFO), so on systems other than Linux there
is no watch, and no such limit. It never looks at what is sent.
"""

import logging
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path
from typing import Final

from ledger.assembly.readiness import CLOSING

LOOK_EVERY_S: Final = 1.0
WINDOW_S: Final = 30.0
LEAST_BYTES: Final = 30 * 1024
"""What a client has to take of an answer in a window: a modem of 1990 does better."""
CLOSING_S: Final = 5.0
CLOSING_BYTES: Final = 5 * 64 * 1024
EACH: Final = 256
"""Connections of one address, where nothing else is said."""
CROWDED: Final = 7 / 8
"""The part of all connections above which the largest holders lose some."""
FEW: Final = 8
"""Connections that nobody loses because others have many."""
IDLE_MS: Final = 1_000
IPV6_PREFIX: Final = 64
IPV6_SITE: Final = 48
"""What anybody gets who asks for a network: 65,536 prefixes of a subscriber each."""
INFO_BYTES: Final = 148
OPEN_FILES: Final = Path("/proc/self/fd")
NO_LINGER: Final = struct.pack("ii", 1, 0)

log = logging.getLogger(__name__)
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Connection:
    """What the kernel says of one connection; ``name`` tells it from every other one that is open.

    ``taken`` counts the bytes that the client has acknowledged. ``lying`` is 0 where it has all of
    them; ``unsent`` counts those that it had no room for. ``silent_ms`` is the time since anything
    came from it, be it that it has taken some.
    """

    name: tuple[str, int]
    taken: int
    lying: int
    silent_ms: int
    unsent: int = 0

    @property
    def address(self) -> str:
        """The client's address."""
        return self.name[0]


class Watch:
    """Judges connections; holds no socket and asks no clock. For one thread.

    ``trusted`` are the networks of our own proxies, which speak for many.
    """

    def __init__(self, *, most: int, each: int, trusted: Sequence[Network] = ()) -> None:
        self._most = most
        self._each = each
        self._trusted = tuple(trusted)
        self._marks: dict[tuple[str, int], tuple[float, int]] = {}
        self._closing = False
        self.ports: set[int] = set()
        """Where this process has listened: a server that closes no longer does."""

    def judge(
        self, held: Sequence[Connection], *, now_s: float, closing: bool = False
    ) -> dict[tuple[str, int], str]:
        """Which of all connections are to be cut, and why; ``closing``, once the server does."""
        if closing and not self._closing:
            # What was taken before says nothing of how long it will have to be waited for.
            self._marks = {}
        self._closing = closing
        cut = self._slow(held, now_s)
        for theirs in self._holders(held, cut, IPV6_PREFIX).values():
            if self._each:
                for one in theirs[self._each :]:
                    cut[one.name] = f"more than {self._each} connections of one address"
        over = len(held) - len(cut) - int(self._most * CROWDED)
        holders = self._holders(held, cut, IPV6_SITE)
        while over > 0 and holders:
            largest = max(holders.values(), key=len)
            if len(largest) <= FEW:
                break
            cut[largest.pop().name] = "the server is full, and this address has the most"
            over -= 1
        return cut

    def _holders(
        self, held: Iterable[Connection], cut: Mapping[tuple[str, int], str], prefix: int
    ) -> dict[str, list[Connection]]:
        """What everybody holds that is not cut, what they would miss least last."""
        holders: dict[str, list[Connection]] = defaultdict(list)
        for one in held:
            if one.name not in cut:
                holders[holder_of(one.address, self._trusted, prefix=prefix)].append(one)
        # A proxy of our own is a holder without a name.
        holders.pop("", None)
        for theirs in holders.values():
            theirs.sort(key=lambda one: (not one.lying and one.silent_ms > IDLE_MS, one.silent_ms))
        return holders

    def _slow(self, held: Iterable[Connection], now_s: float) -> dict[tuple[str, int], str]:
        window_s = CLOSING_S if self._closing else WINDOW_S
        least = CLOSING_BYTES if self._closing else LEAST_BYTES
        marks: dict[tuple[str, int], tuple[float, int]] = {}
        cut = {}
        for one in held:
            since, taken = self._marks.get(one.name, (now_s, one.taken))
            if not one.lying:
                since, taken = now_s, one.taken
            elif now_s - since >= window_s:
                # Whoever asks little, again and again, has something on the way at every look.
                waited_for = one.unsent > 0 or one.taken == taken
                if waited_for and one.taken - taken < least:
                    cut[one.name] = f"it does not take what it asked for, since {window_s:.0f} s"
                since, taken = now_s, one.taken
            marks[one.name] = (since, taken)
        self._marks = marks
        return cut


def holder_of(address: str, trusted: Sequence[Network] = (), *, prefix: int = IPV6_PREFIX) -> str:
    """Who holds a connection: an IPv4 address, or an IPv6 one's ``prefix``; "" for our proxy."""
    found = ip_address(address)
    if any(found in network for network in trusted):
        return ""
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            return holder_of(str(found.ipv4_mapped), trusted)
        return str(IPv6Network((found, prefix), strict=False))
    return str(found)


def start_watch(watch: Watch, *, every_s: float = LOOK_EVERY_S) -> bool:
    """Watch this process's connections from now on; False where the system gives no account."""
    if not (sys.platform == "linux" and OPEN_FILES.is_dir()):
        return False
    threading.Thread(
        target=_watch, args=(watch, every_s, time.sleep), name="connections", daemon=True
    ).start()
    return True


def _watch(watch: Watch, every_s: float, sleep: Callable[[float], None]) -> None:
    told = 0.0
    while True:
        sleep(every_s)
        try:
            reasons = look(watch, now_s=time.monotonic(), closing=CLOSING.is_set())
        except OSError as error:
            log.warning("connections cannot be looked at: %s", error.strerror)
            continue
        now = time.monotonic()
        # One line a minute: whoever attacks must not be able to fill the disk with lines.
        if reasons and now - told >= 60:
            told = now
            log.warning("cut %d connections: %s", len(reasons), next(iter(reasons.values())))


def look(watch: Watch, *, now_s: float, closing: bool = False) -> Mapping[tuple[str, int], str]:
    """Look at this process's connections once, and cut what is judged; says what and why."""
    held = {one.name: (number, one) for number, one in _held(watch.ports)}
    reasons = watch.judge([one for _, one in held.values()], now_s=now_s, closing=closing)
    for name in reasons:
        _cut(held[name][0], name)
    return reasons


def _held(listening: set[int]) -> list[tuple[int, Connection]]:
    """Every connection to a port of ``listening``, with its descriptor; adds those found now."""
    sockets: list[tuple[int, int, tuple[str, int], bytes]] = []
    for number in _descriptors():
        with suppress(OSError), _borrowed(number) as one:
            if one.family not in {socket.AF_INET, socket.AF_INET6}:
                continue
            port = one.getsockname()[1]
            if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                listening.add(port)
            else:
                info = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES)
                sockets.append((number, port, one.getpeername()[:2], info))
    return [
        (number, _told(name, info))
        for number, port, name, info in sockets
        if port in listening and len(info) == INFO_BYTES
    ]


def _descriptors() -> list[int]:
    return [int(each.name) for each in OPEN_FILES.iterdir()]


@contextmanager
def _borrowed(number: int) -> Iterator[socket.socket]:
    """The socket behind a descriptor, never closed here. Raises OSError for other files.

    Not by a descriptor of its own: to close any descriptor of a file gives up every lock that this
    process holds on it (POSIX), and among the numbers are those of SQLite's files. Without its lock
    the database's log is deleted under a running server, and what it held is lost. The server may
    close this one at any time, and another file have its number: what is asked of it then fails, or
    is another connection's.
    """
    one = socket.socket(fileno=number)
    try:
        yield one
    finally:
        one.detach()


def _told(name: tuple[str, int], info: bytes) -> Connection:
    """The fields of ``struct tcp_info`` (linux/tcp.h) that say who waits for whom."""
    (unacknowledged,) = struct.unpack_from("=I", info, 24)
    # Whoever downloads says nothing for long, but acknowledges.
    silent_ms = min(struct.unpack_from("=II", info, 52))
    (acknowledged,) = struct.unpack_from("=Q", info, 120)
    (unsent,) = struct.unpack_from("=I", info, 144)
    return Connection(
        name=name,
        taken=acknowledged,
        lying=unacknowledged + unsent,
        silent_ms=silent_ms,
        unsent=unsent,
    )


def _cut(number: int, name: tuple[str, int]) -> None:
    """Close a connection at once, unless its descriptor is another file's by now."""
    with suppress(OSError), _borrowed(number) as one:
        if one.getpeername()[:2] == name:
            # What lies unsent is thrown away: the kernel would keep it for whoever never reads.
            one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            one.shutdown(socket.SHUT_RDWR)
