"""A server under a strict policy that is killed while it waits for its witnesses."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

import kit
from cli_world import process
from ports import free_port
from processes import children_of
from test_strict_regions import ADDRESS, in_strict_environment, stored_size
from test_two_regions import PATIENCE_S, in_environment, serving, until
from witnessing_world import Making

from ledger.assembly import Ledger
from ledger.settings import Settings
from ledger.tlog.proof import parse_proof


def test_a_server_that_is_killed_while_it_waits_has_promised_nothing_and_loses_nothing(
    making: Making, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = making(now=int(time.time()))
    world.log()
    world.ask()
    world.ledger.close()
    start = stored_size(world.settings)
    in_strict_environment(world, monkeypatch)
    body = kit.submitted(kit.ulid(801))
    with ThreadPoolExecutor(1) as pool:
        with killed_in_the_end(world.settings, monkeypatch) as client:
            for each in world.witnesses[1:]:
                each.behave("closes")
            answer = pool.submit(client.post, ADDRESS, content=body)
            until(lambda: stored_size(world.settings) > start)
            assert not answer.done()
        with pytest.raises(httpx.HTTPError):
            answer.result(PATIENCE_S)
    for each in world.witnesses:
        each.behave("honest")
    with serving(world.settings, monkeypatch) as client:
        again = client.post(ADDRESS, content=body)
        assert again.status_code == 200
        assert again.json()["index"] == start
        published = client.get("/log/checkpoint").content
    world.ledger = Ledger(world.settings, clock=world.clock)
    standard = world.ledger.standard
    assert standard is not None
    assert standard.is_met_by(published)
    assert standard.is_met_by(parse_proof(again.json()["receipt"].encode()).checkpoint)
    kit.check_whole_log(world.settings)


@contextmanager
def killed_in_the_end(settings: Settings, patch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A server that dies when the block is left, and writes nothing more."""
    port = free_port()
    in_environment(settings, patch)
    patch.setenv("LEDGER_PORT", str(port))
    with (
        process(["serve"], wait_for="serving ") as (server, _),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as client,
    ):
        yield client
        # The server process first: its parent, told to stop, would let it finish.
        children = children_of(server.pid)
        assert children
        for pid in (*children, server.pid):
            os.kill(pid, signal.SIGKILL)
        server.wait(PATIENCE_S)
