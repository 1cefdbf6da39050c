"""Receivers that are real HTTP servers, and webhooks that lead to them."""

import base64
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from ledger_world import World

from ledger.assembly.webhooks import LogEvents
from ledger.storage.webhook_rows import StoredCursor
from ledger.webhooks.config import Webhook
from ledger.webhooks.courier import Courier
from ledger.webhooks.events import TYPES, Event
from ledger.webhooks.search import parse_search
from ledger.webhooks.sending import Send, parse_target, post

SECRET = bytes(range(32))
OLD_SECRET = bytes(range(100, 132))
WAIT_S = 120
"""A limit that only a test which has failed comes to."""
PUBLIC_URL = "https://ledger.example"


@dataclass(frozen=True)
class Got:
    """One request, as it came."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found

    @property
    def index(self) -> int:
        index: int = self.event["data"]["index"]
        return index

    @property
    def place(self) -> tuple[int, str]:
        return self.index, self.event["type"]

    def is_signed_by(self, secret: bytes) -> bool:
        """Whether one of the signatures is right, computed without any code of the ledger."""
        text = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode()
        right = base64.b64encode(hmac.new(secret, text + self.body, hashlib.sha256).digest())
        return f"v1,{right.decode()}" in self.headers["webhook-signature"].split(" ")


Answer = Callable[[Got], tuple[int, Mapping[str, str]]]


@dataclass
class Receiver:
    """Notes every request, then answers what ``answer`` says."""

    answer: Answer = lambda _got: (204, {})
    got: list[Got] = field(default_factory=list)

    def __enter__(self) -> Self:
        receiver = self
        self._changed = threading.Condition()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                got = Got(self.path, headers, body)
                with receiver._changed:
                    receiver.got.append(got)
                    receiver._changed.notify_all()
                status, more = receiver.answer(got)
                self.send_response(status)
                for name, value in more.items():
                    self.send_header(name, value)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                """A sender that dies in the middle is what some tests are about."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/hook?token=canary-token"

    def wait_for(self, count: int) -> list[Got]:
        """What came, once there are ``count`` requests."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.got) >= count, WAIT_S), len(self.got)
            return list(self.got)

    @property
    def places(self) -> list[tuple[int, str]]:
        return [each.place for each in self.got]

    @property
    def ids(self) -> list[str]:
        return [each.id for each in self.got]


def hook(
    url: str,
    *events: Event,
    name: str = "newsroom",
    secrets: tuple[bytes, ...] = (SECRET,),
    search: Mapping[str, str] | None = None,
) -> Webhook:
    """A webhook to a receiver on this machine."""
    return Webhook(
        name=name,
        target=parse_target(url, allow_private=True),
        secrets=secrets,
        events=tuple(sorted({*events, *([Event.MATCHED] if search else [])})),
        search=parse_search(search) if search else None,
    )


def source(world: World) -> LogEvents:
    return LogEvents(world.reader, public_url=PUBLIC_URL)


def courier(
    world: World, webhook: Webhook, *, holder: str = "one", send: Send = post, **changed: Any
) -> Courier:
    """A courier by the world's clock, without chance."""
    given: dict[str, Any] = {
        "store": world.ledger.store,
        "source": source(world),
        "origin": world.ledger.origin,
        "clock": world.clock,
        "chance": lambda: 0.0,
    }
    return Courier(webhook, holder=holder, send=send, **(given | changed))


def begun(world: World, webhook: Webhook, **given: Any) -> Courier:
    """A courier whose webhook begins at what the log has by now."""
    made = courier(world, webhook, **given)
    assert made.work() == 0
    return made


def cursor_of(world: World, name: str = "newsroom") -> StoredCursor:
    with world.ledger.store.webhooks(writes=False) as rows:
        found = rows.cursor(name)
    assert found is not None
    return found


def expected_of(world: World, webhook: Webhook, start: int) -> list[tuple[int, str]]:
    """What a webhook has to be told, read from the streams of the feeds one by one."""
    found = []
    with world.reader.at() as view:
        streams = {
            Event.SUBMITTED: view.stream_submitted(),
            Event.REJECTED: view.stream_rejected(),
            Event.PUBLISHED: view.stream_published(),
            Event.CORRECTED: view.stream_corrections(),
            Event.CHECKPOINT: view.stream_checkpoints(),
            Event.FOUND: view.stream_findings(),
        }
        if webhook.search:
            streams[Event.MATCHED] = view.stream_jobs(webhook.search)
        for event in webhook.events:
            places = streams[event].from_(start, below=view.size, limit=10_000)
            found += [(index, event) for index in places]
    return [(index, TYPES[event]) for index, event in sorted(found)]
