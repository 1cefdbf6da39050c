"""The sentence over each figure, for none, one and many."""

from typing import Any

import pytest

from schemas.series import Series
from web import i18n
from web.figures.findings import finding

TODAY = "2026-11-22"
Rows = tuple[tuple[Any, ...], ...]


def _said(name: str, rows: Rows, tag: str = "en") -> str:
    with i18n.speaking(tag):
        return finding(Series(name=name, columns=(), rows=rows), today=TODAY)


CASES: tuple[tuple[str, Rows, str], ...] = (
    (
        "member-share-by-month",
        (("2026-11", "a", 9, 2_500),),
        "In the only month so far a member was above the 20% line",
    ),
    (
        "member-share-by-month",
        (("2026-10", "a", 9, 2_500), ("2026-11", "a", 9, 2_000)),
        "In one of 2 months a member was above the 20% line",
    ),
    ("days-to-publication", ((90, 0, 0, 0),), "No sealed plan has been opened yet."),
    (
        "days-to-publication",
        ((3, 0, 0, 0), (90, 0, 1, 0)),
        "No plan was opened late: 1 at the deadline, 0 before it",
    ),
    (
        "days-to-publication",
        ((92, 0, 0, 1),),
        "The only plan that is open was opened late, on day 92",
    ),
    (
        "days-to-publication",
        ((90, 0, 1, 0), (92, 0, 0, 1)),
        "One of 2 plans was opened late, on day 92",
    ),
    ("rejections-by-rule", (("R1", "Q_quota", 0, 3),), "No submission has been rejected."),
    (
        "rejections-by-rule",
        (("Q", "Q_quota", 1, 1),),
        "The only submission was rejected, for “More than a quota allows”",
    ),
    (
        "rejections-by-rule",
        (("Q", "Q_quota", 1, 3),),
        "One of 3 submissions was rejected, for “More than a quota allows”",
    ),
    (
        "rejections-by-rule",
        (("Q", "Q_quota", 2, 3),),
        "2 of 3 submissions were rejected, most often for “More than a quota allows”",
    ),
    ("egress-used", ((0, 0, 0), (100, None, 0)), "No job has ended yet, so nothing is measured."),
    (
        "egress-used",
        ((0, 0, 0), (100, None, 1)),
        "The only job that has ended went above its egress ceiling",
    ),
    (
        "egress-used",
        ((0, 0, 0), (0, 10, 1), (100, None, 0)),
        "No job went above its egress ceiling; at least half used no more than 10% of it",
    ),
    (
        "egress-used",
        ((0, 0, 1), (0, 10, 1), (100, None, 0)),
        "No job went above its egress ceiling; at least half carried out nothing",
    ),
    ("embargo-calendar", (), "Nothing has been sealed yet."),
    (
        "embargo-calendar",
        (("2026-11-20", 1, 0), ("2026-11-23", 0, 1)),
        "Sealed parts: 1 opened, 1 to come, the last by 23 November 2026",
    ),
    ("embargo-calendar", (("2026-11-20", 1, 0),), "1 sealed part has been opened"),
    (
        "embargo-calendar",
        (("2026-11-20", 0, 1), ("2026-11-23", 0, 2)),
        "1 sealed part is overdue. Sealed parts: 0 opened, 2 to come, the last by 23 November 2026",
    ),
)


@pytest.mark.parametrize(("name", "rows", "sentence"), CASES)
def test_a_finding_is_right_for_none_one_and_many(name: str, rows: Rows, sentence: str) -> None:
    assert _said(name, rows).replace("\u00a0", " ") == sentence
    assert "%" not in _said(name, rows, "zh-Hans").replace("20%", "").replace("10%", "")
