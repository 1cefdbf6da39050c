"""The hub is told what is new: every feed of entries that has something, however it fails first."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from time import monotonic, sleep
from urllib.parse import parse_qs

import pytest
from browser import Browser
from ledger_world import World

from ledger.assembly import announcing
from ledger.assembly.announcing import MEMORY, Announcer, HubRefused
from ledger.settings import Settings
from web.app import create_app

PUBLIC_URL = "https://ledger.example"
WAIT_S = 120


class Hub:
    """A real HTTP server that notes what it is told, and refuses when the test says so."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.requests = 0
        self.refusals = 0
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                hub.requests += 1
                if hub.refusals:
                    hub.refusals -= 1
                    self.send_response(503)
                else:
                    form = parse_qs(body, strict_parsing=True)
                    assert form["hub.mode"] == ["publish"]
                    hub.told += form["hub.url"]
                    self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr(announcing, "TIMEOUT_S", WAIT_S)
    made = Hub()
    yield made
    made.close()


def _announcer(world: World, hub: str, folder: Path) -> Announcer:
    return Announcer(
        world.reader,
        hub=hub,
        public_url=PUBLIC_URL,
        memory=folder / "told",
        look_s=0.02,
        longest_s=0.05,
    )


def _both(*names: str) -> set[str]:
    return {f"{PUBLIC_URL}/feeds/{name}{form}" for name in names for form in (".json", ".atom")}


def test_the_hub_is_told_of_the_feeds_that_have_something_new_and_of_no_other(
    fresh: World, shop: Browser, hub: Hub, tmp_path: Path
) -> None:
    announcer = _announcer(fresh, hub.url, tmp_path)
    assert announcer.announce() == ()
    fresh.log(fresh.submission("one"))
    assert set(announcer.announce()) == _both("submitted", "checkpoints", "members/alpha")
    assert sorted(hub.told) == sorted(_both("submitted", "checkpoints", "members/alpha"))
    for topic in hub.told:
        reply = shop.get(topic.removeprefix(PUBLIC_URL))
        assert reply.status == 200
        assert f'<{topic}>; rel="self"' in reply.headers["link"]
    assert announcer.announce() == ()
    fresh.days(91)
    fresh.sweep()
    assert set(announcer.announce()) == _both("published", "checkpoints", "members/alpha")


def test_what_a_hub_refuses_it_is_told_again_also_after_a_restart(
    fresh: World, hub: Hub, tmp_path: Path
) -> None:
    _announcer(fresh, hub.url, tmp_path).announce()
    fresh.log(fresh.submission("one", author="beta"))
    hub.refusals = 1
    with pytest.raises(HubRefused, match="503"):
        _announcer(fresh, hub.url, tmp_path).announce()
    with pytest.raises(HubRefused, match="cannot be reached"):
        _announcer(fresh, "http://127.0.0.1:9/", tmp_path).announce()
    assert hub.told == []
    told = _announcer(fresh, hub.url, tmp_path).announce()
    assert set(told) == set(hub.told) == _both("submitted", "checkpoints", "members/beta")


def test_the_thread_tells_the_hub_and_no_statement_waits_for_it(
    fresh: World, hub: Hub, tmp_path: Path
) -> None:
    announcer = _announcer(fresh, hub.url, tmp_path)
    announcer.announce()
    hub.refusals = 3
    announcer.start()
    try:
        fresh.log(fresh.submission("one"))
        begun = monotonic()
        while not hub.told and monotonic() < begun + WAIT_S:
            sleep(0.01)
    finally:
        announcer.stop()
    assert set(hub.told) == _both("submitted", "checkpoints", "members/alpha")
    assert hub.requests == 4


def test_there_is_an_announcer_only_where_a_hub_is_set(fresh: World, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert Announcer.of(settings, fresh.reader) is None
    named = Settings(data_dir=tmp_path, websub_hub="https://hub.example/")
    assert Announcer.of(named, fresh.reader) is not None
    for wrong in ("ftp://hub.example/", "https://a:b@hub.example/", 'https://hub.example/">'):
        with pytest.raises(ValueError, match="websub_hub"):
            Settings(data_dir=tmp_path, websub_hub=wrong)


def test_a_server_that_is_set_a_hub_tells_it(
    tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with World(tmp_path / "data", start=1_700_000_000) as world:
        world.log(world.submission("one"))
        (tmp_path / "data" / MEMORY).write_text("1\n")
    monkeypatch.setenv("LEDGER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LEDGER_PUBLIC_URL", PUBLIC_URL)
    monkeypatch.setenv("LEDGER_WEBSUB_HUB", hub.url)
    with Browser(create_app()) as site:
        assert site.get("/feeds/submitted.json").json()["hubs"] == [
            {"type": "WebSub", "url": hub.url}
        ]
        begun = monotonic()
        while not hub.told and monotonic() < begun + WAIT_S:
            sleep(0.05)
    assert f"{PUBLIC_URL}/feeds/submitted.json" in hub.told
