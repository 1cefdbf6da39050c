"""What a revision may run on PostgreSQL while a server of the version before writes and reads.

Each rule names what it would do to the others. A revision that cannot do without says
``PAUSES = "why, and for how long"``; who runs it then stops the servers first.
"""

import re
from collections.abc import Iterable

_NEW_TABLE = re.compile(r"create table (?:if not exists )?(\w+)")
_NEW_INDEX = re.compile(r"create (?:unique )?index (concurrently )?(?:if not exists )?\w+ on (\w+)")
_ALTERED = re.compile(r"alter table (?:if exists )?(?:only )?(\w+) (.*)", re.DOTALL)
_REFUSED = (
    (r"alter column \w+ (?:set data )?type", "a column's type: the table is written anew"),
    (r"alter column \w+ set not null", "NOT NULL: every row is read under the lock"),
    (r"drop column", "a column goes that the version before still reads"),
    (r"rename", "a name goes that the version before still uses"),
    (r"add column (?!.*default).*not null", "a column that the version before does not fill"),
    (r"add column .*default (?!null|true|false|-?\d+|'[^']*')", "a default that is computed"),
    (r"add (?:constraint \w+ )?(?:check|foreign key)(?!.*not valid)", "every row is checked"),
    (r"add (?:constraint \w+ )?(?:unique|primary key) \(", "an index is built under the lock"),
    (r"disable trigger", "the log is not append-only meanwhile"),
    (r"set (?:un)?logged|set tablespace", "the table is written anew"),
)
_ALWAYS = (
    (r"^drop (?:table|view)", "a table goes that the version before still uses"),
    (r"^(?:drop|reindex) index (?!concurrently)|^reindex (?!.*concurrently)", "not concurrently"),
    (r"^(?:lock|cluster|truncate)\b|^vacuum full", "the whole table is locked"),
    (r"^(?:update|delete|insert)\b(?!.*alembic_version)", "rows change in the schema's own time"),
)


def refusals(statements: Iterable[str]) -> list[str]:
    """What is wrong with the SQL of one revision: a line for each statement that may not be."""
    made: set[str] = set()
    found: list[str] = []
    for each in statements:
        said = " ".join(each.lower().split())
        if new := _NEW_TABLE.match(said):
            made.add(new[1])
        found += [f"{why}: {each}" for what, why in _ALWAYS if re.search(what, said)]
        index = _NEW_INDEX.match(said)
        if index and not index[1] and index[2] not in made:
            found.append(f"an index is built while nobody may write: {each}")
        altered = _ALTERED.match(said)
        if altered and altered[1] not in made:
            found += [f"{why}: {each}" for what, why in _REFUSED if re.search(what, altered[2])]
    return found
