"""A submission that somebody only asks about: from JSON in any spelling to what rules judge.

What is signed has one spelling (``canonical``); this is not, and people write it by hand. Still no
key stands twice and no number has a fraction: what would be read differently elsewhere is refused.
"""

import json
from decimal import Decimal
from typing import Any, Final, NoReturn

from ledger.errors import FormatError, TooLarge
from ledger.records.canonical import INTEGER_LIMIT
from ledger.records.wire import convert
from schemas.checking import SubmissionAsked

MAX_ASKED: Final = 64 * 2**10
"""Bytes of a question."""
_DIGITS: Final = 400
"""Characters of a number that is looked at."""


def parse_asked(body: bytes) -> SubmissionAsked:
    """Return the submission that ``body``, at most 64 KiB of JSON in UTF-8, asks about.

    Raises TooLarge, FormatError, and ValueRefused naming the field.
    """
    if len(body) > MAX_ASKED:
        raise TooLarge(
            f"{len(body)} bytes, where at most {MAX_ASKED} are taken",
            limit=MAX_ASKED,
            size=len(body),
        )
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_float=_whole,
            parse_constant=_refuse,
        )
        # JSON can spell half a character, and no text is one.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except json.JSONDecodeError as error:
        raise FormatError(f"not JSON: {error.msg} (character {error.pos})") from None
    except UnicodeDecodeError as error:
        raise FormatError(f"not UTF-8 (byte {error.start})") from None
    except UnicodeEncodeError:
        raise FormatError("a surrogate stands alone, which is no character") from None
    except RecursionError:
        raise FormatError("nested too deep") from None
    except ValueError:
        raise FormatError("a number of more digits than any field takes") from None
    return convert(value, SubmissionAsked, at="")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise FormatError(f"the key {key[:40]!a} stands twice in one object")
        found[key] = value
    return found


def _whole(text: str) -> int:
    """A number with a point or an exponent: JSON Schema takes 112.0 for the integer that it is."""
    try:
        number = Decimal(text[:_DIGITS])
        if len(text) > _DIGITS or number != number.to_integral_value():
            raise _not_whole(text)
        if abs(number) >= INTEGER_LIMIT:
            raise FormatError("a number of more digits than any field takes")
        return int(number)
    except ArithmeticError:
        raise _not_whole(text) from None


def _refuse(text: str) -> NoReturn:
    raise _not_whole(text)


def _not_whole(text: str) -> FormatError:
    return FormatError(f"{text[:40]!a} is not a whole number")
