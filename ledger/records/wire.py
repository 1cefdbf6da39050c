"""From decoded JSON to the shapes of ``schemas``, with refusals that name the field.

This module never says what a value was where the value may be a sealed one.
"""

import re
import threading
from typing import TypeVar

import msgspec

from ledger.errors import ValueRefused

T = TypeVar("T")

_FIELD_LENGTH = 200  # a posted key may be as long as its body
_REASON_LENGTH = 300  # and so may the value that msgspec repeats of an unknown code
_AT = re.compile(r"(?P<reason>.*?)(?: - at `\$(?P<path>[^`]*)`)?", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>[^`]*)`")
_UNKNOWN = re.compile(r"Object contains unknown field `(?P<name>[^`]*)`")

_prepared: set[object] = set()
_preparing = threading.Lock()


def prepare(shape: object) -> None:
    """Have msgspec learn what ``shape`` is made of, in one thread at a time.

    It learns that upon first use, and running Python it lets other threads in: one that uses the
    same shape meanwhile finds it half learnt, and the process dies of a segmentation fault. Whoever
    converts to a shape in threads calls this first; it costs nothing after the first time.
    """
    if shape in _prepared:
        return
    with _preparing:
        msgspec.json.Decoder(shape)
        _prepared.add(shape)


def convert(value: object, shape: type[T], *, at: str, sealed: bool = False) -> T:
    """Return ``value``, decoded JSON found at the path ``at``, as ``shape``.

    ``sealed`` keeps the value itself out of the message.

    Raises ValueRefused naming the field, e.g. ``statement.public.gpu_count``.
    """
    prepare(shape)
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        refusal = _refusal(str(error), at=at, sealed=sealed)
    # Raised out here, it does not carry msgspec's error along, in which the value stands.
    raise refusal


def refused(field: str, reason: str) -> ValueRefused:
    """Return the refusal of ``field``, its message beginning with the field's path."""
    return ValueRefused(f"{field}: {reason}", field=field)


def _refusal(message: str, *, at: str, sealed: bool) -> ValueRefused:
    match = _AT.fullmatch(message)
    reason, field = message, at
    if match:
        reason = match["reason"]
        field = (at + (match["path"] or "")).removeprefix(".")
    for pattern, meaning in ((_MISSING, "this field is missing"), (_UNKNOWN, "unknown field")):
        named = pattern.fullmatch(reason)
        if named:
            field = f"{field}.{named['name']}".removeprefix(".")
            reason = meaning
    if sealed and reason.startswith("Invalid enum value"):
        reason = "not one of the codes that this field takes"
    if len(reason) > _REASON_LENGTH:
        reason = f"{reason[:_REASON_LENGTH]}…"
    return refused(field[:_FIELD_LENGTH] or "the body", reason)
