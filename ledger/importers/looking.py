"""Looks into a decoded record of another tool: every step knows its place in the file.

A refusal names the place and what is needed there, never what stands there: it may be a secret.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from ledger.importers.mapping import ImportRefused

MAX_LIST: Final = 100_000
FIRST_S: Final = 946_684_800
"""2000-01-01: what is earlier is no time but a zero or a small number."""
LAST_S: Final = 4_102_444_799
MAX_NUMBER: Final = 2**53 - 1
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+@-]{0,99}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.:+@-]{0,79}(/[A-Za-z0-9][\w.:+@-]{0,79}){0,2}", re.ASCII)


@dataclass(frozen=True, slots=True)
class At:
    """One value of a record, and where it stands: ``jobs[3].tres.allocated``."""

    value: object
    place: str

    def __call__(self, *names: str) -> "At":
        """What stands below, by names; a value of None where there is nothing."""
        found = self
        for name in names:
            below = found.members().get(name)
            found = At(below, f"{found.place}.{name}".removeprefix("."))
        return found

    def members(self) -> dict[str, object]:
        """The members of an object; none where there is nothing."""
        if self.value is None:
            return {}
        if not isinstance(self.value, dict):
            raise self.refused("an object is needed")
        return self.value

    def __iter__(self) -> Iterator["At"]:
        """The elements of a list; none where there is nothing."""
        if self.value is None:
            return
        if not isinstance(self.value, list) or len(self.value) > MAX_LIST:
            raise self.refused(f"a list of at most {MAX_LIST} is needed")
        for number, each in enumerate(self.value):
            yield At(each, f"{self.place}[{number}]")

    def text(self) -> str | None:
        """A string; None where there is nothing, or an empty one."""
        if self.value is None:
            return None
        if not isinstance(self.value, str):
            raise self.refused("text is needed")
        return self.value or None

    def word(self) -> str | None:
        """An identifier without spaces or slashes; None for any other text."""
        text = self.text()
        return text if text is not None and _WORD.fullmatch(text) else None

    def name(self) -> str | None:
        """A name of at most three words joined by slashes; None for what may be a path."""
        text = self.text()
        return text if text is not None and _NAME.fullmatch(text) else None

    def count(self) -> int | None:
        """A whole number from 0; None where there is nothing."""
        if self.value is None:
            return None
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise self.refused("a whole number is needed")
        if not 0 <= self.value <= MAX_NUMBER:
            raise self.refused("a number from 0 to 2^53 is needed")
        return self.value

    def flag(self) -> bool:
        """True or false; false where there is nothing."""
        if self.value is not None and not isinstance(self.value, bool):
            raise self.refused("true or false is needed")
        return bool(self.value)

    def unix(self) -> int | None:
        """Seconds since 1970 in this century; None for 0 and for nothing."""
        value = self.value
        if isinstance(value, Decimal) and value.is_finite() and abs(value) < MAX_NUMBER:
            value = int(value)
        seconds = At(value, self.place).count()
        if not seconds:
            return None
        if not FIRST_S <= seconds <= LAST_S:
            raise self.refused("a time of this century is needed, in seconds since 1970")
        return seconds

    def time(self) -> int | None:
        """An RFC 3339 time as seconds since 1970, fractions cut off; None for nothing."""
        text = self.text()
        if text is None:
            return None
        try:
            when = datetime.fromisoformat(text)
        except ValueError:
            when = None
        if when is None or when.tzinfo is None:
            raise self.refused("an RFC 3339 time with its zone is needed")
        seconds = int(when.astimezone(UTC).timestamp()) if 1970 < when.year < 9999 else 0
        return At(seconds, self.place).unix()

    def refused(self, why: str) -> ImportRefused:
        """What to raise: the place, and what is needed there."""
        met = {dict: "an object", list: "a list", str: "text", bool: "true or false"}
        kind = "nothing" if self.value is None else met.get(type(self.value), "a number")
        return ImportRefused(f"{self.place or 'the file'}: {why}; this is {kind}")
