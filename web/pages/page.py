"""What every page handler does in the end, and what those of lists do before."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from litestar import Request, Response

from ledger.reader import View
from web import query
from web.doors import Asked
from web.templating import HTML, Pages

Asking = Request[Any, Any, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leaf(Generic[T]):
    """The ``rows`` of a list that one page shows, and what leads on from it."""

    rows: Sequence[T]
    older: str | None
    is_first: bool
    limit: int | None

    @property
    def links(self) -> dict[str, Any]:
        """What the template needs for the way on; ``limit`` where it is not the usual one."""
        return {"older": self.older, "is_first": self.is_first, "limit": self.limit}


def leaf(
    params: Mapping[str, str],
    read: Callable[[int | None, int], Sequence[T]],
    place: Callable[[T], int],
    *,
    usual: int,
    most: int,
) -> Leaf[T]:
    """The page of a list that an address asks for.

    ``read`` (below what, how many) returns the newest first, ``place`` is where a row stands: the
    next page begins below the last one's. Raises ParameterRefused.
    """
    limit = query.limit(params, most=most, default=usual)
    below = query.decode_cursor(params)
    found = read(below, limit + 1)
    rows = found[:limit]
    return Leaf(
        rows,
        older=query.encode_cursor(place(rows[-1])) if len(found) > limit else None,
        is_first=below is None,
        limit=None if limit == usual else limit,
    )


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


def receipt_address(asking: Asked, view: View, path: str) -> str:
    """Where a page's receipt is: as of the page's tree, or with cosignatures where there may be."""
    if view.is_witnessed and not asking.pinned:
        return f"{path}?cosigned=1"
    return f"{path}?at={view.size}"
