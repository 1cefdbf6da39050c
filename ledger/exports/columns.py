"""The columns of the tables: their types from the shapes of the API, and words for each.

Every file that holds a table, and every description of one, is made from these, so that a column
has one name, one type and one meaning in all of them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import inspect

from ledger.exports.words import WORDS

INTEGER: Final = "integer"
TEXT: Final = "string"
TRUTH: Final = "boolean"
TIME: Final = "datetime"
LIST: Final = "list"
"""Short words; with single spaces between them where a file has no lists."""
OBJECT: Final = "object"
"""JSON; its text where a file has no objects."""

_UNITS: Final = {
    "gpu_seconds": "GPU-seconds",
    "h200e_seconds": "H200-seconds",
    "gpu_count": "GPUs",
}
_ENDINGS: Final = {"seconds": "seconds", "bytes": "bytes"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column; ``unit`` is None where it has none."""

    name: str
    type: str
    required: bool
    description: str
    unit: str | None


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its columns in order, what its rows are known by, and what refers to what.

    ``refers``: column → (table, column).
    """

    name: str
    title: str
    description: str
    columns: tuple[Column, ...]
    key: str
    refers: Mapping[str, tuple[str, str]]
    facets: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)


def columns_of(table: str, shape: type[Any]) -> tuple[Column, ...]:
    """A column for each field of ``shape``, described by the words for ``table``."""
    info = inspect.type_info(shape)
    assert isinstance(info, inspect.StructType)
    return tuple(
        _column(table, field.encode_name, field.type, defaulted=not field.required)
        for field in info.fields
    )


def _column(table: str, name: str, info: inspect.Type, *, defaulted: bool) -> Column:
    optional = defaulted
    if isinstance(info, inspect.UnionType):
        rest = [each for each in info.types if not isinstance(each, inspect.NoneType)]
        optional, [info] = True, rest
    return Column(
        name=name,
        type=_type(name, info),
        required=not optional,
        description=WORDS[table][name],
        unit=_unit(name) if isinstance(info, inspect.IntType) else None,
    )


def _type(name: str, info: inspect.Type) -> str:
    if isinstance(info, inspect.IntType):
        return INTEGER
    if isinstance(info, inspect.BoolType):
        return TRUTH
    if isinstance(info, inspect.VarTupleType):
        return LIST
    if isinstance(info, inspect.RawType):
        return OBJECT
    return TIME if name.endswith("_at") or name == "publish_by" else TEXT


def _unit(name: str) -> str | None:
    if name in _UNITS:
        return _UNITS[name]
    return next((unit for end, unit in _ENDINGS.items() if name.endswith(end)), None)


def plain(value: object) -> str | int | bool | None:
    """A value as a file without lists and objects holds it."""
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, str | int | None):
        return value
    return bytes(value).decode()  # type: ignore[call-overload,no-any-return] # a msgspec.Raw is a buffer


def plain_row(row: Iterable[object]) -> tuple[str | int | bool | None, ...]:
    """A whole row of them."""
    return tuple(map(plain, row))
