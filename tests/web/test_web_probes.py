"""``/healthz`` and ``/readyz``, with each part of the house broken in turn, on both engines."""

import os
import threading
from functools import partial
from types import SimpleNamespace

import pytest
from browser import Browser
from ledger_world import World
from sqlalchemy import text

from ledger.assembly import readiness
from ledger.errors import LogUnavailable
from ledger.sequencer.memory import OpenMemory
from web.app import create_app
from web.contract import PROBES
from web.openapi import statuses
from web.probes import ADDRESSES, Probes


def _execute(world: World, statement: str) -> None:
    engine = world.ledger.store.engine
    with (
        engine.connect().execution_options(ledger_writes=True) as connection,
        connection.begin(),
    ):
        connection.execute(text(statement))


def _refused(shop: Browser) -> str:
    """What ``/readyz`` refuses with; ``/healthz`` must not care."""
    assert shop.get("/healthz").body == b"ok\n"
    reply = shop.get("/readyz")
    assert reply.status == 503
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["cache-control"] == "no-store"
    assert reply.headers["retry-after"] == "5"
    problem = reply.json()
    assert problem["type"] == "/en/docs/problems/not-ready"
    detail: str = problem["detail"]
    return detail


def test_a_sound_ledger_is_well_and_ready_and_nobody_keeps_that(shop: Browser) -> None:
    for address, said in (("/healthz", b"ok\n"), ("/readyz", b"ready\n")):
        reply = shop.get(address)
        assert (reply.status, reply.body) == (200, said)
        assert reply.headers["content-type"] == "text/plain; charset=utf-8"
        assert reply.headers["cache-control"] == "no-store"
        assert "etag" not in reply.headers
        head = shop.request("HEAD", address)
        assert (head.status, head.body) == (200, b"")


def test_probes_take_no_parameter_and_no_other_method(shop: Browser) -> None:
    for address in sorted(ADDRESSES):
        refused = shop.get(f"{address}?verbose=1")
        assert (refused.status, refused.json()["field"]) == (400, "verbose")
        posted = shop.request("POST", address)
        assert (posted.status, posted.headers["allow"]) == (405, "GET, HEAD")
        assert shop.get(f"{address}x").status == 404


def test_the_contract_names_the_probes_and_their_answers() -> None:
    assert {each.address for each in PROBES} == ADDRESSES
    assert {each.name: statuses(each) for each in PROBES} == {
        "showHealth": (200, 400),
        "showReadiness": (200, 400, 503),
    }


def test_a_writer_that_has_stopped_is_not_ready(fresh: World, shop: Browser) -> None:
    fresh.ledger.sequencer.stop()
    assert _refused(shop).startswith("writer: ")


def test_a_schema_of_another_program_is_not_ready(fresh: World, shop: Browser) -> None:
    _execute(fresh, "UPDATE alembic_version SET version_num = '0001'")
    assert _refused(shop).startswith("schema: ")


def test_a_database_that_refuses_is_not_ready_and_not_quoted(fresh: World, shop: Browser) -> None:
    _execute(fresh, "ALTER TABLE log_head RENAME TO hidden_head")
    refused = _refused(shop)
    assert refused == "database: it cannot be read"
    _execute(fresh, "ALTER TABLE hidden_head RENAME TO log_head")
    assert shop.get("/readyz").status == 200


def test_entries_may_wait_a_moment_for_their_checkpoint_and_no_longer(
    fresh: World, shop: Browser
) -> None:
    _execute(fresh, "UPDATE log_head SET size = size + 1")
    fresh.clock.now = _logged_at(fresh) + readiness.UNSIGNED_S
    assert shop.get("/readyz").status == 200
    fresh.clock.now += 1
    assert _refused(shop).startswith("checkpoint: ")


def _logged_at(world: World) -> int:
    with world.ledger.store.snapshot() as reads:
        return reads.head().logged_at


def test_a_disk_that_takes_nothing_is_not_ready(
    fresh: World, shop: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = os.statvfs(fresh.ledger.settings.key_dir)
    said = {
        "full": replaced(found, f_bavail=10, f_frsize=4096),
        "read-only": replaced(found, f_flag=found.f_flag | os.ST_RDONLY),
    }
    for how, disk in said.items():
        monkeypatch.setattr(os, "statvfs", lambda _folder, disk=disk: disk)
        assert _refused(shop) == f"disk: it is {how}"
    monkeypatch.undo()
    assert shop.get("/readyz").status == 200


def replaced(found: os.statvfs_result, **changed: int) -> SimpleNamespace:
    names = [name for name in dir(found) if name.startswith("f_")]
    return SimpleNamespace(**{name: getattr(found, name) for name in names} | changed)


def test_a_writer_that_could_not_store_keeps_requests_away_for_a_moment(
    fresh: World, shop: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    body = fresh.submission("unlucky")
    with monkeypatch.context() as patch:
        patch.setattr(OpenMemory, "remember", fail)
        assert isinstance(fresh.ledger.submit(body).exception(120), LogUnavailable)
    assert _refused(shop).startswith("writer: the last batch")
    fresh.clock.now += readiness.UNSTORED_S + 1
    # What is stored and not signed yet speaks up instead, until somebody comes back.
    assert _refused(shop).startswith("checkpoint: ")
    fresh.log(body)
    assert shop.get("/readyz").status == 200


def test_a_ledger_that_only_reads_is_ready_without_a_writer(fresh: World) -> None:
    readiness.check_ready(fresh.ledger.store, None, now=fresh.clock.now)


def test_one_look_that_hangs_is_given_up_by_all_who_wait_for_it(
    fresh: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    looks: list[int] = []

    def hang(*_: object, **__: object) -> None:
        looks.append(1)
        begun.set()
        go_on.wait(120)

    monkeypatch.setattr("ledger.assembly.house.check_ready", hang)
    monkeypatch.setattr("web.front.Probes", partial(Probes, patience_s=0.01))
    with Browser(create_app(fresh.ledger)) as site:
        refused = {_refused(site) for _ in range(3)}
        assert refused == {"database: it has not answered yet"}
        assert begun.wait(120)
        assert looks == [1]
        go_on.set()
