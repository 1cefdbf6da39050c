"""One spelling of every value: RFC 8785 (JCS) on a subset where it leaves nothing to choose.

The subset: objects with keys ``[a-z0-9_]+`` (joined by ``.`` where an object maps sealed field
paths), arrays, strings, integers below 2^53 in magnitude, booleans and null, nested at most eight
deep. No fractions, whose spelling JCS takes from ECMAScript, and no keys outside ASCII, whose order
it takes from UTF-16. On this subset msgspec's sorted encoding *is* RFC 8785; the ``rfc8785``
package judges that in the tests.

This module never repairs: what is not spelled as ``encode`` spells it is refused, and the refusal
says where the two part without repeating a value, which may be a sealed one.
"""

import json
import re
from binascii import Error, a2b_base64, b2a_base64
from enum import StrEnum
from types import NoneType
from typing import Any

import msgspec

from ledger.errors import FormatError, TooLarge

MAX_DEPTH = 8
"""How many arrays and objects may contain one another."""
INTEGER_LIMIT = 2**53
"""Integers are smaller than this in magnitude, so that every JSON reader sees the same number."""

_KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*", re.ASCII)
_MEMO_KEYS = 4096
_MEMO_KEY_LENGTH = 64
_PLAIN = frozenset((str, bool, NoneType))
_known_keys: set[str] = set()  # keys that matched _KEY before: a memo, never an allow-list


def _refuse_fraction(text: str) -> None:
    raise FormatError(text)


_ENCODER = msgspec.json.Encoder(order="sorted")
_DECODER = msgspec.json.Decoder(float_hook=_refuse_fraction)


def encode(value: object) -> bytes:
    """Return the canonical bytes of ``value``: dict, list, tuple, str, int, bool or None.

    Raises FormatError, naming the path, if the value is outside of the subset.
    """
    check(value)
    return encode_checked(value)


def encode_checked(value: object) -> bytes:
    """Return what ``encode`` returns, for a value that ``check`` or ``decode`` has passed.

    Raises FormatError, naming the path, for a string that no UTF-8 can hold.
    """
    try:
        return _ENCODER.encode(value)
    except UnicodeEncodeError:
        raise FormatError(str(_explain(value))) from None


def decode(data: bytes, *, limit: int) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value that ``data``, of at most ``limit`` bytes, is the canonical spelling of.

    Raises TooLarge above the limit, and FormatError for every other spelling of a value: white
    space, another key order, a key twice, another escape, a fraction, a byte order mark, ...
    """
    if len(data) > limit:
        raise TooLarge(
            f"{len(data)} bytes, where at most {limit} are taken", limit=limit, size=len(data)
        )
    try:
        value = _DECODER.decode(data)
        check(value)
        if _ENCODER.encode(value) == data:
            return value
    except (msgspec.MsgspecError, RecursionError, UnicodeError, FormatError):
        pass  # said better below
    raise FormatError(_diagnose(data))


def check(value: object) -> None:
    """Check keys, types, integer range and depth, one level of nesting after the other.

    Strings are not searched for lone surrogates: UTF-8 that decodes has none, and encoding
    refuses them.

    Raises FormatError, naming the path, at a value outside of the subset.
    """
    level: list[Any] = [value]
    room = MAX_DEPTH
    while level:
        below: list[Any] = []
        for item in level:
            kind = type(item)
            if kind in _PLAIN:
                continue
            if kind is int and -INTEGER_LIMIT < item < INTEGER_LIMIT:
                continue
            if kind is dict and room and (_known_keys.issuperset(item) or _learn(item)):
                below.extend(item.values())
            elif (kind is list or kind is tuple) and room:
                below.extend(item)
            elif not isinstance(item, StrEnum):
                raise FormatError(_explain(value) or "a value outside of the canonical subset")
        level = below
        room -= 1


def encode_base64(data: bytes) -> str:
    """Return ``data`` in standard, padded base64 (RFC 4648 section 4)."""
    return b2a_base64(data, newline=False).decode()


def decode_base64(text: str) -> bytes:
    """Return the bytes that ``text`` is the one standard, padded base64 spelling of.

    Raises FormatError, not repeating the text, for any other, such as one with stray last bits.
    """
    try:
        data = a2b_base64(text.encode(), strict_mode=True)
    except (Error, UnicodeError):
        raise FormatError("not base64") from None
    if b2a_base64(data, newline=False) != text.encode():
        raise FormatError("not the canonical base64 of its bytes")
    return data


def _learn(keys: dict[Any, Any]) -> bool:
    """Tell whether every key is in its pattern, and remember those that are.

    The memo is bounded in keys and in their length: whoever posts fresh keys makes it forget, and
    costs themselves a pattern match a key.
    """
    for key in keys:
        if type(key) is not str or not _KEY.fullmatch(key):
            return False
        if len(key) <= _MEMO_KEY_LENGTH:
            if len(_known_keys) >= _MEMO_KEYS:
                _known_keys.clear()
            _known_keys.add(key)
    return True


# --- the slow side: only refusals come here ---------------------------------------------------

_Trail = tuple["_Trail", str] | None
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} arrays and objects"


def _explain(value: object) -> str | None:
    """Return the path and the reason of the first thing outside of the subset, if any."""
    # A trail is spelled out for one item only: a long key over many items costs nothing.
    stack: list[tuple[_Trail, int, Any]] = [(None, 1, value)]
    while stack:
        trail, depth, item = stack.pop()
        reason = _reason(item, depth)
        if reason:
            return f"{_spell(trail)}: {reason}"
        if isinstance(item, dict):
            children = [((trail, f".{key}"), depth + 1, below) for key, below in item.items()]
        elif isinstance(item, list | tuple):
            children = [((trail, f"[{n}]"), depth + 1, below) for n, below in enumerate(item)]
        else:
            continue
        stack.extend(reversed(children))
    return None


def _reason(item: object, depth: int) -> str | None:
    """Return what is wrong with one item, not looking at what it holds."""
    reason = None
    if isinstance(item, float):
        reason = "a number with a fraction or an exponent; use an integer or a decimal string"
    elif isinstance(item, int) and abs(item) >= INTEGER_LIMIT:
        reason = "an integer of 2^53 or more in magnitude"
    elif isinstance(item, str) and any("\ud800" <= each <= "\udfff" for each in item):
        reason = "a lone surrogate is not a Unicode character"
    elif isinstance(item, dict | list | tuple) and depth > MAX_DEPTH:
        reason = _TOO_DEEP
    elif isinstance(item, dict) and not all(map(_is_key, item)):
        wrong = next(key for key in item if not _is_key(key))
        reason = f"the key {_quote(wrong)} is not of [a-z0-9_], joined by single dots"
    elif not isinstance(item, str | int | dict | list | tuple | NoneType):
        reason = f"{type(item).__name__} is not a JSON value"
    return reason


def _is_key(key: object) -> bool:
    return isinstance(key, str) and _KEY.fullmatch(key) is not None


def _diagnose(data: bytes) -> str:
    """Return why ``data`` is not canonical: what the fast path need not know."""
    if data.startswith(b"\xef\xbb\xbf"):
        return "a byte order mark before the value (byte 0)"
    try:
        text = data.decode()
    except UnicodeDecodeError as bad:
        return f"not UTF-8 (byte {bad.start})"
    try:
        value = json.loads(
            text,
            parse_int=_parse_int,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except json.JSONDecodeError as bad:
        return f"not JSON: {bad.msg} (byte {len(text[: bad.pos].encode())})"
    except RecursionError:
        return _TOO_DEEP
    except FormatError as bad:
        return str(bad)
    return _explain(value) or _difference(data, _ENCODER.encode(value))


def _difference(data: bytes, canonical: bytes) -> str:
    """Return the first byte in which the two differ, and nothing more of either."""
    shorter = min(len(data), len(canonical))
    at = next((n for n in range(shorter) if data[n] != canonical[n]), shorter)
    met, meant = (ascii(chr(b[at])) if at < len(b) else "the end" for b in (data, canonical))
    return f"not in canonical form: byte {at} is {met}, where {meant} is the one spelling"


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FormatError(f"the key {_quote(key)} stands twice in one object")
        found[key] = value
    return found


def _parse_int(text: str) -> int:
    # Past twenty digits the range has long been left, and Python would take quadratic time.
    return int(text) if len(text) <= 20 else INTEGER_LIMIT


def _refuse_constant(text: str) -> None:
    raise FormatError(f"not JSON: {text} is not a number")


def _quote(key: object) -> str:
    text = ascii(key)
    return text if len(text) <= 60 else f"{text[:56]}...'"


def _spell(trail: _Trail) -> str:
    parts: list[str] = []
    while trail:
        trail, part = trail
        parts.append(part)
    path = "".join(reversed(parts)).removeprefix(".")
    return (path if len(path) <= 200 else f"{path[:200]}...") or "the value"
