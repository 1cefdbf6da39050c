"""A strict policy, and several processes on one database: none says more than the quorum holds.

Whoever of them signed a tree, the others have it in their database as soon as it is signed.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))  # browser lies there
sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))  # cli_world lies there

import kit
from browser import Browser
from cli_world import Shell
from test_strict_killed import killed_in_the_end
from test_strict_quorum import refused
from test_strict_regions import ADDRESS, in_strict_environment, stored_size
from test_two_regions import PATIENCE_S, until
from witnessing_world import Making, Remote, World, make_world, size_of

from ledger.assembly import Ledger
from ledger.errors import LogUnavailable
from ledger.settings import Settings
from ledger.tlog.proof import parse_proof
from web.app import create_app

CONNECTIONS = 12
"""As many are made for each question, since the kernel chooses the process that answers."""
BODIES = [kit.submitted(kit.ulid(number)) for number in range(801, 809)]


def ask(base: httpx.URL, path: str) -> list[httpx.Response]:
    """The answers over connections of their own."""
    return [httpx.get(base.join(path), timeout=PATIENCE_S) for _ in range(CONNECTIONS)]


def post(base: httpx.URL, body: bytes) -> httpx.Response:
    return httpx.post(base.join(ADDRESS), content=body, timeout=PATIENCE_S)


def require_nothing_newer(base: httpx.URL, size: int, *, stored: int) -> None:
    """Check that every process stays at the tree of ``size``, with ``stored`` in the database."""
    assert stored > size
    assert {size_of(each.content) for each in ask(base, "/log/checkpoint")} == {size}
    for path in (
        f"/entries/{size}.json",
        f"/entries/{size}.proof",
        f"/en/log?at={stored}",
        f"/log/tile/0/000.p/{stored}",
        f"/log/tile/entries/000.p/{stored}",
        f"/api/v1/jobs/{kit.ulid(801)}",
    ):
        assert {each.status_code for each in ask(base, path)} == {404}, path
    for path in ("/en/jobs", "/feeds/submitted.json", "/api/v1/checkpoint"):
        for each in ask(base, path):
            assert each.headers["ledger-tree-size"] == str(size)
            assert not any(kit.ulid(number) in each.text for number in range(801, 809))


def require_refused(base: httpx.URL) -> None:
    """Check that no process promises any of the statements."""
    with ThreadPoolExecutor(len(BODIES)) as pool:
        for answer in pool.map(lambda body: post(base, body), BODIES):
            assert answer.status_code == 503
            assert int(answer.headers["retry-after"]) > 0
            assert "nothing is promised" in answer.json()["detail"]


def answered_in_the_end(base: httpx.URL, body: bytes) -> httpx.Response:
    """Send the same until it is answered, as its client would."""
    found: list[httpx.Response] = []

    def is_answered() -> bool:
        answer = post(base, body)
        if answer.status_code == 503:
            return False
        found.append(answer)
        return True

    until(is_answered)
    assert found[0].status_code in {200, 201}
    return found[0]


def test_no_server_process_says_what_another_has_signed_before_the_quorum_holds_it(
    postgresql_url: str, tmp_path: Path, witnesses: list[Remote], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes behind one port, killed while trees wait, and started again."""
    world = make_world(postgresql_url, tmp_path, witnesses, now=int(time.time()))
    world.log()
    world.ask()
    world.ledger.close()
    standard = world.ledger.standard
    assert standard is not None
    settings = world.settings
    start = stored_size(settings)
    in_strict_environment(world, monkeypatch)
    monkeypatch.setenv("LEDGER_PROCESSES", "2")
    monkeypatch.setenv("LEDGER_WITNESS_WAIT_SECONDS", "1")
    with killed_in_the_end(settings, monkeypatch) as client:
        base = client.base_url
        until(lambda: client.get("/log/checkpoint").status_code == 200)
        for each in witnesses[1:]:
            each.behave("closes")
        require_refused(base)
        signed = stored_size(settings)
        require_nothing_newer(base, start, stored=signed)
    with killed_in_the_end(settings, monkeypatch) as client:
        base = client.base_url
        require_nothing_newer(base, start, stored=signed)
        require_refused(base)
        require_nothing_newer(base, start, stored=stored_size(settings))
        for each in witnesses:
            each.behave("honest")
        answers = [answered_in_the_end(base, body) for body in BODIES]
        shown = [each.content for each in ask(base, "/log/checkpoint")]
    receipts = [parse_proof(each.json()["receipt"].encode()).checkpoint for each in answers]
    assert all(standard.is_met_by(note) for note in (*receipts, *shown))
    indices = {each.json()["index"] for each in answers}
    assert len(indices) == len(BODIES)
    assert min(indices) == start
    assert {size_of(note) for note in shown} == {stored_size(settings)}
    kit.check_whole_log(settings)


@pytest.fixture
def held_back(making: Making, monkeypatch: pytest.MonkeyPatch) -> tuple[World, int, int]:
    """A log, the size that its quorum holds, and the size that is signed."""
    world = making()
    world.reopen(witness_mode="strict", witness_wait_seconds=600)
    kit.log(world.ledger, kit.submitted(kit.ulid(1)))
    size = world.size
    for each in world.witnesses[1:]:
        each.behave("closes")
    refused(world, kit.submitted(kit.ulid(2)))
    in_environment(world.settings, monkeypatch)
    return world, size, world.size


def in_environment(settings: Settings, patch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "DATA_DIR": settings.data_dir,
        "DATABASE_URL": settings.database_url,
        "POLICY": settings.policy,
        "WITNESS_MODE": "strict",
        "WITNESS_WAIT_SECONDS": 1,
        "REQUIRE_ELSEWHERE": 0,
    }.items():
        patch.setenv(f"LEDGER_{name}", str(value))


def test_what_reads_beside_a_server_stays_at_the_tree_of_the_quorum(
    held_back: tuple[World, int, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world, size, signed = held_back
    shell = Shell(tmp_path, capsys)
    with (
        closing(Ledger(world.settings, clock=world.clock, writer=False)) as beside,
        Browser(create_app(beside)) as site,
    ):
        assert size_of(site.get("/log/checkpoint").body) == size
        assert site.get(f"/entries/{size}.json").status == 404
        assert site.get(f"/en/log?at={signed}").status == 404
    out = shell.ok("mirror", "--to", tmp_path / "mirror")
    assert f"{size} entries" in out
    assert size_of((tmp_path / "mirror" / "log" / "checkpoint").read_bytes()) == size
    said = f"the published log has {size} entries"
    shell("export", "--to", tmp_path / "bulk", "--at", signed).refused(said)
    assert not (tmp_path / "bulk").exists()
    shell("signals", "--at", signed).refused(said)


def test_a_new_key_of_the_log_is_not_told_of_before_the_quorum_holds_its_entry(
    making: Making,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The rotation was cut short by its witnesses; the server that starts next knows both keys."""
    world = making(now=int(time.time()))
    for each in world.witnesses:
        each.tell("behave", time=None)
    world.reopen(witness_mode="strict", witness_wait_seconds=600)
    kit.log(world.ledger, kit.submitted(kit.ulid(1)))
    size = world.size
    world.ledger.close()
    for each in world.witnesses[1:]:
        each.behave("closes")
    in_environment(world.settings, monkeypatch)
    shell = Shell(tmp_path, capsys)
    said = shell("log-key", "rotate")
    assert said.status == 2
    assert "too few witnesses have cosigned" in said.err
    assert "complete now" in shell.ok("log-key", "rotate")
    world.ledger = Ledger(world.settings, clock=world.clock)
    until(lambda: shown_size_of(world) is not None)
    assert (shown_size_of(world), world.size) == (size, size + 1)
    world.ledger.close()
    said = shell("log-key", "retire")
    assert said.status == 2
    assert "the old key is kept" in said.err
    world.ledger = Ledger(world.settings, clock=world.clock)
    with Browser(create_app(world.ledger)) as site:
        assert size_of(site.get("/log/checkpoint").body) == size
        assert site.get("/log/keys").status == 404
        old = site.get("/log/vkey").text
        assert old.strip() == world.ledger.log_keys.terms[0][0]
        assert f"/entries/{size}" not in site.get("/en/log").text
        for each in world.witnesses:
            each.behave("honest")
        until(lambda: bool(world.advance(1)) or size_of(world.note()) == size + 1)
        for each in world.witnesses:
            each.tell("behave", time=None)
        told = site.get("/log/keys")
        assert told.status == 200
        assert f'"index":{size}' in told.text
        assert f"/entries/{size}" in site.get("/en/log").text
    world.ledger.close()
    assert "the old key is gone" in shell.ok("log-key", "retire")


def shown_size_of(world: World) -> int | None:
    """The size of the tree that is shown; None where none is yet."""
    try:
        return world.ledger.reader.tree_size()
    except LogUnavailable:
        return None
