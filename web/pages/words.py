"""Home, and the pages that explain what went wrong."""

from typing import Any

from litestar import Response, get
from litestar.params import FromPath

from ledger.errors import NotFound
from ledger.reader.statistics import MEMBER_SHARE_PERCENT
from ledger.storage.shapes import JobFilter
from web import council, query
from web.api import BASE
from web.doors import asked
from web.figures.bars import Shares
from web.figures.charts import calendar
from web.pages.page import Asking, page
from web.problems import KINDS
from web.telling import rules
from web.telling.formats import today


@get("/", sync_to_thread=True)
def home(request: Asking) -> Response[Any]:
    """The ledger in a few numbers, the newest jobs, the newest openings."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        now = asking.now(view)
        embargo = view.embargo(now=now, limit=5)
        overview = view.overview()
        return page(
            request,
            "home.html",
            asking,
            view,
            twin=f"{BASE}/jobs",
            overview=overview,
            shares=Shares.of(
                {tally.value: tally.gpu_seconds for tally in overview.members},
                whole=overview.gpu_seconds,
                line=MEMBER_SHARE_PERCENT,
            ),
            embargo=embargo,
            chart=calendar(embargo.days, first=today(now)),
            jobs=view.search(JobFilter(), limit=8),
            latest=view.published(limit=8),
            charter=council.charter_now(view, now=now),
            changed=rules.changed,
            now=now,
        )


@get("/docs/problems", sync_to_thread=True)
def list_problems(request: Asking) -> Response[Any]:
    """Every type of problem that an address can answer with."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    with asking.view() as view:
        return page(request, "problems.html", asking, view, kinds=list(KINDS.values()), one=None)


@get("/docs/problems/{slug:str}", sync_to_thread=True)
def show_problem(request: Asking, slug: FromPath[str]) -> Response[Any]:
    """One type of problem."""
    asking = asked(request.scope)
    query.check_known(asking.params, ())
    kind = KINDS.get(slug)
    if kind is None:
        raise NotFound("there is no such type of problem")
    with asking.view() as view:
        return page(request, "problems.html", asking, view, kinds=[kind], one=kind)
