"""When a witness is asked next: after a new checkpoint, for a fresh time, never beyond its quota.

Pure: clock and randomness are arguments. Times are Unix seconds unless their name says ms.
"""

from dataclasses import dataclass, replace
from typing import Final

from ledger.storage.shapes import StoredWitness
from ledger.witnessing.trouble import LASTING, Trouble

DAY_MS: Final = 86_400_000
DAY_S: Final = 86_400
SOON_S: Final = 1
LATER_S: Final = 60
LONGEST_S: Final = 3_600
"""Between two attempts, whatever went wrong, unless the witness itself asks for longer."""
WAITED_FOR_S: Final = 15
"""The same, where the log promises nothing without its witnesses."""


@dataclass(frozen=True, slots=True)
class Pace:
    """``daily`` requests at most in any 24 hours; ``refresh_s`` is the age of a renewed time.

    A twentieth of the quota may be spent at once, the rest at an even pace: so the newest
    checkpoint goes out at once on a quiet log, and a busy one cannot spend its day by noon.
    """

    daily: int
    refresh_s: int
    longest_s: int = LONGEST_S
    """How long a witness that failed is left alone at most."""

    @property
    def _burst(self) -> int:
        return max(1, self.daily // 20)

    @property
    def _step_ms(self) -> int:
        # Rounded up: rounded down, a day would hold more requests than the quota.
        return -(-DAY_MS // max(1, self.daily - self._burst))

    def may_ask(self, state: StoredWitness, *, now: int) -> bool:
        """Whether the quota has room for one more request."""
        return state.pace_ms <= now * 1_000 + (self._burst - 1) * self._step_ms

    def asked(self, state: StoredWitness, *, now: int) -> StoredWitness:
        """The state after one more request."""
        return replace(state, pace_ms=max(state.pace_ms, now * 1_000) + self._step_ms)

    def is_due(self, state: StoredWitness, *, newest: int, now: int) -> bool:
        """Whether to ask for the tree of ``newest`` entries now.

        A witness that is ahead of ``newest`` is due as well: that has to be said.
        """
        if now < state.retry_at or not self.may_ask(state, now=now):
            return False
        if state.size != newest or state.cosigned_at is None:
            return True
        return now - state.cosigned_at >= self.refresh_s


def cosigned(state: StoredWitness, *, size: int, at: int) -> StoredWitness:
    """The state after a verified cosignature over the tree of ``size``; the last error stays."""
    newest = max(at, state.cosigned_at or 0)
    return replace(state, size=size, cosigned_at=newest, failures=0, retry_at=0)


def failed(
    state: StoredWitness,
    trouble: Trouble,
    *,
    now: int,
    retry_after_s: int | None,
    jitter: float,
    longest_s: int = LONGEST_S,
) -> StoredWitness:
    """The state after a failure; ``jitter`` is drawn evenly from 0 to 1.

    The wait doubles from a second, or from a minute for what does not pass by itself, to
    ``longest_s``.
    Half of it is left to chance, so that logs which failed together do not come back together. What
    the witness asks for is kept to, up to a day.
    """
    first = LATER_S if trouble in LASTING else SOON_S
    wait = min(first << min(state.failures, 12), longest_s)
    wait = max(1, round(wait * (0.5 + jitter / 2)))
    if retry_after_s is not None:
        wait = max(wait, min(retry_after_s, DAY_S))
    return replace(
        state,
        failures=state.failures + 1,
        retry_at=now + wait,
        error=trouble.value,
        error_at=now,
    )
