"""The charter's rules in words: what each is called, what it allows, what a new version changes.

Made from the versions as the reader shows them. Names and numbers come from the log; nothing here
knows which version is in force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ledger.records.amending import Change, changes, rules_of
from schemas.council import CharterShown
from web.i18n import gettext, ngettext
from web.telling import formats, labels
from web.telling.field_words import words_of

LISTS: Final = ("allowed_workloads", "forbidden_workloads")
"""Rules that are kinds of work."""
_RECORD: Final = "charter-version/1"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of a version: its name in the log, what it is called and means, and its value."""

    name: str
    label: str
    meaning: str
    value: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One rule that a version changes. Lists say what is ``added`` and ``removed`` instead."""

    name: str
    label: str
    before: str
    after: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


def rules(version: CharterShown) -> tuple[Rule, ...]:
    """Every rule of a version but its lists of kinds of work, in their order."""
    found = rules_of(version.rules)
    return tuple(
        Rule(name, *_words(name), rule_value(name, value))
        for name, value in found.items()
        if name not in LISTS
    )


def changed(before: CharterShown, after: CharterShown) -> tuple[Changed, ...]:
    """What ``after`` says otherwise than ``before``."""
    return tuple(map(_changed, changes(before.rules, after.rules)))


def rule_value(name: str, value: Any) -> str:  # noqa: ANN401 - rules are numbers, nulls and lists
    """What a rule allows, with its unit, in the language in use."""
    if value is None:
        return gettext("a majority") if name == "council_threshold" else gettext("no limit")
    return _FORMS.get(name, formats.size)(value)


def _words(name: str) -> tuple[str, str]:
    return words_of(_RECORD, f"charter.{name}")


def _changed(change: Change) -> Changed:
    is_list = change.rule in LISTS
    return Changed(
        name=change.rule,
        label=_words(change.rule)[0],
        before="" if is_list else rule_value(change.rule, change.before),
        after="" if is_list else rule_value(change.rule, change.after),
        added=tuple(map(labels.label, change.added)),
        removed=tuple(map(labels.label, change.removed)),
    )


def _gpus(count: int) -> str:
    return ngettext("%(n)s GPU", "%(n)s GPUs", count) % {"n": formats.number(count)}


_FORMS: Final[Mapping[str, Callable[[Any], str]]] = {
    "embargo_days": formats.days,
    "gpu_total": _gpus,
    "quotas.member_gpus": _gpus,
    "quotas.job_wall_seconds": formats.duration,
    "admission_hours": formats.whole_hours,
    "council_threshold": formats.number,
}
"""How the values are told that are no bytes."""
