"""When a sealed record has to be open: the 90-day arithmetic, in UTC, nowhere else.

Times are whole seconds since 1970-01-01T00:00:00Z below the door and RFC 3339 text with ``Z``
outside of it. A day is 86,400 seconds: UTC knows no summer time and Unix time no leap seconds. This
module never asks a clock: ``now`` is an argument.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

from ledger.errors import FormatError, ValueRefused
from schemas.charter import MAX_EMBARGO_DAYS

DAY_S = 86_400
MAX_REVIEW_DAYS = 180
"""A withheld field is reviewed within this many days, again and again if need be."""

_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}Z", re.ASCII)
_FIRST = 946_684_800  # 2000-01-01T00:00:00Z
_LAST = 4_102_444_799  # 2099-12-31T23:59:59Z


@lru_cache(maxsize=4096)
def parse_time(text: str) -> int:
    """Return the seconds since 1970 of ``2026-11-21T19:00:00Z``: this spelling, years 2000-2099.

    Raises FormatError for another spelling and for a day or hour that no calendar has.
    """
    if not _TIME.fullmatch(text):
        raise FormatError(f"{text[:40]!a} is not a time of the form 2026-11-21T19:00:00Z")
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as bad:
        raise FormatError(f"{text} is not a time of the calendar: {bad}") from None


@lru_cache(maxsize=4096)
def format_time(seconds: int) -> str:
    """Return ``seconds`` since 1970 as ``2026-11-21T19:00:00Z``.

    Raises FormatError outside of the years 2000-2099.
    """
    if not _FIRST <= seconds <= _LAST:
        raise FormatError(f"{seconds} s since 1970 is not in the years 2000 to 2099")
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def check_embargo_days(days: int) -> None:
    """Check that an embargo is of 1 to 90 whole days. Raises ValueRefused."""
    if not 1 <= days <= MAX_EMBARGO_DAYS:
        raise ValueRefused(
            f"embargo_days is {days}, where 1 to {MAX_EMBARGO_DAYS} are allowed",
            field="embargo_days",
        )


def publish_by(logged_at: int, *, embargo_days: int) -> int:
    """Return the second from which an entry logged at ``logged_at`` may not be sealed any more.

    Raises ValueRefused unless the embargo is of 1 to 90 days.
    """
    check_embargo_days(embargo_days)
    return logged_at + embargo_days * DAY_S


def latest_review(logged_at: int) -> int:
    """Return the last second that a withheld entry logged at ``logged_at`` may name for review."""
    return logged_at + MAX_REVIEW_DAYS * DAY_S


def is_overdue(publish_by: int, *, now: int) -> bool:
    """Tell whether a record that is still sealed has passed its deadline: now >= publish_by."""
    return now >= publish_by


def days_left(publish_by: int, *, now: int) -> int:
    """Return the days until the deadline, a begun one counted whole; 0 once it has passed."""
    return max(0, -((now - publish_by) // DAY_S))


def days_late(publish_by: int, *, now: int) -> int:
    """Return how many days the deadline has passed by, a begun one counted whole; 0 before it.

    At the very second of the deadline the first late day begins.
    """
    return max(0, (now - publish_by) // DAY_S + 1)
