"""What each series says, in one sentence: the heading of its figure.

A sentence states what the numbers of the series show and nothing about why.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate, groupby
from typing import Any, Final

from ledger.reader.statistics import MEMBER_SHARE_PERCENT as MARK_PERCENT
from schemas.series import Series
from web.i18n import gettext, in_sequence, ngettext
from web.telling.formats import day, hours, month, number, percent, size
from web.telling.labels import label
from web.telling.sentences import called

Rows = Sequence[tuple[Any, ...]]


def finding(series: Series, *, today: str) -> str:
    """The sentence for ``series``; ``today`` is the day of the log's last entry."""
    return _FINDINGS[series.name](series.rows, today)


def half_by_day(counts: Sequence[tuple[int, int]]) -> str:
    """When half of what opened was open."""
    total = sum(count for _, count in counts)
    if not total:
        return gettext("None so far.")
    seen = 0
    for days, count in counts:
        seen += count
        if 2 * seen >= total:
            return gettext("Half of them by day %(day)s.") % {"day": number(days)}
    raise AssertionError("the counts add up to their total")


def _hours(rows: Rows, name_of: Callable[[str], str], sentence: str) -> str:
    sums: dict[str, int] = {}
    for _, name, _, seconds in rows:
        sums[name] = sums.get(name, 0) + seconds
    total = sum(sums.values())
    if not total:
        return gettext("No job has ended yet, so no GPU-hours are counted.")
    name = min(sums, key=lambda each: (-sums[each], each))
    parts = {"name": name_of(name), "hours": hours(sums[name]), "all": hours(total)}
    return sentence % parts


def _by_member(rows: Rows, _today: str) -> str:
    sentence = gettext("%(name)s ran the most: %(hours)s of %(all)s GPU-hours")
    return _hours(rows, called, sentence)


def _by_workload(rows: Rows, _today: str) -> str:
    sentence = gettext("The largest part went into %(name)s: %(hours)s of %(all)s GPU-hours")
    return _hours(rows, lambda code: f"“{label(code)}”", sentence)


def _share(rows: Rows, _today: str) -> str:
    if not any(row[2] for row in rows):
        return gettext("No job has ended yet, so nobody has a share.")
    above = [row for row in rows if row[3] > MARK_PERCENT * 100]
    if not above:
        return gettext("No member is above the 20%% line; %(name)s is nearest, with %(share)s") % {
            "name": called(rows[0][0]),
            "share": percent(rows[0][3]),
        }
    listed = gettext(", ").join(
        gettext("%(name)s (%(share)s)") % {"name": called(row[0]), "share": percent(row[3])}
        for row in above
    )
    return ngettext(
        "One member is above the 20%% line: %(names)s",
        "%(n)s members are above the 20%% line: %(names)s",
        len(above),
    ) % {"n": len(above), "names": listed}


def _share_by_month(rows: Rows, _today: str) -> str:
    months = [list(group) for _, group in groupby(rows, key=lambda row: row[0])]
    if not months:
        return gettext("No job has ended yet, so nobody has a share.")
    above = sum(any(row[3] > MARK_PERCENT * 100 for row in group) for group in months)
    if not above:
        return gettext("In no month was a member above the 20% line")
    if len(months) == 1:
        return gettext("In the only month so far a member was above the 20% line")
    return ngettext(
        "In one of %(all)s months a member was above the 20%% line",
        "In %(n)s of %(all)s months at least one member was above the 20%% line",
        above,
    ) % {"n": number(above), "all": number(len(months))}


def _days(rows: Rows, _today: str) -> str:
    early, due, late = (sum(row[column] for row in rows) for column in (1, 2, 3))
    if not early + due + late:
        return gettext("No sealed plan has been opened yet.")
    if not late:
        return gettext("No plan was opened late: %(due)s at the deadline, %(early)s before it") % {
            "due": number(due),
            "early": number(early),
        }
    last = max(row[0] for row in rows if row[3])
    if early + due + late == 1:
        return gettext("The only plan that is open was opened late, on day %(day)s") % {
            "day": number(last)
        }
    return ngettext(
        "One of %(all)s plans was opened late, on day %(day)s",
        "%(n)s of %(all)s plans were opened late, the last on day %(day)s",
        late,
    ) % {"n": number(late), "all": number(early + due + late), "day": number(last)}


def _by_rule(rows: Rows, _today: str) -> str:
    rejected = sum(row[2] for row in rows)
    if not rejected:
        return gettext("No submission has been rejected.")
    most = label(max(rows, key=lambda row: row[2])[1])
    if rows[0][3] == 1:
        return gettext("The only submission was rejected, for “%(code)s”") % {"code": most}
    return ngettext(
        "One of %(all)s submissions was rejected, for “%(code)s”",
        "%(n)s of %(all)s submissions were rejected, most often for “%(code)s”",
        rejected,
    ) % {"n": number(rejected), "all": number(rows[0][3]), "code": most}


def _by_month(rows: Rows, _today: str) -> str:
    if not any(row[2] for row in rows):
        return gettext("No submission has been rejected.")
    most = max(rows, key=lambda row: row[3])
    return gettext("Rejections were most frequent in %(month)s: %(n)s of %(all)s, or %(rate)s") % {
        "month": month(most[0]),
        "n": number(most[2]),
        "all": number(most[1]),
        "rate": percent(most[3]),
    }


def _egress_used(rows: Rows, _today: str) -> str:
    total, over = sum(row[2] for row in rows), rows[-1][2]
    if not total:
        return gettext("No job has ended yet, so nothing is measured.")
    if over and total == 1:
        return gettext("The only job that has ended went above its egress ceiling")
    if over:
        return ngettext(
            "One of %(all)s jobs went above its egress ceiling",
            "%(n)s of %(all)s jobs went above their egress ceilings",
            over,
        ) % {"n": number(over), "all": number(total)}
    high = next(high for high, seen in _running(rows) if 2 * seen >= total)
    if not high:
        return gettext("No job went above its egress ceiling; at least half carried out nothing")
    return gettext(
        "No job went above its egress ceiling; at least half used no more than %(high)s%% of it"
    ) % {"high": high}


def _running(rows: Rows) -> Iterator[tuple[int, int]]:
    """The upper end of each bin, with what lies up to it."""
    return zip((row[1] for row in rows), accumulate(row[2] for row in rows), strict=True)


def _egress_by_member(rows: Rows, _today: str) -> str:
    out, allowed = sum(row[2] for row in rows), sum(row[3] for row in rows)
    if not out:
        return gettext("Nothing has been carried out yet.")
    return (
        gettext("%(name)s carried out the most: %(out)s of %(all)s in all")
        % {
            "name": called(rows[0][0]),
            "out": size(rows[0][2]),
            "all": size(out),
        }
        if allowed
        else gettext("Nothing has been carried out yet.")
    )


def _calendar(rows: Rows, today: str) -> str:
    opened = sum(row[1] for row in rows)
    coming = [row for row in rows if row[2] and row[0] >= today]
    late = sum(row[2] for row in rows if row[0] < today)
    told = []
    if late:
        told.append(
            ngettext("%(n)s sealed part is overdue.", "%(n)s sealed parts are overdue.", late)
            % {"n": number(late)}
        )
    if coming:
        told.append(
            gettext("Sealed parts: %(opened)s opened, %(n)s to come, the last by %(day)s")
            % {
                "opened": number(opened),
                "n": number(sum(row[2] for row in coming)),
                "day": day(coming[-1][0]),
            }
        )
    elif opened:
        told.append(
            ngettext(
                "%(n)s sealed part has been opened", "%(n)s sealed parts have been opened", opened
            )
            % {"n": number(opened)}
        )
    return in_sequence(told) or gettext("Nothing has been sealed yet.")


_FINDINGS: Final[Mapping[str, Callable[[Rows, str], str]]] = {
    "gpu-hours-by-member": _by_member,
    "gpu-hours-by-workload": _by_workload,
    "member-share": _share,
    "member-share-by-month": _share_by_month,
    "days-to-publication": _days,
    "rejections-by-rule": _by_rule,
    "rejections-by-month": _by_month,
    "egress-used": _egress_used,
    "egress-by-member": _egress_by_member,
    "embargo-calendar": _calendar,
}
