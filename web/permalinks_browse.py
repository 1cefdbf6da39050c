"""Lasting addresses of members, models and artifacts, without a language; ``.json`` is JSON."""

from collections.abc import Callable
from typing import Any, Final

from litestar import Response, Router, get
from litestar.params import FromPath

from ledger.reader import View
from web import browse, query
from web.api import Asking, show
from web.doors import Asked, asked
from web.permalinks import JSON_SUFFIX, to_language


def _answer(
    request: Asking, kind: str, name: str, read: Callable[[Asked, View, str], object]
) -> Response[Any]:
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    bare = name.removesuffix(JSON_SUFFIX)
    with asking.view() as view:
        found = read(asking, view, bare)
        if bare != name:
            return show(view, found)
    return to_language(request, f"{kind}/{bare}")


def _member(asking: Asked, view: View, name: str) -> object:
    return browse.member(view, name, now=asking.now(view))


def _model(_asking: Asked, view: View, name: str) -> object:
    return view.model(query.digest(name))


def _artifact(_asking: Asked, view: View, name: str) -> object:
    return view.artifact(query.digest(name))


@get("/members/{name:str}", sync_to_thread=True)
def member(request: Asking, name: FromPath[str]) -> Response[Any]:
    """An author of the registry: its page, or its JSON (``.json``)."""
    return _answer(request, "members", name, _member)


@get("/models/{name:str}", sync_to_thread=True)
def model(request: Asking, name: FromPath[str]) -> Response[Any]:
    """A model, by ``sha256:`` and the digest of its weights: its page, or its JSON (``.json``)."""
    return _answer(request, "models", name, _model)


@get("/artifacts/{name:str}", sync_to_thread=True)
def artifact(request: Asking, name: FromPath[str]) -> Response[Any]:
    """An artifact, by ``sha256:`` and its digest: its page, or its JSON (``.json``)."""
    return _answer(request, "artifacts", name, _artifact)


ROUTER: Final = Router(path="/", route_handlers=[member, model, artifact])
