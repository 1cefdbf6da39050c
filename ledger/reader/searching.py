"""Which jobs a filter chooses, how many, and what the list can be narrowed to.

A few operations on whole columns: no job is looked at by itself, and the store is asked for the
words of opened texts only.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.reader.slices import NOTHING, Slice, month_text
from ledger.records.deadline import DAY_S
from ledger.storage.shapes import JobFilter, Term
from schemas.answers import Facet, Facets

Mask = NDArray[np.bool_]
JobsWithWord = Callable[[str], NDArray[Any]]
"""The ``submitted_index`` of jobs of which an opened text holds a word that begins so."""

ADMITTED: Final = "admitted"
REJECTED: Final = "rejected"
_CODED: Final = {
    "member": "author",
    "workload": "workload_type",
    "state": "state",
    "accelerator": "accelerator",
}
"""Facets, and the columns that they count."""


class Search:
    """The jobs of ``found`` that ``chosen`` chooses."""

    def __init__(self, found: Slice, chosen: JobFilter, jobs_with_word: JobsWithWord) -> None:
        self._found = found
        self._index = found.by_job["submitted_index"][: found.jobs]
        self._by_facet: Mapping[str, Mask | None] = {
            "member": self._has("author", chosen.author),
            "workload": self._has("workload_type", chosen.workload_type),
            "state": self._has("state", chosen.state),
            "accelerator": self._has("accelerator", chosen.accelerator),
            "month": None if chosen.month is None else found.month == _month_of(chosen.month),
            "decision": self._decided(chosen.decision),
        }
        self._beside = _all_of(
            self._has("rejection_code", chosen.rejection_code),
            self._has("model_digest", chosen.model),
            self._has("finding_code", chosen.finding),
            self._between(chosen.first_day, chosen.last_day),
            *(self._matching(term, jobs_with_word) for term in chosen.terms),
        )
        self._chosen = _all_of(self._beside, *self._by_facet.values())

    @property
    def count(self) -> int:
        """How many jobs are chosen."""
        return self._found.jobs if self._chosen is None else int(np.count_nonzero(self._chosen))

    def indices(self) -> NDArray[Any]:
        """The ``submitted_index`` of every job that is chosen, in log order."""
        return self._index if self._chosen is None else self._index[self._chosen]

    def newest(self, *, below: int | None, limit: int) -> list[int]:
        """Up to ``limit`` of the indices that lie below ``below``, newest first."""
        end = self._found.jobs if below is None else int(np.searchsorted(self._index, below))
        if self._chosen is None:
            rows = self._index[max(0, end - limit) : end]
        else:
            rows = self._index[:end][_last_true(self._chosen[:end], limit)]
        return [int(index) for index in rows[::-1]]

    def facets(self) -> Facets:
        """How many jobs each value of each facet has, with all the other filters on."""
        coded = {facet: self._count_codes(facet, column) for facet, column in _CODED.items()}
        return Facets(**coded, month=self._count_months(), decision=self._count_decisions())

    # --- one filter each: a mask, or None where everything passes ---

    def _has(self, column: str, value: str | None) -> Mask | None:
        if value is None:
            return None
        code = self._found.code_of(column, value)
        if not code:
            return np.zeros(self._found.jobs, bool)
        return np.asarray(self._found.codes(column) == code)

    def _decided(self, decision: str | None) -> Mask | None:
        if decision is None:
            return None
        is_rejected = self._found.codes("rejection_code") != NOTHING
        return np.asarray(is_rejected if decision == REJECTED else ~is_rejected)

    def _between(self, first: str | None, last: str | None) -> Mask | None:
        at = self._found.by_job["submitted_at"][: self._found.jobs]
        return _all_of(
            None if first is None else at >= _begin_of(first),
            None if last is None else at < _begin_of(last) + DAY_S,
        )

    def _matching(self, term: Term, jobs_with_word: JobsWithWord) -> Mask:
        mask = np.zeros(self._found.jobs, bool)
        for column, values in (("workload_type", term.workloads), ("author", term.authors)):
            if values:
                wanted = [name in values for name in self._found.names[column]]
                mask |= np.array(wanted, bool)[self._found.codes(column)]
        mask[np.searchsorted(self._index, jobs_with_word(term.word))] = True
        return mask

    # --- facets ---

    def _others(self, facet: str) -> Mask | None:
        rest = (mask for name, mask in self._by_facet.items() if name != facet)
        return _all_of(self._beside, *rest)

    def _count_codes(self, facet: str, column: str) -> tuple[Facet, ...]:
        names = self._found.names[column]
        counts = _bincount(self._found.codes(column), self._others(facet), len(names))
        return _most_first((names[code], int(counts[code])) for code in np.flatnonzero(counts))

    def _count_months(self) -> tuple[Facet, ...]:
        counts = _bincount(self._found.month, self._others("month"), 0)
        months = np.flatnonzero(counts)[::-1]
        return tuple(Facet(month_text(int(month)), int(counts[month])) for month in months)

    def _count_decisions(self) -> tuple[Facet, ...]:
        is_rejected = self._found.codes("rejection_code") != NOTHING
        counts = _bincount(is_rejected, self._others("decision"), 2)
        named = zip((ADMITTED, REJECTED), map(int, counts), strict=True)
        return _most_first((name, jobs) for name, jobs in named if jobs)


def _all_of(*masks: Mask | None) -> Mask | None:
    found: Mask | None = None
    for mask in masks:
        if mask is not None:
            found = mask if found is None else found & mask
    return found


def _last_true(mask: Mask, limit: int) -> NDArray[np.intp]:
    """Where the last ``limit`` true values stand, in order."""
    return np.flatnonzero(mask)[-limit:]


def _bincount(codes: NDArray[Any], mask: Mask | None, least: int) -> NDArray[np.intp]:
    return np.bincount(codes if mask is None else codes[mask], minlength=least)


def _most_first(counted: Iterator[tuple[str, int]]) -> tuple[Facet, ...]:
    facets = (Facet(value, jobs) for value, jobs in counted)
    return tuple(sorted(facets, key=lambda facet: (-facet.jobs, facet.value)))


def _month_of(text: str) -> int:
    year, month = text.split("-")
    return (int(year) - 1970) * 12 + int(month) - 1


def _begin_of(day: str) -> int:
    begin = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    return int(begin.timestamp())
