"""Files of the log that are in memory are answered past the event loop: the same, or not at all."""

import asyncio
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, Reply
from exposition_reading import read_exposition, value
from ledger_world import World

from ledger import journal
from ledger.assembly import Ledger
from ledger.keys import write_secret
from web.app import create_app
from web.cache import ByteCache
from web.front import Front

CHECKPOINT = "/log/checkpoint"
ID = "browser-of-tests"
TOKEN = "scrape-0123456789abcdef-0123456789"
MINE = ((b"host", b"ledger.example"), (b"x-request-id", ID.encode()))


class Thread:
    """The thread of a server that takes requests: no event loop runs in it."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def ask(
        self,
        target: str,
        method: str = "GET",
        headers: tuple[tuple[bytes, bytes], ...] = MINE,
    ) -> Reply | None:
        """What is answered at once, or None."""
        path, _, query = target.partition("?")
        scope = {
            "type": "http", "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": list(headers), "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8000),
        }  # fmt: skip
        sent: list[Any] = []
        taken: list[bool] = []
        thread = threading.Thread(
            target=lambda: taken.append(self._front.at_once(scope, sent.append))
        )
        thread.start()
        thread.join()
        assert taken in ([True], [False])
        if not taken[0]:
            assert sent == []
            return None
        start, body = sent
        assert (start["type"], body["type"]) == ("http.response.start", "http.response.body")
        names = [name.decode() for name, _ in start["headers"]]
        return Reply(
            status=start["status"],
            headers={n.decode(): v.decode("latin-1") for n, v in start["headers"]},
            repeated=tuple(sorted({name for name in names if names.count(name) > 1})),
            body=body["body"],
        )


@pytest.fixture
def root_as_it_was() -> Iterator[None]:
    """The journal takes the place of whatever listens to lines."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def is_embedded(database_url: str) -> bool:
    """Whether the database says that nothing was committed."""
    return database_url.startswith("sqlite")


def test_what_is_answered_at_once_is_what_is_answered_otherwise(
    fresh: World, is_embedded: bool
) -> None:
    fresh.log(fresh.submission("a"))
    size = fresh.ledger.reader.tree_size()
    front = create_app(fresh.ledger)
    with Browser(front) as browser:
        thread = Thread(front)
        files = [f"/log/tile/0/000.p/{size}", f"/log/tile/entries/000.p/{size}"]
        for target in (*files, CHECKPOINT):
            if target != CHECKPOINT:
                assert thread.ask(target) is None  # it is not in memory yet
            usual = browser.get(target)
            assert usual.status == 200
            for method in ("GET", "HEAD"):
                known = thread.ask(target, method)
                if target == CHECKPOINT and not is_embedded:
                    assert known is None
                else:
                    assert known == browser.request(method, target)
                    assert known is not None
                    assert known.body == (usual.body if method == "GET" else b"")
                    assert known.headers["x-request-id"] == ID


def test_a_request_without_an_id_gets_one_of_its_own(fresh: World) -> None:
    front = create_app(fresh.ledger)
    size = fresh.ledger.reader.tree_size()
    with Browser(front) as browser:
        browser.get(target := f"/log/tile/0/000.p/{size}")
        replies = [Thread(front).ask(target, headers=()) for _ in range(2)]
    ids = {reply.headers["x-request-id"] for reply in replies if reply}
    assert len(ids) == 2
    assert all(len(each) == 16 for each in ids)


def test_whatever_is_no_file_in_memory_goes_the_usual_way(fresh: World) -> None:
    front = create_app(fresh.ledger)
    thread = Thread(front)
    size = fresh.ledger.reader.tree_size()
    tile = f"/log/tile/0/000.p/{size}"
    assert thread.ask(tile) is None  # nobody has opened the house
    with Browser(front) as browser:
        for target in (tile, CHECKPOINT, "/en/", "/healthz", "/log/vkey", "/log/none"):
            browser.get(target)
        assert thread.ask(tile) is not None
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "PATCH", "BREW"):
            assert thread.ask(tile, method) is None
        for target in ("/en/", "/healthz", "/readyz", "/log/none", "/log/", f"/{tile}", f"{tile}/"):
            assert thread.ask(target) is None
        for headers in (
            ((b"host", b"a"), (b"host", b"a")),
            ((b"host", b"a"), (b"transfer-encoding", b"gzip, chunked")),
            ((b"host", b"a"), *[(b"transfer-encoding", b"chunked")] * 2),
        ):
            assert thread.ask(tile, headers=headers) is None
            refused = browser.run(_refused(front, tile, headers))
            assert refused == 400
    assert thread.ask(CHECKPOINT) is None  # it is closed


async def _refused(front: Front, path: str, headers: tuple[tuple[bytes, bytes], ...]) -> int:
    scope = {
        "type": "http", "method": "GET", "path": path, "query_string": b"",
        "headers": list(headers), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async with asyncio.timeout(120):
        await front(scope, asyncio.Event().wait, send)  # type: ignore[arg-type] # nothing comes
    return int(sent[0]["status"])


def test_a_checkpoint_that_was_published_is_in_the_next_answer(
    fresh: World, is_embedded: bool
) -> None:
    """However it is asked for; what publishes is another connection, as another process has."""
    front = create_app(fresh.ledger)
    thread = Thread(front)
    with Browser(front) as browser:
        for number in range(5):
            fresh.log(fresh.submission(f"job {number}"))
            size = fresh.ledger.reader.tree_size()
            assert thread.ask(CHECKPOINT) is None  # what is in memory is not the newest any more
            usual = browser.get(CHECKPOINT)
            assert int(usual.body.split(b"\n")[1]) == size
            assert usual.headers["ledger-tree-size"] == str(size)
            again = thread.ask(CHECKPOINT)
            assert again == (browser.get(CHECKPOINT) if is_embedded else None)


def test_what_is_answered_at_once_has_its_line(
    fresh: World, capsys: pytest.CaptureFixture[str], root_as_it_was: None
) -> None:
    journal.start("info", "json")
    front = create_app(fresh.ledger, log_requests=True)
    size = fresh.ledger.reader.tree_size()
    lines = []
    with Browser(front) as browser:
        browser.get(target := f"/log/tile/0/000.p/{size}")
        lines += _lines(capsys)
        assert Thread(front).ask(target) is not None
        lines += _lines(capsys)
    usual, line = ({**each, "duration_ms": 0, "time": "", "message": ""} for each in lines)
    assert line == usual
    assert (line["route"], line["request_id"]) == ("/log/{path}", ID)


def test_what_is_answered_at_once_is_counted(fresh: World, tmp_path: Path) -> None:
    write_secret(tmp_path / "token", TOKEN)
    settings = fresh.ledger.settings.model_copy(update={"metrics": tmp_path / "token"})
    fresh.ledger.close()
    fresh.ledger = Ledger(settings, clock=fresh.clock)
    front = create_app(fresh.ledger)
    size = fresh.ledger.reader.tree_size()
    with Browser(front) as browser:
        browser.get(target := f"/log/tile/0/000.p/{size}")
        assert Thread(front).ask(target) is not None
        text = browser.get("/metrics", authorization=f"Bearer {TOKEN}").text
    found = read_exposition(text)
    labels = {"route": "log", "status": "200"}
    assert value(found, "ledger_http_requests_total", **labels) == 2
    assert value(found, "ledger_http_request_seconds_count", route="log") == 2


def test_memory_may_let_an_answer_go_while_another_thread_takes_it() -> None:
    class Going(OrderedDict[str, tuple[object, int]]):
        """Lets go of what was just found."""

        def get(self, key: str, default: Any = None) -> Any:
            found = super().get(key, default)
            self.pop(key, None)
            return found

    cache: ByteCache[str] = ByteCache(100_000)
    cache.put("key", "value", size=5)
    cache._held = Going(cache._held)
    assert cache.get("key") == "value"
    assert cache.get("key") is None


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]
