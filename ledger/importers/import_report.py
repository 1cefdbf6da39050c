"""What an import says at its end: counts, what was skipped, and every kind of finding with places.

Bounded however long the file is: a finding of many jobs stands once, with its first places.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.importers.facts import MEANINGS, SKIPPED, Facts, Finding
from ledger.importers.jobs_file import Jobs

MAX_PLACES: Final = 100


@dataclass(slots=True)
class Places:
    """How often something was met, and where first: (number of the job's drafts, place)."""

    count: int = 0
    first: list[tuple[int, str]] = field(default_factory=list)

    def add(self, job: int, place: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.first) < MAX_PLACES:
            self.first.append((job, place))


@dataclass(slots=True)
class ImportReport:
    """Gathers while drafts are made."""

    jobs: int = 0
    statements: int = 0
    found: dict[tuple[str, str], Places] = field(default_factory=dict)

    def add(self, number: int, facts: Facts, statements: int) -> None:
        """One job whose drafts are made; ``number`` is the one in their files' names."""
        self.jobs += 1
        self.statements += statements
        for finding in facts.findings:
            at = self.found.setdefault((finding.code, finding.about), Places())
            at.add(number, finding.place)

    def to_dict(self, read: Jobs) -> dict[str, Any]:
        """The report as a file of JSON has it."""
        skipped: dict[str, Places] = {}
        for each in read.skipped:
            skipped.setdefault(each.reason, Places()).add(0, each.place)
        return {
            "format": read.format,
            "jobs": self.jobs,
            "statements": self.statements,
            "skipped": [
                {"reason": reason, "means": SKIPPED[reason], "count": at.count,
                 "where": [place for _, place in at.first]}
                for reason, at in sorted(skipped.items())
            ],
            "findings": [
                {
                    "code": code,
                    "red_flag": MEANINGS[code].red,
                    "rule": MEANINGS[code].rule,
                    "field": about or None,
                    "means": MEANINGS[code].means,
                    "do": MEANINGS[code].do,
                    "count": at.count,
                    "where": [{"job": job, "place": place} for job, place in at.first],
                }
                for (code, about), at in self._sorted()
            ],
        }  # fmt: skip

    def lines(self, read: Jobs) -> Iterator[str]:
        """The report for people, a line each."""
        yield (
            f"{read.format}: {self.jobs} jobs, {self.statements} statements, "
            f"{len(read.skipped)} records skipped"
        )
        for each in self.to_dict(read)["skipped"]:
            yield f"skipped {each['count']}: {each['means']}; first: {each['where'][0]}"
        for (code, about), at in self._sorted():
            meaning = Finding(code, "").meaning
            job, place = at.first[0]
            where = f"job {job}" + (f", {place}" if place else "")
            named = code + (f" ({about})" if about else "")
            mark = f"RED FLAG {meaning.rule}, " if meaning.red else ""
            yield f"{mark}{named}, {at.count} times: {meaning.means}; {meaning.do}; first: {where}"

    def _sorted(self) -> list[tuple[tuple[str, str], Places]]:
        """Red flags first."""
        return sorted(self.found.items(), key=lambda each: (not MEANINGS[each[0][0]].red, each[0]))
