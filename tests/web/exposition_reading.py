"""A strict reader of Prometheus' text format 0.0.4, for tests."""

import re
from dataclasses import dataclass, field

_NAME = "[a-zA-Z_:][a-zA-Z0-9_:]*"
_LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
_SAMPLE = re.compile(rf"({_NAME})(?:\{{({_LABEL}(?:,{_LABEL})*)\}})? (-?[0-9.e+-]+|\+Inf|NaN)")
_PAIR = re.compile(r'([a-zA-Z0-9_]+)="((?:[^"\\\n]|\\[\\"n])*)"')

Labels = frozenset[tuple[str, str]]


@dataclass
class Found:
    """One family: its type, and each sample by its name and labels."""

    kind: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)


def read_exposition(text: str) -> dict[str, Found]:
    """Every family, by name. Fails on whatever the format does not allow."""
    assert text.endswith("\n")
    families: dict[str, Found] = {}
    current = ""
    helped = ""
    for line in text.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            assert helped not in families
        elif line.startswith("# TYPE "):
            _, _, current, kind = line.split(" ")
            assert current == helped
            assert kind in {"counter", "gauge", "histogram"}
            families[current] = Found(kind)
        else:
            match = _SAMPLE.fullmatch(line)
            assert match is not None, line
            name, inner, value = match.groups()
            found = families[current]
            endings = ("_bucket", "_sum", "_count") if found.kind == "histogram" else ("",)
            assert name in {current + ending for ending in endings}, line
            key = (name, frozenset(_PAIR.findall(inner or "")))
            assert key not in found.samples
            found.samples[key] = float(value)
    for name, found in families.items():
        if found.kind == "histogram":
            _check_histogram(name, found)
    return families


def value(families: dict[str, Found], name: str, **labels: str) -> float:
    """One sample; ``name`` has a histogram's ending."""
    owner = next(each for each in families if name in {each, f"{each}_sum", f"{each}_count"})
    return families[owner].samples[name, frozenset(labels.items())]


def _check_histogram(name: str, found: Found) -> None:
    """Counts of buckets only rise, and the last one has everything."""
    counts = {labels: n for (each, labels), n in found.samples.items() if each == f"{name}_count"}
    for labels, count in counts.items():
        buckets = sorted(
            (float(dict(each)["le"]), n)
            for (sample, each), n in found.samples.items()
            if sample == f"{name}_bucket" and each - {("le", dict(each)["le"])} == labels
        )
        numbers = [n for _, n in buckets]
        assert numbers == sorted(numbers)
        assert buckets[-1] == (float("inf"), count)
        assert (f"{name}_sum", labels) in found.samples
