"""What can become of connections to PostgreSQL: cut, or none to be had: ``soak postgres-loss``.

Both befall a server of one's own; the ledger is on it as its only honest user.
"""

import time
from typing import Final

import psycopg

from soaking.clients import Crowd
from soaking.outages import Outage
from soaking.postgres import Postgres
from soaking.server import Server

LIMIT_S: Final = 120.0


class Cut:
    """``pg_terminate_backend`` for every connection of the ledger, as an operator or proxy does."""

    says: tuple[str, ...] = ()
    is_lasting = False

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    def begin(self, server: Server, crowd: Crowd) -> None:  # noqa: ARG002 - as every outage is
        """Cut them all, at once."""
        self._postgres.terminate_all()

    def end(self) -> None:
        """It was over at once: whoever connects anew is served."""


class Exhausted:
    """All of ``max_connections`` are somebody else's, the reserved ones too."""

    says: tuple[str, ...] = ("database: ",)
    is_lasting = False

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._taken: list[psycopg.Connection] = []

    def begin(self, server: Server, crowd: Crowd) -> None:  # noqa: ARG002 - as every outage is
        """Take every connection that is left, then cut those of the ledger and take these too."""
        give_up = time.monotonic() + LIMIT_S
        while True:
            try:
                self._taken.append(psycopg.connect(self._postgres.admin, autocommit=True))
            except psycopg.OperationalError:
                held = self._taken[0].execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = 'soak'"
                )
                [(of_the_ledger,)] = held.fetchall()
                if of_the_ledger == 0:
                    return
            if time.monotonic() > give_up:
                raise TimeoutError("the ledger keeps a connection")

    def end(self) -> None:
        """Give them all back."""
        for connection in self._taken:
            connection.close()
        self._taken.clear()


def outages(postgres: Postgres) -> dict[str, Outage]:
    """Both, by name."""
    return {"cut": Cut(postgres), "exhausted": Exhausted(postgres)}
