"""The 90 days: on both sides of midnight, across leap days, and at the very second."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import FormatError, ValueRefused
from ledger.records.deadline import (
    DAY_S,
    check_embargo_days,
    days_late,
    days_left,
    format_time,
    is_overdue,
    latest_review,
    parse_time,
    publish_by,
)

moments = st.integers(min_value=946_684_800, max_value=4_102_444_799)


@given(moments)
def test_a_time_is_parsed_back_from_what_was_formatted(seconds: int) -> None:
    text = format_time(seconds)
    assert parse_time(text) == seconds
    assert text == datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


@given(st.text(alphabet="0123456789-:TZtz+. ٣", max_size=24))
def test_a_text_is_refused_or_formatted_back_from_what_was_parsed(text: str) -> None:
    spelled = text
    with suppress(FormatError):
        spelled = format_time(parse_time(text))
    assert spelled == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-21",
        "2026-11-21T19:00:00",
        "2026-11-21T19:00:00z",
        "2026-11-21t19:00:00Z",
        "2026-11-21 19:00:00Z",
        "2026-11-21T19:00:00+00:00",
        "2026-11-21T19:00:00.5Z",
        "2026-11-21T19:00:00.000Z",
        "2026-11-21T19:00Z",
        "2026-11-21T19:00:00Z\n",
        " 2026-11-21T19:00:00Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T23:60:00Z",
        "2026-11-21T23:59:60Z",
        "2026-02-30T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "2100-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2100-01-01T00:00:00Z",
        "20260-1-21T19:00:00Z",
        "2026-W47-6T19:00:00Z",
        "٢٠٢٦-11-21T19:00:00Z",
        "2026-11-21T19:00:00Z" * 1000,
    ],
)
def test_no_second_spelling_and_no_day_that_never_was_is_a_time(text: str) -> None:
    with pytest.raises(FormatError) as refusal:
        parse_time(text)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("seconds", [946_684_799, 4_102_444_800, -1, 10**18])
def test_a_moment_outside_of_the_century_has_no_spelling(seconds: int) -> None:
    with pytest.raises(FormatError, match="2000 to 2099"):
        format_time(seconds)


@pytest.mark.parametrize(
    ("logged", "due"),
    [
        ("2026-11-21T19:00:01Z", "2027-02-19T19:00:01Z"),  # the example of formats.md section 9
        ("2026-11-21T23:59:59Z", "2027-02-19T23:59:59Z"),
        ("2026-11-22T00:00:00Z", "2027-02-20T00:00:00Z"),
        ("2027-12-01T12:00:00Z", "2028-02-29T12:00:00Z"),  # onto a leap day
        ("2027-12-15T00:00:00Z", "2028-03-14T00:00:00Z"),  # across one
        ("2026-12-15T00:00:00Z", "2027-03-15T00:00:00Z"),  # the same without one
        ("2028-02-29T23:59:59Z", "2028-05-29T23:59:59Z"),
        ("2026-03-29T00:59:59Z", "2026-06-27T00:59:59Z"),  # where Europe changes its clocks
        ("2026-10-02T12:00:00Z", "2026-12-31T12:00:00Z"),
    ],
)
def test_ninety_days_are_ninety_times_86400_seconds_in_utc(logged: str, due: str) -> None:
    assert format_time(publish_by(parse_time(logged), embargo_days=90)) == due
    aware = datetime.fromisoformat(logged) + timedelta(days=90)
    assert int(aware.timestamp()) == parse_time(due)


@given(moments, st.integers(min_value=1, max_value=90))
def test_the_deadline_is_that_many_whole_days_later(logged_at: int, days: int) -> None:
    due = publish_by(logged_at, embargo_days=days)
    assert due - logged_at == days * DAY_S
    assert not is_overdue(due, now=due - 1)
    assert is_overdue(due, now=due)
    assert days_left(due, now=logged_at) == days


@pytest.mark.parametrize("days", [-1, 0, 91, 10**9])
def test_an_embargo_of_none_or_more_than_ninety_days_is_refused(days: int) -> None:
    with pytest.raises(ValueRefused, match=f"{days}, where 1 to 90") as refusal:
        publish_by(1_795_287_600, embargo_days=days)
    assert refusal.value.field == "embargo_days"
    with pytest.raises(ValueRefused):
        check_embargo_days(days)


LOGGED = parse_time("2026-11-21T00:00:00Z")
DUE = publish_by(LOGGED, embargo_days=90)


@pytest.mark.parametrize(
    ("now", "overdue", "left", "late"),
    [
        ("2026-11-21T00:00:00Z", False, 90, 0),
        ("2026-11-21T00:00:01Z", False, 90, 0),
        ("2027-02-17T23:59:59Z", False, 2, 0),  # the last second of day 88
        ("2027-02-18T00:00:00Z", False, 1, 0),  # day 89 begins
        ("2027-02-18T23:59:59Z", False, 1, 0),  # the last second
        ("2027-02-19T00:00:00Z", True, 0, 1),  # day 90: the deadline itself
        ("2027-02-19T23:59:59Z", True, 0, 1),
        ("2027-02-20T00:00:00Z", True, 0, 2),  # day 91
        ("2027-03-01T12:00:00Z", True, 0, 11),
    ],
)
def test_days_89_90_and_91_on_both_sides_of_midnight(
    now: str, *, overdue: bool, left: int, late: int
) -> None:
    moment = parse_time(now)
    assert is_overdue(DUE, now=moment) is overdue
    assert days_left(DUE, now=moment) == left
    assert days_late(DUE, now=moment) == late


@given(moments, st.integers(min_value=-200 * DAY_S, max_value=200 * DAY_S))
def test_a_record_has_days_left_or_is_late_and_never_both(due: int, apart: int) -> None:
    now = due + apart
    assert (days_left(due, now=now) > 0) is not is_overdue(due, now=now)
    assert (days_late(due, now=now) > 0) is is_overdue(due, now=now)


def test_a_withheld_field_is_reviewed_within_180_days() -> None:
    assert format_time(latest_review(LOGGED)) == "2027-05-20T00:00:00Z"
