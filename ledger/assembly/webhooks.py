"""Webhooks of an open ledger: where their events stand, what they say, and who brings them.

The events are the items of the feeds, found by the same code. A message says what the API says of
the entry and its job, from entries up to that one alone; it is made by the reader, which knows no
opening, so nothing that is sealed can be in it.
"""

import os
import random
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from secrets import token_hex
from typing import Final, Protocol

import msgspec

from ledger.reader import Reader, View
from ledger.reader.streams import Stream
from ledger.records.deadline import format_time
from ledger.settings import Settings
from ledger.storage.engine import is_sqlite
from ledger.storage.store import Store
from ledger.webhooks.config import Webhook
from ledger.webhooks.courier import Courier
from ledger.webhooks.couriers import Couriers
from ledger.webhooks.events import PING, TYPES, Event, Place
from schemas.notices import Notice
from schemas.objections import RefusedStart, RunFinding
from schemas.webhooks import WebhookData, WebhookEvent, WebhookPing


class Open(Protocol):
    """What is needed of an open ledger."""

    settings: Settings
    clock: Callable[[], int]
    store: Store
    reader: Reader
    origin: str


_STREAMS: Final[Mapping[Event, Callable[[View], Stream]]] = {
    Event.SUBMITTED: View.stream_submitted,
    Event.REJECTED: View.stream_rejected,
    Event.PUBLISHED: View.stream_published,
    Event.CORRECTED: View.stream_corrections,
    Event.CHECKPOINT: View.stream_checkpoints,
    Event.FOUND: View.stream_findings,
}


class LogEvents:
    """``ledger.webhooks.courier.Source``: the log, as the reader shows it."""

    def __init__(self, reader: Reader, *, public_url: str) -> None:
        self._reader = reader
        self._base = public_url

    def size(self) -> int:
        """The size of the newest published tree."""
        return self._reader.tree_size()

    def events(self, webhook: Webhook, start: Place, *, below: int, limit: int) -> list[Place]:
        """The first ``limit`` events for a webhook from ``start`` on, below an index, in order."""
        found: list[Place] = []
        with self._reader.at(below) as view:
            for event in webhook.events:
                # Of the first entry, what stands before ``start`` was told already.
                first = start.index if event >= start.event else start.index + 1
                stream = _stream(view, webhook, event)
                found += [
                    Place(each, event) for each in stream.from_(first, below=below, limit=limit)
                ]
        return sorted(found)[:limit]

    def body(self, webhook: Webhook, place: Place) -> bytes:
        """What a message says: the same bytes whenever it is asked for."""
        with self._reader.at() as view:
            covering = view.stream_checkpoints().from_(place.index, below=view.size, limit=1)
            size = covering[0] + 1
            if place.event is Event.CHECKPOINT:
                timestamp, data = self._of_checkpoint(webhook, view, size)
            elif place.event is Event.FOUND:
                (found,) = view.objections_at([place.index])
                timestamp, data = found.logged_at, self._of_objection(webhook, found, size)
            else:
                (notice,) = view.notices([place.index])
                timestamp = notice.event.logged_at
                data = self._of_entry(webhook, notice, size)
        event = WebhookEvent(type=TYPES[place.event], timestamp=timestamp, data=data)
        return msgspec.json.encode(event)

    def _of_entry(self, webhook: Webhook, notice: Notice, size: int) -> WebhookData:
        event, job, published = notice.event, notice.job, notice.published
        proven = published.discloses if published else event.index
        public = event.public or {}
        return WebhookData(
            webhook=webhook.name,
            index=event.index,
            entry_kind=event.kind,
            kind=published.kind if published else event.kind,
            tree_size=size,
            url=f"{self._base}/jobs/{job.job_id}",
            api=f"{self._base}/api/v1/jobs/{job.job_id}",
            entry=f"{self._base}/entries/{event.index}.json",
            proof=f"{self._base}/entries/{proven}.proof",
            job_id=job.job_id,
            member=job.member,
            discloses=published.discloses if published else None,
            reason=published.disclosure.reason if published else None,
            codes=tuple(each.code for each in event.findings or ()),
            corrects=public.get("corrects") if event.kind == "corrected" else None,
            job=job,
        )

    def _of_objection(
        self, webhook: Webhook, found: RefusedStart | RunFinding, size: int
    ) -> WebhookData:
        entry, job_id = f"{self._base}/entries/{found.index}", found.job_id
        codes: tuple[str, ...]
        if isinstance(found, RefusedStart):
            kind, codes = "refused", (found.code,)
        else:
            kind, codes = "finding", tuple(each.code for each in found.findings)
        return WebhookData(
            webhook=webhook.name,
            index=found.index,
            entry_kind=kind,
            kind=kind,
            tree_size=size,
            url=f"{self._base}/jobs/{job_id}" if job_id else entry,
            api=f"{self._base}/api/v1/jobs/{job_id}"
            if job_id
            else f"{self._base}/api/v1/entries/{found.index}",
            entry=f"{entry}.json",
            proof=f"{entry}.proof",
            job_id=job_id,
            member=found.member,
            codes=codes,
        )

    def _of_checkpoint(self, webhook: Webhook, view: View, size: int) -> tuple[str, WebhookData]:
        (found,) = view.checkpoints_at([size - 1])
        data = WebhookData(
            webhook=webhook.name,
            index=size - 1,
            entry_kind="checkpoint",
            kind="checkpoint",
            tree_size=size,
            url=f"{self._base}/en/log?at={size}",
            api=f"{self._base}/api/v1/checkpoint?at={size}",
            root=found.root,
        )
        return found.logged_at, data


def ping(ledger: Open, webhook: Webhook) -> tuple[str, bytes]:
    """The id and the body of a message that only says that the webhook works."""
    body = WebhookPing(
        type=PING,
        timestamp=format_time(ledger.clock()),
        data={"webhook": webhook.name, "origin": ledger.origin, "url": ledger.settings.public_url},
    )
    return f"msg_test_{token_hex(12)}", msgspec.json.encode(body)


def courier(ledger: Open, webhook: Webhook) -> Courier:
    """Who brings one webhook its messages."""
    return Courier(
        webhook,
        store=ledger.store,
        source=LogEvents(ledger.reader, public_url=ledger.settings.public_url),
        origin=ledger.origin,
        holder=f"{socket.gethostname()}:{os.getpid()}:{token_hex(8)}",
        clock=ledger.clock,
        chance=random.random,
    )


@contextmanager
def delivering(ledger: Open, webhooks: Sequence[Webhook]) -> Iterator[None]:
    """Bring webhooks what is new, while the context is open."""
    if webhooks and is_sqlite(ledger.store.engine):
        # Nobody else may write on SQLite: who held a lease is dead.
        with ledger.store.webhooks() as rows:
            rows.release_all()
    couriers = Couriers([courier(ledger, each) for each in webhooks])
    couriers.start()
    try:
        yield
    finally:
        couriers.stop()


def _stream(view: View, webhook: Webhook, event: Event) -> Stream:
    if event is Event.MATCHED:
        assert webhook.search is not None
        return view.stream_jobs(webhook.search)
    return _STREAMS[event](view)
