"""Figures, what they are held against, and how they are shown: as a table and as JSON.

Pure: it measures nothing and reads no clock.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

FORMAT: Final = "apsci-ledger-bench/1"
Better = Literal["more", "less"]
COLUMNS: Final = ("what", "figure", "bar", "", "beside, in the same run")


@dataclass(frozen=True, slots=True)
class Bar:
    """What a figure should reach, in its unit: at least this, or where less is better at most."""

    value: float
    better: Better = "more"

    def reached_by(self, value: float) -> bool:
        """Whether ``value`` is as good as this or better."""
        return value >= self.value if self.better == "more" else value <= self.value


@dataclass(frozen=True, slots=True)
class Beside:
    """A yardstick that was measured in the same rounds, in the figure's unit."""

    name: str
    rounds: tuple[float, ...]

    @property
    def value(self) -> float:
        """The median of its rounds."""
        return statistics.median(self.rounds)


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured quantity: the median of its ``rounds``.

    ``entries`` is the size of the log that it was measured on, None where it began empty. Without
    rounds it was not measured, and ``note`` says why.
    """

    section: str
    what: str
    unit: str
    rounds: tuple[float, ...]
    entries: int | None = None
    bar: Bar | None = None
    beside: Beside | None = None
    note: str = ""
    more: Mapping[str, float] = field(default_factory=dict)
    """Quantities that go with it, by a name that ends in their unit."""
    key: str = ""
    """Under which name its value is kept for ``docs/reliability``; empty: it is not."""

    @property
    def value(self) -> float | None:
        """The median, None where nothing was measured."""
        return statistics.median(self.rounds) if self.rounds else None

    @property
    def reached(self) -> bool | None:
        """Whether the bar was reached; None without a bar or a value."""
        value = self.value
        return None if self.bar is None or value is None else self.bar.reached_by(value)

    @property
    def ratio(self) -> float | None:
        """The value as a multiple of the yardstick's; None without either."""
        value = self.value
        if self.beside is None or value is None or not self.beside.value:
            return None
        return value / self.beside.value

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON holds it; what is absent is null."""
        return {
            "section": self.section,
            "what": self.what,
            "entries": self.entries,
            "unit": self.unit,
            "value": self.value,
            "rounds": list(self.rounds),
            "bar": None if self.bar is None else {"better": self.bar.better, "is": self.bar.value},
            "reached": self.reached,
            "beside": None
            if self.beside is None
            else {
                "name": self.beside.name,
                "value": self.beside.value,
                "rounds": list(self.beside.rounds),
                "ratio": self.ratio,
            },
            "more": dict(self.more),
            "note": self.note,
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile, 0 < ``percent`` <= 100, of at least one value."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(int(rank), 1) - 1]


def report(
    figures: Sequence[Figure],
    *,
    machine: Mapping[str, Any],
    options: Mapping[str, Any],
    made_at: str,
    took_s: float,
) -> dict[str, Any]:
    """The whole run as JSON; ``made_at`` is RFC 3339."""
    return {
        "format": FORMAT,
        "made_at": made_at,
        "took_s": round(took_s, 1),
        "machine": dict(machine),
        "options": dict(options),
        "figures": [figure.to_dict() for figure in figures],
    }


def kept(
    figures: Sequence[Figure], *, machine: Mapping[str, Any], made_at: str, took_s: float
) -> dict[str, Any]:
    """The run as ``web/runs`` keeps it: the figures that have a key, and how many bars they reach.

    Names end in their unit (``_per_s``, ``_ms``, ``_us``); what ends in ``_times`` is a multiple.
    """
    barred = [figure for figure in figures if figure.reached is not None]
    values = {
        figure.key: float(f"{figure.value:.4g}")
        for figure in figures
        if figure.key and figure.value is not None
    }
    return {
        "run": f"bench-{machine['engine']}",
        "engine": machine["engine"],
        "made_at": made_at,
        "machine": {name: machine[name] for name in ("cpus", "python", "memory_bytes")},
        "figures": values
        | {
            "bars": len(barred),
            "bars_reached": sum(bool(figure.reached) for figure in barred),
            "seconds": round(took_s),
        },
    }


def table(figures: Sequence[Figure]) -> str:
    """The figures as lines of text, a heading for each section and log size."""
    lines: list[tuple[str, ...] | str] = [COLUMNS]
    heading = ""
    for figure in figures:
        found = _heading(figure)
        if found != heading:
            heading = found
            lines.append(heading)
        lines.append(_row(figure))
    widths = [
        max(len(line[column]) for line in lines if not isinstance(line, str))
        for column in range(len(COLUMNS))
    ]
    return "\n".join(
        f"\n{line}" if isinstance(line, str) else _line(line, widths) for line in lines
    )


def show(value: float, unit: str) -> str:
    """A number as a reader takes it in: three digits or so, and its unit."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{unit if unit.startswith('/') else f' {unit}'}"


def _heading(figure: Figure) -> str:
    size = "" if figure.entries is None else f", a log of {figure.entries:,} entries"
    return figure.section + size


def _row(figure: Figure) -> tuple[str, ...]:
    value = figure.value
    shown = "not measured" if value is None else show(value, figure.unit)
    bar = mark = ""
    if figure.bar is not None:
        sign = "≥" if figure.bar.better == "more" else "≤"
        bar = f"{sign} {show(figure.bar.value, figure.unit)}"
        mark = {True: "reached", False: "MISSED", None: "unknown"}[figure.reached]
    beside = [figure.note] if figure.note else []
    if figure.beside is not None and figure.ratio is not None:
        held = show(figure.beside.value, figure.unit)
        beside.insert(0, f"{figure.ratio:.2f} x {figure.beside.name} ({held})")
    return f"  {figure.what}", shown, bar, mark, "; ".join(beside)


def _line(cells: tuple[str, ...], widths: Sequence[int]) -> str:
    what, shown, *rest = cells
    parts = [what.ljust(widths[0]), shown.rjust(widths[1])]
    parts += [cell.ljust(width) for cell, width in zip(rest, widths[2:], strict=True)]
    return "  ".join(parts).rstrip()
