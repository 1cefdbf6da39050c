"""The list of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response, get

from ledger.records.lifecycle import State
from schemas.statements import Workload
from web import query
from web.api import BASE, JOB_FILTERS, job_filter
from web.doors import asked
from web.pages.page import Asking, page

ROWS: Final = 50
MOST_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter that is on, and the parameters of the same list without it."""

    name: str
    value: str
    without: Mapping[str, str]


@get("/jobs", sync_to_thread=True)
def list_jobs(request: Asking) -> Response[Any]:
    """Jobs, newest first, by member, workload and state."""
    asking = asked(request.scope)
    query.check_known(asking.params, (*JOB_FILTERS, "cursor", "limit"))
    chosen = job_filter(asking.params)
    limit = query.limit(asking.params, most=MOST_ROWS, default=ROWS)
    below = query.decode_cursor(asking.params)
    filters = {name: asking.params[name] for name in JOB_FILTERS if name in asking.params}
    with asking.view() as view:
        found = view.jobs(chosen, below=below, limit=limit + 1)
        shown = found[:limit]
        older = query.encode_cursor(shown[-1].submitted_index) if len(found) > limit else None
        return page(
            request,
            "jobs.html",
            asking,
            view,
            twin=query.address(f"{BASE}/jobs", filters),
            jobs=shown,
            now=asking.now(view),
            count=view.count_jobs(chosen),
            filters=filters,
            chips=[
                Chip(name, value, {k: v for k, v in filters.items() if k != name})
                for name, value in filters.items()
            ],
            older=older,
            is_first=below is None,
            limit=None if limit == ROWS else limit,
            members=[tally.value for tally in view.overview().members],
            workloads=list(Workload),
            states=[state for state in State if state is not State.SUBMITTED],
        )
