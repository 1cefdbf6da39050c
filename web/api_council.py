"""``/api/v1/charter`` and ``/api/v1/charters``: the rules in force, and every version of them."""

from typing import Any, Final

from litestar import Response, Router, get

from ledger.reader import View
from schemas.council import CharterNow, CharterShown
from web import council, query
from web.api import BASE, Asking, newest_first, show
from web.doors import asked


@get("/charter", sync_to_thread=True)
def show_charter(request: Asking) -> Response[bytes]:
    """The charter in force, and the version that comes into force next."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        found: CharterNow = council.charter_now(view, now=asking.now(view))
        return show(view, found)


@get("/charters", sync_to_thread=True)
def list_charters(request: Asking) -> Response[bytes]:
    """Every version of the charter, newest first."""

    def read(view: View, below: int | None, limit: int) -> tuple[CharterShown, ...]:
        return council.charters(view, below=below, limit=limit)

    def count(view: View) -> int:
        return len(view.charters())

    return newest_first(request, read, count, lambda each: each.index, row=CharterShown)


HANDLERS: Final[list[Any]] = [show_charter, list_charters]
ROUTER: Final = Router(path=BASE, route_handlers=HANDLERS)
