"""The fixtures themselves: a test that trusts them is only as good as they are."""

import socket
import sqlite3

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def test_a_connection_to_anywhere_but_this_machine_fails_the_test() -> None:
    with (
        socket.socket() as outside,
        pytest.raises(pytest.fail.Exception, match=r"reach 192\.0\.2\.1"),
    ):
        outside.connect(("192.0.2.1", 80))
    with pytest.raises(pytest.fail.Exception, match=r"look up ledger\.example"):
        socket.getaddrinfo("ledger.example", 80)


def test_a_connection_to_this_machine_is_made() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("localhost", port)) as client:
            assert client.getpeername()[1] == port


@pytest.mark.parametrize("_again", [1, 2])
def test_every_test_gets_an_empty_database_of_its_own(database_url: str, _again: int) -> None:
    statements = ("CREATE TABLE only_once (n int)", "INSERT INTO only_once VALUES (1)")
    if database_url.startswith("sqlite:///"):
        lite = sqlite3.connect(database_url.removeprefix("sqlite:///"))
        for statement in statements:
            lite.execute(statement)
        count = lite.execute("SELECT count(*) FROM only_once").fetchone()
        lite.close()
    else:
        with psycopg.connect(database_url) as connection:
            for statement in statements:
                connection.execute(statement.encode())
            count = connection.execute("SELECT count(*) FROM only_once").fetchone()
    assert count == (1,)


def test_a_connection_left_open_does_not_keep_its_database(postgresql_url: str) -> None:
    left_open = psycopg.connect(postgresql_url)
    with psycopg.connect(postgresql_url) as other:
        assert other.execute("SELECT count(*) FROM pg_stat_activity").fetchone() is not None
    left_open.close()


def test_examples_are_the_same_in_every_run_and_have_no_time_limit() -> None:
    def drawn() -> list[int]:
        found: list[int] = []

        @given(st.integers())
        def examples(number: int) -> None:
            found.append(number)

        examples()
        return found

    assert drawn() == drawn()
    assert settings().deadline is None
