"""Who holds many connections, or leaves an answer lying, loses them; everybody else is served."""

import os
import resource
import socket
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from ipaddress import ip_network
from pathlib import Path

import pytest
from abused import LOOPBACK, PATIENCE_S, Abused, abused, recent_world

from ledger.cli import connections
from ledger.cli.connections import (
    CLOSING_BYTES,
    CLOSING_S,
    FEW,
    LEAST_BYTES,
    WINDOW_S,
    Connection,
    Watch,
    holder_of,
    look,
)
from ledger.cli.serving import OTHER_FILES, enough_files


def one(
    address: str,
    port: int,
    *,
    taken: int = 0,
    lying: int = 0,
    silent_ms: int = 0,
    unsent: int | None = None,
) -> Connection:
    return Connection(
        (address, port),
        taken=taken,
        lying=lying,
        silent_ms=silent_ms,
        unsent=lying if unsent is None else unsent,
    )


def test_of_one_address_those_go_that_have_been_silent_longest() -> None:
    watch = Watch(most=100, each=3)
    held = [one("192.0.2.1", port, silent_ms=port) for port in (5, 1, 4, 2, 3)]
    held += [one("192.0.2.2", 9, silent_ms=10_000)]
    assert set(watch.judge(held, now_s=0)) == {("192.0.2.1", 4), ("192.0.2.1", 5)}


def test_a_subscriber_of_ipv6_is_one_address_and_our_own_proxy_is_none() -> None:
    assert holder_of("2001:db8::1") == holder_of("2001:db8::ffff:2") == "2001:db8::/64"
    assert holder_of("2001:db8:0:1::1") != holder_of("2001:db8::1")
    assert holder_of("::ffff:192.0.2.1") == holder_of("192.0.2.1") == "192.0.2.1"
    proxy = [ip_network("10.0.0.0/8")]
    assert holder_of("10.1.2.3", proxy) == holder_of("::ffff:10.1.2.3", proxy) == ""
    watch = Watch(most=100, each=1, trusted=proxy)
    held = [one("10.1.2.3", port) for port in range(90)]
    assert watch.judge(held, now_s=0) == {}


def test_where_the_server_is_full_the_largest_holder_makes_room() -> None:
    watch = Watch(most=16, each=0)
    held = [one("192.0.2.1", port, silent_ms=port) for port in range(12)]
    held += [one(f"198.51.100.{number}", 1, silent_ms=99_999) for number in range(4)]
    assert set(watch.judge(held, now_s=0)) == {("192.0.2.1", 10), ("192.0.2.1", 11)}
    assert watch.judge(held[:14], now_s=1) == {}


def test_who_does_not_take_an_answer_is_cut_after_a_window_and_who_takes_it_slowly_is_not() -> None:
    watch = Watch(most=100, each=0)
    for now_s, taken in ((0.0, 0), (WINDOW_S / 2, 10), (WINDOW_S - 1, 20)):
        held = [one("192.0.2.1", 1, taken=taken, lying=50_000)]
        assert watch.judge(held, now_s=now_s) == {}
    stuck = one("192.0.2.1", 1, taken=20, lying=50_000)
    slow = one("192.0.2.1", 2, taken=0, lying=50_000)
    assert set(watch.judge([stuck, slow], now_s=WINDOW_S)) == {stuck.name}
    slow = one("192.0.2.1", 2, taken=LEAST_BYTES, lying=50_000)
    assert watch.judge([slow], now_s=2 * WINDOW_S) == {}
    # Whoever has taken everything waits for nobody, and a new answer has a window of its own.
    rested = one("192.0.2.1", 2, taken=LEAST_BYTES)
    assert watch.judge([rested], now_s=3 * WINDOW_S) == {}
    asked = one("192.0.2.1", 2, taken=LEAST_BYTES, lying=9)
    assert watch.judge([asked], now_s=4 * WINDOW_S - 1) == {}
    assert set(watch.judge([asked], now_s=4 * WINDOW_S)) == {asked.name}


def test_of_one_address_those_go_first_that_wait_for_nothing() -> None:
    held = [one("192.0.2.1", port, silent_ms=1_001) for port in range(3)]
    held += [one("192.0.2.1", 9, silent_ms=20_000, taken=10**9, lying=10**5)]
    assert set(Watch(most=100, each=3).judge(held, now_s=0)) == {("192.0.2.1", 2)}


def test_who_takes_an_answer_is_not_silent() -> None:
    info = bytearray(connections.INFO_BYTES)
    struct.pack_into("=II", info, 52, 20_000, 3)
    assert connections._told(("192.0.2.1", 1), bytes(info)).silent_ms == 3


def test_a_network_of_many_subscribers_crowds_out_nobody_who_holds_few() -> None:
    held = [one(f"2001:db8:1:{number:x}::1", 5_000, silent_ms=10) for number in range(892)]
    honest = [
        one(f"198.51.100.{number}", 6_000 + port, taken=10**6, lying=50_000, silent_ms=900)
        for number in range(1, 5)
        for port in range(FEW)
    ]
    cut = Watch(most=1_024, each=256).judge(honest + held, now_s=0)
    assert len(cut) == len(held) + len(honest) - 896
    assert {address.rpartition(":")[0][:11] for address, _ in cut} == {"2001:db8:1:"}
    # Where nobody holds many, nobody is cut: what is idle ends by itself.
    spread = [one(f"2001:db8:{n}::1", port) for n in range(200) for port in range(5)]
    assert Watch(most=1_024, each=256).judge(spread, now_s=0) == {}


def test_a_holder_of_many_that_takes_all_of_its_answers_slowly_is_cut_all_the_same() -> None:
    held = [one("192.0.2.1", port, lying=9, silent_ms=port) for port in range(16)]
    assert set(Watch(most=16, each=0).judge(held, now_s=0)) == {
        ("192.0.2.1", 14),
        ("192.0.2.1", 15),
    }


def test_who_asks_little_over_a_long_way_is_no_slow_reader() -> None:
    watch = Watch(most=100, each=0)
    for number in range(2 * int(WINDOW_S) + 1):
        # A satellite: at every look one packet of a small answer is on its way.
        held = [one("192.0.2.1", 1, taken=900 * number, lying=1, unsent=0)]
        assert watch.judge(held, now_s=float(number)) == {}


def test_a_server_that_closes_waits_for_no_slow_reader() -> None:
    watch = Watch(most=100, each=0)
    slow = one("192.0.2.1", 1, taken=10**9, lying=50_000)
    resting = one("192.0.2.1", 2, silent_ms=90_000)
    assert watch.judge([slow, resting], now_s=0) == {}
    assert watch.judge([slow, resting], now_s=20, closing=True) == {}
    slow = one("192.0.2.1", 1, taken=10**9 + CLOSING_BYTES - 1, lying=50_000)
    fast = one("192.0.2.1", 3, taken=10**9, lying=50_000)
    cut = watch.judge([slow, resting, fast], now_s=20 + CLOSING_S, closing=True)
    assert set(cut) == {slow.name}
    fast = one("192.0.2.1", 3, taken=10**9 + CLOSING_BYTES, lying=50_000)
    assert watch.judge([resting, fast], now_s=20 + 2 * CLOSING_S, closing=True) == {}


@contextmanager
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends of a connection to a port on which this process listens."""
    with socket.create_server((LOOPBACK, 0)) as listening, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.settimeout(PATIENCE_S)
        client.connect(listening.getsockname())
        ours, _ = listening.accept()
        with ours:
            yield ours, client


def test_the_kernel_says_who_leaves_an_answer_lying_and_is_believed() -> None:
    with pair() as (ours, client), pair() as (other, reader):
        other.sendall(b"an answer")
        assert reader.recv(100) == b"an answer"
        ours.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                ours.send(bytes(1 << 16))
        watch = Watch(most=100, each=0)
        assert look(watch, now_s=0.0) == {}
        assert set(look(watch, now_s=WINDOW_S)) == {client.getsockname()}
        with pytest.raises(OSError, match=r"pipe|reset"):
            ours.send(b"more")
        other.sendall(b"and more")
        assert reader.recv(100) == b"and more"


def test_a_server_that_no_longer_listens_still_sees_its_connections() -> None:
    watch = Watch(most=100, each=0)
    with socket.create_server((LOOPBACK, 0)) as listening, socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        client.connect(listening.getsockname())
        ours, _ = listening.accept()
        assert look(watch, now_s=0.0) == {}
        listening.close()
        with ours:
            ours.setblocking(False)
            with suppress(BlockingIOError):
                while True:
                    ours.send(bytes(1 << 16))
            assert look(watch, now_s=1.0, closing=True) == {}
            cut = look(watch, now_s=1.0 + CLOSING_S, closing=True)
            assert set(cut) == {client.getsockname()}


def test_other_sockets_of_the_process_are_left_alone() -> None:
    with socket.create_server((LOOPBACK, 0)) as elsewhere:
        # As a connection to PostgreSQL: both ends here, the listening one not of this process.
        out = socket.create_connection(elsewhere.getsockname())
        incoming, _ = elsewhere.accept()
    with out, incoming, pair() as (_ours, client):
        cut = look(Watch(most=100, each=0), now_s=0.0)
        assert cut == {}
        assert {one.name for _, one in connections._held(set())} == {client.getsockname()}
        incoming.sendall(b"still here")
        assert out.recv(100) == b"still here"


def test_a_look_at_connections_gives_up_no_lock_that_sqlite_holds(tmp_path: Path) -> None:
    database = tmp_path / "ledger.db"
    writer = sqlite3.connect(database)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.execute("CREATE TABLE t (a)")
    with closing(writer), socket.create_server((LOOPBACK, 0)):
        before = _locks(database)
        assert before
        assert look(Watch(most=100, each=0), now_s=0.0) == {}
        assert _locks(database) == before
        # Whoever comes and goes meanwhile would delete the log of a database that nobody has open.
        script = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('SELECT * FROM t')"
        subprocess.run([sys.executable, "-c", script, database], check=True, timeout=PATIENCE_S)
        assert database.with_name("ledger.db-wal").exists()


def _locks(file: Path) -> list[list[str]]:
    """What this process has locked of a file, as the kernel lists it."""
    mine = [line.split()[1:] for line in Path("/proc/locks").read_text("ascii").splitlines()]
    inode = f":{file.stat().st_ino}"
    return [each for each in mine if int(each[3]) == os.getpid() and each[4].endswith(inode)]


def test_a_process_that_may_open_few_files_holds_few_connections() -> None:
    assert enough_files(1_000, soft=1_024, hard=4_096) == 1_000 + OTHER_FILES
    assert enough_files(10_000, soft=1_024, hard=4_096) == 4_096
    assert enough_files(100, soft=1_024, hard=4_096) == 1_024
    endless = resource.RLIM_INFINITY
    assert enough_files(10_000, soft=endless, hard=endless) == endless
    assert enough_files(10_000, soft=1_024, hard=endless) == 10_000 + OTHER_FILES


CROWD = 150
"""More than the server holds, and fewer than any system lets a process open."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abused]:
    """A server that holds few connections."""
    world = recent_world(tmp_path_factory.mktemp("crowded"))
    few = {"LEDGER_CONNECTIONS": "64", "LEDGER_CONNECTIONS_PER_ADDRESS": "24"}
    with abused(world, LEDGER_RATE_PER_MINUTE="0", **few) as running:
        yield running


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET /en/ HTTP/1.1\r\nX-Never-Ends: ",
        b"POST /api/v1/statements/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 30000000\r\n\r\n{",
        b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 40,
    ],
    ids=["nothing", "a head without end", "a body without end", "many requests, unread answers"],
)
def test_a_crowd_of_one_address_keeps_nobody_out(crowded: Abused, said: bytes) -> None:
    for _ in range(CROWD):
        connection = crowded.connect(receive_bytes=4_096)
        with suppress(ConnectionError):
            connection.sendall(said)
    try:
        # An honest client that is cut with the crowd asks again.
        patience = time.monotonic() + PATIENCE_S
        while not crowded.answers():
            assert time.monotonic() < patience, "the crowd keeps everybody out"
    finally:
        crowded.drop()


def test_what_is_cut_is_one_line_in_the_servers_log(crowded: Abused) -> None:
    patience = time.monotonic() + PATIENCE_S
    while "connections of one address" not in (text := crowded.log.read_text("utf-8")):
        assert time.monotonic() < patience, text
        if len(crowded.held) < CROWD:
            crowded.connect()
        else:
            time.sleep(0.05)
    crowded.drop()
    assert text.count("\n") < 20
    assert "Traceback" not in text
