"""The pages of words: one handler for all of them, and a check of where they lead."""

import re
from collections.abc import Iterable
from typing import Any, Final

from litestar import Response, get
from litestar.handlers import HTTPRouteHandler

from web import query
from web.doors import asked
from web.i18n import language_of
from web.pages.page import Asking, page
from web.telling import runs, threats
from web.words.answers import BASE
from web.words.facts import facts_of
from web.words.library import LIBRARY, Library
from web.words.markdown import TextRefused


def show_document(request: Asking) -> Response[Any]:
    """A page of words, with what is true of this ledger put in."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    tag = language_of(asking.path)
    assert tag is not None
    slug = asking.path.removeprefix(f"/{tag}/").rstrip("/")
    with asking.view() as view:
        return page(
            request,
            "document.html",
            asking,
            view,
            twin=f"{BASE}/{slug}",
            document=LIBRARY.documents[slug][tag],
            facts=facts_of(asking, view),
            members=view.members(),
            terms=LIBRARY.terms,
            runs=runs.told,
            threats=threats.held,
        )


# One handler an address: Litestar wraps a handler of several paths into a thread several times.
HANDLERS: Final = [
    get(f"/{slug}", sync_to_thread=True)(show_document) for slug in LIBRARY.documents
]


def check_links(library: Library, handlers: Iterable[HTTPRouteHandler]) -> None:
    """Check that every link to a page leads to one that ``handlers`` answer. Raises TextRefused."""
    paths = {path.strip("/") for handler in handlers for path in handler.paths}
    known = [re.compile(re.sub(r"\{[^}]*\}", "[^/]+", path)) for path in paths]
    for document, link in library.links():
        if link.page is None or link.is_machine:
            continue
        if not any(each.fullmatch(link.page) for each in known):
            raise TextRefused(f"{document.slug}.md leads to {link.page}, which the site has not")
