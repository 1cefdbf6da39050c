"""A field's value as a reader takes it in, by what the field is: bytes, seconds, codes, times."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from markupsafe import Markup, escape

from ledger.errors import FormatError
from ledger.records.deadline import parse_time
from web.i18n import gettext
from web.telling import formats
from web.telling.labels import label
from web.telling.plain import shown

JOULES_PER_KWH: Final = 3_600_000


def energy(joules: int) -> str:
    """Joules in the unit of electricity bills."""
    amount = joules / JOULES_PER_KWH
    return f"{amount:,.0f} kWh" if amount >= 100 else f"{amount:.3g} kWh"


_AMOUNTS: Final[Mapping[str, Callable[[int], str]]] = {
    "energy_joules": energy,
    "gpu_seconds": formats.hours,
    "h200e_seconds": formats.hours,
    "wall_seconds": formats.duration,
    "wall_limit_seconds": formats.duration,
    "egress_bytes": formats.size,
    "egress_ceiling_bytes": formats.size,
}
_CODES: Final = frozenset(
    {"workload_type", "gradient_scope", "optimizer_targets", "exit_status", "weights_check"}
)
_TIMES: Final = frozenset({"started_at", "ended_at", "review_by"})
_MOST_DIGITS: Final = 15


def amount(value: Any, field: str) -> Markup:  # noqa: ANN401 - any JSON value of a record
    """``value`` of the field called ``field``. A correction gives every value as text."""
    if isinstance(value, str):
        return _from_text(value, field)
    if isinstance(value, list) and field in _CODES:
        return escape(gettext(", ").join(label(str(each)) for each in value))
    if isinstance(value, int) and not isinstance(value, bool) and field in _AMOUNTS:
        return escape(_AMOUNTS[field](value))
    return formats.value(value)


def _from_text(text: str, field: str) -> Markup:
    if field in _CODES:
        # Of a correction it may be anything.
        return escape(shown(label(text)))
    if field in _TIMES:
        try:
            parse_time(text)
        except FormatError:
            return formats.value(text)
        return formats.moment(text)
    if text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS:
        spelt = _AMOUNTS.get(field, formats.number)
        return escape(spelt(int(text)))
    return formats.value(text)
