"""What a webhook can be about, and where in the log an event stands.

The events are those feeds whose items are entries, so that each has a log index and is the same
whoever looks and whenever. Being overdue is none of them: it has no entry, and when it begins is a
matter of the clock of whoever looks. The feed ``/feeds/overdue`` has it.
"""

from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from typing import Final


class Event(IntEnum):
    """An event by its place among those of one entry.

    The numbers stand in databases as ``next_event``: they never change, new ones come behind.
    """

    SUBMITTED = 0
    REJECTED = 1
    PUBLISHED = 2
    CORRECTED = 3
    MATCHED = 4
    CHECKPOINT = 5
    FOUND = 6


NAMES: Final = {
    "submitted": Event.SUBMITTED,
    "rejected": Event.REJECTED,
    "findings": Event.FOUND,
    "published": Event.PUBLISHED,
    "corrections": Event.CORRECTED,
    "checkpoints": Event.CHECKPOINT,
}
"""What the operator's file calls them, as the feeds are called; a search is a table of its own."""

TYPES: Final = {
    Event.SUBMITTED: "job.submitted",
    Event.REJECTED: "job.rejected",
    Event.PUBLISHED: "record.published",
    Event.CORRECTED: "record.corrected",
    Event.MATCHED: "search.matched",
    Event.CHECKPOINT: "checkpoint.published",
    Event.FOUND: "finding.logged",
}
"""What the body of a message calls them."""

PING: Final = "webhook.test"


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One event: the index of its entry, and which of that entry's events it is."""

    index: int
    event: Event

    def next(self) -> "Place | None":
        """The place behind this one at the same index; None behind the last."""
        return None if self.event is max(Event) else Place(self.index, Event(self.event + 1))


def message_id(*, origin: str, webhook: str, place: Place) -> str:
    """The ``webhook-id``: the same for every attempt, and for no other message of any ledger.

    ``msg_`` and 32 hexadecimal digits; without a full stop, which the signed text is divided by.
    """
    parts = ("apsci-ledger/webhook/1", origin, webhook, TYPES[place.event], str(place.index))
    return f"msg_{sha256(chr(0).join(parts).encode()).hexdigest()[:32]}"
