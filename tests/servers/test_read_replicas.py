"""Reads from a real replica: nobody is shown less than was answered, whatever becomes of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import Browser, Reply
from exposition_reading import read_exposition, value
from ledger_world import World
from postgresql_servers import PATIENCE_S, Server, ask, until

from ledger.assembly import Ledger
from ledger.errors import SettingsError
from ledger.keys import write_secret
from ledger.settings import Settings, load_settings
from ledger.storage.replica import Replica, Source
from web.app import create_app

TOKEN = "scrape-0123456789abcdef-0123456789"
PLACES = (
    "/en/jobs/{job}", "/jobs/{job}.json", "/api/v1/jobs/{job}", "/api/v1/jobs/{job}/proof",
    "/api/v1/jobs/{job}/events", "/api/v1/entries/{index}", "/api/v1/entries/{index}/proof",
    "/entries/{index}.json", "/api/v1/consistency?from=1&to={size}", "/en/jobs", "/jobs.csv",
    "/api/v1/jobs", "/feeds/submitted.json", "/feeds/submitted.atom", "/zh-Hans/",
    "/api/v1/embargo",
)  # fmt: skip
"""What may come from a replica: views of a tree."""
AT_THE_PRIMARY = (
    "/entries/{index}.proof", "/jobs/{job}.proof", "/api/v1/jobs/{job}/admission",
    "/api/v1/status", "/en/log", "/log/checkpoint",
)  # fmt: skip
"""Receipts, and what else changes with what witnesses say."""


PATIENT = f"&connect_timeout={PATIENCE_S}"
"""A replica that is slow to answer, as everything may be here, is none that is down."""


class House:
    """A ledger on two servers, its site, and who answered each read of it."""

    def __init__(self, world: World, site: Browser, replica: Replica) -> None:
        self.world = world
        self.site = site
        self.replica = replica
        self.heard: list[Source] = []

        def told(source: Source) -> None:
            self.heard.append(source)

        replica.told = told

    def submit(self, job: str) -> dict[str, Any]:
        """Post a submission; what is known of it then, as the addresses above take it."""
        body = self.world.submission(job)
        reply = self.site.request("POST", "/api/v1/statements", chunks=[body])
        assert reply.status == 201, reply.text
        index = reply.json()["index"]
        return {"job": self.world.job_id(job), "index": index, "size": index + 2}

    def get(self, place: str, at: int | None = None, **known: object) -> Reply:
        address = place.format_map(known)
        if at is not None:
            address += f"{'&' if '?' in address else '?'}at={at}"
        reply = self.site.get(address)
        assert reply.status == 200, (address, reply.text)
        return reply

    def sources(self) -> set[Source]:
        """Who has answered since this was asked last."""
        found = set(self.heard)
        self.heard.clear()
        return found


@pytest.fixture(scope="module")
def opened(
    primary: Server, replica: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("replicas")
    with World(folder / "ledger", primary.url) as world:
        world.log(*[world.submission(f"first{n}") for n in range(30)])
        old = world.ledger.settings
        world.ledger.close()
        write_secret(folder / "token", TOKEN)
        settings = Settings(
            data_dir=old.data_dir,
            database_url=primary.url,
            read_database_url=replica.url + PATIENT,
            metrics=folder / "token",
        )
        world.ledger = Ledger(settings, clock=world.clock)
        world.reader = world.ledger.reader
        asked = world.reader.replica
        assert asked is not None
        with Browser(create_app(world.ledger, public_url="https://ledger.example")) as site:
            assert world.reader.loaded is not None
            world.reader.loaded.result(120)
            yield House(world, site, asked)


@pytest.fixture
def house(opened: House, primary: Server, replica: Server) -> Iterator[House]:
    """The house with a replica that runs, replays and has everything, whatever was before."""
    if not replica.is_running:
        replica.start()
    ask(replica.url, "SELECT pg_wal_replay_resume()")
    replica.caught_up_with(primary)
    asked = opened.replica
    told = asked.told
    # No test may depend on how long anything takes: it is asked again at once, and never awaited.
    asked.retry_s = asked.patience_s = 0
    opened.heard.clear()
    yield opened
    asked.told = told


def behind(replica: Server) -> None:
    """Let the replica receive everything from now on and show nothing of it."""
    ask(replica.url, "SELECT pg_wal_replay_pause()")
    until(replica.url, "SELECT pg_get_wal_replay_pause_state() = 'paused'")


def test_what_was_answered_is_found_at_once_however_far_the_replica_is_behind(
    house: House, primary: Server, replica: Server
) -> None:
    old = house.submit("old")
    replica.caught_up_with(primary)
    house.sources()
    before = {place: house.get(place, **old).body for place in PLACES}
    assert house.sources() == {Source.REPLICA}

    behind(replica)
    new = house.submit("new")
    for place in (*PLACES, *AT_THE_PRIMARY):
        assert int(house.get(place, **new).headers["ledger-tree-size"]) >= new["size"], place
        if place != "/log/checkpoint":
            house.get(place, at=new["size"], **new)
    house.get(f"/log/tile/0/000.p/{new['size']}")
    assert house.sources() == {Source.BEHIND}

    # What it does hold it goes on answering, and with the same bytes as then.
    tile = house.get(f"/log/tile/entries/000.p/{old['size']}").body
    pinned = {place: house.get(place, at=old["size"], **old).body for place in PLACES}
    assert house.sources() == {Source.REPLICA}
    again = Ledger(
        house.world.ledger.settings.model_copy(update={"read_database_url": None, "metrics": None}),
        clock=house.world.clock,
        writer=False,
    )
    with Browser(create_app(again, public_url="https://ledger.example")) as alone:
        for place, body in pinned.items():
            address = place.format_map(old)
            reply = alone.get(f"{address}{'&' if '?' in address else '?'}at={old['size']}")
            assert reply.body == body, place
        assert alone.get(f"/log/tile/entries/000.p/{old['size']}").body == tile
    again.close()
    assert before.keys() == pinned.keys()

    ask(replica.url, "SELECT pg_wal_replay_resume()")
    replica.caught_up_with(primary)
    newest = house.submit("newest")
    replica.caught_up_with(primary)
    house.sources()
    for place in PLACES:
        assert int(house.get(place, **newest).headers["ledger-tree-size"]) >= newest["size"]
    assert house.sources() == {Source.REPLICA}


def test_a_replica_that_dies_is_not_missed_and_one_that_returns_is_used(
    house: House, replica: Server, primary: Server
) -> None:
    known = house.submit("one")
    replica.caught_up_with(primary)
    house.get("/api/v1/jobs/{job}", **known)
    assert house.sources() == {Source.REPLICA}
    replica.die()
    for place in (*PLACES, *AT_THE_PRIMARY):
        if place != "/api/v1/jobs/{job}":  # kept, as it was made
            house.get(place, **known)
    assert house.sources() == {Source.DOWN}
    later = house.submit("two")
    house.get("/en/jobs/{job}", **later)
    replica.start()
    replica.caught_up_with(primary)
    house.sources()
    house.get("/api/v1/jobs/{job}", **later)
    assert house.sources() == {Source.REPLICA}


def test_a_replica_that_dies_under_an_answer_costs_nobody_the_answer(
    house: House, replica: Server, primary: Server
) -> None:
    known = house.submit("under")
    replica.caught_up_with(primary)
    cut: list[Source] = []

    def cut_off(source: Source) -> None:
        """The snapshot is open by now: whatever is read next fails."""
        cut.append(source)
        if source is Source.REPLICA:
            ask(
                replica.url,
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()",
            )

    house.replica.told = cut_off
    for place in (*PLACES, "/log/tile/0/000.p/31", "/log/tile/entries/000.p/31"):
        cut.clear()
        house.get(place, **known)
        assert cut[0] is Source.REPLICA, place


def test_only_a_replica_of_the_same_tree_is_believed(
    house: House, primary: Server, tmp_path: Path
) -> None:
    with World(tmp_path / "other", other_database(primary)) as other:
        other.log(*[other.submission(f"elsewhere{n}") for n in range(90)])
        assert other.reader.tree_size() > house.world.reader.tree_size()
    strange = Replica(other_database(primary), house.world.ledger.store, retry_s=0)
    heard: list[Source] = []
    strange.told = heard.append
    with strange.snapshot(house.world.reader.tree_size()) as reads:
        assert reads.head().size == house.world.reader.tree_size()
    assert heard == [Source.OTHER_TREE]
    strange.close()


def other_database(server: Server) -> str:
    """A second, empty database on the same server, made once."""
    if not ask(server.url, "SELECT count(*) FROM pg_database WHERE datname = 'other'"):
        ask(server.url, "CREATE DATABASE other")
    return server.url.replace("@/postgres?", "@/other?") + PATIENT


def test_a_replica_that_is_a_moment_behind_is_waited_for(
    house: House, replica: Server, primary: Server
) -> None:
    behind(replica)
    known = house.submit("moment")
    house.sources()
    house.replica.patience_s = 120
    opened = house.replica.snapshot(known["size"])

    def resumed(_seconds: float) -> None:
        ask(replica.url, "SELECT pg_wal_replay_resume()")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ledger.storage.replica.sleep", resumed)
        with opened as reads:
            assert reads.head().size == known["size"]
    assert house.sources() == {Source.REPLICA}


def test_a_scrape_tells_how_far_the_replica_is_behind_and_who_answers(
    house: House, replica: Server
) -> None:
    assert house.world.ledger.metrics is not None
    board = house.world.ledger.metrics.board
    house.replica.told = house.world.ledger.metrics.read
    size = house.world.reader.tree_size()

    def scrape() -> dict[str, Any]:
        return read_exposition(house.site.get("/metrics", authorization=f"Bearer {TOKEN}").text)

    def counted() -> dict[str, float]:
        totals = board.totals()
        return {each.value: totals["ledger_reads_total", (each.value,)][0] for each in Source}

    before = scrape()
    assert value(before, "ledger_replica_up") == 1
    assert value(before, "ledger_replica_lag_entries") == 0
    assert value(before, "ledger_replica_lag_seconds") == 0
    behind(replica)
    house.submit("unseen")
    house.world.clock.now += 70
    late = scrape()
    assert value(late, "ledger_replica_lag_entries") == 2
    assert value(late, "ledger_replica_lag_seconds") == 70
    house.world.reader.newest()
    before_them = counted()
    for asked_for in (size, size + 2):
        with house.world.reader.at(asked_for) as view:
            assert view.size == asked_for
    for source, more in (("replica", 1), ("behind", 1), ("down", 0), ("other_tree", 0)):
        assert counted()[source] - before_them[source] == more, source
    replica.die()
    assert value(scrape(), "ledger_replica_up") == 0


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"read_database_url": "postgresql://h/db"}, "SQLite has no replicas"),
        ({"database_url": "postgresql://h/db", "read_database_url": "sqlite:///x"}, "scheme"),
        ({"database_url": "postgresql://h/db", "read_database_url": "postgresql://h"}, "database"),
    ],
)
def test_what_is_no_replica_is_refused_in_one_line(settings: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said) as refused:
        load_settings(**settings)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)


def test_the_password_of_a_replica_is_never_shown() -> None:
    settings = Settings(
        database_url="postgresql://h/db", read_database_url="postgresql://u:secret@h/db"
    )
    assert "secret" not in repr(settings)
    assert settings.shown()["LEDGER_READ_DATABASE_URL"] == "postgresql://u:***@h/db"
