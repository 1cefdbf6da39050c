"""How our servers meet the network: HTTP/1.1 alone, small buffers, a bounded number of connections.

What a client may hold is settled here and in ``ledger.cli.connections``, before a line of ours has
seen a request. HTTP/2 is left to a proxy: the server's own waits for a first byte without end, and
takes 16 MiB of headers.
"""

import logging
import resource
import threading
from pathlib import Path
from typing import Any, Final

from granian import Granian
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.common import AbstractServer

from ledger import journal

CONNECTIONS: Final = 1_024
"""How many connections a process holds, where nothing else is said."""
HEADERS_MS: Final = 30_000
"""How long a request's head may take, and how long a connection may rest between two requests."""
BUFFER_BYTES: Final = 128 * 1024
"""The longest head of a request, and what is read of a body at once."""
BACKLOG: Final = 1_024
"""Connections that the kernel keeps until one that is held has ended."""
OTHER_FILES: Final = 256
"""Open files that are no connections: databases, tiles, bulk files, artifacts, the log."""
FEWEST: Final = 64
STOP_S: Final = 30
WAKE_S: Final = 1.0
"""How long a signal may wait that hit no wait of the main thread."""

log = logging.getLogger(__name__)


def http_server(
    target: str,
    *,
    address: str,
    port: int,
    connections: int = CONNECTIONS,
    workers: int = 1,
    factory: bool = False,
    certificate: tuple[Path, Path] | None = None,
    client_ca: Path | None = None,
    stop_s: int | None = STOP_S,
) -> AbstractServer[Any]:
    """A server of ``target`` whose processes hold at most ``connections`` each.

    ``certificate`` is a certificate and its key, ``client_ca`` whoever signs those of clients.
    Its lines are among all others. Told to stop, a process has ``stop_s`` seconds, or as
    long as it wants.
    """
    cert, key = certificate or (None, None)
    room = room_for(connections)
    if room < connections:
        log.warning(
            "a process may open too few files: it holds %d connections at a time, not %d",
            *(room, connections),
        )
    server = Granian(
        target,
        address=address,
        port=port,
        interface=Interfaces.ASGI,
        workers=workers,
        websockets=False,
        http=HTTPModes.http1,
        http1_settings=HTTP1Settings(
            header_read_timeout=HEADERS_MS, max_buffer_size=BUFFER_BYTES, keep_alive=True
        ),
        backlog=BACKLOG,
        backpressure=room,
        workers_kill_timeout=stop_s,
        log_level=LogLevels.warning,
        log_dictconfig=dict(journal.GRANIAN),
        factory=factory,
        ssl_cert=cert,
        ssl_key=key,
        ssl_protocol_min=SSLProtocols.tls12,
        ssl_ca=client_ca,
        ssl_client_verify=client_ca is not None,
    )
    server.main_loop_interrupt = Interrupt()
    return server


class Interrupt(threading.Event):
    """What a server's main thread waits for without end, and hears signals meanwhile.

    Python runs a handler between two instructions of the main thread. Where a signal hits another
    thread, or the moment before an endless wait, there is no next one, and nobody would hear it.
    """

    def __init__(self) -> None:
        super().__init__()
        # The handler that sets it runs in the thread that waits: wherever that is, if it holds the
        # lock, it must have it once more. A plain one would never be had.
        self._cond = threading.Condition(threading.RLock())

    def wait(self, timeout: float | None = None) -> bool:
        """Wait as any event does."""
        if timeout is not None:
            return super().wait(timeout)
        while not super().wait(WAKE_S):
            pass
        return True


def room_for(connections: int) -> int:
    """How many connections there are file descriptors for; asks the system for more of them.

    A process that has used up its descriptors could not open its database either.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = enough_files(connections, soft=soft, hard=hard)
    if wanted != soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    if wanted == resource.RLIM_INFINITY:
        return connections
    return min(connections, max(FEWEST, wanted - OTHER_FILES))


def enough_files(connections: int, *, soft: int, hard: int) -> int:
    """The soft limit of open files that ``connections`` ask for, within the ``hard`` one."""
    needed = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return soft
    return needed if hard == resource.RLIM_INFINITY else min(needed, hard)
