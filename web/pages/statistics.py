"""The statistics: all figures on one page, and each on its own."""

from typing import Any, Final

from litestar import Response, get
from litestar.params import FromPath

from ledger.reader import View
from ledger.reader.series import BY_PERIOD, NAMES
from schemas.series import Series
from web import query
from web.api import BASE
from web.doors import Asked, asked
from web.figures import TITLES, Figure, embedding, figure_of
from web.figures.embedding import Target
from web.figures.stats import period, shown_series
from web.i18n import current, gettext
from web.pages.page import Asking, page

ROWS: Final = 24
"""Of each table on the page of all figures; the rest is one click away."""
MOST_ROWS: Final = 400


@get("/statistics", sync_to_thread=True)
def show_all(request: Asking) -> Response[Any]:
    """Every figure."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        found = [shown_series(view, name, None) for name in NAMES]
        return _page(request, asking, view, found, twin=f"{BASE}/stats")


@get("/statistics/{name:str}", sync_to_thread=True)
def show_one(request: Asking, name: FromPath[str]) -> Response[Any]:
    """One figure, with its whole table and the code to embed it."""
    asking = asked(request.scope)
    query.check_known(asking.params, ("by",))
    with asking.view() as view:
        found = shown_series(view, name, period(asking.params, name))
        return _page(request, asking, view, [found], twin=f"{BASE}/stats/{name}", one=name)


def _page(
    request: Asking,
    asking: Asked,
    view: View,
    series: list[Series],
    *,
    twin: str,
    one: str | None = None,
) -> Response[Any]:
    def iframe(figure: Figure, *, pinned: bool) -> str:
        """The code that shows a figure elsewhere: live, or as of this very size."""
        at = view.size if pinned else None
        target = Target("series", figure.name, current().tag, at, asking.params.get("by"))
        return embedding.frame(
            target.embed(asking.public_url),
            title=figure.title,
            height=embedding.height_of(figure),
        )

    return page(
        request,
        "statistics.html",
        asking,
        view,
        twin=twin,
        series=series,
        one=one,
        rows=MOST_ROWS if one else ROWS,
        has_periods=one in BY_PERIOD,
        figure_of=figure_of,
        title_of=lambda name: gettext(TITLES[name]),
        iframe=iframe,
    )
