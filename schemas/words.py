"""What the ledger answers about its own pages of words."""

from schemas.answers import Shape


class TextShown(Shape, frozen=True):
    """A page of words in one language; ``markdown`` is its source, facts of the ledger put in."""

    language: str
    title: str
    description: str
    markdown: str


class DocumentShown(Shape, frozen=True):
    """A page of words. ``slug`` is its address below a language."""

    slug: str
    texts: tuple[TextShown, ...]


class TermShown(Shape, frozen=True):
    """One term of the glossary: the word and what it means, by language tag."""

    id: str
    words: dict[str, str]
    meanings: dict[str, str]
