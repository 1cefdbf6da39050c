"""The memory of a server is bounded, whatever is sent to it, and however much of it."""

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from abused import Abused, abused, recent_world

from web.bodies import ROOM_BYTES, SMALL_BYTES
from web.front import CODED_BYTES, STATIC_BYTES
from web.kept_pages import CACHE_BYTES

MIB = 1 << 20
REPORT = os.environ.get("ABUSE_REPORT")
"""Where the figures of a run are written, as web/runs keeps them; none: nowhere."""
CONNECTIONS = 400
EACH = 1 * MIB
"""What each sends of a batch: without a room for bodies they would be held, 400 MiB of them."""
BOUND = ROOM_BYTES // 2 + CONNECTIONS * SMALL_BYTES + CACHE_BYTES + CODED_BYTES + STATIC_BYTES
"""What one client can make a server hold: its half of the room, what needs none, the caches."""
SLACK = 64 * MIB
"""For what a page or a batch takes while it is made, and for what the allocator keeps."""
BATCH = b"POST /api/v1/statements/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 33000000\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abused]:
    world = recent_world(tmp_path_factory.mktemp("memory"))
    free = {"LEDGER_RATE_PER_MINUTE": "0", "LEDGER_CONNECTIONS_PER_ADDRESS": "0"}
    with abused(world, **free) as running:
        for target in ("/en/", "/zh-Hans/jobs", "/api/v1/jobs", "/jobs.csv"):
            assert running.get(target).statuses == [200]
        yield running


def test_bodies_caches_and_unread_answers_take_a_bounded_room(server: Abused) -> None:
    before = server.peak_bytes()
    for _ in range(CONNECTIONS):
        connection = server.connect()
        with suppress(ConnectionError):
            connection.sendall(BATCH + b"x" * EACH)
    assert server.answers()
    server.drop()
    bodies = server.peak_bytes() - before
    for number in range(400):
        # No two answers are the same, and each is wanted in two codings.
        target = f"/en/jobs?q={'word' * 20}{number}"
        assert server.get(target, "Accept-Encoding: br").statuses == [200]
    for _ in range(3):
        lines = b"{}\n" * 1_000
        assert server.post("/api/v1/statements/batch", lines).statuses == [200]
        many = b"{" + b" " * 8_000_000
        assert server.post("/api/v1/statements/batch", many).statuses in ([200], [400])
    for _ in range(100):
        unread = server.connect(receive_bytes=4_096)
        unread.sendall(b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
    assert server.answers()
    grown = server.peak_bytes() - before
    if REPORT is not None:
        sent = CONNECTIONS * EACH
        figures = {"connections": CONNECTIONS, "sent_bytes": sent, "bodies_grown_bytes": bodies}
        figures |= {"grown_bytes": grown, "bound_bytes": BOUND + SLACK}
        report = {
            "run": Path(REPORT).stem,
            "engine": "sqlite",
            "made_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "machine": {"cpus": os.cpu_count(), "python": platform.python_version()},
            "figures": figures,
        }
        Path(REPORT).write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    assert bodies <= BOUND + SLACK
    assert grown <= BOUND + SLACK
