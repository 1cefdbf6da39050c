"""One text as HTML: CommonMark and tables, no raw HTML, every heading with a lasting id.

``## Heading {#id}`` gives the id, so that a link to a part of a page survives a change of words
and works in every language. ``{{name}}`` stands for a fact of this ledger, in text, in code and in
links; alone in a paragraph it may also stand for a block that a template makes. A link is the slug
of a page (``docs/verify#cron``), a place on the same page (``#cron``), or an address for machines
(``/api/v1/jobs``); it keeps the reader's language and tree size, because it is made for each
request.

This module knows no page, no ledger and no language: what it cannot settle it leaves as a part.
"""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

NAME: Final = re.compile(r"\{\{([a-z_]+)\}\}", re.ASCII)
_HEADING: Final = re.compile(r"(.+?) \{#([a-z][a-z0-9-]*)\}", re.ASCII | re.DOTALL)
_PAGE: Final = re.compile(r"/[\w./-]+|[a-z0-9_-]*(?:/[\w-]+|/\{\{[a-z_]+\}\})*", re.ASCII)
_SLOT: Final = re.compile("\x00([0-9]+)\x00", re.ASCII)


Address = Callable[..., str]
"""Makes an address from a page and its parameters."""


class TextRefused(Exception):
    """A text of the site's own that cannot be shown: its author must mend it."""


@dataclass(frozen=True, slots=True)
class Link:
    """Where a link leads; ``page`` is a slug, or an address for machines if it begins with /.

    Without ``page`` it leads to a place on the same page. ``page`` and ``params`` may hold facts.
    """

    page: str | None
    params: tuple[tuple[str, str], ...]
    fragment: str

    @property
    def is_machine(self) -> bool:
        """Whether it leads to an address without a language."""
        return self.page is not None and self.page.startswith("/")

    def address(self, *, to: Address, machine: Address, facts: Mapping[str, str]) -> str:
        """Where it leads on this ledger, for this request."""
        place = f"#{self.fragment}" if self.fragment else ""
        if self.page is None:
            return place
        params = {name: markdown_with(facts, value) for name, value in self.params}
        page = markdown_with(facts, self.page)
        return (machine if self.is_machine else to)(page, **params) + place


@dataclass(frozen=True, slots=True)
class Fact:
    """A value of this ledger that stands here."""

    name: str


@dataclass(frozen=True, slots=True)
class Block:
    """A part that a template makes stands here."""

    name: str


Part = str | Link | Fact | Block


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading of level 2 or 3: ``id`` lasts, ``text`` is plain."""

    level: int
    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Text:
    """A text in parts: strings are finished HTML, the others are settled for each request."""

    parts: tuple[Part, ...]
    headings: tuple[Heading, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        """Every link, in order."""
        return tuple(part for part in self.parts if isinstance(part, Link))

    def fill(
        self,
        *,
        to: Address,
        machine: Address,
        facts: Mapping[str, str],
        blocks: Mapping[str, Callable[[], Markup]],
    ) -> Markup:
        """The HTML for one request: ``to`` and ``machine`` make addresses, ``blocks`` the rest."""
        filled = []
        for part in self.parts:
            if isinstance(part, str):
                filled.append(part)
            elif isinstance(part, Fact):
                filled.append(escape(facts[part.name]))
            elif isinstance(part, Block):
                filled.append(blocks[part.name]())
            else:
                filled.append(escape(part.address(to=to, machine=machine, facts=facts)))
        return Markup("").join(map(Markup, filled))


def read_text(source: str, *, blocks: Collection[str], break_as: str) -> Text:
    """``source`` as HTML in parts.

    ``blocks`` names what a template can make; ``break_as`` is what a line break in a paragraph
    becomes: a space, or nothing where words are not spaced. Raises TextRefused.
    """
    reading = _Reading(blocks, break_as)
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = markdown.parse(source)
    reading.read(tokens)
    html = markdown.renderer.render(tokens, markdown.options, {})
    pieces = _SLOT.split(html)
    parts: list[Part] = [
        reading.slots[int(piece)] if at % 2 else piece for at, piece in enumerate(pieces)
    ]
    return Text(tuple(part for part in parts if part != ""), tuple(reading.headings))


class _Reading:
    """Rewrites tokens as the site shows them, and leaves numbered slots for what is not settled."""

    def __init__(self, blocks: Collection[str], break_as: str) -> None:
        self.slots: list[Part] = []
        self.headings: list[Heading] = []
        self._blocks = blocks
        self._break_as = break_as
        self._columns: list[str] = []
        self._column = 0

    def read(self, tokens: list[Token]) -> None:
        """Rewrite ``tokens`` in place."""
        for at, token in enumerate(tokens):
            if token.type == "inline":
                self._inline(token)
            elif token.type == "heading_open":
                self._heading(token, tokens[at + 1])
            elif token.type == "paragraph_open":
                self._block(tokens[at : at + 3])
            elif token.type == "fence":
                self._code(token)
            elif token.type == "table_open":
                token.attrs["class"] = "cards"
                self._columns = []
            elif token.type == "tr_open":
                self._column = 0
            elif token.type in {"th_open", "td_open"}:
                self._cell(tokens[at : at + 3])

    def _slot(self, part: Part) -> str:
        self.slots.append(part)
        return f"\x00{len(self.slots) - 1}\x00"

    def _facts(self, text: str) -> str:
        return NAME.sub(lambda found: self._slot(Fact(found[1])), text)

    def _inline(self, token: Token) -> None:
        for child in token.children or ():
            if child.type in {"text", "code_inline"}:
                child.content = self._facts(child.content)
            elif child.type == "link_open":
                child.attrs["href"] = self._slot(_read_link(str(child.attrs["href"])))
            elif child.type == "softbreak":
                child.type, child.tag, child.content = "text", "", self._break_as
            elif child.type == "image":
                raise TextRefused("a text has no pictures")

    def _heading(self, token: Token, inline: Token) -> None:
        level = int(token.tag[1])
        found = _HEADING.fullmatch(inline.content)
        if found is None or level not in {2, 3}:
            raise TextRefused(f"“{inline.content}” is not a heading of the form ## Words {{#id}}")
        last = (inline.children or [])[-1]
        last.content = last.content.removesuffix(f" {{#{found[2]}}}")
        token.attrs["id"] = found[2]
        self.headings.append(Heading(level, found[2], found[1].replace("`", "")))

    def _block(self, paragraph: list[Token]) -> None:
        opening, inline, closing = paragraph
        found = NAME.fullmatch(inline.content)
        if found and found[1] in self._blocks:
            opening.type, opening.content = "html_block", self._slot(Block(found[1]))
            inline.children, closing.hidden = [], True

    def _code(self, token: Token) -> None:
        kind = "shell" if token.info.strip() == "shell" else "bytes wrap"
        text = escape(self._facts(token.content.rstrip()))
        token.type, token.content = "html_block", f'<pre class="{kind}">{text}</pre>\n'

    def _cell(self, cell: list[Token]) -> None:
        opening, inline, closing = cell
        if "right" in str(opening.attrs.pop("style", "")):
            opening.attrs["class"] = "num"
        if opening.tag == "th":
            self._columns.append("".join(child.content for child in inline.children or ()))
            opening.attrs["scope"] = "col"
        elif self._column == 0:
            opening.tag = closing.tag = "th"
            opening.attrs["scope"] = "row"
        else:
            opening.attrs["data-label"] = self._columns[self._column]
        self._column += 1


def _read_link(href: str) -> Link:
    path, _, fragment = unquote(href).partition("#")
    page, _, query = path.partition("?")
    if not _PAGE.fullmatch(page):
        raise TextRefused(f"{href} is no page of this site")
    params = tuple(parse_qsl(query, keep_blank_values=True))
    return Link(None if fragment and not page else page, params, fragment)


def markdown_with(facts: Mapping[str, str], source: str) -> str:
    """``source`` with the values of facts in it, still Markdown; names of blocks stay."""
    return NAME.sub(lambda found: facts.get(found[1], found[0]), source)
