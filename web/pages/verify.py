"""The page that checks a receipt or a record in the reader's own browser. Nothing comes here."""

from typing import Any

from litestar import Response, get

from web import query
from web.doors import asked
from web.pages.page import Asking, page


@get("/verify", sync_to_thread=True)
def show_verify(request: Asking) -> Response[Any]:
    """What is checked, the log's public key, and a form that no server reads."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        return page(request, "verify.html", asking, view, vkey=asking.house.vkey)
