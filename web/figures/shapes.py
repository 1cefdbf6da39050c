"""What a figure is made of, and what every maker of one starts from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from schemas.answers import LedgerState
from schemas.series import Series
from web.figures import findings
from web.figures.charts import Bars, Columns, HeatMap
from web.i18n import gettext, noted

TITLES: Final[Mapping[str, str]] = {
    "gpu-hours-by-member": noted("GPU-hours by member"),
    "gpu-hours-by-workload": noted("GPU-hours by kind of work"),
    "member-share": noted("Share of each member"),
    "member-share-by-month": noted("Share of each member, by month"),
    "days-to-publication": noted("Days to publication"),
    "rejections-by-rule": noted("Rejections by rule"),
    "rejections-by-month": noted("Rejections by month"),
    "egress-used": noted("Egress against its ceiling"),
    "egress-by-member": noted("Egress by member"),
    "embargo-calendar": noted("Embargo calendar"),
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One of several small charts on one scale; ``told`` says the same in words."""

    name: str
    note: str
    columns: Columns | None
    told: str


@dataclass(frozen=True, slots=True)
class Table:
    """The numbers, as text. The first cell of a row heads it; ``more`` rows are not shown.

    ``texts`` is how many of the first columns hold words, ``codes`` which one holds codes.
    """

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    more: int = 0
    texts: int = 1
    codes: int | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the legend: the class of a mark, and what it means."""

    style: str
    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """Everything that a template needs for one figure. One of the pictures is there, or none."""

    name: str
    title: str
    finding: str
    unit: str
    definition: str
    table: Table
    panels: tuple[Panel, ...] = ()
    columns: Columns | None = None
    bars: Bars | None = None
    heat: HeatMap | None = None
    keys: tuple[Key, ...] = ()
    params: Mapping[str, str] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to draw yet."""
        return not (self.panels or self.columns or self.bars or self.heat)


@dataclass(frozen=True, slots=True)
class Source:
    """A series, the tree that it was made from, and how many rows a table may show."""

    series: Series
    ledger: LedgerState
    most_rows: int

    @property
    def rows(self) -> tuple[tuple[Any, ...], ...]:
        """The cells, as the columns of the series say."""
        return self.series.rows

    @property
    def by_week(self) -> bool:
        """Whether a period is a week; else it is a month."""
        return self.series.columns[0].name == "week_of"

    @property
    def today(self) -> date:
        """The day of the last entry: statistics know no other clock."""
        return date.fromisoformat(self.ledger.logged_at[:10])

    def figure(self, unit: str, definition: str, table: Table, **picture: Any) -> Figure:  # noqa: ANN401 - the fields of Figure
        """The figure of this series, with its finding; ``picture`` are fields of Figure."""
        return Figure(
            name=self.series.name,
            title=gettext(TITLES[self.series.name]),
            finding=findings.finding(self.series, today=self.ledger.logged_at[:10]),
            unit=unit,
            definition=definition,
            table=table,
            params={"by": "week"} if self.by_week else {},
            **picture,
        )

    def table(
        self,
        head: Sequence[str],
        rows: Sequence[Sequence[str]],
        *,
        texts: int = 1,
        codes: int | None = None,
    ) -> Table:
        """A table of the last rows, which are the newest wherever rows are in time."""
        shown = rows[max(len(rows) - self.most_rows, 0) :]
        return Table(
            head=tuple(head),
            rows=tuple(map(tuple, shown)),
            more=len(rows) - len(shown),
            texts=texts,
            codes=codes,
        )
