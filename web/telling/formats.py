"""Numbers, times and sizes as people read them, in the language in use."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from markupsafe import Markup, escape

from ledger.records.deadline import parse_time
from web.i18n import gettext, ngettext, noted
from web.telling.labels import CODED, label, part_label
from web.telling.labels import accelerator as accelerator_label
from web.telling.plain import shown as plain
from web.telling.plain import shown_json

MONTHS: Final = (
    noted("January"),
    noted("February"),
    noted("March"),
    noted("April"),
    noted("May"),
    noted("June"),
    noted("July"),
    noted("August"),
    noted("September"),
    noted("October"),
    noted("November"),
    noted("December"),
)
SHORT_MONTHS: Final = (
    noted("Jan"),
    noted("Feb"),
    noted("Mar"),
    noted("Apr"),
    noted("May"),
    noted("Jun"),
    noted("Jul"),
    noted("Aug"),
    noted("Sep"),
    noted("Oct"),
    noted("Nov"),
    noted("Dec"),
)
_UNITS: Final = ("B", "kB", "MB", "GB", "TB", "PB")
_SPACE: Final = "\u00a0"
SINGAPORE_H: Final = 8
"""Hours ahead of UTC, the whole year round."""
MINUTE_S: Final = 60
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_YEARLESS = re.compile(r"--[0-9]{2}", re.ASCII)
_MONTH = re.compile(r"[0-9]{4}-[0-9]{2}", re.ASCII)


def number(value: int) -> str:
    """1,234,567: digits in groups of three, as newspapers in both languages write them."""
    return f"{value:,}"


def rough(value: float) -> str:
    """A measured value to three digits, from a thousand on to the next whole number."""
    digits = Decimal(f"{value:.3g}")
    return number(round(value)) if abs(digits) >= 1000 else f"{digits:f}"


def hardware(count: int, accelerator: str) -> str:
    """How much of what: never broken between the number and the name."""
    name = _unbroken(accelerator_label(accelerator))
    return f"{number(count)}{_SPACE}×{_SPACE}{name}"  # noqa: RUF001 - the sign of times


def size(count: int) -> str:
    """A number of bytes in the decimal unit that leaves it below a thousand."""
    amount, unit = float(count), _UNITS[0]
    for unit in _UNITS:
        if amount < 1000 or unit == _UNITS[-1]:
            break
        amount /= 1000
    text = f"{amount:.0f}" if amount >= 100 or unit == "B" else f"{amount:.3g}"
    return f"{text}{_SPACE}{unit}"


def duration(seconds: int) -> str:
    """A length of time in its two largest units."""
    if seconds < MINUTE_S:
        return _in_seconds(seconds)
    if seconds < HOUR_S:
        return _two(minutes(seconds // MINUTE_S), _in_seconds, seconds % MINUTE_S)
    if seconds < DAY_S:
        return _two(whole_hours(seconds // HOUR_S), minutes, seconds % HOUR_S // MINUTE_S)
    return _two(_in_days(seconds // DAY_S), whole_hours, seconds % DAY_S // HOUR_S)


def minutes(count: int) -> str:
    """``14 min``."""
    return _unbroken(gettext("%(n)s min") % {"n": count})


def whole_hours(count: int) -> str:
    """``5 h``."""
    return _unbroken(gettext("%(n)s h") % {"n": count})


def _in_seconds(count: int) -> str:
    return _unbroken(gettext("%(n)s s") % {"n": count})


def _in_days(count: int) -> str:
    return _unbroken(gettext("%(n)s d") % {"n": number(count)})


def hours(seconds: int) -> str:
    """A number of GPU-seconds in hours."""
    amount = seconds / HOUR_S
    if amount >= 100:
        return number(round(amount))
    return f"{amount:.1f}"


def day(time: str) -> str:
    """``2027-02-19T19:00:00Z`` or ``2027-02-19`` as 19 February 2027."""
    return _day(time, MONTHS)


def moment(time: str) -> Markup:
    """A time in full: 19 February 2027, 19:00 UTC (03:00 the next day in Singapore)."""
    hour = int(time[11:13]) + SINGAPORE_H
    clock = f"{hour % 24:02}{time[13:16]}"
    if hour >= 24:
        clock = gettext("%(time)s the next day") % {"time": clock}
    text = gettext("%(day)s, %(time)s UTC (%(singapore)s in Singapore)")
    return _machine_readable(
        time, text % {"day": day(time), "time": time[11:16], "singapore": clock}
    )


def date(time: str) -> Markup:
    """A day, machine-readable too."""
    return _machine_readable(time, day(time))


def short_date(time: str) -> Markup:
    """A day for a table's column: 19 Feb 2027."""
    return _machine_readable(time, _day(time, SHORT_MONTHS))


def short_moment(time: str) -> Markup:
    """A time for a table's column: 19 Feb 2027, 19:00 UTC."""
    text = gettext("%(day)s, %(time)s UTC")
    return _machine_readable(time, text % {"day": _day(time, SHORT_MONTHS), "time": time[11:16]})


def _day(time: str, months: Sequence[str]) -> str:
    year, month, of_month = time[:10].split("-")
    parts = {"day": int(of_month), "month": gettext(months[int(month) - 1]), "year": year}
    return _unbroken(gettext("%(day)s %(month)s %(year)s") % parts)


def _machine_readable(time: str, text: str) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(time, text)


def prose(text: str) -> Markup:
    """A sentence of the site's own in which `names` stand between backticks."""
    parts = text.split("`")
    marked = (
        Markup("<code>{}</code>").format(part) if at % 2 else escape(part)
        for at, part in enumerate(parts)
    )
    return Markup().join(marked)


def tick(day_of_year: str) -> str:
    """A day under an axis: 19 Feb."""
    _, month, of_month = day_of_year.split("-")
    text = gettext("%(day)s %(month)s")
    return text % {"day": int(of_month), "month": gettext(SHORT_MONTHS[int(month) - 1])}


def month(month_of_year: str) -> str:
    """``2027-02`` as February 2027."""
    return _month(month_of_year, MONTHS)


def short_month(month_of_year: str) -> str:
    """``2027-02`` as Feb 2027, for an axis or a column."""
    return _month(month_of_year, SHORT_MONTHS)


def _month(month_of_year: str, months: Sequence[str]) -> str:
    year, number_of_month = month_of_year.split("-")
    parts = {"month": gettext(months[int(number_of_month) - 1]), "year": year}
    return _unbroken(gettext("%(month)s %(year)s") % parts)


def tick_label(text: str) -> str:
    """What stands under an axis: a day or a month in the language in use, all else as it is."""
    if _DAY.fullmatch(text):
        return tick(text)
    if _YEARLESS.fullmatch(text):
        return gettext(SHORT_MONTHS[int(text[2:]) - 1])
    return short_month(text) if _MONTH.fullmatch(text) else text


def percent(basis_points: int) -> str:
    """Hundredths of a percent as 23.4%; what is more than nothing is never shown as nothing."""
    if 0 < basis_points < 5:
        return "<0.1%"
    return f"{basis_points / 100:.1f}%" if basis_points % 10_000 else f"{basis_points // 100}%"


def seconds_of(time: str) -> int:
    """Unix seconds of a time that the ledger wrote."""
    return parse_time(time)


def today(now: int) -> str:
    """The day that holds ``now``, as 2027-02-19."""
    return datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d")


def days(count: int) -> str:
    """``1 day``, ``12 days``."""
    return ngettext("%(n)s day", "%(n)s days", count) % {"n": number(count)}


def value(shown: Any) -> Markup:  # noqa: ANN401 - any JSON value of a record
    """A value of a record as a reader can take it in; what members wrote stays text."""
    if isinstance(shown, dict):
        if shown.keys() == {"sha256"}:
            return Markup('<code class="hash whole">{}</code>').format(shown["sha256"])
        rows = Markup().join(
            Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(
                part_label(name), escape(label(each)) if name in CODED else value(each)
            )
            for name, each in shown.items()
        )
        return Markup('<dl class="inner">{}</dl>').format(rows)
    if isinstance(shown, list):
        items = Markup().join(Markup("<li>{}</li>").format(value(each)) for each in shown)
        return Markup('<ol class="inner">{}</ol>').format(items)
    if isinstance(shown, bool):
        return escape(gettext("yes") if shown else gettext("no"))
    if isinstance(shown, int):
        return escape(number(shown))
    return escape(gettext("not given") if shown is None else plain(shown))


def json_text(shown: Any) -> str:  # noqa: ANN401 - any JSON value
    """Indented JSON, in which everything can be seen."""
    raw = bytes(shown) if isinstance(shown, msgspec.Raw) else msgspec.json.encode(shown)
    return shown_json(msgspec.json.format(raw, indent=2).decode())


def _two(large: str, small: Callable[[int], str], count: int) -> str:
    if not count:
        return large
    return gettext("%(large)s %(small)s") % {"large": large, "small": small(count)}


def _unbroken(text: str) -> str:
    return text.replace(" ", _SPACE)
