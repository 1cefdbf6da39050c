"""Jobs that let out almost as much as they may, again and again, as parts of a whole would."""

from typing import Final

import numpy as np

from ledger.records.deadline import DAY_S, format_time
from ledger.signals.facts import NONE, Facts
from ledger.signals.numbers import Integers, share_permille
from ledger.signals.rows import row, score, shown_job
from schemas.signals import SignalRow

NEAR_PERMILLE: Final = 900
"""Of its own ceiling that a job lets out to be near it."""
LEAST_CEILING_BYTES: Final = 2**20
"""Smaller ceilings say nothing: a report fills them."""
SERIES_GAP_DAYS: Final = 7
"""A series ends where so many days pass without another such job."""
SERIES_MARK: Final = 5
"""Jobs in a series that make the question worth asking."""
SERIES_SHARE_PERMILLE: Final = 300
"""Of the member's jobs that ended meanwhile and let something out. Chance alone gives 100."""


def evidence(facts: Facts) -> tuple[int, list[SignalRow]]:
    """How many jobs were looked at, and a row for each series."""
    ended = facts.numbers("ended_index")
    ceilings, egress = facts.numbers("ceiling_bytes"), facts.numbers("egress_bytes")
    looked = np.flatnonzero((ended != NONE) & (ceilings >= LEAST_CEILING_BYTES) & (egress > 0))
    looked = looked[np.argsort(ended[looked], kind="stable")]
    rows: list[SignalRow] = []
    owners = facts.numbers("member")[looked]
    for code, member in enumerate(facts.members):
        jobs = looked[owners == code]
        # Whole numbers below 2^53 times a thousand stay below 2^63.
        near = egress[jobs] >= ceilings[jobs] - ceilings[jobs] * (1_000 - NEAR_PERMILLE) // 1_000
        rows += _series(facts, member, jobs, np.flatnonzero(near))
    return len(looked), rows


def _series(facts: Facts, member: str, jobs: Integers, near: Integers) -> list[SignalRow]:
    """The rows of one member; ``near`` are places among its ``jobs``."""
    at = facts.numbers("ended_at")[jobs]
    gaps = np.flatnonzero(np.diff(at[near]) > SERIES_GAP_DAYS * DAY_S) + 1
    rows = []
    for places in np.split(near, gaps):
        if len(places) < SERIES_MARK:
            continue
        ended = int(places[-1] - places[0]) + 1
        share = share_permille(len(places), ended)
        if share >= SERIES_SHARE_PERMILLE:
            rows.append(_row(facts, member, jobs[places], ended=ended, share=share))
    return rows


def _row(facts: Facts, member: str, jobs: Integers, *, ended: int, share: int) -> SignalRow:
    egress, ceilings = facts.numbers("egress_bytes"), facts.numbers("ceiling_bytes")
    at = facts.columns["ended_at"]
    cells = (
        format_time(at[int(jobs[0])]),
        format_time(at[int(jobs[-1])]),
        len(jobs),
        ended,
        share,
        sum(map(int, egress[jobs])),
        int(ceilings[jobs].max()),
    )
    largest = jobs[np.argsort(-egress[jobs], kind="stable")]
    shown = [
        shown_job(facts, job, used, ceiling, share_permille(used, ceiling))
        for job, used, ceiling in (
            (int(each), int(egress[each]), int(ceilings[each])) for each in largest[:100]
        )
    ]
    return row(member, score(len(jobs), SERIES_MARK), cells, shown, job_count=len(jobs))
