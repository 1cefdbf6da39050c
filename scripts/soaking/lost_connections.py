"""What can become of connections to PostgreSQL: cut, or none to be had: ``soak postgres-loss``.

Both befall a server of one's own; the ledger is on it as its only honest user.
"""

import contextlib
import threading
from typing import Final

import psycopg

from soaking.clients import Crowd
from soaking.outages import Outage
from soaking.postgres import Postgres
from soaking.server import Server

AGAIN_S: Final = 0.05


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
        self._over = threading.Event()
        self._thread = threading.Thread()

    def begin(self, server: Server, crowd: Crowd) -> None:  # noqa: ARG002 - as every outage is
        """Take every connection that is left, then cut those of the ledger and take these too.

        And go on so: a slot that becomes free as a process ends would be the ledger's again.
        """
        self._over.clear()
        self._take()
        self._thread = threading.Thread(target=self._keep_taking, daemon=True)
        self._thread.start()

    def end(self) -> None:
        """Give them all back."""
        self._over.set()
        self._thread.join()
        for connection in self._taken:
            connection.close()
        self._taken.clear()

    def _keep_taking(self) -> None:
        while not self._over.wait(AGAIN_S):
            self._take()

    def _take(self) -> None:
        """Take what is to be had, and cut what the ledger has."""
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                self._taken.append(psycopg.connect(self._postgres.admin, autocommit=True))
        self._taken[0].execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'soak'"
        )


def outages(postgres: Postgres) -> dict[str, Outage]:
    """Both, by name."""
    return {"cut": Cut(postgres), "exhausted": Exhausted(postgres)}
