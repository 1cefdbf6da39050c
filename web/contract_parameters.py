"""The query parameters of ``/api/v1``: their names, their types and bounds, and what they mean.

The bounds are those that ``web.query`` and ``web.filters`` check; a test asks the server for the
values at and beyond each of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from ledger.records.charter import Code
from ledger.records.lifecycle import State
from schemas.charter import Workload
from web.i18n import noted
from web.query import DEFAULT_LIMIT, MAX_INDEX, MAX_LIMIT
from web.search.filters import DECISIONS, MAX_QUERY

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; ``schema`` is JSON Schema, ``required`` only where nothing can be meant."""

    name: str
    meaning: str
    schema: Json
    required: bool = False
    listed: bool = False
    """Whether it takes several values with commas between them."""


def codes(names: Iterable[object]) -> Json:
    """The schema of one of some codes."""
    return {"type": "string", "enum": [str(each) for each in names]}


def _whole(least: int, most: int = MAX_INDEX, **more: int) -> Json:
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def _short() -> Json:
    return {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"}


def _day() -> Json:
    return {"type": "string", "format": "date", "pattern": "^20[0-9]{2}-[0-9]{2}-[0-9]{2}$"}


AT: Final = Parameter("at", noted("The tree size: the ledger as it was then"), _whole(1))
LIMIT: Final = Parameter(
    "limit",
    noted("How many at once"),
    _whole(1, MAX_LIMIT, default=DEFAULT_LIMIT),
)
CURSOR: Final = Parameter(
    "cursor",
    noted("Where to go on, from `page.cursor`; not to be computed"),
    {"type": "string", "format": "ledger-cursor", "minLength": 3, "maxLength": 40},
)
COUNT: Final = Parameter(
    "count",
    noted("Whether to count the whole list"),
    {"type": "string", "enum": ["exact", "none"], "default": "exact"},
)
FIELDS: Final = Parameter(
    "fields",
    noted("Only these fields of each row, with commas between them"),
    {"type": "string"},
    listed=True,
)
START: Final = Parameter("start", noted("The entry to begin with"), _whole(0))
SIZE: Final = Parameter("size", noted("The size of the tree; not together with `at`"), _whole(1))
FROM_SIZE: Final = Parameter("from", noted("The smaller tree size"), _whole(1), required=True)
TO_SIZE: Final = Parameter("to", noted("The larger tree size; the newest if left out"), _whole(1))
BY: Final = Parameter(
    "by", noted("The length of a period, for series that have one"), codes(("month", "week"))
)
BOM: Final = Parameter("bom", noted("1 for Excel: the file begins with a mark"), _whole(0, 1))
CODE: Final = Parameter("code", noted("The finding of a rejection"), codes(Code))
FILTERS: Final = (
    Parameter(
        "q",
        noted("Words, in English or Chinese, in what has been opened and in names"),
        {"type": "string", "format": "ledger-words", "minLength": 1, "maxLength": MAX_QUERY},
    ),
    Parameter("member", noted("The short name of a member"), _short()),
    Parameter("workload", noted("The kind of work"), codes(Workload)),
    Parameter("state", noted("The state of the job"), codes(State)),
    Parameter("accelerator", noted("The kind of GPU"), _short()),
    Parameter(
        "month",
        noted("The month of submission"),
        {"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])$"},
    ),
    Parameter("decision", noted("The decision by the charter"), codes(DECISIONS)),
    CODE,
    Parameter(
        "finding",
        noted("What was found about the run; `R1_digest_mismatch` puts a job in quarantine"),
        codes(Code),
    ),
    Parameter(
        "model",
        noted("The digest of a model's weights"),
        {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    ),
    Parameter("from", noted("The first day of submission"), _day()),
    Parameter("to", noted("The last day of submission"), _day()),
)
"""What chooses jobs, in the order of ``web.filters.JOB_FILTERS``."""
