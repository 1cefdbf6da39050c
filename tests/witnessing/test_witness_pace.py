"""When a witness is asked: pure rules, by a clock that the test holds."""

from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.storage.shapes import StoredWitness
from ledger.witnessing.asking import _retry_after
from ledger.witnessing.pace import DAY_S, LONGEST_S, Pace, cosigned, failed
from ledger.witnessing.trouble import Trouble

NOW = 1_790_000_000
FRESH = StoredWitness("w+00000000")
PACE = Pace(daily=8_640, refresh_s=3_600)


def test_a_witness_is_due_when_there_is_a_newer_tree_or_its_word_is_old() -> None:
    assert PACE.is_due(FRESH, newest=1, now=NOW)
    met = cosigned(FRESH, size=5, at=NOW)
    assert not PACE.is_due(met, newest=5, now=NOW)
    assert PACE.is_due(met, newest=6, now=NOW)
    assert not PACE.is_due(met, newest=5, now=NOW + 3_599)
    assert PACE.is_due(met, newest=5, now=NOW + 3_600)
    assert PACE.is_due(met, newest=4, now=NOW), "a witness that is ahead has to be heard of"


@given(
    daily=st.integers(1, 300),
    gaps=st.lists(st.integers(0, 4_000), max_size=900),
)
def test_no_day_holds_more_requests_than_the_quota(daily: int, gaps: list[int]) -> None:
    pace, state, now, asked = Pace(daily=daily, refresh_s=600), FRESH, NOW, []
    for gap in gaps:
        now += gap
        if pace.may_ask(state, now=now):
            state = pace.asked(state, now=now)
            asked.append(now)
    for first, begin in enumerate(asked):
        assert sum(1 for each in asked[first:] if each < begin + DAY_S) <= daily


@pytest.mark.parametrize("daily", [1, 2, 20, 100, 8_640, 86_400, 1_000_000])
def test_a_quota_can_be_spent(daily: int) -> None:
    pace, state, spent = Pace(daily=daily, refresh_s=600), FRESH, 0
    for now in range(NOW, NOW + DAY_S, 60):
        while spent < 2_000 and pace.may_ask(state, now=now):
            state = pace.asked(state, now=now)
            spent += 1
    assert spent >= min(2_000, max(1, daily * 9 // 10))


def test_failures_in_a_row_double_the_wait_up_to_an_hour_and_success_ends_it() -> None:
    state, waits = FRESH, []
    for _ in range(14):
        state = failed(state, Trouble.TIMEOUT, now=NOW, retry_after_s=None, jitter=1.0)
        waits.append(state.retry_at - NOW)
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == LONGEST_S
    assert not PACE.is_due(state, newest=9, now=NOW + LONGEST_S - 1)
    assert PACE.is_due(state, newest=9, now=NOW + LONGEST_S)
    after = cosigned(state, size=9, at=NOW)
    assert (after.failures, after.retry_at, after.error) == (0, 0, "timeout")


def test_what_does_not_pass_by_itself_waits_a_minute_and_chance_takes_up_to_half() -> None:
    for jitter, wait in ((0.0, 30), (0.5, 45), (1.0, 60)):
        state = failed(FRESH, Trouble.FORBIDDEN, now=NOW, retry_after_s=None, jitter=jitter)
        assert state.retry_at == NOW + wait


def test_what_a_witness_asks_for_is_kept_to_up_to_a_day() -> None:
    for asked, wait in ((500, 500), (10**8, DAY_S), (0, 1)):
        state = failed(FRESH, Trouble.BUSY, now=NOW, retry_after_s=asked, jitter=1.0)
        assert state.retry_at == NOW + wait
    patient = replace(FRESH, failures=12)
    state = failed(patient, Trouble.BUSY, now=NOW, retry_after_s=5, jitter=1.0)
    assert state.retry_at == NOW + LONGEST_S


def test_a_retry_after_is_seconds_or_a_date_and_else_nothing() -> None:
    assert _retry_after("120", now=NOW) == 120
    date = format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True)
    assert _retry_after(date, now=NOW) == 90
    past = format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True)
    assert _retry_after(past, now=NOW) == 0
    for nonsense in ("", "soon", "-1", "1.5", "9" * 400, "Fri, 99 Foo 2026", "\u0663"):
        assert _retry_after(nonsense, now=NOW) is None
