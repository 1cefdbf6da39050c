"""Languages: which there are, which one a request wants, and the strings of the one in use.

A language is added by an entry in ``LANGUAGES`` and a catalogue (``.po``) beside this file, which
is read when it is first spoken; no page knows how many there are. How dates, lengths of time and
lists are put together stands in the catalogue too, as patterns. ``glossary.csv`` fixes the terms;
tests hold the catalogue to it. The language in use is a context variable, because one Jinja
environment serves all requests.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent


@dataclass(frozen=True)
class Language:
    """One language of the site; ``tag`` is its BCP 47 tag and the first part of its addresses.

    ``name`` is what it calls itself, ``gap`` what stands between two sentences, ``file`` the name
    of its catalogue; that of the code has none.
    """

    tag: str
    name: str
    file: str | None = None
    gap: str = " "

    @cached_property
    def catalogue(self) -> NullTranslations:
        """Its strings."""
        return read_catalogue(HERE / self.file) if self.file else NullTranslations()


def read_catalogue(path: Path) -> GNUTranslations:
    """The translations in a ``.po`` file. Raises PoFileError where it is not one."""
    # Imported with the first catalogue that is read, which most starts do without.
    from babel.messages.mofile import write_mo  # noqa: PLC0415
    from babel.messages.pofile import read_po  # noqa: PLC0415

    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return GNUTranslations(compiled)


DEFAULT: Final = "en"
"""The language of the strings in the code, and of what the ledger itself writes into the log."""

LANGUAGES: Final = {
    language.tag: language
    for language in (
        Language("en", "English"),
        Language("zh-Hans", "简体中文", "zh_Hans.po", gap=""),
    )
}
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


def pgettext(context: str, message: str) -> str:
    """``message`` in the language in use, where one English word is several elsewhere."""
    return _current.get().catalogue.pgettext(context, message)


def npgettext(context: str, one: str, many: str, n: int) -> str:
    """``one`` or ``many``, as ``n`` asks for, where that depends on ``context``."""
    return _current.get().catalogue.npgettext(context, one, many, n)


def in_sequence(sentences: Iterable[str]) -> str:
    """Sentences one after the other, as the language in use spaces them."""
    return _current.get().gap.join(sentences)


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
