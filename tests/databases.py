"""Statements that make and drop whole databases on a test's PostgreSQL server."""

import time

import psycopg

PATIENCE_S = 120


def execute(url: str, *statements: str) -> None:
    """Run each by itself, again and again while the database that it is about is still in use.

    Whoever closed a connection to it did not wait until the server's process for it had ended, and
    PostgreSQL waits for that only five seconds.
    """
    give_up = time.monotonic() + PATIENCE_S
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            while True:
                try:
                    connection.execute(statement.encode())
                except psycopg.errors.ObjectInUse:
                    if time.monotonic() > give_up:
                        raise
                else:
                    break
