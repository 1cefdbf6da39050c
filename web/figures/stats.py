"""``/api/v1/stats``: each series as JSON in the usual envelope, and as CSV.

The same rows stand in the table of the page; amounts are exact and in the unit that the column's
name ends in.
"""

from collections.abc import Mapping
from typing import Final

from litestar import Response, Router, get
from litestar.params import FromPath

from ledger.reader import View
from ledger.reader.series import BY_PERIOD, NAMES
from schemas.series import Series
from web import query
from web.api import BASE, PAGING, Asking, show, whole_list
from web.doors import asked
from web.files import csv_text
from web.query import ParameterRefused

CSV: Final = ".csv"
PERIODS: Final = ("month", "week")
FEW_MONTHS: Final = 3
"""A young log is shown by the week where nobody asked for either."""


def period(params: Mapping[str, str], name: str) -> str | None:
    """What ``by`` asks for, None where it is not given. Raises ParameterRefused."""
    text = params.get("by")
    if text is None:
        return None
    if name not in BY_PERIOD:
        raise ParameterRefused(
            f"{name} has no other form; by is for {', '.join(sorted(BY_PERIOD))}", field="by"
        )
    if text not in PERIODS:
        raise ParameterRefused("by is month or week", field="by", allowed=PERIODS)
    return text


def shown_series(view: View, name: str, by: str | None) -> Series:
    """The series as a page shows it: by week where few months are there. Raises NotFound."""
    found = view.statistics(name, by=by or "month")
    if by is None and name in BY_PERIOD and len({row[0] for row in found.rows}) <= FEW_MONTHS:
        return view.statistics(name, by="week")
    return found


@get("/stats", sync_to_thread=True)
def list_series(request: Asking) -> Response[bytes]:
    """The names of all series."""
    asking = asked(request.scope)
    query.check_known(asking.params, PAGING)
    with asking.view() as view:
        return whole_list(asking, view, NAMES)


@get("/stats/{name:str}", sync_to_thread=True)
def show_series(request: Asking, name: FromPath[str]) -> Response[bytes]:
    """One series, ``.csv`` behind its name for a spreadsheet; by month unless asked otherwise."""
    asking = asked(request.scope)
    is_csv = name.endswith(CSV)
    query.check_known(asking.params, ("by", "bom") if is_csv else ("by",))
    bare = name.removesuffix(CSV)
    bom = query.integer(asking.params, "bom", most=1)
    with asking.view() as view:
        found = view.statistics(bare, by=period(asking.params, bare) or "month")
        if not is_csv:
            return show(view, found)
        header = [column.name for column in found.columns]
        file = f"apsci-{bare}-{view.size}.csv"
        return csv_text.respond(header, found.rows, name=file, bom=bool(bom))


ROUTER: Final = Router(path=BASE, route_handlers=[list_series, show_series])
