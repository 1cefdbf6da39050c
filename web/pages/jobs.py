"""The list of jobs, and the one search box, which leads to whatever its words name."""

from typing import Any, Final

from litestar import Response, get
from litestar.response import Redirect

from web import query
from web.api import BASE
from web.doors import Asked, asked
from web.i18n import DEFAULT, language_of
from web.pages.page import Asking, leaf, page
from web.search import narrowing
from web.search.filters import JOB_FILTERS, given_filters, job_filter
from web.search.places import place_of

ROWS: Final = 50
MOST_ROWS: Final = 200


@get("/jobs", sync_to_thread=True)
def list_jobs(request: Asking) -> Response[Any]:
    """Jobs, newest first, by every filter; a search for one thing leads to its page."""
    asking = asked(request.scope)
    query.check_known(asking.params, (*JOB_FILTERS, "cursor", "limit"))
    filters = given_filters(asking.params)
    with asking.view() as view:
        chosen = job_filter(asking.params, view.titles())
        if filters.keys() == {"q"} and (place := place_of(view, filters["q"])):
            return _send_to(asking, place)
        found = leaf(
            asking.params,
            lambda below, limit: view.search(chosen, below=below, limit=limit),
            lambda job: job.submitted_index,
            usual=ROWS,
            most=MOST_ROWS,
        )
        here: dict[str, str | int | None] = {**filters, "at": view.size}
        return page(
            request,
            "jobs.html",
            asking,
            view,
            twin=query.address(f"{BASE}/jobs", filters),
            narrowing=narrowing,
            jobs=found.rows,
            now=asking.now(view),
            count=view.count_jobs(chosen),
            filters=filters,
            chips=narrowing.chips(filters),
            groups=narrowing.groups(view.facets(chosen), filters),
            **found.links,
            permalink=asking.public_url + query.address(asking.path, here),
        )


def _send_to(asking: Asked, place: str) -> Redirect:
    tag = language_of(asking.path) or DEFAULT
    at = asking.size if asking.pinned else None
    # What the words name may change as the log grows: the answer is not to be kept.
    return Redirect(
        query.address(f"/{tag}/{place}", {"at": at}),
        status_code=302,
        headers={"Cache-Control": "no-cache"},
    )
