"""The charter of a ledger at an address, read and verified, and told in lines of text.

Every version comes from its own entry under the ledger's tree, signed by as many of the council as
the version before it asks for. What cannot be checked from here is whether the newest is shown.
"""

import re
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec

from ledger.cli.common import CommandFailed
from ledger.client import Ledger, TrustedOnFirstUse
from ledger.errors import LedgerError, NotFound
from ledger.records.amending import NAMES, changes, rules_of
from ledger.records.charter import Charter, parse_charter
from ledger.records.charters_shown import coming, in_force
from ledger.records.deadline import parse_time
from ledger.tlog.note import VerifierKey
from schemas.council import CharterShown

IN_FORCE: Final = "in-force"
NEWEST: Final = "newest"
WHICH: Final = f"INDEX|TIME|{IN_FORCE}|{NEWEST}"
_TIME: Final = re.compile(r"20[0-9]{2}-.*Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The versions of a charter, oldest first, the council's keys by name, and who answers."""

    versions: tuple[CharterShown, ...]
    council: Mapping[str, list[VerifierKey]]
    origin: str

    @property
    def newest(self) -> CharterShown:
        """The version that was logged last, in force or not."""
        return self.versions[-1]

    def now(self) -> CharterShown:
        """The version in force by this machine's clock."""
        return in_force(self.versions, at=int(time.time()))

    def coming(self) -> CharterShown | None:
        """The version that comes into force next by this machine's clock."""
        return coming(self.versions, at=int(time.time()))

    def find(self, which: str) -> CharterShown:
        """A version by the index of its entry, by a time, or by a word. Raises CommandFailed."""
        if which == NEWEST:
            return self.newest
        if which == IN_FORCE:
            return self.now()
        if which.isascii() and which.isdigit() and len(which) < 16:
            found = [each for each in self.versions if each.index == int(which)]
            if not found:
                known = ", ".join(str(each.index) for each in self.versions[-20:])
                raise CommandFailed(f"entry {int(which)} is no version of the charter: {known} are")
            return found[0]
        if _TIME.fullmatch(which):
            try:
                return in_force(self.versions, at=parse_time(which))
            except LedgerError as error:
                raise CommandFailed(f"{which[:40]}: {error}") from None
        raise CommandFailed(
            f"{which[:60]!a} is neither an entry's index, nor a time like 2026-12-01T00:00:00Z, nor"
            f" {IN_FORCE} or {NEWEST}"
        )


@contextmanager
def opened(url: str, vkey: str | None) -> Iterator[Ledger]:
    """A ledger that is verified as it is read; that its key is believed is said once."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always", TrustedOnFirstUse)
        ledger = Ledger(url, vkey=vkey)
    with ledger:
        for each in said:
            click.echo(str(each.message).replace("pass it as vkey=", "give it as --vkey"), err=True)
        yield ledger


def read_rulebook(url: str, vkey: str | None) -> Rulebook:
    """The charter of the ledger at ``url``. Raises CommandFailed and what its client raises."""
    with opened(url, vkey) as ledger:
        try:
            versions = ledger.charters()
        except NotFound:
            raise CommandFailed(f"{url} tells of no charter: its software is older") from None
        return Rulebook(versions, ledger.council(), ledger.tree.checkpoint.origin)


def charter_in(version: CharterShown) -> Charter:
    """The rules of a version as the ledger judges by them."""
    rules: dict[str, Any] = msgspec.to_builtins(version.rules)
    if rules["version"] == "charter/1":
        first = ("embargo_days", "egress_ceiling_bytes", "gpu_total", "version")
        lists = ("allowed_workloads", "forbidden_workloads")
        rules = {name: rules[name] for name in (*first, *lists)}
    return parse_charter(rules)


def described(version: CharterShown) -> Iterator[str]:
    """A version in lines: where it stands, who signed it, when it counts, and every rule."""
    until = version.in_force_until
    signed = ", ".join(version.signed_by)
    yield f"entry: {version.index} (logged at {version.logged_at})"
    yield f"in force from: {version.in_force_from}" + (f" until {until}" if until else "")
    if version.signed_by:
        yield (
            f"signed by: {signed} ({len(version.signed_by)} of {version.signatures_needed}"
            f" signatures needed)"
        )
    else:
        yield "signed by: nobody; it stands in the first entry of the log"
    for name, value in rules_of(version.rules).items():
        yield f"{name}: {told(name, value)}"


def difference(
    before: Charter | CharterShown, after: Charter | CharterShown, *, indent: str = ""
) -> Iterator[str]:
    """A line for each rule that differs; one that says so where none does."""
    found = changes(_rules(before), _rules(after))
    for each in found:
        if each.added or each.removed:
            parts = [*(f"+{name}" for name in each.added), *(f"-{name}" for name in each.removed)]
            yield f"{indent}{each.rule}: {' '.join(parts)}"
        else:
            old, new = told(each.rule, each.before), told(each.rule, each.after)
            yield f"{indent}{each.rule}: {old} -> {new}"
    if not found:
        yield f"{indent}no rule differs"


def told(name: str, value: Any) -> str:  # noqa: ANN401 - rules are numbers, nulls and lists
    """The value of a rule as text, as a file of rules spells it."""
    assert name in NAMES
    if value is None:
        return "a majority" if name == "council_threshold" else "no limit"
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)


def _rules(version: Charter | CharterShown) -> Any:  # noqa: ANN401 - either shape of rules
    return version.rules if isinstance(version, CharterShown) else version
