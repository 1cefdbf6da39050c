"""Every text of the site, read when the process starts.

A text is ``{language}/{slug}.md``: a line for its title, one for what it says in a sentence, then
Markdown. The same slugs, headings and links stand in every language. ``read_library`` refuses what
does not hold together, so that a site with a broken page does not start.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Document:
    """One page of words in one language; ``source`` is its Markdown."""

    slug: str
    title: str
    description: str
    source: str
    text: Text
    places: frozenset[str]
    """The ids that a link can lead to."""

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
    """The texts under ``folder``. Raises TextRefused for what does not hold together."""
    terms = read_terms()
    found: dict[str, dict[str, Document]] = {}
    for language in LANGUAGES.values():
        home = folder / language.tag
        for file in sorted(home.rglob("*.md")):
            slug = file.relative_to(home).with_suffix("").as_posix()
            document = read_document(slug, file.read_text("utf-8"), language, terms)
            found.setdefault(slug, {})[language.tag] = document
    library = Library(found, terms)
    for translations in found.values():
        _check_translations(translations)
    for document, link in library.links():
        _check_link(document, link, found)
    return library


def read_document(
    slug: str, source: str, language: Language, terms: tuple[Term, ...] = ()
) -> Document:
    """One text. Raises TextRefused, naming it."""
    where = f"{language.tag}/{slug}.md"
    front = _FRONT.fullmatch(source)
    if front is None:
        raise TextRefused(f"{where} does not begin with a title and a description")
    title, description, body = front.groups()
    try:
        text = read_text(body, blocks=BLOCKS, break_as=language.gap)
    except TextRefused as error:
        raise TextRefused(f"{where}: {error}") from None
    for part in text.parts:
        if isinstance(part, Fact) and part.name not in facts.NAMES:
            raise TextRefused(f"{where}: {{{{{part.name}}}}} is no fact of the ledger")
    places = [heading.id for heading in text.headings]
    if Block("terms") in text.parts:
        places += [term.id for term in terms]
    if len(set(places)) < len(places):
        raise TextRefused(f"{where}: two places have the same id")
    return Document(slug, title, description, body.strip() + "\n", text, frozenset(places))


def _check_translations(translations: Languages) -> None:
    first, *others = translations.values()
    if translations.keys() != LANGUAGES.keys():
        raise TextRefused(f"{first.slug}.md is there in {', '.join(translations)} only")
    for other in others:
        for what, here, there in (
            ("headings", _outline(first), _outline(other)),
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
