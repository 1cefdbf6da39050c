"""What every page handler does in the end."""

from typing import Any

from litestar import Request, Response

from ledger.reader import View
from web.doors import Asked
from web.templating import HTML, Pages

Asking = Request[Any, Any, Any]


def page(
    request: Asking,
    template: str,
    asking: Asked,
    view: View,
    **context: Any,  # noqa: ANN401 - what the template names
) -> Response[bytes]:
    """The page that ``template`` makes of a view."""
    pages: Pages = request.app.state.pages
    body = pages.page(template, asking, view.state(), names=view.titles(), **context)
    return Response(body, media_type=HTML)
