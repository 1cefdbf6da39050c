"""Every text of the site: read when the process starts, taken apart when it is first shown.

A text is ``{language}/{slug}.md``: a line for its title, one for what it says in a sentence, then
Markdown. The same slugs, headings and links stand in every language. ``check_library`` refuses what
does not hold together. It takes every text apart, a tenth of the time in which a server starts, so
the tests call it and not the server, which has the texts that were tested.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from web.i18n import LANGUAGES, Language
from web.telling import runs
from web.words import facts
from web.words.markdown import Block, Fact, Heading, Link, Text, TextRefused, read_text
from web.words.terms import Term, read_terms

HERE: Final = Path(__file__).parent
BLOCKS: Final = ("architecture", "members", "terms", "threats", *runs.SECTIONS)
"""What ``document.html`` makes for a paragraph that names it."""

_FRONT = re.compile(r"---\ntitle: (.+)\ndescription: (.+)\n---\n(.*)", re.DOTALL)


@dataclass(frozen=True)
class Document:
    """One page of words in one language; ``source`` is its Markdown."""

    slug: str
    title: str
    description: str
    source: str
    language: Language = field(repr=False)
    terms: tuple[Term, ...] = field(repr=False)

    @cached_property
    def text(self) -> Text:
        """The text, taken apart. Raises TextRefused, naming it."""
        where = f"{self.language.tag}/{self.slug}.md"
        try:
            text = read_text(self.source, blocks=BLOCKS, break_as=self.language.gap)
        except TextRefused as error:
            raise TextRefused(f"{where}: {error}") from None
        for part in text.parts:
            if isinstance(part, Fact) and part.name not in facts.NAMES:
                raise TextRefused(f"{where}: {{{{{part.name}}}}} is no fact of the ledger")
        return text

    @cached_property
    def places(self) -> frozenset[str]:
        """The ids that a link can lead to. Raises TextRefused where two are the same."""
        places = [heading.id for heading in self.text.headings]
        if Block("terms") in self.text.parts:
            places += [term.id for term in self.terms]
        if len(set(places)) < len(places):
            where = f"{self.language.tag}/{self.slug}.md"
            raise TextRefused(f"{where}: two places have the same id")
        return frozenset(places)

    @property
    def contents(self) -> tuple[Heading, ...]:
        """The headings that a list of contents shows."""
        return tuple(each for each in self.text.headings if each.level == 2)


Languages = Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Library:
    """All pages of words: by slug, then by the tag of the language; and the glossary."""

    documents: Mapping[str, Languages]
    terms: tuple[Term, ...]

    def links(self) -> Iterator[tuple[Document, Link]]:
        """Every link of every page, with the page that it stands on."""
        for translations in self.documents.values():
            for document in translations.values():
                for link in document.text.links:
                    yield document, link


def read_library(folder: Path = HERE) -> Library:
    """The texts under ``folder``. Raises TextRefused for one without title or description."""
    terms = read_terms()
    found: dict[str, dict[str, Document]] = {}
    for language in LANGUAGES.values():
        home = folder / language.tag
        for file in sorted(home.rglob("*.md")):
            slug = file.relative_to(home).with_suffix("").as_posix()
            document = read_document(slug, file.read_text("utf-8"), language, terms)
            found.setdefault(slug, {})[language.tag] = document
    return Library(found, terms)


def check_library(library: Library) -> None:
    """Raise TextRefused for what does not hold together."""
    for translations in library.documents.values():
        _check_translations(translations)
    for document, link in library.links():
        _check_link(document, link, library.documents)


def read_document(
    slug: str, source: str, language: Language, terms: tuple[Term, ...] = ()
) -> Document:
    """One text. Raises TextRefused, naming it, where title or description are missing."""
    front = _FRONT.fullmatch(source)
    if front is None:
        where = f"{language.tag}/{slug}.md"
        raise TextRefused(f"{where} does not begin with a title and a description")
    title, description, body = front.groups()
    return Document(slug, title, description, body.strip() + "\n", language, terms)


def _check_translations(translations: Languages) -> None:
    first, *others = translations.values()
    if translations.keys() != LANGUAGES.keys():
        raise TextRefused(f"{first.slug}.md is there in {', '.join(translations)} only")
    for other in others:
        for what, here, there in (
            ("headings", _outline(first), _outline(other)),
            ("places", sorted(first.places), sorted(other.places)),
            ("links", sorted(map(str, first.text.links)), sorted(map(str, other.text.links))),
            ("facts", _settled(first), _settled(other)),
        ):
            if here != there:
                odd = sorted(map(str, set(here) ^ set(there)))
                raise TextRefused(f"{first.slug}.md has other {what} in each language: {odd}")


def _outline(document: Document) -> list[tuple[int, str]]:
    return [(heading.level, heading.id) for heading in document.text.headings]


def _settled(document: Document) -> list[str]:
    return sorted(str(part) for part in document.text.parts if isinstance(part, Fact | Block))


def _check_link(document: Document, link: Link, known: Mapping[str, Languages]) -> None:
    slug = document.slug if link.page is None else link.page
    if not link.fragment or slug not in known:
        return
    if link.fragment not in known[slug]["en"].places:
        raise TextRefused(f"{document.slug}.md leads to {slug}#{link.fragment}, which is not there")


LIBRARY: Final = read_library()
