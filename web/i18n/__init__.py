"""Languages: which there are, which one a request wants, and the strings of the one in use.

A language is added by an entry in ``LANGUAGES`` and a compiled catalogue beside this file; no page
knows how many there are. The language in use is a context variable, because one Jinja environment
serves all requests.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from gettext import NullTranslations
from typing import Final


@dataclass(frozen=True, slots=True)
class Language:
    """One language of the site; ``tag`` is its BCP 47 tag and the first part of its addresses."""

    tag: str
    name: str
    catalogue: NullTranslations = field(default_factory=NullTranslations, repr=False)


DEFAULT: Final = "en"
LANGUAGES: Final = {language.tag: language for language in (Language("en", "English"),)}
_current: ContextVar[Language] = ContextVar("language", default=LANGUAGES[DEFAULT])


def current() -> Language:
    """The language in use."""
    return _current.get()


@contextmanager
def speaking(tag: str) -> Iterator[Language]:
    """Use a language, the default one where ``tag`` names none."""
    token = _current.set(LANGUAGES.get(tag, LANGUAGES[DEFAULT]))
    try:
        yield _current.get()
    finally:
        _current.reset(token)


def gettext(message: str) -> str:
    """``message`` in the language in use."""
    return _current.get().catalogue.gettext(message)


def ngettext(one: str, many: str, n: int) -> str:
    """``one`` or ``many``, as ``n`` asks for in the language in use."""
    return _current.get().catalogue.ngettext(one, many, n)


def noted(message: str) -> str:
    """``message`` itself: marks it for the catalogue where it is translated later."""
    return message


def language_of(path: str) -> str | None:
    """The language tag that an address begins with."""
    tag = path.split("/", 2)[1] if path.startswith("/") else ""
    return tag if tag in LANGUAGES else None


def preferred(accept_language: str) -> str:
    """The language of ours that an Accept-Language header (RFC 9110, 12.5.4) likes best."""
    best, best_weight = DEFAULT, 0.0
    for choice in accept_language[:1_000].split(","):
        wanted, _, parameters = choice.strip().partition(";")
        weight = _weight(parameters.strip())
        for tag in LANGUAGES:
            if weight > best_weight and _matches(wanted.strip().lower(), tag.lower()):
                best, best_weight = tag, weight
    return best


def _matches(wanted: str, tag: str) -> bool:
    language = wanted.partition("-")[0]
    return bool(wanted) and language == tag.partition("-")[0]


def _weight(parameters: str) -> float:
    if not parameters:
        return 1.0
    try:
        return max(0.0, min(1.0, float(parameters.removeprefix("q=").strip())))
    except ValueError:
        return 0.0
