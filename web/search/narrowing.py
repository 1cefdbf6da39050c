"""What a list of jobs can be narrowed to: each value of each facet as a link, and as a chip."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from schemas.answers import Facet, Facets
from web.i18n import gettext, noted
from web.search.filters import JOB_FILTERS
from web.telling import formats, labels
from web.telling.plain import shown_line
from web.telling.sentences import called

FACETS: Final = ("member", "workload", "state", "accelerator", "month", "decision")
_NAMES: Final[Mapping[str, str]] = {
    "q": noted("Words"),
    "member": noted("Member"),
    "workload": noted("Kind of work"),
    "state": noted("State"),
    "accelerator": noted("Kind of GPU"),
    "month": noted("Month of submission"),
    "decision": noted("Decision"),
    "code": noted("Reason for rejection"),
    "finding": noted("Found about the run"),
    "model": noted("Model"),
    "from": noted("First day"),
    "to": noted("Last day"),
}
_VALUES: Final[Mapping[str, Callable[[str], str]]] = {
    "q": lambda words: gettext("“%(words)s”") % {"words": shown_line(words)},
    "member": called,
    "accelerator": labels.accelerator,
    "month": formats.month,
    "model": lambda digest: f"{digest[:16]}…",
    "from": formats.day,
    "to": formats.day,
}
"""How values are told that are no codes."""
SHOWN: Final = 12
"""Values of one facet that are seen at once; the rest stands behind a disclosure."""

Filters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Option:
    """One value, how many jobs have it, and the filters with it put on or taken off."""

    value: str
    jobs: int
    is_chosen: bool
    filters: Filters


@dataclass(frozen=True, slots=True)
class Group:
    """One facet: the values that are seen at once, and the rest."""

    name: str
    first: tuple[Option, ...]
    rest: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on, and the filters without it."""

    name: str
    value: str
    without: Filters


def name_of(name: str) -> str:
    """What a filter is called."""
    return gettext(_NAMES[name])


def value_of(name: str, value: str) -> str:
    """What a value of a filter is called."""
    return _VALUES.get(name, labels.label)(value)


def in_words(filters: Filters) -> str:
    """All the filters that are on, one after the other; all jobs where none is."""
    if not filters:
        return gettext("all jobs")
    told = (
        gettext("%(name)s: %(value)s") % {"name": name_of(name), "value": value_of(name, value)}
        for name, value in filters.items()
    )
    return gettext("; ").join(told)


def groups(facets: Facets, filters: Filters) -> tuple[Group, ...]:
    """The facets in their order; a value without jobs is there only where it is chosen."""
    return tuple(_group(name, getattr(facets, name), filters) for name in FACETS)


def chips(filters: Filters) -> tuple[Chip, ...]:
    """A chip for every filter that is on."""
    return tuple(Chip(name, value, without(filters, name)) for name, value in filters.items())


def without(filters: Filters, *names: str) -> dict[str, str]:
    """The filters without those of ``names``."""
    return {name: value for name, value in filters.items() if name not in names}


def _group(name: str, counted: tuple[Facet, ...], filters: Filters) -> Group:
    chosen = filters.get(name)
    if chosen is not None and all(facet.value != chosen for facet in counted):
        counted = (*counted, Facet(chosen, 0))
    # What is chosen stands among what is seen at once.
    ordered = sorted(counted, key=lambda facet: facet.value != chosen)
    options = tuple(
        Option(
            value=facet.value,
            jobs=facet.jobs,
            is_chosen=facet.value == chosen,
            filters=without(filters, name)
            if facet.value == chosen
            else _with(filters, name, facet.value),
        )
        for facet in ordered
    )
    return Group(name, first=options[:SHOWN], rest=options[SHOWN:])


def _with(filters: Filters, name: str, value: str) -> dict[str, str]:
    both = {**filters, name: value}
    return {each: both[each] for each in JOB_FILTERS if each in both}
