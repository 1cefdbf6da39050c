"""``fields=``: the columns of a list that somebody wants, checked against the shape of its rows.

A name that no row has is refused: an answer without a column that was asked for would look like one
in which nothing stands there. Nothing is renamed, and nothing is added.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec
from msgspec import UNSET, Struct

from web.query import ParameterRefused, quoted

FIELDS: Final = "fields"


@cache
def names_of(row: type[Struct]) -> tuple[str, ...]:
    """The fields of a shape, as they are spelt in JSON, in their order."""
    return tuple(each.encode_name for each in msgspec.structs.fields(row))


def chosen(params: Mapping[str, str], row: type[Struct]) -> tuple[str, ...] | None:
    """The names in ``fields=``, None where all are wanted. Raises ParameterRefused."""
    text = params.get(FIELDS)
    if text is None:
        return None
    known, names = names_of(row), text.split(",")
    for name in names:
        if name not in known:
            raise ParameterRefused(
                f"fields has {quoted(name)}; the fields of a row are {', '.join(known)}",
                field=FIELDS,
                allowed=known,
            )
    if len(set(names)) < len(names):
        raise ParameterRefused("fields names one field twice", field=FIELDS, allowed=known)
    return tuple(names)


def only(names: Sequence[str], rows: Sequence[Struct]) -> list[dict[str, Any]]:
    """Of each row the fields that ``names`` lists; what a row leaves out stays left out."""
    if not rows:
        return []
    wanted = [each for each in msgspec.structs.fields(rows[0]) if each.encode_name in names]
    sparse = bool(rows[0].__struct_config__.omit_defaults)
    found = []
    for row in rows:
        shown = {}
        for each in wanted:
            value = getattr(row, each.name)
            if value is UNSET or (sparse and value is each.default):
                continue
            shown[each.encode_name] = value
        found.append(shown)
    return found
