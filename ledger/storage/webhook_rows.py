"""How far each webhook has been told of the log: cursors, messages to try again, dead letters.

A worker that sends for a webhook holds its lease. What it then writes is written only while it
still holds it, so a worker that slept through its lease overwrites nothing. Times are Unix seconds.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from ledger.storage.driver import Driver, columns_of
from ledger.storage.tables import WEBHOOK_CURSORS, WEBHOOK_DELIVERIES

_CURSORS: Final = f"SELECT {columns_of(WEBHOOK_CURSORS)} FROM webhook_cursors"  # noqa: S608 - names are ours
_DELIVERIES: Final = f"SELECT {columns_of(WEBHOOK_DELIVERIES)} FROM webhook_deliveries"  # noqa: S608 - the same
_DELIVERY_COLUMNS: Final = tuple(column.name for column in WEBHOOK_DELIVERIES.columns)
_PUT: Final = (
    f"INSERT INTO webhook_deliveries ({columns_of(WEBHOOK_DELIVERIES)})"  # noqa: S608 - the same
    f" VALUES ({', '.join('?' * len(_DELIVERY_COLUMNS))})"
    f" ON CONFLICT (message_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _DELIVERY_COLUMNS[4:])
)


@dataclass(frozen=True, slots=True)
class StoredCursor:
    """One webhook; the fields are those of ``tables.WebhookCursorRow``."""

    webhook: str
    next_index: int
    next_event: int
    failures: int = 0
    rests_until: int = 0
    disabled: str | None = None
    succeeded_at: int | None = None
    failed_at: int | None = None
    failure: str | None = None
    lease_by: str | None = None
    lease_until: int = 0


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """One message that was not delivered; the fields are those of ``tables.WebhookDeliveryRow``."""

    message_id: str
    webhook: str
    leaf_index: int
    event: int
    attempts: int
    next_at: int | None
    failed_at: int
    failure: str


class WebhookRows:
    """One transaction on what is known of webhooks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._driver = Driver(connection)

    # --- reading ---

    def cursors(self) -> dict[str, StoredCursor]:
        """Every webhook that was ever seen, by its name."""
        rows = self._driver.fetch(f"{_CURSORS} ORDER BY webhook")
        return {row[0]: StoredCursor(*row) for row in rows}

    def cursor(self, webhook: str) -> StoredCursor | None:
        """One of them; None for one that was never seen."""
        rows = self._driver.fetch(f"{_CURSORS} WHERE webhook = ?", (webhook,))
        return StoredCursor(*rows[0]) if rows else None

    def due(self, webhook: str, *, now: int) -> StoredDelivery | None:
        """The message whose next attempt has been due for longest."""
        rows = self._driver.fetch(
            f"{_DELIVERIES} WHERE webhook = ? AND next_at <= ?"
            " ORDER BY next_at, leaf_index, event LIMIT 1",
            (webhook, now),
        )
        return StoredDelivery(*rows[0]) if rows else None

    def waiting(self) -> dict[str, int]:
        """How many messages of each webhook wait for another attempt, where any do."""
        return self._counted("next_at IS NOT NULL")

    def dead_counts(self) -> dict[str, int]:
        """How many dead letters each webhook has, where it has any."""
        return self._counted("next_at IS NULL")

    def dead(self, *, limit: int) -> list[StoredDelivery]:
        """Messages that were given up, in the order of webhooks and of the log."""
        rows = self._driver.fetch(
            f"{_DELIVERIES} WHERE next_at IS NULL ORDER BY webhook, leaf_index, event LIMIT ?",
            (limit,),
        )
        return [StoredDelivery(*row) for row in rows]

    # --- whoever holds the lease ---

    def begin(self, webhook: str, *, index: int) -> None:
        """Have a webhook begin at ``index``; harmless where it has begun."""
        self._driver.run(
            "INSERT INTO webhook_cursors"
            " (webhook, next_index, next_event, failures, rests_until, lease_until)"
            " VALUES (?, ?, 0, 0, 0, 0) ON CONFLICT (webhook) DO NOTHING",
            (webhook, index),
        )

    def claim(self, webhook: str, *, by: str, now: int, until: int) -> StoredCursor | None:
        """Take the lease; the cursor, or None where another worker holds it.

        The row is locked until the transaction ends, so two never take it at once.
        """
        self._driver.run(
            "UPDATE webhook_cursors SET lease_by = ?, lease_until = ?"
            " WHERE webhook = ? AND (lease_by IS NULL OR lease_until <= ?)",
            (by, until, webhook, now),
        )
        found = self.cursor(webhook)
        return found if found is not None and found.lease_by == by else None

    def renew(self, webhook: str, *, by: str, until: int) -> bool:
        """Hold the lease for longer; False where another worker has taken it since.

        Where it is True, the row is locked until the transaction ends.
        """
        self._driver.run(
            "UPDATE webhook_cursors SET lease_until = ? WHERE webhook = ? AND lease_by = ?",
            (until, webhook, by),
        )
        found = self.cursor(webhook)
        return found is not None and found.lease_by == by

    def release(self, webhook: str, *, by: str) -> None:
        """Give the lease back; harmless where it is not held."""
        self._driver.run(
            "UPDATE webhook_cursors SET lease_by = NULL, lease_until = 0"
            " WHERE webhook = ? AND lease_by = ?",
            (webhook, by),
        )

    def release_all(self) -> None:
        """Give every lease back: for the one process that may work on SQLite, at its start."""
        self._driver.run("UPDATE webhook_cursors SET lease_by = NULL, lease_until = 0")

    def keep(self, cursor: StoredCursor) -> None:
        """Write all of a cursor but its lease, which this transaction holds."""
        self._driver.run(
            "UPDATE webhook_cursors SET next_index = ?, next_event = ?, failures = ?,"
            " rests_until = ?, disabled = ?, succeeded_at = ?, failed_at = ?, failure = ?"
            " WHERE webhook = ?",
            (
                cursor.next_index,
                cursor.next_event,
                cursor.failures,
                cursor.rests_until,
                cursor.disabled,
                cursor.succeeded_at,
                cursor.failed_at,
                cursor.failure,
                cursor.webhook,
            ),
        )

    def put(self, delivery: StoredDelivery) -> None:
        """Keep a message for another attempt, or as a dead letter where ``next_at`` is None."""
        values = [getattr(delivery, name) for name in _DELIVERY_COLUMNS]
        self._driver.run(_PUT, values)

    def drop(self, message_id: str) -> None:
        """Forget a message that was delivered; harmless where it is not kept."""
        self._driver.run("DELETE FROM webhook_deliveries WHERE message_id = ?", (message_id,))

    # --- the operator ---

    def enable(self, webhook: str) -> None:
        """Let a webhook that was disabled, or rests, go on at once from where it stands."""
        self._driver.run(
            "UPDATE webhook_cursors SET disabled = NULL, failures = 0, rests_until = 0"
            " WHERE webhook = ?",
            (webhook,),
        )

    def revive(self, *, now: int, message_id: str | None = None, webhook: str | None = None) -> int:
        """Have a dead letter, or all of a webhook, tried again from ``now`` on; how many.

        They get as many attempts as a new message.
        """
        of, value = ("message_id", message_id) if message_id is not None else ("webhook", webhook)
        where = f"WHERE next_at IS NULL AND {of} = ?"
        count: int = self._driver.fetch(
            f"SELECT count(*) FROM webhook_deliveries {where}",  # noqa: S608 - names are ours
            (value,),
        )[0][0]
        self._driver.run(
            f"UPDATE webhook_deliveries SET next_at = ?, attempts = 0 {where}",  # noqa: S608 - the same
            (now, value),
        )
        return count

    def _counted(self, which: str) -> dict[str, int]:
        rows = self._driver.fetch(
            f"SELECT webhook, count(*) FROM webhook_deliveries WHERE {which} GROUP BY webhook"  # noqa: S608 - the same
        )
        return {row[0]: row[1] for row in rows}
