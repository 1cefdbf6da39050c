"""An application that answers nothing, on the ledger's HTTP server: what the server alone costs.

    python -m benchmarks.nothing PORT

Every request goes to its event loop, as an application's usually do.
"""

import contextlib
import subprocess
import sys
import time
from typing import Any, Final, Self

from benchmarks.load import LOOPBACK
from benchmarks.places import SCRIPTS, CannotMeasure, environment, module
from benchmarks.serving import LOOK_EVERY_S, START_LIMIT_S, free_port, stop, time_each
from ledger.cli.serving import http_server

_START: Final = {
    "type": "http.response.start",
    "status": 200,
    "headers": ((b"content-length", b"0"),),
}
_BODY: Final = {"type": "http.response.body", "body": b""}


class Nothing:
    """Such a server, one process on a free port, from ``with`` to its end."""

    def __enter__(self) -> Self:
        self.port = free_port()
        self._process = subprocess.Popen(
            module("nothing", str(self.port)),
            cwd=SCRIPTS.parent,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait()
        except BaseException:
            stop(self._process)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        stop(self._process)

    def _wait(self) -> None:
        begun = time.perf_counter()
        while True:
            if self._process.poll() is not None:
                raise CannotMeasure("the server of nothing ended at once")
            with contextlib.suppress(OSError):
                time_each(self.port, ["/"])
                return
            if time.perf_counter() - begun > START_LIMIT_S:
                raise CannotMeasure("the server of nothing did not answer in time")
            time.sleep(LOOK_EVERY_S)


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
    """Answer with nothing."""
    while scope["type"] == "lifespan":
        asked = (await receive())["type"]
        await send({"type": f"{asked}.complete"})
        if asked == "lifespan.shutdown":
            return
    await send(_START)
    await send(_BODY)


if __name__ == "__main__":
    http_server("benchmarks.nothing:application", address=LOOPBACK, port=int(sys.argv[1])).serve()
