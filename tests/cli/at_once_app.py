"""An application that says in which thread it answers, and the loader that a server process uses.

python at_once_app.py PORT
"""

import asyncio
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ledger.cli.at_once import answer_at_once
from ledger.cli.serving import http_server

HOST = "127.0.0.1"


def _said() -> list[dict[str, Any]]:
    try:
        asyncio.get_running_loop()
        where = b"in the loop"
    except RuntimeError:
        where = b"at once"
    length = (b"content-length", b"%d" % len(where))
    return [
        {"type": "http.response.start", "status": 200, "headers": [length]},
        {"type": "http.response.body", "body": where},
    ]


class App:
    """Answers what lies under /now at once; /broken raises there, /torn after half an answer."""

    def at_once(self, scope: dict[str, Any], send: Callable[[Any], object]) -> bool:
        path = scope["path"]
        if path == "/broken":
            raise RuntimeError(path)
        if path == "/torn":
            send(_said()[0])
            raise RuntimeError(path)
        if not path.startswith("/now"):
            return False
        for message in _said():
            send(message)
        return True

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        while scope["type"] == "lifespan":
            asked = (await receive())["type"]
            await send({"type": f"{asked}.complete"})
            if asked == "lifespan.shutdown":
                return
        for message in _said():
            await send(message)


def load(_target: str) -> App:
    """What a server process serves."""
    app = App()
    assert answer_at_once(app.at_once)
    return app


def main(port: int) -> None:
    """Listen until told to stop, and say so once it answers."""
    server = http_server("at_once_app:load", address=HOST, port=port)
    server.on_startup(threading.Thread(target=_announce, args=(port,), daemon=True).start)
    server.serve(target_loader=load)


def _announce(port: int) -> None:
    while True:
        try:
            socket.create_connection((HOST, port)).close()
        except OSError:
            time.sleep(0.02)
        else:
            sys.stdout.write("listening\n")
            sys.stdout.flush()
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
