"""Ports of this machine that stay a test's own until its server listens there, and afterwards."""

import socket
from collections import deque

KEPT = 200
"""How many stay reserved at once: far more than the tests that run together use."""
_kept: deque[socket.socket] = deque()


def free_port() -> int:
    """A port of 127.0.0.1 where nobody listens, and nobody will but whoever is told of it.

    It stays bound here, so that the system gives it to nobody else who asks for any port, and
    takes it for no connection's other end. Servers set SO_REUSEADDR and may listen beside it;
    until one does, whoever connects is refused.
    """
    reserved = socket.socket()
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    reserved.bind(("127.0.0.1", 0))
    _kept.append(reserved)
    if len(_kept) > KEPT:
        _kept.popleft().close()
    port: int = reserved.getsockname()[1]
    return port
