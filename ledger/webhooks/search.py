"""The search of a webhook: the filters of ``/feeds/jobs``, as a table in the operator's file.

All but ``q``: which codes and members a word names depends on the words of the site in every
language, and those may change while the entries that a webhook has told of do not.
"""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from ledger.errors import FormatError
from ledger.records.charter import Code
from ledger.records.lifecycle import State
from ledger.storage.shapes import JobFilter
from schemas.charter import Workload

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_MONTH: Final = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CODES: Final[Mapping[str, tuple[str, ...]]] = {
    "workload": tuple(map(str, Workload)),
    "state": tuple(map(str, State)),
    "decision": ("admitted", "rejected"),
    "code": tuple(map(str, Code)),
    "finding": tuple(map(str, Code)),
}
_FORMS: Final[Mapping[str, tuple[re.Pattern[str], str]]] = {
    "member": (_SLUG, "the short name of a member"),
    "accelerator": (_SLUG, "a kind of GPU, as nvidia_h200"),
    "month": (_MONTH, "a month, as 2026-11"),
    "model": (_DIGEST, "64 hexadecimal digits in small letters"),
}
_DAYS: Final = ("from", "to")
FILTERS: Final = (*_CODES, *_FORMS, *_DAYS)


def parse_search(given: Mapping[str, object]) -> JobFilter:
    """The jobs that a table of filters chooses. Raises FormatError with the filter's name."""
    found: dict[str, str] = {}
    for name, value in given.items():
        if name == "q":
            raise FormatError("q is for the feed /feeds/jobs alone: give filters by their codes")
        if name not in FILTERS:
            raise FormatError(f"{name[:40]!a} is no filter; there are {', '.join(FILTERS)}")
        if not isinstance(value, str):
            raise FormatError(f"{name} is not a text in quotation marks")
        _check(name, value)
        found[name] = value
    if not found:
        raise FormatError('it has no filter: for every submission take events = ["submitted"]')
    if found.get("from", "") > found.get("to", "9"):
        raise FormatError(f"to is {found['to']}, which is before from, {found['from']}")
    return JobFilter(
        author=found.get("member"),
        workload_type=found.get("workload"),
        state=found.get("state"),
        accelerator=found.get("accelerator"),
        month=found.get("month"),
        decision=found.get("decision"),
        rejection_code=found.get("code"),
        finding=found.get("finding"),
        model=found.get("model"),
        first_day=found.get("from"),
        last_day=found.get("to"),
    )


def _check(name: str, value: str) -> None:
    if name in _CODES:
        if value not in _CODES[name]:
            raise FormatError(f"{name} is {value[:40]!a}; it is one of {', '.join(_CODES[name])}")
    elif name in _FORMS:
        form, meaning = _FORMS[name]
        if not form.fullmatch(value):
            raise FormatError(f"{name} is {value[:40]!a}; it is {meaning}")
    else:
        try:
            sound = date.fromisoformat(value).isoformat() == value
        except ValueError:
            sound = False
        if not sound:
            raise FormatError(f"{name} is {value[:40]!a}; it is a day, as 2026-11-21")
