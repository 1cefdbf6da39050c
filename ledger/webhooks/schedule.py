"""When a message is tried again: the times that Standard Webhooks recommends, with jitter.

Ten attempts: at once, and 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h after the one
before. All of it in whole seconds; clock and randomness are the caller's.
"""

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

DELAYS_S: Final = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
ATTEMPTS: Final = len(DELAYS_S) + 1
ALL_S: Final = sum(DELAYS_S)
"""Between the first attempt and the last, without what chance adds: 75 hours."""
JITTER: Final = 0.1
"""The part of a delay that chance may add to it: receivers that failed together part again."""
LONGEST_RETRY_AFTER_S: Final = 86_400
PATIENCE: Final = 3
"""Failures in a row before a receiver is given rest, whatever the messages."""
FIRST_REST_S: Final = 5
LONGEST_REST_S: Final = 300


def delay_s(attempts: int, *, chance: float, retry_after_s: int = 0) -> int | None:
    """How long to wait after the ``attempts``-th attempt failed; None when it was the last.

    ``chance`` is from 0 to 1. A receiver that names a longer time has it.
    """
    if attempts >= ATTEMPTS:
        return None
    wait = DELAYS_S[attempts - 1]
    return max(wait + round(wait * JITTER * chance), retry_after_s)


def rest_s(failures: int, *, retry_after_s: int = 0) -> int:
    """For how long a receiver is left alone altogether after ``failures`` in a row.

    A message that fails is put aside and the next one goes out. But a receiver that takes none at
    all is probed, with ever longer breaks, instead of being sent everything.
    """
    if failures < PATIENCE:
        return retry_after_s
    doublings = min(failures - PATIENCE, 16)
    return max(min(FIRST_REST_S << doublings, LONGEST_REST_S), retry_after_s)


def parse_retry_after(text: str | None, *, now: int) -> int:
    """The seconds that a ``Retry-After`` header asks for, at most a day; 0 for what is none."""
    if text is None or len(text) > 64 or not text.isascii():
        return 0
    if re.fullmatch(r"[0-9]{1,10}", text.strip()):
        wait = int(text)
    else:
        try:
            date = parsedate_to_datetime(text)
            wait = int(date.replace(tzinfo=date.tzinfo or UTC).timestamp()) - now
        except (ValueError, OverflowError):
            return 0
    return max(0, min(wait, LONGEST_RETRY_AFTER_S))
