"""Parameters have one spelling each: unknown, repeated and malformed ones are refused.

A parameter that was ignored would give a journalist the wrong list and no sign of it.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final
from urllib.parse import parse_qsl, urlencode

from ledger.errors import LedgerError, ValueRefused

MAX_QUERY_BYTES: Final = 4_096
MAX_PARAMETERS: Final = 32
MAX_LIMIT: Final = 1_000
DEFAULT_LIMIT: Final = 50
MAX_INDEX: Final = 2**53 - 1
RECEIPT: Final = ("cosigned",)
"""The parameters of a receipt's address."""

_INTEGER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_SLUG = re.compile(r"[a-z][a-z0-9_-]{0,62}", re.ASCII)
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_CURSOR = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)


class ParameterRefused(ValueRefused):
    """A parameter of the address that is unknown, repeated, or not a value it takes."""

    def __init__(self, message: str, *, field: str, allowed: Collection[str] = ()) -> None:
        super().__init__(message, field=field)
        self.allowed = tuple(allowed)


class FormatNotOffered(LedgerError):
    """A form of the answer that this address does not make."""


def parse_query(raw: bytes) -> dict[str, str]:
    """The parameters of a query string, each once; empty ones count as not given.

    A browser sends every field of a form, filled in or not. Raises ParameterRefused.
    """
    if not raw:
        return {}
    if len(raw) > MAX_QUERY_BYTES:
        raise ParameterRefused(
            f"the query string has {len(raw)} bytes; at most {MAX_QUERY_BYTES} are read",
            field="query",
        )
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise ParameterRefused(
            f"the query string is not percent-encoded UTF-8 of at most {MAX_PARAMETERS} parameters",
            field="query",
        ) from None
    found: dict[str, str] = {}
    for name, value in pairs:
        if name in found:
            raise ParameterRefused(f"{quoted(name)} is given twice", field=name[:40])
        found[name] = value
    return {name: value for name, value in found.items() if value}


def check_known(params: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse a parameter that this address does not know."""
    for name in params:
        if name != "at" and name not in known:
            allowed = (*known, "at")
            raise ParameterRefused(
                f"this address has no parameter {quoted(name)}; it has {', '.join(allowed)}",
                field=name[:40],
                allowed=allowed,
            )


def integer(
    params: Mapping[str, str], name: str, *, least: int = 0, most: int = MAX_INDEX
) -> int | None:
    """A whole number in plain decimal, or None where it is not given."""
    text = params.get(name)
    if text is None:
        return None
    return parse_integer(text, name, least=least, most=most)


def parse_integer(text: str, name: str, *, least: int = 0, most: int = MAX_INDEX) -> int:
    """The number that ``text`` spells: no sign, no leading zero, no other script's digits."""
    if not _INTEGER.fullmatch(text) or not least <= int(text) <= most:
        raise ParameterRefused(
            f"{name} is {quoted(text)}, where a whole number from {least} to {most} is asked for",
            field=name,
        )
    return int(text)


def limit(params: Mapping[str, str], *, most: int = MAX_LIMIT, default: int = DEFAULT_LIMIT) -> int:
    """How many things one page of a list holds."""
    return integer(params, "limit", least=1, most=most) or default


def code(params: Mapping[str, str], name: str, codes: type[StrEnum]) -> str | None:
    """One of the codes of a field, or None where it is not given."""
    text = params.get(name)
    if text is None:
        return None
    allowed = [str(each) for each in codes]
    if text not in allowed:
        raise ParameterRefused(
            f"{name} is {quoted(text)}, which is none of {', '.join(allowed)}",
            field=name,
            allowed=allowed,
        )
    return text


def slug(params: Mapping[str, str], name: str) -> str | None:
    """A short name in lower case, or None where it is not given."""
    text = params.get(name)
    if text is not None and not _SLUG.fullmatch(text):
        raise ParameterRefused(
            f"{name} is {quoted(text)}; names have lower-case letters, digits, - and _",
            field=name,
        )
    return text


def digest(name: str) -> str:
    """The 64 hexadecimal digits of ``sha256:…``, in the one spelling that it has."""
    found = _DIGEST.fullmatch(name)
    if found is None:
        raise ParameterRefused(
            f"{quoted(name)} is no digest: that is sha256: and 64 hexadecimal digits in lower case",
            field="digest",
        )
    return found[1]


def wants_count(params: Mapping[str, str]) -> bool:
    """Whether ``count`` is exact (the default) or none."""
    text = params.get("count", "exact")
    if text not in {"exact", "none"}:
        raise ParameterRefused(
            f"count is {quoted(text)}; it is exact or none",
            field="count",
            allowed=("exact", "none"),
        )
    return text == "exact"


def wants_cosigned(params: Mapping[str, str]) -> bool:
    """Whether ``cosigned`` is 1: the smallest checkpoint that enough witnesses have cosigned."""
    text = params.get("cosigned")
    if text not in {None, "1"}:
        raise ParameterRefused(
            f"cosigned is {quoted(text)}; it is 1 or not given", field="cosigned", allowed=("1",)
        )
    return text == "1"


def encode_cursor(index: int) -> str:
    """The opaque form of a log index."""
    return urlsafe_b64encode(f"i{index}".encode()).rstrip(b"=").decode()


def decode_cursor(params: Mapping[str, str]) -> int | None:
    """The log index in ``cursor``, or None where it is not given."""
    text = params.get("cursor")
    if text is None:
        return None
    try:
        if _CURSOR.fullmatch(text):
            inner = urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii")
            index = parse_integer(inner.removeprefix("i"), "cursor")
            if encode_cursor(index) == text:
                return index
    except (Base64Error, UnicodeDecodeError, ParameterRefused):
        pass
    raise ParameterRefused(
        "cursor is not one that a page of this list gave; take it from page.next", field="cursor"
    )


def address(path: str, params: Mapping[str, str | int | None]) -> str:
    """``path`` with those of ``params`` that are given, in their order, after any that it has."""
    given = {name: value for name, value in params.items() if value not in {None, ""}}
    return f"{path}{'&' if '?' in path else '?'}{urlencode(given)}" if given else path


def quoted(text: str) -> str:
    """What somebody sent, short and in ASCII, as a refusal repeats it."""
    return ascii(text if len(text) <= 40 else text[:40] + "…")
