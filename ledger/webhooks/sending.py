"""Sends one message to one receiver: one POST, to an address that was checked, within a time.

No proxy, no redirect, no cookie, nothing kept from one message to the next; of the answer the
status and ``Retry-After`` are read and nothing else. What is raised or logged names the scheme and
the host: the rest of an address may be a token.
"""

import io
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException, HTTPResponse, RemoteDisconnected
from ipaddress import ip_address
from time import monotonic
from typing import Any, Final, cast
from urllib.parse import urlsplit

from ledger.errors import FormatError, LedgerError
from ledger.webhooks.guard import AddressRefused, Resolve, resolve_host

TIMEOUT_S: Final = 15.0
"""From the beginning of a connection to the end of the answer's headers."""
LONGEST_URL: Final = 1_000
PORTS: Final = {"https": 443, "http": 80}


class NotReached(LedgerError):
    """No receiver answered in time, or what answered was none. The message is for the operator."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where messages go. ``path`` has the query in it, and is never shown."""

    scheme: str
    host: str
    port: int
    path: str
    allow_private: bool = False

    def __repr__(self) -> str:
        return f"Target({self.shown})"

    @property
    def shown(self) -> str:
        """The scheme, host and port: what may stand in a log."""
        return f"{self.scheme}://{self.authority}"

    @property
    def authority(self) -> str:
        """The value of the header ``Host``."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered."""

    status: int
    retry_after: str | None


Send = Callable[[Target, Mapping[str, str], bytes], Reply]
"""``post``, or what stands in for it."""


def parse_target(url: str, *, allow_private: bool = False) -> Target:
    """The target that an address names. Raises FormatError, which does not repeat the address."""
    if len(url) > LONGEST_URL or not re.fullmatch(r"[!-~]+", url):
        raise FormatError(f"it is not an address in ASCII of at most {LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise FormatError("its host or port makes no sense") from None
    if "@" in parts.netloc:
        raise FormatError("it holds a user name: let the path or the query hold a token")
    if "#" in url:
        raise FormatError("it has a fragment, which is never sent")
    if parts.scheme not in PORTS or port == 0:
        raise FormatError("it is not an https:// address")
    if not re.fullmatch(r"[a-z0-9._-]{1,253}|[0-9a-f:.]*:[0-9a-f:.]*", host):
        raise FormatError("it names no host")
    if parts.scheme == "http" and not (allow_private and _is_loopback(host)):
        raise FormatError(
            "it is not an https:// address; http:// goes to a loopback address alone, as"
            " http://127.0.0.1:8080/, with allow_private = true"
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not path.startswith("/"):
        raise FormatError("its path makes no sense")
    return Target(parts.scheme, host, port or PORTS[parts.scheme], path, allow_private)


def post(
    target: Target,
    headers: Mapping[str, str],
    body: bytes,
    *,
    timeout_s: float = TIMEOUT_S,
    resolve: Resolve = socket.getaddrinfo,
) -> Reply:
    """Send ``body`` and return the answer's status. Raises NotReached, also where it is refused."""
    try:
        found = resolve_host(
            target.host, target.port, allow_private=target.allow_private, resolve=resolve
        )
    except AddressRefused as error:
        raise NotReached(f"refused: {error}") from None
    except (OSError, UnicodeError):
        raise NotReached("the host's name cannot be resolved") from None
    deadline = monotonic() + timeout_s
    trouble = "no connection"
    for family, address in found:
        try:
            connection = _connect(family, address, deadline)
        except TimeoutError:
            raise NotReached(f"no connection within {timeout_s:.0f} s") from None
        except OSError as error:
            trouble = f"no connection ({type(error).__name__})"
            continue
        with connection:
            return _exchange(connection, target, headers, body, deadline)
    raise NotReached(trouble)


def _connect(
    family: socket.AddressFamily, address: tuple[Any, ...], deadline: float
) -> socket.socket:
    connection = socket.socket(family, socket.SOCK_STREAM)
    try:
        connection.settimeout(_left(deadline))
        connection.connect(address)
    except BaseException:
        connection.close()
        raise
    return connection


def _exchange(
    raw: socket.socket, target: Target, headers: Mapping[str, str], body: bytes, deadline: float
) -> Reply:
    """The request and its answer on a connection that is open."""
    try:
        raw.settimeout(_left(deadline))
        connection = raw
        if target.scheme == "https":
            # The name is the target's, though the connection went to an address.
            connection = _context().wrap_socket(raw, server_hostname=target.host)
        with connection:
            connection.settimeout(_left(deadline))
            connection.sendall(_request(target, headers, body))
            answer = HTTPResponse(
                cast("socket.socket", _Bounded(connection, deadline)), method="POST"
            )
            with answer:
                answer.begin()
                return Reply(answer.status, answer.getheader("retry-after"))
    except TimeoutError:
        raise NotReached("no answer in time") from None
    except ssl.SSLCertVerificationError as error:
        raise NotReached(f"its certificate is not accepted: {error.verify_message}") from None
    except ssl.SSLError:
        raise NotReached("no TLS connection") from None
    except RemoteDisconnected:
        raise NotReached("the connection was closed without an answer") from None
    except HTTPException:
        raise NotReached("what answers there does not speak HTTP") from None
    except OSError as error:
        raise NotReached(f"the connection broke ({type(error).__name__})") from None


def _request(target: Target, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = {
        "Host": target.authority,
        "User-Agent": "apsci-ledger",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {target.path} HTTP/1.1\r\n{head}\r\n".encode("ascii") + body


@cache
def _context() -> ssl.SSLContext:
    # Made once: reading the machine's certificates takes longer than a message.
    return ssl.create_default_context()


class _Bounded(io.RawIOBase):
    """The answer's bytes. A socket's own timeout begins anew with each byte that drips in."""

    def __init__(self, connection: socket.socket, deadline: float) -> None:
        self._connection = connection
        self._deadline = deadline

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What ``HTTPResponse`` asks a socket for."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer, as in the base class
        self._connection.settimeout(_left(self._deadline))
        return self._connection.recv_into(buffer)


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
