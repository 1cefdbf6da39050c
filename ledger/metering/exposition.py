"""Prometheus' text exposition format 0.0.4: what a scraper reads.

Written here and not by a library: it is a page of text, and the processes that count share files.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Final

from ledger.metering.families import Family, Kind

MEDIA_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]
"""Labels and a number."""


def expose(
    families: Sequence[Family], totals: Mapping[tuple[str, tuple[str, ...]], Sequence[float]]
) -> str:
    """The text of what ``Board.totals`` gave. Requests that nobody made yet are left out."""
    lines: list[str] = []
    for family in families:
        lines += _head(family.name, family.kind, family.meaning)
        for labels in family.series():
            numbers = totals[family.name, labels]
            named = dict(zip((name for name, _ in family.labels), labels, strict=True))
            if named and not any(numbers):
                continue
            if family.kind is Kind.HISTOGRAM:
                lines += _histogram(family, named, numbers)
            else:
                lines.append(_line(family.name, named, numbers[0]))
    return "".join(f"{line}\n" for line in lines)


def expose_gauge(name: str, meaning: str, samples: Iterable[Sample]) -> str:
    """The text of one gauge that is looked up when it is asked for."""
    lines = [*_head(name, Kind.GAUGE, meaning), *(_line(name, *sample) for sample in samples)]
    return "".join(f"{line}\n" for line in lines)


def _head(name: str, kind: Kind, meaning: str) -> tuple[str, str]:
    return f"# HELP {name} {meaning}", f"# TYPE {name} {kind}"


def _histogram(
    family: Family, labels: Mapping[str, str], numbers: Sequence[float]
) -> Iterable[str]:
    counts = list(accumulate(numbers[:-1]))
    bounds = [*map(_number, family.buckets), "+Inf"]
    for bound, count in zip(bounds, counts, strict=True):
        yield _line(f"{family.name}_bucket", {**labels, "le": bound}, count)
    yield _line(f"{family.name}_sum", labels, numbers[-1])
    yield _line(f"{family.name}_count", labels, counts[-1])


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{inner}}} {_number(value)}" if inner else f"{name} {_number(value)}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
