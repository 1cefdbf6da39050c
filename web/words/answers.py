"""``/api/v1/words``: the pages of words and the glossary for machines."""

from typing import Any, Final

from litestar import Response, Router, get
from litestar.params import FromPath

from ledger.errors import NotFound
from schemas.words import DocumentShown, TermShown, TextShown
from web import query
from web.api import LIST, Asking, show, whole_list
from web.doors import asked
from web.words.facts import facts_of
from web.words.library import LIBRARY
from web.words.markdown import markdown_with

BASE: Final = "/api/v1/words"


def _shown(slug: str, facts: dict[str, str]) -> DocumentShown:
    texts = tuple(
        TextShown(
            language=tag,
            title=document.title,
            description=document.description,
            markdown=markdown_with(facts, document.source),
        )
        for tag, document in LIBRARY.documents[slug].items()
    )
    return DocumentShown(slug=slug, texts=texts)


@get("/", sync_to_thread=True)
def list_documents(request: Asking) -> Response[bytes]:
    """Every page of words, in all languages."""
    asking = asked(request.scope)
    query.check_known(asking.params, LIST)
    with asking.view() as view:
        facts = facts_of(asking, view)
        shown = [_shown(slug, facts) for slug in LIBRARY.documents]
        return whole_list(asking, view, shown, row=DocumentShown)


@get("/{slug:path}", sync_to_thread=True)
def show_document(request: Asking, slug: FromPath[str]) -> Response[bytes]:
    """One page of words, in all languages; of the glossary, its terms."""
    asking = asked(request.scope)
    name = str(slug).strip("/")
    query.check_known(asking.params, LIST if name == "glossary" else ())
    if name not in LIBRARY.documents:
        raise NotFound("there is no such page of words")
    with asking.view() as view:
        if name == "glossary":
            terms = [TermShown(t.id, dict(t.words), dict(t.meanings)) for t in LIBRARY.terms]
            return whole_list(asking, view, terms, row=TermShown)
        return show(view, _shown(name, facts_of(asking, view)))


ROUTER: Final[Any] = Router(path=BASE, route_handlers=[list_documents, show_document])
