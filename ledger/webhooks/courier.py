"""Brings one webhook what the log has for it, in the order of the log, each message at least once.

Between two attempts all that is known stands in the database. A message that a receiver does not
take is put aside for its next attempt and the following ones go out: otherwise one record that a
receiver stumbles over would hide all that come after it. What a crash leaves behind is a message
that was sent and not yet noted; it is sent again with the same ``webhook-id``.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from ledger.storage.store import Store
from ledger.storage.webhook_rows import StoredCursor, StoredDelivery
from ledger.webhooks import schedule
from ledger.webhooks.config import Webhook
from ledger.webhooks.events import TYPES, Event, Place, message_id
from ledger.webhooks.sending import NotReached, Send, post
from ledger.webhooks.signing import headers

log = logging.getLogger(__name__)

LEASE_S: Final = 60
"""Longer than an attempt takes; a worker that died keeps others from its webhooks for so long."""
AT_ONCE: Final = 64
"""Events that are looked up together."""
GONE: Final = 410


class Source(Protocol):
    """The log as webhooks see it."""

    def size(self) -> int:
        """The size of the newest published tree."""
        ...

    def events(self, webhook: Webhook, start: Place, *, below: int, limit: int) -> list[Place]:
        """The first ``limit`` events for a webhook from ``start`` on, below an index, in order."""
        ...

    def body(self, webhook: Webhook, place: Place) -> bytes:
        """What a message says: the same bytes whenever it is asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: delivered where ``failure`` is None."""

    failure: str | None = None
    is_gone: bool = False
    retry_after_s: int = 0


class _Moved(Exception):
    """Another worker holds the lease by now."""


class Courier:
    """Sends for one webhook. One thread works with it; many processes may have one for the same."""

    def __init__(
        self,
        webhook: Webhook,
        *,
        store: Store,
        source: Source,
        origin: str,
        holder: str,
        clock: Callable[[], int],
        chance: Callable[[], float],
        send: Send = post,
    ) -> None:
        self.webhook = webhook
        self._store = store
        self._source = source
        self._origin = origin
        self._holder = holder
        self._clock = clock
        self._chance = chance
        self._send = send

    def work(self, is_stopping: Callable[[], bool] = lambda: False) -> int:
        """Send all that can be sent now; how many attempts were made.

        Raises LedgerError where the database or the log refuses: nothing is lost by that.
        """
        if not self._has_work():
            return 0
        cursor = self._claim()
        if cursor is None:
            return 0
        attempts, ahead = 0, list[Place]()
        try:
            while self._may_go_on(cursor, is_stopping):
                # One that is due again, then a new one: neither keeps the other waiting for ever.
                due = self._due()
                if due is not None:
                    place = Place(due.leaf_index, Event(due.event))
                    cursor = self._attempt(cursor, place, earlier=due)
                    attempts += 1
                    if not self._may_go_on(cursor, is_stopping):
                        break
                if not ahead:
                    ahead, cursor = self._look(cursor)
                if ahead:
                    cursor = self._attempt(cursor, ahead.pop(0), earlier=None)
                    attempts += 1
                elif due is None:
                    break
        except _Moved:
            log.warning("webhook %s: another worker has taken over", self.webhook.name)
        finally:
            with self._store.webhooks() as rows:
                rows.release(self.webhook.name, by=self._holder)
        return attempts

    def _has_work(self) -> bool:
        """Whether there may be something to send; has a new webhook begin where the log is."""
        size, now = self._source.size(), self._clock()
        with self._store.webhooks(writes=False) as rows:
            cursor = rows.cursor(self.webhook.name)
            is_due = rows.due(self.webhook.name, now=now) is not None
        if cursor is None:
            with self._store.webhooks() as rows:
                rows.begin(self.webhook.name, index=size)
            return False
        return _may_send(cursor, now) and (is_due or cursor.next_index < size)

    def _may_go_on(self, cursor: StoredCursor, is_stopping: Callable[[], bool]) -> bool:
        return not is_stopping() and _may_send(cursor, self._clock())

    def _due(self) -> StoredDelivery | None:
        with self._store.webhooks(writes=False) as rows:
            return rows.due(self.webhook.name, now=self._clock())

    def _look(self, cursor: StoredCursor) -> tuple[list[Place], StoredCursor]:
        """The next events from the cursor on; the cursor, moved on where there are none."""
        size = self._source.size()
        if cursor.next_index >= size:
            return [], cursor
        start = Place(cursor.next_index, Event(cursor.next_event))
        places = self._source.events(self.webhook, start, below=size, limit=AT_ONCE)
        if not places:
            cursor = self._write(replace(cursor, next_index=size, next_event=0))
        return places, cursor

    def _attempt(
        self, cursor: StoredCursor, place: Place, *, earlier: StoredDelivery | None
    ) -> StoredCursor:
        """Send one message and note what came of it; the cursor afterwards."""
        name = message_id(origin=self._origin, webhook=self.webhook.name, place=place)
        outcome = self.send(name, self._source.body(self.webhook, place))
        now = self._clock()
        if earlier is None and not outcome.is_gone:
            cursor = _behind(cursor, place)
        if outcome.failure is None:
            return self._write(
                replace(cursor, failures=0, rests_until=0, succeeded_at=now), dropped=name
            )
        log.warning(
            "webhook %s: %s %d was not delivered to %s: %s",
            self.webhook.name,
            TYPES[place.event],
            place.index,
            self.webhook.target.shown,
            outcome.failure,
        )
        failures = cursor.failures + 1
        cursor = replace(
            cursor,
            failures=failures,
            rests_until=now + schedule.rest_s(failures, retry_after_s=outcome.retry_after_s),
            failed_at=now,
            failure=outcome.failure,
        )
        if outcome.is_gone:
            # The message stays where it is: whoever enables the webhook again misses nothing.
            return self._write(self._disabled(cursor, outcome.failure))
        attempts = earlier.attempts + 1 if earlier else 1
        wait = schedule.delay_s(
            attempts, chance=self._chance(), retry_after_s=outcome.retry_after_s
        )
        if wait is None and now - (cursor.succeeded_at or 0) >= schedule.ALL_S:
            # Everything that came since would end as a dead letter, too.
            cursor = self._disabled(cursor, "no message was taken for 75 hours")
        aside = StoredDelivery(
            message_id=name,
            webhook=self.webhook.name,
            leaf_index=place.index,
            event=int(place.event),
            attempts=attempts,
            next_at=None if wait is None else now + wait,
            failed_at=now,
            failure=outcome.failure,
        )
        return self._write(cursor, put=aside)

    def _disabled(self, cursor: StoredCursor, reason: str) -> StoredCursor:
        log.error(
            "webhook %s is disabled (%s): `ledger webhooks enable %s` lets it go on",
            self.webhook.name,
            reason,
            self.webhook.name,
        )
        return replace(cursor, disabled=reason, rests_until=0)

    def send(self, name: str, body: bytes) -> Outcome:
        """Sign and send one message, whatever the log and the database say of it."""
        now = self._clock()
        signed = headers(self.webhook.secrets, message_id=name, timestamp=now, body=body)
        try:
            reply = self._send(self.webhook.target, signed, body)
        except NotReached as error:
            return Outcome(failure=str(error))
        if 200 <= reply.status < 300:
            return Outcome()
        asked = schedule.parse_retry_after(reply.retry_after, now=now)
        said = f"answered with {reply.status}"
        if 300 <= reply.status < 400:
            said += ", and no redirect is followed: set the address that is meant"
        return Outcome(failure=said, is_gone=reply.status == GONE, retry_after_s=asked)

    # --- the lease ---

    def _claim(self) -> StoredCursor | None:
        now = self._clock()
        with self._store.webhooks() as rows:
            return rows.claim(self.webhook.name, by=self._holder, now=now, until=now + LEASE_S)

    def _write(
        self,
        cursor: StoredCursor,
        *,
        put: StoredDelivery | None = None,
        dropped: str | None = None,
    ) -> StoredCursor:
        """Note it all in one transaction and renew the lease. Raises _Moved where it is lost."""
        with self._store.webhooks() as rows:
            until = self._clock() + LEASE_S
            if not rows.renew(self.webhook.name, by=self._holder, until=until):
                raise _Moved
            rows.keep(cursor)
            if put is not None:
                rows.put(put)
            if dropped is not None:
                rows.drop(dropped)
        return cursor


def _may_send(cursor: StoredCursor, now: int) -> bool:
    return cursor.disabled is None and cursor.rests_until <= now


def _behind(cursor: StoredCursor, place: Place) -> StoredCursor:
    """The cursor once everything up to ``place`` is delivered or put aside."""
    following = place.next()
    index, event = (place.index + 1, 0) if following is None else (place.index, following.event)
    return replace(cursor, next_index=index, next_event=int(event))
