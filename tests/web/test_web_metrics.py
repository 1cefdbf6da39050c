"""``/metrics``, read as Prometheus would, on both engines."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from browser import Browser
from exposition_reading import Found, read_exposition, value
from ledger_world import World
from sqlalchemy import text

from ledger.assembly import Ledger
from ledger.assembly.metrics import Metrics
from ledger.errors import SettingsError
from ledger.keys import KeyFileError, write_secret
from ledger.metering import FAMILIES
from ledger.metering.families import ROUTES
from ledger.settings import Settings
from ledger.storage.shapes import StoredWitness
from ledger.tlog.note import COSIGNATURE, generate_key
from web.app import create_app
from web.scrapes import route_of

TOKEN = "scrape-0123456789abcdef-0123456789"
DAY_S = 86_400


@pytest.fixture
def metered(fresh: World, tmp_path: Path) -> World:
    """A ledger of the test's own that counts, with a witness that nobody has asked yet."""
    write_secret(tmp_path / "token", TOKEN)
    vkey = generate_key("witness.example/one", b"1" * 32, key_type=COSIGNATURE)[1]
    address = "https://witness.example/witness"
    (tmp_path / "policy").write_text(f"witness One {vkey} {address}\nquorum One\n")
    given = fresh.ledger.settings
    fresh.ledger.close()
    settings = Settings(
        data_dir=given.data_dir,
        database_url=given.database_url,
        metrics=tmp_path / "token",
        policy=tmp_path / "policy",
    )
    fresh.ledger = Ledger(settings, clock=fresh.clock)
    fresh.reader = fresh.ledger.reader
    return fresh


@pytest.fixture
def site_of(metered: World) -> Iterator[Browser]:
    with Browser(create_app(metered.ledger)) as browser:
        yield browser


def _text(site: Browser) -> str:
    reply = site.get("/metrics", authorization=f"Bearer {TOKEN}")
    assert (reply.status, reply.headers["cache-control"]) == (200, "no-store")
    assert reply.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return reply.text


def _scrape(site: Browser) -> dict[str, Found]:
    return read_exposition(_text(site))


def test_the_numbers_follow_what_happens(metered: World, site_of: Browser) -> None:
    before = _scrape(site_of)
    body = metered.submission("one")
    assert site_of.request("POST", "/api/v1/statements", chunks=[body]).status == 201
    assert site_of.request("POST", "/api/v1/statements", chunks=[b"{}"]).status == 422
    site_of.get("/en/")
    after = _scrape(site_of)
    size = metered.reader.tree_size()
    for name in ("ledger_tree_size", "ledger_signed_size", "ledger_published_size"):
        assert (value(after, name) > value(before, name), value(after, name)) == (True, size)
    assert value(after, "ledger_batch_records_count") == 1
    assert value(after, "ledger_batch_records_sum") == 1
    assert value(after, "ledger_proof_seconds_count") == 1
    assert value(after, "ledger_queue_records") == 0
    assert value(after, "ledger_queue_bytes") == 0
    assert value(after, "ledger_database_up") == 1
    made = "ledger_http_requests_total"
    assert value(after, made, route="statements", status="201") == 1
    assert value(after, made, route="statements", status="422") == 1
    assert value(after, made, route="pages", status="200") == 1
    assert value(after, made, route="other", status="200") == 1
    seconds = "ledger_http_request_seconds_count"
    assert value(after, seconds, route="statements") == 2


def test_deadlines_and_who_should_keep_them_are_told(metered: World, site_of: Browser) -> None:
    metered.log(metered.submission("one"))
    with metered.ledger.store.snapshot() as reads:
        deadline = reads.next_deadline()
    assert deadline is not None
    found = _scrape(site_of)
    assert value(found, "ledger_next_deadline_seconds") == deadline
    assert value(found, "ledger_overdue") == value(found, "ledger_worker_lag_seconds") == 0
    metered.clock.now = deadline + 90
    late = _scrape(site_of)
    assert value(late, "ledger_overdue") == 1
    assert value(late, "ledger_worker_lag_seconds") == 90
    assert value(late, "ledger_checkpoint_age_seconds") > 89 * DAY_S
    assert metered.ledger.embargo.open_due().opened == 1
    assert value(_scrape(site_of), "ledger_overdue") == 0


def test_a_witness_lags_by_what_it_has_not_cosigned(metered: World, site_of: Browser) -> None:
    metered.log(metered.submission("one"))
    size = metered.reader.tree_size()
    found = _scrape(site_of)
    assert value(found, "ledger_witness_lag_entries", witness="One") == size
    assert found["ledger_witness_age_seconds"].samples == {}
    state = next(iter(_states(metered)))
    with metered.ledger.store.witnessing() as writes:
        writes.keep_state(replace(state, size=size - 1, cosigned_at=metered.clock.now - 60))
    found = _scrape(site_of)
    assert value(found, "ledger_witness_lag_entries", witness="One") == 1
    assert value(found, "ledger_witness_age_seconds", witness="One") == 60


def _states(world: World) -> Iterable[StoredWitness]:
    standard = world.ledger.standard
    assert standard is not None
    with world.ledger.store.snapshot() as reads:
        return reads.witness_states(standard.witnesses).values()


def test_a_process_without_its_database_still_says_what_it_counted(
    metered: World, site_of: Browser
) -> None:
    metered.log(metered.submission("one"))
    engine = metered.ledger.store.engine
    with engine.connect().execution_options(ledger_writes=True) as connection, connection.begin():
        connection.execute(text("ALTER TABLE log_head RENAME TO hidden_head"))
    found = _scrape(site_of)
    assert value(found, "ledger_database_up") == 0
    assert value(found, "ledger_proof_seconds_count") == 1
    assert "ledger_tree_size" not in found


@pytest.mark.parametrize(
    "given",
    [{}, {"authorization": "Bearer wrong"}, {"authorization": TOKEN}, {"authorization": ""}],
)
def test_without_the_token_there_is_no_such_address(
    site_of: Browser, given: dict[str, str]
) -> None:
    reply = site_of.get("/metrics", **given)
    assert reply.status == 404
    assert "ledger_tree_size" not in reply.text
    # Nor does anything else tell that there is one to whom bears the token.
    for method, query in (("GET", ""), ("GET", "?at=1&at=1"), ("POST", ""), ("OPTIONS", "")):
        found = site_of.request(method, f"/metrics{query}", headers=given)
        other = site_of.request(method, f"/metricsx{query}", headers=given)
        assert found.status == other.status
        assert found.headers.keys() == other.headers.keys()


def test_without_the_setting_there_is_no_such_address_for_anybody(shop: Browser) -> None:
    assert shop.get("/metrics", authorization=f"Bearer {TOKEN}").status == 404


def test_no_number_is_of_a_job_an_author_or_a_sealed_value(
    metered: World, site_of: Browser
) -> None:
    metered.log(metered.submission("one"))
    site_of.get(f"/en/jobs/{metered.job_id('one')}")
    site_of.get("/made-up-by-a-stranger")
    told = _text(site_of)
    hidden = [*metered.sealed["one"].words, metered.job_id("one"), "alpha", "made-up", TOKEN]
    assert [each for each in hidden if each in told] == []


def test_nothing_that_a_stranger_asks_for_makes_another_series(site_of: Browser) -> None:
    asked = ["/", "/en/x", "/api/v1/x", "/log/x", "/bulk/x", "/feeds/x", "/schemas/x", "/healthz"]
    for path in [*asked, "/static/x", "/metricsx", "//en", "/api/v1/jobs/x/artifacts/y"]:
        assert route_of(path) in ROUTES
        site_of.get(path)
    named = {family.name for family in FAMILIES}
    known = {(family.name, labels) for family in FAMILIES for labels in family.series()}
    for name, found in _scrape(site_of).items():
        for _, labels in found.samples:
            given = dict(labels)
            values = tuple(given[key] for key in ("route", "status") if key in given)
            assert name not in named or (name, values) in known


def test_a_token_that_is_short_or_lies_open_is_refused(metered: World, tmp_path: Path) -> None:
    def opened(token: Path) -> Metrics:
        return Metrics(
            metered.ledger.store,
            metered.reader,
            folder=tmp_path / "counts",
            token=token,
            clock=metered.clock,
        )

    write_secret(tmp_path / "short", "too-short")
    with pytest.raises(SettingsError, match="LEDGER_METRICS"):
        opened(tmp_path / "short")
    (tmp_path / "open").write_text(TOKEN)
    (tmp_path / "open").chmod(0o644)
    with pytest.raises(KeyFileError, match="can be read by others"):
        opened(tmp_path / "open")
